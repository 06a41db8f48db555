"""What people did, out of Feishu's events and its history. Pure.

An event and an item of the history tell the same in two shapes: both become a `Told`, and that an `Incoming`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Edited, Incoming, Place, Wrote
from holdfast.platforms.feishu.wire import Ids, Item, Mention, Received

_PLACEHOLDER: Final = re.compile(r"@_(?:user_\d+|all)\b")
_FILES: Final[Mapping[str, tuple[str, str, str]]] = {
    "image": ("image_key", "picture.jpg", "image/jpeg"),
    "file": ("file_key", "file.bin", "application/octet-stream"),
    "audio": ("file_key", "audio.opus", "audio/ogg"),
    "media": ("file_key", "video.mp4", "video/mp4"),
}
"""Kinds of messages with bytes: under which name their key stands, and what they are if they do not say."""
_STYLES: Final = {"bold": "**", "italic": "*", "lineThrough": "~~"}
_IN_POSTS: Final = {"img": "image", "media": "media"}


@dataclass(frozen=True, slots=True)
class Us:
    """The bot, as people's messages name it, and the app, as the history does."""

    open_id: str
    app_id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A message. `person`: a human wrote it; `ours`: the bot did. `thread`: the message with which its thread begins ("": it is in none)."""

    id: str
    chat: str
    group: bool
    kind: str
    content: Mapping[str, Any]
    author: str
    person: bool
    ours: bool = False
    name: str = ""
    handles: tuple[str, ...] = ()
    thread: str = ""
    parent: str = ""
    at_ms: int = 0
    mentions: tuple[Mention, ...] = ()
    version: str = ""

    @property
    def place(self) -> Place:
        return Place(self.chat, self.thread)


def of_event(event: Received, us: Us) -> Told:
    message, sender = event.message, event.sender.sender_id or Ids()
    return Told(
        id=message.message_id,
        chat=message.chat_id,
        group=message.chat_type != "p2p",
        kind=message.message_type or "",
        content=_content(message.content),
        author=sender.open_id or "",
        person=event.sender.sender_type == "user" and bool(sender.open_id),
        ours=sender.open_id == us.open_id,
        handles=(sender.union_id,) if sender.union_id else (),
        thread=(message.root_id or message.message_id) if message.thread_id else "",
        parent=message.parent_id or "",
        at_ms=_ms(message.create_time),
        mentions=message.mentions or (),
    )


def of_item(item: Item, chat: str, us: Us, *, group: bool) -> Told:
    sender = item.sender
    return Told(
        id=item.message_id,
        chat=item.chat_id or chat,
        group=group,
        kind=item.msg_type or "",
        content=_content(item.body.content),
        author=sender.id or "",
        person=sender.sender_type == "user" and bool(sender.id),
        ours=sender.id == us.app_id,
        name=sender.sender_name or "",
        thread=(item.root_id or item.message_id) if item.thread_id else "",
        parent=item.parent_id or "",
        at_ms=_ms(item.create_time),
        mentions=item.mentions or (),
        version=str(item.update_time or ""),
    )


def wrote(told: Told, us: Us, name: str = "", replied: Told | None = None, forwarded: Sequence[Told] = ()) -> Incoming | None:
    """The message; None if it is none of a person's, or says nothing. `replied`: what it replies to; `forwarded`: what it passes on."""
    if not told.person:
        return None
    text, attachments = _text(told, us), tuple(_attachments(told))
    if forwarded:
        text = "Forwarded:\n" + "\n".join(f"{one.name or one.author}: {_shown(one, us)}" for one in forwarded)
        attachments = tuple(attachment for one in forwarded for attachment in _attachments(one, told.id))
    if not text and not attachments:
        return None
    mentioned = any(_who(mention) == us.open_id for mention in told.mentions)
    quote = ""
    if replied is not None and replied.id != told.thread:  # in a thread everything replies to its beginning, in form
        quote = f"{(us.name if replied.ours else replied.name) or replied.author}: {_shown(replied, us)}"
        if told.group and not replied.ours:
            attachments += tuple(_attachments(replied))  # "@bot what is this?" under somebody's picture
    return Incoming(
        place=told.place,
        id=told.id,
        author=told.author,
        did=Wrote(text, attachments, quote),
        name=told.name or name,
        handles=told.handles,
        group=told.group,
        to_us=not told.group or mentioned or (replied is not None and replied.ours),
    )


def edited(told: Told, us: Us) -> Incoming | None:
    """The message as it reads now. Of a group the inbox keeps an edit if it kept the message."""
    text = _text(told, us)
    if not told.person or not text:
        return None
    did = Edited(text, told.version)
    return Incoming(place=told.place, id=told.id, author=told.author, did=did, name=told.name, group=told.group)


# --- what it says -----------------------------------------------------------------------------------------------------------------------


def _shown(told: Told, us: Us) -> str:
    return _text(told, us) or ", ".join(attachment.name for attachment in _attachments(told))


