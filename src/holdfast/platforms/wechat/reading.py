"""A message of WeChat's, read: what somebody did, and what lets us answer it. Pure."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Incoming, Place, Unread, Wrote
from holdfast.platforms.wechat.media import Stored, stored
from holdfast.platforms.wechat.window import Window
from holdfast.platforms.wechat.wire import FILE, PICTURE, TEXT, TOOL_BEGINS, TOOL_ENDS, USER, VIDEO, VOICE, Item, Message

_KNOWN: Final = {0, TEXT, PICTURE, VOICE, FILE, VIDEO, TOOL_BEGINS, TOOL_ENDS}
_VOICES: Final = {5: "amr", 7: "mp3", 8: "ogg"}
"""How a voice is written, where it is not in WeChat's own way."""


@dataclass(frozen=True, slots=True)
class Heard:
    """`event`: what was done, if it is anything to us. `window`: whom we can answer, and by what. `trace`: no two messages have the same, but one that comes again under
    another id has ("": it can't be told)."""

    event: Incoming | Unread | None = None
    window: tuple[str, Window] | None = None
    trace: str = ""


def read(said: Any, now: float) -> Heard:
    """What the message says, which is an object of JSON."""
    try:
        message = msgspec.convert(said, Message, strict=False)
    except msgspec.ValidationError as error:
        return Heard(Unread(msgspec.json.encode(said).decode(), f"WeChat sent something unexpected: {error}"))
    person = message.from_user_id
    if message.message_type != USER or message.group_id or not person or " " in person:
        return Heard()  # what we said ourselves; and groups, which have no bots
    at = min(message.create_time_ms / 1000 or now, now)
    window = (person, Window(message.context_token, at)) if message.context_token else None
    said, content = _content(message), _digest(message)
    id_ = str(message.message_id or (f"seq{message.seq}" if message.seq else content))
    trace = f"{person} {message.create_time_ms} {content}" if message.create_time_ms % 1000 else ""  # whole seconds tell too little
    if not said.text and not said.attachments:
        return Heard(window=window)
    numbered = tuple(msgspec.structs.replace(file, id=f"{id_}/{number}") for number, file in enumerate(said.attachments))
    did = Wrote(said.text, numbered, said.quote)
    return Heard(Incoming(place=Place(person), id=id_, author=person, did=did), window, trace)


def _content(message: Message) -> Wrote:
    texts: list[str] = []
    files: list[Attachment] = []
    quotes: list[str] = []
    for item in message.item_list:
        texts.append(_text(item))
        files += _attachments(item)
        if item.ref_msg is not None:
            quoted = item.ref_msg.message_item
            named = [file.name for file in _attachments(quoted)] if quoted is not None else []
            quotes.append(item.ref_msg.title or (_text(quoted) if quoted is not None else "") or ", ".join(named))
            files += _attachments(quoted) if quoted is not None else ()  # "what is this?" in reply to a picture
    return Wrote("\n".join(filter(None, texts)), tuple(files), "\n".join(filter(None, quotes)))


def _text(item: Item) -> str:
    """A voice is what was heard in it."""
    if item.type == TEXT:
        return item.text_item.text
    if item.type == VOICE:
        return item.voice_item.text
    return "" if item.type in _KNOWN else "(something that WeChat does not show to bots)"


def _attachments(item: Item) -> Iterator[Attachment]:
    name = {PICTURE: "picture.jpg", VOICE: _voice(item), VIDEO: "video.mp4"}.get(item.type) or item.file_item.file_name or "file"
    for found in _stored(item):
        yield Attachment(id="", name=name, media_type=_media_type(name), source=msgspec.json.encode(found).decode())


def _stored(item: Item) -> Iterator[Stored]:
    """Where the bytes of this are, if it has any."""
    media = {PICTURE: item.image_item.media, VOICE: item.voice_item.media, FILE: item.file_item.media, VIDEO: item.video_item.media}
    if item.type in media and (found := stored(media[item.type], item.image_item.aeskey)) is not None:
        yield found


def _voice(item: Item) -> str:
    return f"voice.{_VOICES.get(item.voice_item.encode_type, 'silk')}"


def _media_type(name: str) -> str:
    return "audio/silk" if name.endswith(".silk") else mimetypes.guess_type(name)[0] or "application/octet-stream"


def _digest(message: Message) -> str:
    """Of what stays the same when a message comes again: its token does not, nor do the addresses of its files."""
    items = [
        (item.type, item.text_item.text, item.file_item.file_name, *[file.key for file in _stored(item)]) for item in message.item_list
    ]
    return hashlib.sha256(repr((message.from_user_id, message.create_time_ms, items)).encode()).hexdigest()[:32]
