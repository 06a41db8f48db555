"""What a message says: whom it is from, what they did, and whether it is a matter of ours. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from holdfast.core.commands import COMMANDS, HIDDEN
from holdfast.core.entries import Attachment
from holdfast.core.incoming import Incoming, Place, Unread, Wrote
from holdfast.platforms.xmpp import wire

NAME_CHARS_MAX: Final = 200
RAW_CHARS_MAX: Final = 16_000
_BANG: Final = re.compile(rf"[!/](?=(?:{'|'.join([one.name for one in COMMANDS] + list(HIDDEN))})(?:\s|$))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """A message at this place, as an archive keeps it under `id`. `of`: the id, by its author, of the message that it corrects (`edits`) or takes back.

    `by_author`: the ids that its author gave it. `replies`: the one whom it replies to, as they are called in a room.
    """

    place: Place
    id: str
    author: str
    name: str
    body: str
    by_author: frozenset[str]
    of: str = ""
    edits: bool = False
    quote: str = ""
    replies: str = ""
    url: str = ""
    encrypted: bool = False


def read(message: wire.Element, id_: str, us: str, nick: str) -> Said | None:
    """`nick`: what we are called in the room that it is of ("": it is of none). None if it says nothing that anybody but us said."""
    sender, kind = message.get("from", ""), message.get("type", "normal")
    who = _person(message, sender) if nick else wire.bare(sender)
    if kind in {"error", "headline"} or (kind == "groupchat") != bool(nick) or not who or who == us or wire.bare(sender) == us:
        return None
    if nick and (not wire.resource(sender) or wire.resource(sender) == nick):
        return None
    if not nick and wire.child(message, wire.MUC_USER, "x") is not None:
        return None  # a room, or somebody in it who whispers
    edited, retracted = wire.attribute(wire.child(message, wire.CORRECT, "replace"), "id"), _retracted(message)
    body, quote = _unquoted(message, wire.text(message, wire.CLIENT, "body"))
    url = wire.text(wire.child(message, wire.OOB, "x"), wire.OOB, "url")
    encrypted = any(wire.child(message, space, "encrypted") is not None for space in wire.OMEMO)
    if not (body or url or edited or retracted or encrypted):
        return None
    return Said(
        place=Place(wire.bare(sender)),
        id=id_,
        author=who,
        name=wire.resource(sender) if nick else who.partition("@")[0],
        body="" if body.strip() == url else body,
        by_author=frozenset({message.get("id", ""), wire.origin_id(message)} - {""}),
        of=retracted or edited,
        edits=bool(edited) and not retracted,
        quote=quote,
        replies=wire.resource(wire.attribute(wire.child(message, wire.REPLY, "reply"), "to")),
        url=url,
        encrypted=encrypted,
    )


def _person(message: wire.Element, sender: str) -> str:
    """Who said it in a room: their address where the room tells it, else only what they are called there, which is no proof of who they are."""
    x = wire.child(message, wire.MUC_USER, "x")
    known = wire.bare(wire.attribute(wire.child(x, wire.MUC_USER, "item"), "jid"))
    return known or "_".join(sender.split())


def _retracted(message: wire.Element) -> str:
    now = wire.attribute(wire.child(message, wire.RETRACT, "retract"), "id")
    applied = wire.child(message, wire.FASTEN, "apply-to")
    return now or (wire.attribute(applied, "id") if wire.child(applied, wire.RETRACT_OLD, "retract") is not None else "")


def _unquoted(message: wire.Element, body: str) -> tuple[str, str]:
    """The text, without what clients that know no replies are shown of the message that it replies to; and that."""
    for fallback in message.findall(f"{{{wire.FALLBACK}}}fallback"):
        bounds = wire.child(fallback, wire.FALLBACK, "body")
        begin, end = wire.attribute(bounds, "start") or "0", wire.attribute(bounds, "end")
        if fallback.get("for") == wire.REPLY and begin.isdecimal() and end.isdecimal():
            quoted = body[int(begin) : int(end)]
            return body[: int(begin)] + body[int(end) :], "\n".join(line.removeprefix(">").strip() for line in quoted.strip().split("\n"))
    return body, ""


def incoming(said: Said, nick: str, us: str) -> Incoming | Unread | None:
    """A message that was written. One that can't be read is said to be so, if it was for us alone."""
    if said.encrypted:
        why = "it is encrypted (OMEMO). Ask its author to turn encryption off in this chat"
        return None if nick else Unread(f"{said.author}: {said.body}"[:RAW_CHARS_MAX], why)
    files = (Attachment(id=said.id, name=_name(said.url), media_type="", source=said.url),) if said.url else ()
    to_us = not nick or said.replies == nick or _mentions(said.body, nick) or us in said.body.casefold()
    did = Wrote(command(said.body, nick), files, said.quote)
    return Incoming(place=said.place, id=said.id, author=said.author, did=did, name=said.name, group=bool(nick), to_us=to_us)


def command(body: str, nick: str) -> str:
    """As commands are written: many clients keep `/` for themselves, so `!stop` is one too, and in a room it may stand behind our name."""
    rest = body.lstrip()
    called = re.match(rf"@?{re.escape(nick)}[:,]?\s+(?=[!/])", rest, re.IGNORECASE) if nick else None
    rest = rest[called.end() :] if called else rest
    return f"/{rest[1:]}" if _BANG.match(rest) else body


def _mentions(body: str, nick: str) -> bool:
    own = "\n".join(line for line in body.split("\n") if not line.startswith(">"))
    return re.search(rf"(?<!\w){re.escape(nick)}(?!\w)", own, re.IGNORECASE) is not None


def _name(url: str) -> str:
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])[:NAME_CHARS_MAX] or "file"
    except ValueError:
        return "file"
