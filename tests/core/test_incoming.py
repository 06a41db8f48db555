"""What comes in from a chat, and what it becomes."""

from __future__ import annotations

import itertools

import pytest

from holdfast.core.entries import Attachment, Choice, Command, Correction, UserMessage
from holdfast.core.incoming import (
    NAME_CHARS_MAX,
    QUOTE_CHARS_MAX,
    Chose,
    Deleted,
    Edited,
    Grouping,
    Incoming,
    Place,
    Wrote,
    body_of,
    dedupe,
    place_of,
    shown_name,
)

FILE = Attachment(id="f", name="f.txt", media_type="text/plain")


def incoming(did: Wrote | Edited | Deleted | Chose | None = None, chat: str = "-100", **more: object) -> Incoming:
    return Incoming(place=Place(chat, "9"), id="m1", author="7", did=did or Wrote("hello"), **{"group": True, **more})  # type: ignore[arg-type] # as there


PLACES = [
    Place("c"),
    Place("c", "t"),
    Place("c", "", "p"),
    Place("c", "t", "p"),
    Place("!a:b.org", "$e", "@p:b.org"),
    Place("5"),
    Place("5", "5"),
]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_found_again_by_its_address(place: Place) -> None:
    assert Place.of(place.address) == place


def test_different_places_have_different_conversations() -> None:
    places = {Place(*parts) for parts in itertools.product(("5", "6"), ("", "5", "6"), ("", "5", "6"))}
    assert len({place.conversation("telegram:bot") for place in places}) == len(places)
    assert len({place.address for place in places}) == len(places)
    assert Place("5").conversation("telegram:bot") == "telegram:bot:5"
    assert Place("5", "8").conversation("telegram:bot") == "telegram:bot:5:8"


@pytest.mark.parametrize(
    ("grouping", "group", "place"),
    [
        ("shared", True, Place("-100")),
        ("per_thread", True, Place("-100", "9")),
        ("per_person", True, Place("-100", "", "7")),
        ("shared", False, Place("-100", "9")),  # in a direct chat threads are conversations of their own
        ("per_thread", False, Place("-100", "9")),
        ("per_person", False, Place("-100", "9")),
    ],
)
def test_where_a_conversation_is(grouping: Grouping, group: bool, place: Place) -> None:
    assert place_of(incoming(group=group), grouping) == place


def test_two_people_of_one_group_have_a_conversation_each_and_one_address_each() -> None:
    one = place_of(Incoming(place=Place("-100"), id="m", author="7", did=Wrote("x"), group=True), "per_person")
    two = place_of(Incoming(place=Place("-100"), id="m", author="8", did=Wrote("x"), group=True), "per_person")
    assert one.address != two.address and one.conversation("a") != two.conversation("a")


def test_events_have_names_of_their_own_h07_row28() -> None:
    events = [
        *(incoming(did) for did in (Wrote("a"), Edited("b", "1"), Edited("b", "2"), Deleted(), Chose(3, "yes"))),
        incoming(chat="-200"),
    ]
    names = [dedupe("telegram:bot", event) for event in events]
    assert len(set(names)) == len(names)
    assert dedupe("telegram:bot", incoming(Wrote("again"))) == names[0], "told again it is the same, whatever it says"
    assert dedupe("telegram:other", incoming()) != names[0]


@pytest.mark.parametrize(
    ("did", "body"),
    [
        (Wrote("hello"), UserMessage(author="7", id="m1", text="hello", name="Ada")),
        (Wrote("/stop"), Command(author="7", id="m1", name="stop")),
        (Wrote("//stop"), UserMessage(author="7", id="m1", text="/stop", name="Ada")),
        (Wrote("/stop", (FILE,)), UserMessage(author="7", id="m1", text="/stop", attachments=(FILE,), name="Ada")),
        (Wrote("//x", (FILE,)), UserMessage(author="7", id="m1", text="/x", attachments=(FILE,), name="Ada")),
        (Wrote("/approve 41"), Choice(author="7", id="m1", question=41, option="once")),
        (Wrote("", (FILE,)), UserMessage(author="7", id="m1", text="", attachments=(FILE,), name="Ada")),
        (Wrote("yes", quote="Bob: no?"), UserMessage(author="7", id="m1", text="yes", name="Ada", quote="Bob: no?")),
        (Wrote("a\ud800b", quote="c\udfffd"), UserMessage(author="7", id="m1", text="a?b", name="Ada", quote="c?d")),
        (Edited("b", "3"), Correction(author="7", id="m1.3", of="m1", text="b")),
        (Edited("/stop", "3"), Correction(author="7", id="m1.3", of="m1", text="/stop")),  # an edit is never an order
        (Edited("\udc00", "3"), Correction(author="7", id="m1.3", of="m1", text="?")),
        (Deleted(), Correction(author="7", id="m1.deleted", of="m1")),
        (Chose(41, "go on"), Choice(author="7", id="m1", question=41, option="go on")),
    ],
)
def test_what_it_becomes(did: Wrote | Edited | Deleted | Chose, body: object) -> None:
    assert body_of(incoming(did, name="Ada")) == body


def test_in_a_direct_chat_nobody_is_named() -> None:
    body = body_of(incoming(name="Ada", group=False))
    assert isinstance(body, UserMessage) and body.name == ""


def test_a_quote_is_bounded() -> None:
    body = body_of(incoming(Wrote("x", quote="q" * QUOTE_CHARS_MAX)))
    assert isinstance(body, UserMessage) and body.quote == "q" * QUOTE_CHARS_MAX
    body = body_of(incoming(Wrote("x", quote="q" * 1_000_000)))
    assert isinstance(body, UserMessage) and len(body.quote) == QUOTE_CHARS_MAX and body.quote.endswith("…")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada \n Lovelace\t", "Ada Lovelace"),
        ("", "7"),
        ("\u202e\u200b\n", "7"),
        ("Ada\u202eevil", "Adaevil"),
        ("a" * 1000, "a" * NAME_CHARS_MAX),
        ("A\ud800", "A"),
        ("岡田", "岡田"),
    ],
)
def test_a_name_is_one_short_line(name: str, shown: str) -> None:
    assert shown_name(incoming(name=name)) == shown