def _text(told: Told, us: Us) -> str:
    """Without what only says that we are meant, and with people's names where the wire has numbers."""
    match told.kind:
        case "text":
            text = _string(told.content, "text")
        case "post":
            text = _post(told.content)
        case "interactive":
            text = "\n".join(_leaves(told.content)).strip()
        case kind if kind in _FILES:
            return ""
        case _:
            return _described(told.kind, told.content)
    names = {"@_all": "@all"}
    for mention in told.mentions:
        key = mention.key or ""
        names[key] = f"@{mention.name or _who(mention)}"
        if key and _who(mention) == us.open_id:
            text = re.sub(rf"^\s*{re.escape(key)}\b[\s,:，：]*", "", text)  # noqa: RUF001 - written so in Chinese
    return _PLACEHOLDER.sub(lambda found: names.get(found[0], found[0]), text).strip()


def _who(mention: Mention) -> str:
    """The event has all ids of whoever is mentioned, the history one."""
    return (mention.id.open_id or "") if isinstance(mention.id, Ids) else mention.id or ""


def _described(kind: str, content: Mapping[str, Any]) -> str:
    """What has no text of its own, in words."""
    match kind:
        case "location":
            at = f"{_string(content, 'latitude')}, {_string(content, 'longitude')}"
            return f"(a place: {_string(content, 'name')}, at {at})"
        case "share_chat":
            return f"(a group: {_string(content, 'chat_id')})"
        case "share_user":
            return f"(a contact: {_string(content, 'user_id')})"
        case "sticker":
            return "(a sticker)"
        case "vote":
            return f"(a vote: {_string(content, 'topic')} {' / '.join(map(str, _list(content.get('options'))))})"
        case "system" | "":
            return ""
        case "merge_forward":
            return "(messages that were forwarded together, which can't be read)"
        case _:
            return f"(a message of the kind {kind}, which can't be read)"


def _post(content: Mapping[str, Any]) -> str:
    """Rich text, as Markdown."""
    told = content if "content" in content else next((one for one in content.values() if isinstance(one, dict)), {})
    lines = ["".join(map(_span, paragraph)) for paragraph in _paragraphs(told)]
    return "\n".join([*([title, ""] if (title := _string(told, "title")) else []), *lines]).strip()


def _paragraphs(told: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    return [[span for span in _list(paragraph) if isinstance(span, dict)] for paragraph in _list(told.get("content"))]


def _span(span: Mapping[str, Any]) -> str:
    text = _string(span, "text")
    match span.get("tag"):
        case "a":
            return text if text == _string(span, "href") else f"{text} ({_string(span, 'href')})"
        case "at":
            who = _string(span, "user_id")
            return who if _PLACEHOLDER.fullmatch(who) else f"@{_string(span, 'user_name') or who}"
        case "emotion":
            return f":{_string(span, 'emoji_type')}:"
        case "code_block":
            return f"\n```{_string(span, 'language').lower()}\n{text}\n```\n"
        case "hr":
            return "---"
        case _:
            around = "".join(_STYLES.get(str(style), "") for style in _list(span.get("style"))) if text.strip() else ""
            return f"{around}{text}{around[::-1]}"


def _leaves(value: Any) -> Iterator[str]:
    """The texts of a card, wherever they stand in it."""
    if isinstance(value, dict):
        for name in ("text", "content"):
            if isinstance(value.get(name), str):
                yield value[name]
        for inner in value.values():
            yield from _leaves(inner) if isinstance(inner, dict | list) else ()
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)


def _attachments(told: Told, within: str = "") -> Iterator[Attachment]:
    """`within`: the message with which its files are fetched, if that is another one."""
    if told.kind == "post":
        post = told.content if "content" in told.content else next((one for one in told.content.values() if isinstance(one, dict)), {})
        spans = [span for paragraph in _paragraphs(post) for span in paragraph]
        files = [(_IN_POSTS[span["tag"]], span) for span in spans if span.get("tag") in _IN_POSTS]
    else:
        files = [(told.kind, told.content)] if told.kind in _FILES else []
    for index, (kind, file) in enumerate(files):
        named, name, media_type = _FILES[kind]
        if key := _string(file, named):
            source = f"{within or told.id} {key} {'image' if kind == 'image' else 'file'}"
            own = _string(file, "file_name")
            yield Attachment(id=f"{told.id}/{index}", name=own or name, media_type="" if own else media_type, source=source)


# --- what others wrote may be anything ------------------------------------------------------------------------------------------------


def _content(text: str | None) -> Mapping[str, Any]:
    """The JSON within the JSON; what is none is taken for a text."""
    try:
        found = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError):
        return {"text": text}
    return found if isinstance(found, dict) else {"text": text}


def _string(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _ms(time: str | int | None) -> int:
    said = str(time or "")
    return int(said) if said.isdecimal() else 0
