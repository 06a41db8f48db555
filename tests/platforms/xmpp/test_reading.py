"""What messages say."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from holdfast.core.incoming import Incoming, Place, Unread, Wrote
from holdfast.platforms.xmpp.reading import command, incoming, read

US, NICK, ROOM = "bot@here", "bot", "room@rooms.here"


def in_chat(inside: str, sender: str = "Ann@Here/phone", kind: str = "chat") -> Incoming | Unread | None:
    said = read(ET.fromstring(f"<message xmlns='jabber:client' from='{sender}' type='{kind}' id='c1'>{inside}</message>"), "s1", US, "")
    return None if said is None else incoming(said, "", US)


def in_room(inside: str, nick: str = "Ann") -> Incoming | Unread | None:
    xml = f"<message xmlns='jabber:client' from='{ROOM}/{nick}' type='groupchat' id='c1'>{inside}</message>"
    said = read(ET.fromstring(xml), "s1", US, NICK)
    return None if said is None else incoming(said, NICK, US)


def test_a_person_is_their_address_whatever_client_they_use() -> None:
    assert in_chat("<body>hi</body>") == Incoming(place=Place("ann@here"), id="s1", author="ann@here", did=Wrote("hi"), name="ann")


@pytest.mark.parametrize(
    ("sender", "kind"),
    [("bot@here/other", "chat"), ("ann@here", "error"), ("ann@here", "headline"), ("room@rooms.here/Ann", "groupchat"), ("", "chat")],
)
def test_what_is_nobodys_message_to_us_is_passed_over(sender: str, kind: str) -> None:
    assert in_chat("<body>hi</body>", sender, kind) is None


def test_a_whisper_in_a_room_is_passed_over() -> None:
    assert in_chat("<body>hi</body><x xmlns='http://jabber.org/protocol/muc#user'/>", "room@rooms.here/Ann") is None


def test_who_is_behind_a_name_is_known_only_if_the_room_says_so() -> None:
    known = in_room("<body>hi</body><x xmlns='http://jabber.org/protocol/muc#user'><item jid='Ann@Here/phone'/></x>")
    unknown = in_room("<body>hi</body>", "ann@here x")
    assert isinstance(known, Incoming) and known.author == "ann@here"
    assert isinstance(unknown, Incoming) and unknown.author == f"{ROOM}/ann@here_x"


@pytest.mark.parametrize(
    ("inside", "to_us"),
    [
        ("<body>bot: hi</body>", True),
        ("<body>ask @Bot</body>", True),
        ("<body>robots</body>", False),
        ("<body>&gt; bot said\nno</body>", False),
        (f"<body>yes</body><reply xmlns='urn:xmpp:reply:0' to='{ROOM}/bot' id='1'/>", True),
        (f"<body>yes</body><reply xmlns='urn:xmpp:reply:0' to='{ROOM}/Bob' id='1'/>", False),
    ],
)
def test_in_a_room_it_is_for_us_if_it_names_us_or_replies_to_us(inside: str, *, to_us: bool) -> None:
    event = in_room(inside)
    assert isinstance(event, Incoming)
    assert event.to_us == to_us


def test_what_is_quoted_for_clients_without_replies_is_a_quote() -> None:
    fallback = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='8'/></fallback>"
    event = in_chat(f"<body>&gt; first\nsecond</body>{fallback}<reply xmlns='urn:xmpp:reply:0' to='x' id='1'/>")
    assert isinstance(event, Incoming)
    assert event.did == Wrote("second", quote="first")


def test_a_link_to_a_file_is_a_file() -> None:
    url = "https://files.here/1/my%20notes.txt"
    event = in_chat(f"<body>{url}</body><x xmlns='jabber:x:oob'><url>{url}</url></x>")
    assert isinstance(event, Incoming) and isinstance(event.did, Wrote)
    assert event.did.text == ""
    assert [(one.name, one.source) for one in event.did.attachments] == [("my notes.txt", url)]


def test_what_is_encrypted_is_passed_over_in_rooms() -> None:
    assert in_room("<body>OMEMO</body><encrypted xmlns='urn:xmpp:omemo:2'/>") is None
    assert isinstance(in_chat("<body>OMEMO</body><encrypted xmlns='urn:xmpp:omemo:2'/>"), Unread)


@pytest.mark.parametrize(
    ("body", "nick", "read_as"),
    [
        ("!stop", "", "/stop"),
        ("/stop", "", "/stop"),
        ("!wow", "", "!wow"),
        ("bot: !title a", "bot", "/title a"),
        ("bot: hi", "bot", "bot: hi"),
    ],
)
def test_commands_may_begin_with_an_exclamation_mark(body: str, nick: str, read_as: str) -> None:
    assert command(body, nick) == read_as
