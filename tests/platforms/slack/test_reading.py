from __future__ import annotations

from typing import Any

import msgspec
import pytest

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Chose, Deleted, Edited, Incoming, Moved, Place, Wrote
from holdfast.platforms.slack import wire
from holdfast.platforms.slack.reading import (
    Known,
    Parent,
    Us,
    answers_go_to,
    happened,
    parent_of,
    people_in,
    plain,
    pressed,
    slashed,
    ts_of,
    value_of,
)

US = Us("T1", "UBOT", "holdfast")
KNOWN = Known({"UANN": "Ann", "UBOB": "Bob"})
TS, LATER = "1700000000.000100", "1700000001.000200"


def event(known: Known = KNOWN, /, **fields: Any) -> Incoming | Moved | None:
    said = {"type": "message", "channel": "DANN", "user": "UANN", "ts": TS, "text": "", **fields}
    return happened(msgspec.convert(said, wire.Event), US, known)


def wrote(known: Known = KNOWN, /, **fields: Any) -> Wrote:
    incoming = event(known, **fields)
    assert isinstance(incoming, Incoming)
    assert isinstance(incoming.did, Wrote)
    return incoming.did


def test_a_direct_message_is_to_us() -> None:
    assert event(text="Hello") == Incoming(place=Place("DANN"), id=TS, author="UANN", did=Wrote("Hello"), name="Ann")


def test_a_thread_of_a_direct_chat_is_a_place_of_its_own() -> None:
    incoming = event(text="Hello", thread_ts=LATER)
    assert isinstance(incoming, Incoming)
    assert (incoming.place, incoming.id) == (Place("DANN", LATER), f"{TS}@{LATER}")


def test_in_a_group_a_message_begins_a_thread_and_is_answered_there() -> None:
    incoming = event(text="<@UBOT> hello", channel="C1")
    assert isinstance(incoming, Incoming)
    assert (incoming.place, incoming.group, incoming.to_us, incoming.did) == (Place("C1", TS), True, True, Wrote("hello"))
    assert answers_go_to(incoming.id) == TS
    below = event(text="<@UBOT> hello", channel="C1", thread_ts=LATER)
    assert isinstance(below, Incoming)
    assert (below.place, answers_go_to(below.id), ts_of(below.id)) == (Place("C1", LATER), LATER, TS)


@pytest.mark.parametrize(
    ("fields", "parent", "to_us"),
    [
        ({"text": "for nobody"}, Parent(), False),
        ({"text": "what does <@UBOT|holdfast> think?"}, Parent(), True),
        ({"text": "<@UBOTTER> hello"}, Parent(), False),
        ({"text": "below", "thread_ts": LATER}, Parent(), False),
        ({"text": "below a talk with us", "thread_ts": LATER}, Parent(to_us=True), True),
        ({"text": "what a thread hangs below", "thread_ts": TS}, Parent(), False),
    ],
)
def test_in_a_group_mentions_are_to_us_and_what_is_said_below_what_was(fields: dict[str, str], parent: Parent, to_us: bool) -> None:
    incoming = event(Known(KNOWN.names, parent), channel="C1", **fields)
    assert isinstance(incoming, Incoming)
    assert incoming.to_us is to_us


def test_a_mention_in_somebody_elses_thread_brings_along_what_it_is_about() -> None:
    """“@holdfast what is this?” below a picture."""
    picture = {"id": "F1", "name": "p.png", "mimetype": "image/png"}
    above = msgspec.convert({"ts": LATER, "user": "UBOB", "text": "Look &lt;here&gt;", "files": [picture]}, wire.Message)
    did = wrote(Known(KNOWN.names, parent_of(above, "C1", US, KNOWN.names)), channel="C1", text="<@UBOT>: what is this?", thread_ts=LATER)
    assert did.quote == "Bob: Look <here>"
    assert did.attachments == (Attachment(id=f"C1/{LATER}/F1", name="p.png", media_type="image/png", source="F1"),)
    ours = msgspec.convert({"ts": LATER, "user": "UBOT", "text": "An answer"}, wire.Message)
    assert wrote(Known(KNOWN.names, parent_of(ours, "C1", US, KNOWN.names)), channel="C1", text="and?", thread_ts=LATER).quote == ""


def test_bots_do_not_talk_to_bots() -> None:
    for fields in ({"bot_id": "B1"}, {"user": "UBOT"}, {"user": ""}, {"subtype": "bot_message"}, {"subtype": "channel_join"}):
        assert event(**{"text": "Hello", **fields}) is None


