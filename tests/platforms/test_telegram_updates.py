"""LEDGER H-04, I 28: each message of a person's is one event with the message's own name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.core.incoming import Chose, Edited, Incoming, Moved, Place, Unread, Wrote, dedupe
from holdfast.platforms.telegram.updates import DATA_BYTES_MAX, Us, callback_data, in_reply_to, read
from holdfast.testing.telegram_world import ANONYMOUS, entities_in

US = Us(4242, "holdfast_bot")
ADA = {"id": 7, "is_bot": False, "first_name": "Ada", "last_name": "L", "username": "ada"}
BOT = {"id": 4242, "is_bot": True, "first_name": "Holdfast", "username": "holdfast_bot"}
PRIVATE = {"id": 7, "type": "private"}
GROUP = {"id": -100, "type": "supergroup", "title": "Friends"}


def message(text: str = "", **more: Any) -> dict[str, Any]:
    said = {"text": text, "entities": entities_in(text)} if text else {}
    return {"message_id": 5, "date": 1, "chat": PRIVATE, "from": ADA, **said, **more}


def told(body: dict[str, Any], kind: str = "message") -> Incoming | Moved | Unread | None:
    return read(json.dumps({"update_id": 1, kind: body}).encode(), US)


def incoming(body: dict[str, Any], kind: str = "message") -> Incoming:
    found = told(body, kind)
    assert isinstance(found, Incoming)
    return found


def wrote(body: dict[str, Any]) -> Wrote:
    did = incoming(body).did
    assert isinstance(did, Wrote)
    return did


def test_a_message_says_who_wrote_what_where() -> None:
    assert incoming(message("Hello")) == Incoming(
        place=Place("7"), id="5", author="7", did=Wrote("Hello"), name="Ada L", handles=("@ada",), group=False, to_us=True
    )


@pytest.mark.parametrize(
    ("text", "to_us", "shown"),
    [
        ("Hello all", False, "Hello all"),
        ("@holdfast_bot hello", True, "hello"),
        ("@Holdfast_Bot, what is 😀?", True, "what is 😀?"),
        ("😀 what do you say, @holdfast_bot?", True, "😀 what do you say, @holdfast_bot?"),
        ("@other hello", False, "@other hello"),
        ("/status", True, "/status"),
        ("/status@holdfast_bot now", True, "/status now"),
        ("/status@other_bot", False, "/status@other_bot"),
        ("@holdfast_bot /stop", True, "/stop"),
        ("look at /etc", False, "look at /etc"),
        ("mail me@holdfast_bot.org", False, "mail me@holdfast_bot.org"),
    ],
)
def test_in_a_group_it_is_to_us_if_it_names_us(text: str, to_us: bool, shown: str) -> None:
    found = incoming(message(text, chat=GROUP))
    assert (found.to_us, found.group, found.did) == (to_us, True, Wrote(shown))


def test_a_mention_by_name_alone_is_to_us() -> None:
    entity = {"type": "text_mention", "offset": 0, "length": 4, "user": BOT}
    found = incoming(message("Hold what?", chat=GROUP, entities=[entity]))
    assert (found.to_us, found.did) == (True, Wrote("what?"))


def test_a_reply_to_us_is_to_us_and_quotes() -> None:
    found = incoming(message("why?", chat=GROUP, reply_to_message=message("Because.", chat=GROUP) | {"from": BOT}))
    assert (found.to_us, found.did) == (True, Wrote("why?", quote="Holdfast: Because."))


def test_a_reply_to_somebody_else_quotes_them_and_brings_their_files() -> None:
    bob = {"id": 8, "is_bot": False, "first_name": "Bob"}
    theirs = message(chat=GROUP, message_id=4, caption="My cat", photo=[{"file_id": "f", "width": 9}]) | {"from": bob}
    found = incoming(message("@holdfast_bot what is it?", chat=GROUP, reply_to_message=theirs))
    assert isinstance(found.did, Wrote)
    assert (found.to_us, found.did.text, found.did.quote) == (True, "what is it?", "Bob: My cat")
    assert [attachment.source for attachment in found.did.attachments] == ["f"]


def test_only_the_quoted_piece_is_quoted() -> None:
    assert wrote(message("this?", reply_to_message=message("a long text"), quote={"text": "long"})).quote == "Ada L: long"


def test_a_topic_is_a_thread_and_its_beginning_no_reply() -> None:
    opened = {"message_id": 3, "date": 1, "chat": GROUP, "from": BOT, "forum_topic_created": {"name": "Plans"}}
    found = incoming(message("hello", chat=GROUP, message_thread_id=3, is_topic_message=True, reply_to_message=opened))
    assert (found.place, found.id, found.to_us, found.did) == (Place("-100", "3"), "5@3", False, Wrote("hello"))
    assert in_reply_to(found.id) == (5, 3)


def test_a_chain_of_replies_is_no_thread() -> None:
    assert incoming(message("hello", chat=GROUP, message_thread_id=3)).place == Place("-100")


def test_a_group_or_channel_that_speaks_is_itself_and_no_stand_in() -> None:
    found = incoming(message("@holdfast_bot hi", chat=GROUP, sender_chat=GROUP) | {"from": ANONYMOUS})
    assert (found.author, found.name) == ("-100", "Friends")


@pytest.mark.parametrize(
    "body",
    [
        message("hi", **{"from": {"id": 9, "is_bot": True, "first_name": "Other bot"}}),
        message("hi", chat={"id": -5, "type": "channel", "title": "News"}),
        message(new_chat_members=[BOT]),
        message(pinned_message=message("old")),
    ],
)
def test_bots_channels_and_what_happens_to_the_chat_are_nothing_to_us(body: dict[str, Any]) -> None:
    assert told(body) is None


@pytest.mark.parametrize("kind", ["my_chat_member", "channel_post", "message_reaction", "something_new"])
def test_kinds_that_we_did_not_ask_for_are_skipped(kind: str) -> None:
    assert told({"whatever": 1}, kind) is None


@pytest.mark.parametrize(
    ("more", "name", "media_type"),
    [
        ({"photo": [{"file_id": "s", "width": 90}, {"file_id": "f", "width": 800}]}, "photo.jpg", "image/jpeg"),
        ({"document": {"file_id": "f", "file_name": "a.pdf", "mime_type": "application/pdf"}}, "a.pdf", "application/pdf"),
        ({"voice": {"file_id": "f", "mime_type": "audio/ogg"}}, "voice.ogg", "audio/ogg"),
        ({"video": {"file_id": "f", "width": 3}}, "video.mp4", "video/mp4"),
        ({"audio": {"file_id": "f", "file_name": "song.mp3"}}, "song.mp3", "audio/mpeg"),
        ({"animation": {"file_id": "f"}, "document": {"file_id": "f"}}, "animation.mp4", "video/mp4"),
        ({"video_note": {"file_id": "f"}}, "video-note.mp4", "video/mp4"),
        ({"sticker": {"file_id": "f", "emoji": "😀"}}, "sticker.webp", "image/webp"),
        ({"sticker": {"file_id": "f", "is_video": True}}, "sticker.webm", "video/webm"),
        ({"sticker": {"file_id": "f", "is_animated": True}}, "sticker.tgs", "application/gzip"),
    ],
)
def test_a_file_is_named_typed_and_fetched_by_its_id(more: dict[str, Any], name: str, media_type: str) -> None:
    (attachment,) = wrote(message(caption="Look", **more)).attachments
    assert (attachment.id, attachment.name, attachment.media_type, attachment.source) == ("7/5/0", name, media_type, "f")
    assert wrote(message(caption="Look", **more)).text == "Look"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"location": {"latitude": 52.5, "longitude": 13.4}}, "(a place: 52.5, 13.4)"),
        (
            {
                "location": {"latitude": 1, "longitude": 2},
                "venue": {"location": {"latitude": 1, "longitude": 2}, "title": "Café", "address": "Street 1"},
            },
            "(a place: Café, Street 1, at 1.0, 2.0)",
        ),
        ({"contact": {"phone_number": "+49", "first_name": "Bob"}}, "(a contact: Bob, +49)"),
        ({"poll": {"question": "Tea?", "options": [{"text": "yes"}, {"text": "no"}]}}, "(a poll: Tea? yes / no)"),
        ({"dice": {"emoji": "🎲", "value": 4}}, "(thrown: 🎲 4)"),
        ({"sticker": {"file_id": "f", "emoji": "😀"}}, "(a sticker: 😀)"),
    ],
)
def test_what_is_no_text_is_told_in_words(more: dict[str, Any], text: str) -> None:
    assert wrote(message(**more)).text == text


def test_addresses_behind_words_are_shown() -> None:
    entities = [{"type": "text_link", "offset": 3, "length": 4, "url": "https://e.org/x"}, {"type": "bold", "offset": 8, "length": 3}]
    assert wrote(message("😀 look now", entities=entities)).text == "😀 look (https://e.org/x) now"


def test_what_was_forwarded_says_so_and_is_no_command() -> None:
    origin = {"type": "user", "sender_user": {"id": 9, "first_name": "Bob"}}
    assert wrote(message("/stop", forward_origin=origin)).text == "Forwarded from Bob:\n/stop"


def test_start_asks_for_help() -> None:
    assert wrote(message("/start")).text == "/help"
    assert wrote(message("/start abc")).text == "/help"
    assert wrote(message("/starting")).text == "/starting"


def test_an_edit_is_an_edit_of_its_message() -> None:
    found = incoming(message("hello", edit_date=77, chat=GROUP), "edited_message")
    assert (found.id, found.did, found.to_us) == ("5", Edited("hello", "77"), True)


def test_a_place_that_moves_is_no_edit() -> None:
    assert told(message(location={"latitude": 1, "longitude": 2}, edit_date=77), "edited_message") is None


def press(data: str, **more: Any) -> dict[str, Any]:
    shown = message("May I?", chat=GROUP) | {"from": BOT}
    return {"id": "990", "from": ADA, "message": shown | more, "data": data}


@pytest.mark.parametrize(
    "option", ["once", "with: colon", "a very long option that tells in many words what would come of it, more than fits"]
)
def test_a_press_is_a_choice_however_long_the_option(option: str) -> None:
    data = callback_data(41, 1, option)
    assert len(data.encode()) <= DATA_BYTES_MAX
    keyboard = {"inline_keyboard": [[{"text": "no", "callback_data": "41:no"}], [{"text": option, "callback_data": data}]]}
    found = incoming(press(data, reply_markup=keyboard), "callback_query")
    assert (found.id, found.did, found.author, found.place) == ("990", Chose(41, option), "7", Place("-100"))


def test_a_press_on_a_message_too_old_to_be_shown_is_still_a_choice() -> None:
    body = {"id": "990", "from": ADA, "message": {"chat": GROUP, "message_id": 5, "date": 0}, "data": "41:once"}
    assert incoming(body, "callback_query").did == Chose(41, "once")


@pytest.mark.parametrize("data", ["menu/next", "", "41", "x:y"])
def test_buttons_of_others_are_nothing_to_us(data: str) -> None:
    assert told(press(data), "callback_query") is None


def test_a_group_that_moves_is_told_by_both_sides() -> None:
    assert told(message(chat=GROUP, migrate_to_chat_id=-200)) == Moved("-100", "-200")
    assert told(message(chat=GROUP | {"id": -200}, migrate_from_chat_id=-100)) == Moved("-100", "-200")


@pytest.mark.parametrize("raw", [b'{"update_id": 1, "message": {"message_id": "x"}}', b'{"update_id": 1, "message": 5}', b"[]"])
def test_what_cannot_be_read_is_kept_as_it_came(raw: bytes) -> None:
    found = read(raw, US)
    assert isinstance(found, Unread)
    assert found.raw == raw.decode()
    assert "unexpected" in found.why


def test_events_are_named_by_their_message_never_by_the_update() -> None:
    first, again = (read(json.dumps({"update_id": number, "message": message("hi")}).encode(), US) for number in (900, 3))
    assert isinstance(first, Incoming)
    assert isinstance(again, Incoming)
    assert dedupe("telegram:x", first) == dedupe("telegram:x", again) == "telegram:x 7 5 message"
