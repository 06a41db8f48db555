"""Stanzas as XML: what is written, and what is looked for in what comes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

Element = ET.Element

CLIENT: Final = "jabber:client"
CHAT_STATES: Final = "http://jabber.org/protocol/chatstates"
CORRECT: Final = "urn:xmpp:message-correct:0"
DATA: Final = "jabber:x:data"
DELAY: Final = "urn:xmpp:delay"
DISCO_INFO: Final = "http://jabber.org/protocol/disco#info"
DISCO_ITEMS: Final = "http://jabber.org/protocol/disco#items"
FALLBACK: Final = "urn:xmpp:fallback:0"
FASTEN: Final = "urn:xmpp:fasten:0"
FORWARD: Final = "urn:xmpp:forward:0"
HINTS: Final = "urn:xmpp:hints"
MAM: Final = "urn:xmpp:mam:2"
MUC: Final = "http://jabber.org/protocol/muc"
MUC_USER: Final = "http://jabber.org/protocol/muc#user"
OMEMO: Final = ("eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2")
OOB: Final = "jabber:x:oob"
PING: Final = "urn:xmpp:ping"
REPLY: Final = "urn:xmpp:reply:0"
RETRACT: Final = "urn:xmpp:message-retract:1"
RETRACT_OLD: Final = "urn:xmpp:message-retract:0"
RSM: Final = "http://jabber.org/protocol/rsm"
SID: Final = "urn:xmpp:sid:0"
STANZAS: Final = "urn:ietf:params:xml:ns:xmpp-stanzas"
UPLOAD: Final = "urn:xmpp:http:upload:0"

_NO_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def element(space: str, name: str, text: str = "", inside: Iterable[Element] = (), **attributes: str) -> Element:
    """An element of this namespace. An attribute without a value is left out."""
    made = ET.Element(f"{{{space}}}{name}", {key.rstrip("_"): _NO_XML.sub("", value) for key, value in attributes.items() if value})
    made.text = _NO_XML.sub("", text) or None
    made.extend(inside)
    return made


def child(of: Element | None, space: str, name: str) -> Element | None:
    return None if of is None else of.find(f"{{{space}}}{name}")


def text(of: Element | None, space: str, name: str) -> str:
    """What stands in the child of this name; "" if there is none."""
    return "" if of is None else of.findtext(f"{{{space}}}{name}") or ""


def attribute(of: Element | None, name: str) -> str:
    return "" if of is None else of.get(name, "")


def bare(jid: str) -> str:
    """An address without its resource, as it is compared."""
    return jid.partition("/")[0].casefold()


def resource(jid: str) -> str:
    """What stands behind the address: in a room, who is meant there."""
    return jid.partition("/")[2]


# --- messages -----------------------------------------------------------------------------------------------------------------------------


def said(to: str, kind: str, id_: str, body: str, more: Iterable[Element] = ()) -> Element:
    """A message of ours. It asks to be kept in the archives."""
    inside = [
        element(CLIENT, "body", body),
        element(SID, "origin-id", id=id_),
        element(CHAT_STATES, "active"),
        element(HINTS, "store"),
        *more,
    ]
    return element(CLIENT, "message", inside=inside, to=to, type=kind, id=id_)


def composing(to: str) -> Element:
    return element(CLIENT, "message", inside=[element(CHAT_STATES, "composing"), element(HINTS, "no-store")], to=to, type="chat")


def link(url: str) -> Element:
    return element(OOB, "x", inside=[element(OOB, "url", url)])


def presence(to: str = "") -> Element:
    """That we are there; in a room: that we come, and want none of its history."""
    joins = [element(MUC, "x", inside=[element(MUC, "history", maxstanzas="0")])] if to else []
    return element(CLIENT, "presence", inside=joins, to=to)


def archive_id(message: Element, by: str) -> str:
    """The id under which this archive keeps the message; "" if it says none."""
    found = (one for one in message.findall(f"{{{SID}}}stanza-id") if bare(one.get("by", "")) == by)
    return attribute(next(found, None), "id")


def origin_id(message: Element) -> str:
    return attribute(child(message, SID, "origin-id"), "id")


def condition(stanza: Element) -> tuple[str, str, str]:
    """Of an error: its condition, what to do about it (`wait`, `cancel` ...), and what is said of it."""
    error = child(stanza, CLIENT, "error")
    names = [one.tag.rpartition("}")[2] for one in (() if error is None else error) if one.tag.startswith(f"{{{STANZAS}}}")]
    return next((name for name in names if name != "text"), "undefined-condition"), attribute(error, "type"), text(error, STANZAS, "text")


# --- times ------------------------------------------------------------------------------------------------------------------------------


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(stamp: str) -> float:
    """Unix seconds; 0 if it is no time."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return 0.0
