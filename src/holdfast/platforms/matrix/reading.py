"""What the events of a room say, as they come from `/sync`. Pure: what has to be asked for is said to whoever asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from holdfast.core.commands import COMMANDS, HIDDEN
from holdfast.core.entries import Attachment
from holdfast.core.incoming import Deleted, Edited, Incoming, Place, Unread, Wrote

Event = Mapping[str, Any]

RAW_CHARS_MAX: Final = 16_000
NAME_CHARS_MAX: Final = 200

_FILES: Final = frozenset({"m.image", "m.file", "m.audio", "m.video"})
_TEXTS: Final = frozenset({"m.text", "m.emote", *_FILES})
"""An `m.notice` is what programs say to people: programs do not answer it."""
_FALLBACK: Final = re.compile(r"> (?:\* )?<([^>\s]+)> ?(.*?)(?:\n\n|\Z)", re.DOTALL)
"""What older clients write before a reply: who is replied to, and what they said."""
_BANG: Final = re.compile(rf"[!/](?=(?:{'|'.join([one.name for one in COMMANDS] + list(HIDDEN))})(?:\s|$))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Us:
    """Who we are: our user id, and what we are called."""

    id: str
    name: str = ""


@dataclass(slots=True)
class Room:
    """Who is in a room, or invited to it: their names by their ids."""

    id: str
    names: dict[str, str] = field(default_factory=dict)

    @property
    def group(self) -> bool:
        """May anybody else than the two of us be there?"""
        return len(self.names) > 2

    def apply(self, event: Event) -> None:
        """What a state event changes of it."""
        if event.get("type") != "m.room.member" or not isinstance(person := event.get("state_key"), str):
            return
        content = _table(event, "content")
        if content.get("membership") in {"join", "invite"}:
            self.names[person] = _text(content, "displayname")
        else:
            self.names.pop(person, None)

    def name_of(self, person: str) -> str:
        return self.names.get(person, "") or person.removeprefix("@").partition(":")[0]


@dataclass(frozen=True, slots=True)
class Original:
    """The message that another event is about: its author, its text, and the thread it is in. All "" if it can't be had."""

    author: str = ""
    text: str = ""
    thread: str = ""


def is_ours(event: Event, us: Us, membership: str) -> bool:
    """Is this our own becoming a member, in this way?"""
    return (
        event.get("type") == "m.room.member"
        and event.get("state_key") == us.id
        and _table(event, "content").get("membership") == membership
        and _table(_table(event, "unsigned"), "prev_content").get("membership") != membership
    )


def about(event: Event) -> str:
    """The id of the message that has to be known to read this one: what it edits, or replies to. "" if none."""
    if event.get("type") != "m.room.message":
        return ""
    relation = _table(_table(event, "content"), "m.relates_to")
    if relation.get("rel_type") == "m.replace":
        return _text(relation, "event_id")
    falling_back = relation.get("rel_type") == "m.thread" and relation.get("is_falling_back") is True
    return "" if falling_back else _text(_table(relation, "m.in_reply_to"), "event_id")


def original(event: Event) -> Original:
    """A message as others refer to it."""
    content = _table(event, "content")
    relation = _table(content, "m.relates_to")
    thread = _text(relation, "event_id") if relation.get("rel_type") == "m.thread" else ""
    return Original(_text(event, "sender"), _without_fallback(_text(content, "body")), thread)


def read(event: Event, room: Room, us: Us, before: Original, threads: Mapping[str, str]) -> Incoming | None:
    """What somebody did, if it is a matter of ours. `before`: the message it is `about`. `threads`: of messages seen lately, the threads they are in."""
    author, id_ = _text(event, "sender"), _text(event, "event_id")
    if author == us.id or not author or not id_:
        return None
    match event.get("type"):
        case "m.room.redaction":
            of = _text(event, "redacts") or _text(_table(event, "content"), "redacts")
            return _incoming(room, threads.get(of, ""), of, author, Deleted(), to_us=True) if of else None
        case "m.room.message":
            return _message(event, room, us, before, threads)
        case _:
            return None