def test_what_says_nothing_is_nothing() -> None:
    assert event(text="") is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("<@UBOB> and <@UXX> and <@UYY|yan>", "@Bob and @UXX and @yan"),
        ("<#C1|general> <#C2>", "#general #C2"),
        ("<!here> <!channel|channel> <!subteam^S1|@team> <!date^1392734382^{date}|Feb 18>", "@here channel @team Feb 18"),
        (
            "<https://a.example/> <https://a.example|a.example> <https://a.example|this>",
            "https://a.example/ https://a.example this (https://a.example)",
        ),
        ("<mailto:ann@a.example|ann@a.example>", "ann@a.example"),
    ],
)
def test_what_is_marked_is_read_as_people_see_it(raw: str, text: str) -> None:
    assert plain(raw, KNOWN.names) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("!status", "/status"),
        ("!Title A name", "/Title A name"),
        ("<@UBOT> !stop", "/stop"),
        ("<@UBOT> /stop", "/stop"),
        ("!important", "!important"),
        ("!", "!"),
        ("stop!", "stop!"),
        ("<@UBOT|holdfast>, hello <@UBOT>", "hello @holdfast"),
    ],
)
def test_an_exclamation_mark_gives_a_command(raw: str, text: str) -> None:
    assert wrote(text=raw).text == text


def test_files_are_known_by_their_ids() -> None:
    did = wrote(subtype="file_share", files=[{"id": "F1"}, {"id": "F2", "mode": "tombstone"}])
    assert did.attachments == (Attachment(id=f"DANN/{TS}/F1", name="file", source="F1"),)


def test_a_message_that_is_shared_is_quoted() -> None:
    shared = {"is_share": True, "author_name": "Bob", "text": "It &gt; that", "files": [{"id": "F3"}]}
    did = wrote(text="What do you say?", attachments=[shared, {"text": "what a link shows"}])
    assert (did.quote, [one.source for one in did.attachments]) == ("Bob: It > that", ["F3"])


def test_an_edit_says_which_message_it_changes() -> None:
    was = {"user": "UANN", "ts": TS, "text": "helo"}
    now = was | {"text": "hello", "edited": {"user": "UANN", "ts": LATER}}
    changed = event(subtype="message_changed", ts=LATER, user="", message=now, previous_message=was)
    assert isinstance(changed, Incoming)
    assert (changed.id, changed.author, changed.did) == (TS, "UANN", Edited("hello", LATER))
    assert (
        event(subtype="message_changed", ts=LATER, user="", message=now | {"attachments": [{}]}, previous_message=now) is None
    )  # a link's picture came


def test_a_deletion_says_which_message_is_gone() -> None:
    was = {"user": "UANN", "ts": TS, "text": "oh", "thread_ts": LATER}
    gone = event(subtype="message_deleted", channel="C1", ts=LATER, user="", deleted_ts=TS, previous_message=was)
    assert isinstance(gone, Incoming)
    assert (gone.place, gone.id, gone.did) == (Place("C1", LATER), f"{TS}@{LATER}", Deleted())
    stone = was | {"user": "USLACKBOT", "subtype": "tombstone"}
    below = event(subtype="message_changed", channel="C1", ts=LATER, user="", message=stone, previous_message=was)
    assert isinstance(below, Incoming)
    assert (below.author, below.did) == ("UANN", Deleted())


def test_a_chat_that_has_another_id_has_moved() -> None:
    assert event(type="channel_id_changed", old_channel_id="C1", new_channel_id="C2", channel="") == Moved("C1", "C2")


def test_a_press_is_a_choice_in_the_thread_of_its_question() -> None:
    said = {
        "user": {"id": "UANN", "name": "ann"},
        "channel": {"id": "C1"},
        "actions": [{"action_ts": LATER, "value": value_of(41, "go: on")}],
    }
    incoming = pressed(msgspec.convert(said | {"container": {"message_ts": TS}}, wire.Pressed))
    assert incoming is not None
    assert (incoming.place, incoming.did, incoming.author) == (Place("C1", TS), Chose(41, "go: on"), "UANN")
    assert answers_go_to(incoming.id) == TS
    below = pressed(msgspec.convert(said | {"container": {"message_ts": TS, "thread_ts": "1.1"}}, wire.Pressed))
    assert below is not None
    assert below.place == Place("C1", "1.1")
    others = said | {"actions": [{"action_ts": LATER, "value": "like"}]}
    assert pressed(msgspec.convert(others, wire.Pressed)) is None


@pytest.mark.parametrize(
    ("text", "means"),
    [("status", "/status"), ("", "/help"), ("  approve 41 always ", "/approve 41 always"), ("what time is it?", "what time is it?")],
)
def test_the_slash_command_gives_commands_and_asks(text: str, means: str) -> None:
    incoming = slashed(wire.Slashed(channel_id="C1", user_id="UANN", trigger_id="1.2.abc", text=text))
    assert (incoming.did, incoming.place, incoming.to_us) == (Wrote(means), Place("C1"), True)
    assert answers_go_to(incoming.id) == ""


def test_everybody_who_is_named_is_known() -> None:
    message = wire.Message(user="UANN", text="<@UBOB> <@UBOT|x> <#C1>")
    assert people_in(message) == {"UANN", "UBOB", "UBOT"}
