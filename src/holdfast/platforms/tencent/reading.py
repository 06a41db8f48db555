"""What somebody did, read off a message that WeCom or WeChat brought. Pure."""

from __future__ import annotations

import re
from typing import Final

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Chose, Incoming, Place, Wrote

_FILES: Final = {
    "image": ("jpg", "image/jpeg"),
    "voice": ("amr", "audio/amr"),
    "video": ("mp4", "video/mp4"),
    "shortvideo": ("mp4", "video/mp4"),
    "file": ("bin", "application/octet-stream"),
}
_PERSON: Final = re.compile(r"[^\s:]{1,128}")
_MENU: Final = re.compile(r"(\d{1,18}):(.+)", re.DOTALL)


def menu_id(question: int, option: str) -> str:
    """What the line of a menu carries that stands for an option; `read` reads it."""
    return f"{question}:{option}"


def read(said: dict[str, str]) -> Incoming | None:
    """What the message says; None if it is nothing to us. Raises `KeyError` or `ValueError` if it does not say what every message does."""
    person, kind = said["FromUserName"], said["MsgType"].lower()
    if not _PERSON.fullmatch(person):
        raise ValueError(f"nobody is called {person[:64]!r}")
    if kind == "event":
        did: Wrote | Chose | None = _of_event(said)
        id_ = f"{said['CreateTime']}-{said.get('Event', '')}-{said.get('EventKey', '')}".replace(" ", "_")
    else:
        did, id_ = _of_message(kind, said), said["MsgId"]
    return None if did is None else Incoming(place=Place(person), id=id_, author=person, did=did)


def _of_event(said: dict[str, str]) -> Wrote | None:
    """Whoever begins to follow is shown what can be done; a button of a menu says what its key does; all else is for counting."""
    match said.get("Event", "").lower(), said.get("EventKey", ""):
        case "subscribe", _:
            return Wrote("/help")
        case "click", key if key.strip():
            return Wrote(key)
        case _:
            return None


def _of_message(kind: str, said: dict[str, str]) -> Wrote | Chose | None:
    pressed = _MENU.fullmatch(said.get("bizmsgmenuid", ""))
    if pressed is not None:
        return Chose(int(pressed[1]), pressed[2])
    text = _text(kind, said)
    attachments = tuple(_attachments(kind, said))
    return Wrote(text, attachments) if text or attachments else None


def _text(kind: str, said: dict[str, str]) -> str:
    match kind:
        case "text":
            return said.get("Content", "")
        case "voice":
            return said.get("Recognition", "")
        case "location":
            return f"(a place: {said.get('Label', '')} at {said.get('Location_X', '')}, {said.get('Location_Y', '')})"
        case "link":
            return "\n".join(line for line in (said.get("Title", ""), said.get("Description", ""), said.get("Url", "")) if line)
        case _:
            return ""


def _attachments(kind: str, said: dict[str, str]) -> list[Attachment]:
    if kind not in _FILES or not said.get("MediaId"):
        return []
    ending, media_type = _FILES[kind]
    name = said.get("FileName") or f"{kind}.{ending}"
    return [Attachment(id=f"{said['MsgId']}/0", name=name, media_type=media_type, source=said["MediaId"])]