def _message(event: Event, room: Room, us: Us, before: Original, threads: Mapping[str, str]) -> Incoming | None:
    author, id_, content = _text(event, "sender"), _text(event, "event_id"), _table(event, "content")
    relation = _table(content, "m.relates_to")
    if relation.get("rel_type") == "m.replace":
        new, of = _table(content, "m.new_content"), _text(relation, "event_id")
        if not of or before.author != author or new.get("msgtype") not in _TEXTS:
            return None  # nobody edits what another one wrote
        said = _said(new, us, room)
        return _incoming(room, before.thread or threads.get(of, ""), of, author, Edited(said, version=id_), to_us=True)
    if content.get("msgtype") not in _TEXTS:
        return None
    fallback = _FALLBACK.match(_text(content, "body")) if about(event) else None
    if fallback is not None and not before.author:
        before = Original(fallback[1], fallback[2].replace("\n> ", "\n"))
    quote = f"{room.name_of(before.author)}: {before.text}" if about(event) and before.text else ""
    to_us = not room.group or before.author == us.id or _mentions(content, us, room)
    thread = _text(relation, "event_id") if relation.get("rel_type") == "m.thread" else ""
    wrote = Wrote(_said(content, us, room), _attachments(content, id_), quote)
    return _incoming(room, thread, id_, author, wrote, to_us=to_us)


def _incoming(room: Room, thread: str, id_: str, author: str, did: Wrote | Edited | Deleted, *, to_us: bool) -> Incoming:
    return Incoming(place=Place(room.id, thread), id=id_, author=author, did=did, name=room.name_of(author), group=room.group, to_us=to_us)


def unread(event: Event, room: Room, why: str) -> Unread:
    """An event that can't be read."""
    return Unread(msgspec.json.encode({"room": room.id, **event}).decode()[:RAW_CHARS_MAX], why)


# --- texts --------------------------------------------------------------------------------------------------------------------------


def _said(content: Event, us: Us, room: Room) -> str:
    """The text of a message; of a file what was written under it."""
    body = _without_fallback(_text(content, "body")) if _table(content, "m.relates_to").get("m.in_reply_to") else _text(content, "body")
    if content.get("msgtype") in _FILES:
        name = _text(content, "filename")
        return body if name and name != body else ""
    if content.get("msgtype") == "m.emote":
        return f"* {body}"
    return _command(body, us, room)


def _without_fallback(body: str) -> str:
    found = _FALLBACK.match(body)
    return body[found.end() :] if found else body


def _command(body: str, us: Us, room: Room) -> str:
    """A command as commands are written: some clients keep `/` for themselves, so `!stop` is one too, and in a group it may stand behind our name."""
    rest = body.lstrip()
    for name in {us.id, us.name, room.name_of(us.id)} - {""}:
        called = re.match(rf"@?{re.escape(name)}[:,]?\s+(?=[!/])", rest, re.IGNORECASE)
        if called:
            rest = rest[called.end() :]
            break
    return f"/{rest[1:]}" if _BANG.match(rest) else body


def _mentions(content: Event, us: Us, room: Room) -> bool:
    """Are we named: as clients do it, by our id, or by our name as a word?"""
    named = _table(content, "m.mentions").get("user_ids")
    if isinstance(named, list) and us.id in named:
        return True
    body = _without_fallback(_text(content, "body"))
    links = _Links()
    links.feed(_text(content, "formatted_body"))
    if us.id in body or any(us.id in link for link in links.found):
        return True
    names = {us.name, room.name_of(us.id)} - {""}
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", body, re.IGNORECASE) for name in names)


class _Links(HTMLParser):
    """Where the links of a text lead, but not those of the message that it replies to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._quoting = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._quoting = self._quoting or tag == "mx-reply"
        if tag == "a" and not self._quoting:
            self.found += [unquote(value) for name, value in attrs if name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        self._quoting = self._quoting and tag != "mx-reply"


# --- files --------------------------------------------------------------------------------------------------------------------------


def _attachments(content: Event, id_: str) -> tuple[Attachment, ...]:
    """The file of a message. Where it is encrypted, its source holds what is needed to read it."""
    if content.get("msgtype") not in _FILES:
        return ()
    encrypted = _table(content, "file")
    source = msgspec.json.encode(encrypted).decode() if encrypted else _text(content, "url")
    if not source:
        return ()
    name = (_text(content, "filename") or _text(content, "body") or "file")[:NAME_CHARS_MAX]
    return (Attachment(id=id_, name=name, media_type=_text(_table(content, "info"), "mimetype"), source=source),)


def media_of(address: str) -> tuple[str, str] | None:
    """The server and the id in `mxc://SERVER/ID`."""
    server, _, media = address.removeprefix("mxc://").partition("/")
    return (server, media) if address.startswith("mxc://") and server and media and "/" not in media else None


# --- what others wrote may be anything ------------------------------------------------------------------------------------------------


def _table(value: Event, name: str) -> Event:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Event, name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
