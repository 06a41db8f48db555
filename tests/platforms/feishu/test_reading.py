"""LEDGER I 28: each message of a person's is one event with the message's own name, whether it was brought or read in the history."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from holdfast.core.incoming import Edited, Incoming, Place, Wrote, dedupe
from holdfast.platforms.feishu.reading import Told, Us, edited, of_event, of_item, wrote
from holdfast.platforms.feishu.wire import Item, Received

US = Us("ou_bot", "cli_app", "Holdfast")
ANN = {"sender_id": {"open_id": "ou_ann", "union_id": "on_ann", "user_id": None}, "sender_type": "user"}
BOT_MENTION = {"key": "@_user_1", "id": {"open_id": "ou_bot", "union_id": "on_bot"}, "name": "Holdfast"}
BOB_MENTION = {"key": "@_user_12", "id": {"open_id": "ou_bob"}, "name": "Bob"}


def told(content: Any = None, kind: str = "text", sender: Any = None, **more: Any) -> Told:
    said = json.dumps({"text": content} if isinstance(content, str) else content)
    message = {
        "message_id": "om_5",
        "chat_id": "oc_1",
        "chat_type": "p2p",
        "message_type": kind,
        "content": said,
        "create_time": "1700000000123",
    }
    return of_event(msgspec.convert({"sender": sender or ANN, "message": message | more}, Received), US)


def incoming(content: Any = None, kind: str = "text", **more: Any) -> Incoming:
    found = wrote(told(content, kind, **more), US)
    assert found is not None
    return found


def said(content: Any, kind: str = "text", **more: Any) -> Wrote:
    did = incoming(content, kind, **more).did
    assert isinstance(did, Wrote)
    return did


def test_a_message_says_who_wrote_what_where() -> None:
    found = wrote(told("Hello"), US, name="Ann")
    assert found == Incoming(place=Place("oc_1"), id="om_5", author="ou_ann", did=Wrote("Hello"), name="Ann", handles=("on_ann",))
    assert told("Hello").at_ms == 1700000000123


@pytest.mark.parametrize(
    ("text", "mentions", "to_us", "shown"),
    [
        ("Hello all", (), False, "Hello all"),
        ("@_user_1 hello", (BOT_MENTION,), True, "hello"),
        ("@_user_1, what is 😀?", (BOT_MENTION,), True, "what is 😀?"),
        ("@_user_1 /stop", (BOT_MENTION,), True, "/stop"),
        ("what do you say, @_user_1?", (BOT_MENTION,), True, "what do you say, @Holdfast?"),
        ("@_user_1 tell @_user_12", (BOT_MENTION, BOB_MENTION), True, "tell @Bob"),
        ("@_user_12 hello", (BOB_MENTION,), False, "@Bob hello"),
        ("@_all hello", (), False, "@all hello"),
    ],
)
def test_in_a_group_it_is_to_us_if_it_names_us(text: str, mentions: Any, to_us: bool, shown: str) -> None:
    found = incoming(text, chat_type="group", mentions=mentions)
    assert (found.to_us, found.group, found.did) == (to_us, True, Wrote(shown))


def test_a_reply_to_us_is_to_us_and_quotes() -> None:
    ours = Told(
        "om_4", "oc_1", True, "interactive", {"body": {"elements": [{"tag": "markdown", "content": "Because."}]}}, "cli_app", False, True
    )
    found = wrote(told("why?", chat_type="group", parent_id="om_4", root_id="om_4"), US, "Ann", ours)
    assert found is not None
    assert (found.to_us, found.did, found.place) == (True, Wrote("why?", quote="Holdfast: Because."), Place("oc_1"))


def test_a_reply_to_somebody_else_quotes_them_and_brings_their_files() -> None:
    theirs = Told("om_4", "oc_1", True, "image", {"image_key": "img_1"}, "ou_bob", True, name="Bob")
    found = wrote(told("@_user_1 what is it?", chat_type="group", mentions=[BOT_MENTION], parent_id="om_4"), US, "Ann", theirs)
    assert found is not None
    assert isinstance(found.did, Wrote)
    assert (found.did.text, found.did.quote) == ("what is it?", "Bob: picture.jpg")
    assert [attachment.source for attachment in found.did.attachments] == ["om_4 img_1 image"]


def test_a_thread_is_named_by_the_message_that_began_it_and_its_beginning_is_no_reply() -> None:
    begins = told("Plans", chat_type="group", thread_id="omt_1")
    assert begins.place == Place("oc_1", "om_5")
    follows = told("and?", chat_type="group", thread_id="omt_1", root_id="om_1", parent_id="om_1")
    assert follows.place == Place("oc_1", "om_1")
    root = Told("om_1", "oc_1", True, "text", {"text": "Plans"}, "cli_app", False, True)
    found = wrote(follows, US, "", root)
    assert found is not None
    assert (found.did, found.to_us) == (Wrote("and?"), True)


def test_a_chain_of_replies_is_no_thread() -> None:
    assert told("hello", root_id="om_1", parent_id="om_2").place == Place("oc_1")


@pytest.mark.parametrize("kind", ["bot", "app", None])
def test_what_bots_write_is_nothing_to_us(kind: str | None) -> None:
    assert wrote(told("hi", sender=ANN | {"sender_type": kind}), US) is None


@pytest.mark.parametrize(
    ("kind", "content", "name", "media_type", "source"),
    [
        ("image", {"image_key": "img_1"}, "picture.jpg", "image/jpeg", "om_5 img_1 image"),
        ("file", {"file_key": "f_1", "file_name": "a.pdf"}, "a.pdf", "", "om_5 f_1 file"),
        ("audio", {"file_key": "f_1", "duration": 2000}, "audio.opus", "audio/ogg", "om_5 f_1 file"),
        ("media", {"file_key": "f_1", "image_key": "img_1", "file_name": "v.mp4"}, "v.mp4", "", "om_5 f_1 file"),
        ("post", {"title": "", "content": [[{"tag": "img", "image_key": "img_1"}]]}, "picture.jpg", "image/jpeg", "om_5 img_1 image"),
    ],
)
def test_a_file_is_named_typed_and_fetched_by_its_key(kind: str, content: Any, name: str, media_type: str, source: str) -> None:
    (attachment,) = said(content, kind).attachments
    assert (attachment.id, attachment.name, attachment.media_type, attachment.source) == ("om_5/0", name, media_type, source)


def test_rich_text_is_read_as_markdown() -> None:
    paragraphs = [
        [{"tag": "at", "user_id": "@_user_1", "user_name": "Holdfast"}, {"tag": "text", "text": " look ", "style": []}],
        [{"tag": "text", "text": "bold", "style": ["bold"]}, {"tag": "a", "text": "here", "href": "https://e.org"}],
        [{"tag": "code_block", "language": "PYTHON", "text": "x = 1"}],
        [{"tag": "at", "user_id": "@_user_12"}, {"tag": "emotion", "emoji_type": "SMILE"}],
    ]
    found = incoming({"title": "Plan", "content": paragraphs}, "post", chat_type="group", mentions=[BOT_MENTION, BOB_MENTION])
    assert isinstance(found.did, Wrote)
    assert found.to_us
    assert found.did.text == "Plan\n\n@Holdfast look \n**bold**here (https://e.org)\n\n```python\nx = 1\n```\n\n@Bob:SMILE:"
    local = {"zh_cn": {"title": "", "content": [[{"tag": "text", "text": "hello"}]]}}
    assert said(local, "post").text == "hello"


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("location", {"name": "Café", "longitude": "13.4", "latitude": "52.5"}, "(a place: Café, at 52.5, 13.4)"),
        ("share_chat", {"chat_id": "oc_9"}, "(a group: oc_9)"),
        ("share_user", {"user_id": "ou_9"}, "(a contact: ou_9)"),
        ("sticker", {"file_key": "f"}, "(a sticker)"),
        ("vote", {"topic": "Tea?", "options": ["yes", "no"]}, "(a vote: Tea? yes / no)"),
        ("hongbao", {}, "(a message of the kind hongbao, which can't be read)"),
        ("interactive", {"title": "Alert", "elements": [[{"tag": "text", "text": "Disk full"}]]}, "Disk full"),
    ],
)
def test_what_is_no_text_is_told_in_words(kind: str, content: Any, text: str) -> None:
    assert said(content, kind).text == text


def test_what_was_forwarded_together_is_read_out() -> None:
    parts = (
        Told("om_1", "oc_9", False, "text", {"text": "Lunch?"}, "ou_bob", True, name="Bob"),
        Told("om_2", "oc_9", False, "image", {"image_key": "img_1"}, "ou_eve", True),
    )
    found = wrote(told({"content": "Merged and Forwarded Message"}, "merge_forward"), US, "Ann", None, parts)
    assert found is not None
    assert isinstance(found.did, Wrote)
    assert found.did.text == "Forwarded:\nBob: Lunch?\nou_eve: picture.jpg"
    assert [attachment.source for attachment in found.did.attachments] == ["om_5 img_1 image"]


@pytest.mark.parametrize(
    ("content", "kind"), [({"template": "{from_user} joined"}, "system"), ("", "text"), ([1], "image"), (None, "post")]
)
def test_what_says_nothing_is_nothing(content: Any, kind: str) -> None:
    assert wrote(told(content, kind), US) is None


def item(**more: Any) -> Item:
    sender = {"id": "ou_ann", "id_type": "open_id", "sender_type": "user", "sender_name": "Ann"}
    body = {"content": json.dumps({"text": "@_user_1 hello"})}
    mentions = [{"key": "@_user_1", "id": "ou_bot", "id_type": "open_id", "name": "Holdfast"}]
    said = {"message_id": "om_5", "chat_id": "oc_1", "msg_type": "text", "create_time": "1700000000123", "update_time": "1700000000999"}
    return msgspec.convert(said | {"sender": sender, "body": body, "mentions": mentions} | more, Item)


def test_the_history_tells_the_same_as_the_event() -> None:
    brought = wrote(told("@_user_1 hello", chat_type="group", mentions=[BOT_MENTION]), US, "Ann")
    read = wrote(of_item(item(), "oc_1", US, group=True), US)
    assert brought is not None
    assert read is not None
    assert (read.place, read.id, read.author, read.did, read.name) == (brought.place, brought.id, brought.author, brought.did, brought.name)
    assert (read.to_us, read.group) == (brought.to_us, brought.group)
    assert dedupe("feishu:x", read) == dedupe("feishu:x", brought) == "feishu:x oc_1 om_5 message"


def test_what_we_said_is_known_by_the_app() -> None:
    ours = of_item(item(sender={"id": "cli_app", "id_type": "app_id", "sender_type": "app"}), "oc_1", US, group=True)
    assert ours.ours
    assert wrote(ours, US) is None


def test_an_edit_is_the_message_as_it_reads_now() -> None:
    found = edited(of_item(item(), "oc_1", US, group=True), US)
    assert found is not None
    assert (found.id, found.did) == ("om_5", Edited("hello", "1700000000999"))
