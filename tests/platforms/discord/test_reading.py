from __future__ import annotations

from typing import Any

import msgspec
import pytest

from holdfast.core.incoming import Chose, Deleted, Edited, Place, Wrote
from holdfast.platforms.discord import reading
from holdfast.platforms.discord.reading import Where, custom_id, id_of, split_id, where_of, wrote
from holdfast.platforms.discord.wire import Channel, Interaction, Message, snowflake

US = "42"
DIRECT = Where(Place("5"))
SERVER = Where(Place("6"), "1")
IN_THREAD = Where(Place("6", "66"), "1")
ANN = {"id": "7", "username": "ann", "global_name": "Ann", "discriminator": "0"}
BOB = {"id": "8", "username": "bob", "global_name": None, "discriminator": "1234"}


def message(content: str = "", **more: Any) -> Message:
    body: dict[str, Any] = {"id": "100", "channel_id": "5", "author": ANN, "content": content, **more}
    return msgspec.json.decode(msgspec.json.encode(body), type=Message)


def test_a_message_in_a_direct_chat() -> None:
    found = wrote(message(" Hello "), DIRECT, US)
    assert found is not None
    assert (found.place, found.id, found.author, found.name, found.handles) == (Place("5"), "100", "7", "Ann", ("@ann",))
    assert (found.did, found.group, found.to_us) == (Wrote("Hello"), False, True)


def test_in_a_thread_its_name_says_where_a_reply_goes_and_people_are_called_as_they_are_there() -> None:
    found = wrote(message(f"<@{US}>, hello", author=BOB, member={"nick": "Bobby"}, mentions=[{"id": US}]), IN_THREAD, US)
    assert found is not None
    assert (found.place, found.id, found.name, found.handles) == (Place("6", "66"), "100@66", "Bobby", ())
    assert (found.did, found.group, found.to_us) == (Wrote("hello"), True, True)
    assert split_id(found.id) == ("100", "66")
    assert split_id(id_of("100", Place("6"))) == ("100", "")


@pytest.mark.parametrize(
    ("content", "more", "to_us", "text"),
    [
        ("hello", {}, False, "hello"),
        (f"<@!{US}>: /stop", {"mentions": [{"id": US}]}, True, "/stop"),
        (f"thank you <@{US}>", {"mentions": [{"id": US, "username": "Holdfast"}]}, True, "thank you @Holdfast"),
        ("<@&9> hello <@8> and <@9>", {"mention_roles": ["9"], "mentions": [BOB]}, True, "hello @bob and <@9>"),
        ("<@&10> hello", {"mention_roles": ["10"]}, False, "<@&10> hello"),
        (
            "a reply",
            {"type": 19, "referenced_message": {"id": "99", "channel_id": "6", "author": {"id": US}, "content": "Said"}},
            True,
            "a reply",
        ),
        ("<:wave:123> <a:spin:4>", {}, False, ":wave: :spin:"),
    ],
)
def test_in_a_server_it_is_to_us_if_it_names_us_or_replies_to_us(content: str, more: dict[str, Any], to_us: bool, text: str) -> None:
    found = wrote(message(content, **more), SERVER, US, frozenset({"9"}))
    assert found is not None
    assert isinstance(found.did, Wrote)
    assert (found.to_us, found.did.text) == (to_us, text)


def test_a_reply_brings_along_what_it_replies_to() -> None:
    file = {"id": "1", "filename": "cat.png", "content_type": "image/png", "url": "https://example.org/cat.png"}
    replied = {"id": "99", "channel_id": "6", "author": BOB, "content": "", "attachments": [file]}
    found = wrote(message(f"<@{US}> what is this?", type=19, referenced_message=replied, mentions=[{"id": US}]), SERVER, US)
    assert found is not None
    assert isinstance(found.did, Wrote)
    assert found.did.quote == "bob: cat.png"
    assert [(one.name, one.media_type, one.source) for one in found.did.attachments] == [("cat.png", "image/png", "6/99/1")]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"sticker_items": [{"name": "Wave"}]}, "(a sticker: Wave)"),
        (
            {"poll": {"question": {"text": "Tea?"}, "answers": [{"poll_media": {"text": "Yes"}}, {"poll_media": {"text": "No"}}]}},
            "(a poll: Tea? Yes / No)",
        ),
        ({"message_snapshots": [{"message": {"content": "Said elsewhere"}}]}, "Forwarded:\nSaid elsewhere"),
    ],
)
def test_what_has_no_text_is_told_in_words(more: dict[str, Any], text: str) -> None:
    found = wrote(message(**more), DIRECT, US)
    assert found is not None
    assert isinstance(found.did, Wrote)
    assert found.did.text == text


@pytest.mark.parametrize(
    "more",
    [
        {"author": {"id": "9", "bot": True}, "content": "beep"},
        {"webhook_id": "9", "content": "beep"},
        {"type": 7, "content": "came in"},
        {"content": ""},
        {"content": f"<@{US}>", "mentions": [{"id": US}]},
    ],
)
def test_what_bots_say_what_happened_and_nothing_at_all_is_ignored(more: dict[str, Any]) -> None:
    assert wrote(message(**more), SERVER, US) is None


def test_an_edit_has_the_time_at_which_it_was_made_for_its_version() -> None:
    found = reading.edited(message("hello!", edited_timestamp="2026-11-01T10:00:00.5+00:00"), IN_THREAD, US)
    assert found is not None
    assert (found.id, found.did) == ("100@66", Edited("hello!", "2026-11-01T10:00:00.5+00:00"))
    assert reading.edited(message("hello!"), IN_THREAD, US) is None
    gone = reading.deleted("100", "7", IN_THREAD)
    assert (gone.id, gone.author, gone.did) == ("100@66", "7", Deleted())


def interaction(**said: Any) -> Interaction:
    return msgspec.json.decode(msgspec.json.encode({"id": "200", "token": "t", "channel_id": "5", **said}), type=Interaction)


def test_a_press_and_a_command() -> None:
    pressed = reading.interacted(interaction(type=3, user=ANN, data={"custom_id": "41:go on: now"}), DIRECT)
    assert pressed is not None
    assert (pressed.id, pressed.author, pressed.did, pressed.group) == ("200", "7", Chose(41, "go on: now"), False)
    given = reading.interacted(
        interaction(type=2, member={"user": BOB, "nick": None}, data={"name": "title", "options": [{"value": "a b"}]}), IN_THREAD
    )
    assert given is not None
    assert (given.place, given.author, given.name, given.did, given.group) == (Place("6", "66"), "8", "bob", Wrote("/title a b"), True)
    assert reading.interacted(interaction(type=3, user=ANN, data={"custom_id": "of another"}), DIRECT) is None
    assert reading.interacted(interaction(type=4, user=ANN), DIRECT) is None
    assert reading.interacted(interaction(type=2), DIRECT) is None


def test_a_button_carries_no_more_than_discord_takes() -> None:
    assert custom_id(41, "deny") == "41:deny"
    assert custom_id(41, "o" * 97) == "41:" + "o" * 97
    assert custom_id(41, "o" * 98) == custom_id(41, "😀" * 49) == ""


def test_a_thread_is_one_of_the_channel_above_it() -> None:
    assert where_of(Channel("66", 11, "1", "6")) == IN_THREAD
    assert where_of(Channel("6", 0, "", "3"), "1") == SERVER  # 3 is what it is filed under
    assert where_of(Channel("5", 1)) == DIRECT


def test_an_instant_has_a_smallest_snowflake() -> None:
    assert snowflake(0) == 0
    assert snowflake(1_420_070_400.001) == 1 << 22
