"""An update of Telegram's, read: what somebody did. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Chose, Edited, Incoming, Moved, Place, Unread, Wrote
from holdfast.platforms.telegram.wire import CallbackQuery, Chat, Entity, File, Message, Update, User

DATA_BYTES_MAX: Final = 64
"""Of what a button carries."""

_CHOSEN: Final = re.compile(r"(\d{1,18})(?::(?P<option>.+)|#\d{1,3})", re.DOTALL)
_GROUPS: Final = ("group", "supergroup")
_START: Final = re.compile(r"/start\b.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Us:
    """Who we are to Telegram."""

    id: int
    username: str

    @property
    def handle(self) -> str:
        return f"@{self.username}".lower()


def read(raw: bytes | msgspec.Raw, us: Us) -> Incoming | Moved | Unread | None:
    """What the update says; None if it is nothing to us."""
    try:
        update = msgspec.json.decode(raw, type=Update)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unread(bytes(raw).decode("utf-8", "replace"), f"Telegram sent something unexpected: {error}")
    if update.message is not None:
        return _message(update.message, us)
    if update.edited_message is not None:
        return _edited(update.edited_message, us)
    return _press(update.callback_query) if update.callback_query is not None else None


def callback_data(question: int, index: int, option: str) -> str:
    """What the button of an option carries; `_press` reads it."""
    whole = f"{question}:{option}"
    return whole if len(whole.encode()) <= DATA_BYTES_MAX else f"{question}#{index}"


def in_reply_to(id_: str) -> tuple[int, int]:
    """The message, and the topic it stands in (0: none), out of the id that `read` gave it."""
    message, _, thread = id_.partition("@")
    return int(message), int(thread or 0)


# --- what was done ----------------------------------------------------------------------------------------------------------------------


def _message(message: Message, us: Us) -> Incoming | Moved | None:
    chat = str(message.chat.id)
    if message.migrate_to_chat_id:
        return Moved(chat, str(message.migrate_to_chat_id))
    if message.migrate_from_chat_id:
        return Moved(str(message.migrate_from_chat_id), chat)
    attachments = tuple(_attachments(message))
    if message.chat.type in _GROUPS and (replied := _replied_to(message)) is not None and not _is_ours(replied, us):
        attachments += tuple(_attachments(replied))  # "@bot what is this?" under somebody's picture
    text = _text(message, us) or _described(message)
    if not text and not attachments:
        return None  # somebody came, left, pinned something
    return _incoming(message, Wrote(text, attachments, _quote(message)), _is_to_us(message, us))


def _edited(message: Message, us: Us) -> Incoming | None:
    """Of a group the inbox keeps an edit if it kept the message. What has no text was not written anew (a place that moves, a poll that goes on)."""
    text = _text(message, us)
    return _incoming(message, Edited(text, str(message.edit_date)), to_us=True) if text else None


def _press(query: CallbackQuery) -> Incoming | None:
    chosen = _CHOSEN.fullmatch(query.data)
    if chosen is None or query.message is None:
        return None  # a button that is not ours
    markup = query.message.reply_markup
    buttons = [button for line in markup.inline_keyboard for button in line] if markup is not None else []
    shown = next((button.text for button in buttons if button.callback_data == query.data), "")
    did = Chose(int(chosen[1]), chosen["option"] or shown)
    name, handles = _name(query.sender)
    chat = query.message.chat
    place, group = _place(query.message), chat.type in _GROUPS
    return Incoming(place=place, id=query.id, author=str(query.sender.id), did=did, name=name, handles=handles, group=group)


def _incoming(message: Message, did: Wrote | Edited, to_us: bool) -> Incoming | None:
    group = message.chat.type in _GROUPS
    if not group and message.chat.type != "private":
        return None
    if message.sender_chat is not None:  # a group or a channel speaks: the user beside it is a stand-in that all of them share
        author, (name, handles) = message.sender_chat.id, _name(message.sender_chat)
    elif message.sender is not None and not message.sender.is_bot:
        author, (name, handles) = message.sender.id, _name(message.sender)
    else:
        return None  # bots must not talk to bots
    place = _place(message)
    id_ = f"{message.message_id}@{place.thread}" if place.thread else str(message.message_id)
    return Incoming(place=place, id=id_, author=str(author), did=did, name=name, handles=handles, group=group, to_us=to_us or not group)


def _place(message: Message) -> Place:
    """A thread that is no topic is only a chain of replies."""
    return Place(str(message.chat.id), str(message.message_thread_id) if message.is_topic_message and message.message_thread_id else "")


def _name(who: User | Chat) -> tuple[str, tuple[str, ...]]:
    name = who.title if isinstance(who, Chat) else f"{who.first_name} {who.last_name}".strip()
    return name, (f"@{who.username}",) if who.username else ()


# --- is it to us? -----------------------------------------------------------------------------------------------------------------------


def _is_to_us(message: Message, us: Us) -> bool:
    """In a group: a mention, a command to us or to nobody in particular, a reply."""
    words = [(entity, word.lower()) for entity, word in _words(message)]
    commands = [(entity.offset, word.partition("@")[2]) for entity, word in words if entity.type == "bot_command"]
    if any(to for offset, to in commands if offset == 0 and f"@{to}" != us.handle):
        return False  # /command@another
    if any(offset == 0 or f"@{to}" == us.handle for offset, to in commands):
        return True
    if any(entity.type == "mention" and word == us.handle for entity, word in words):
        return True
    if any(entity.user is not None and entity.user.id == us.id for entity, _ in words):
        return True
    replied = _replied_to(message)
    return replied is not None and _is_ours(replied, us)


def _replied_to(message: Message) -> Message | None:
    """In a topic everything replies to the message that opened it, in form."""
    replied = message.reply_to_message
    return None if replied is None or replied.forum_topic_created is not None else replied


def _is_ours(message: Message, us: Us) -> bool:
    return message.sender is not None and message.sender.id == us.id


# --- what it says -----------------------------------------------------------------------------------------------------------------------


def _words(message: Message) -> Iterator[tuple[Entity, str]]:
    """Each entity, and the piece of the text that it is about."""
    raw = (message.text or message.caption).encode("utf-16-le", "surrogatepass")
    for entity in message.entities or message.caption_entities:
        piece = raw[2 * entity.offset : 2 * (entity.offset + entity.length)]
        yield entity, piece.decode("utf-16-le", "replace")


def _text(message: Message, us: Us) -> str:
    """Without what only says that we are meant, and with the addresses behind its links."""
    raw = (message.text or message.caption).encode("utf-16-le", "surrogatepass")
    begins = len(raw) - len(raw.decode("utf-16-le", "surrogatepass").lstrip().encode("utf-16-le", "surrogatepass"))
    for entity, word in reversed(list(_words(message))):
        at, end = 2 * entity.offset, 2 * (entity.offset + entity.length)
        name, _, to = word.partition("@")
        if entity.type == "bot_command" and f"@{to}".lower() == us.handle:
            raw = raw[:at] + name.encode("utf-16-le") + raw[end:]
        elif entity.type == "text_link" and entity.url.rstrip("/") != word.rstrip("/"):
            raw = raw[:end] + f" ({entity.url})".encode("utf-16-le") + raw[end:]
        elif at == begins and (word.lower() == us.handle or (entity.user is not None and entity.user.id == us.id)):
            raw = raw[end:].decode("utf-16-le", "surrogatepass").lstrip(" \n,:").encode("utf-16-le", "surrogatepass")
    text = raw.decode("utf-16-le", "replace")
    if message.forward_origin is not None and text:
        return f"Forwarded from {_origin(message)}:\n{text}"
    return "/help" if _START.fullmatch(text) else text  # what Telegram's clients send first


def _origin(message: Message) -> str:
    assert message.forward_origin is not None
    origin = message.forward_origin
    who = origin.sender_user or origin.sender_chat or origin.chat
    return (_name(who)[0] if who is not None else origin.sender_user_name) or "somebody"


def _described(message: Message) -> str:
    """What has no text of its own, in words."""
    if message.venue is not None:
        at = message.venue.location
        return f"(a place: {message.venue.title}, {message.venue.address}, at {at.latitude}, {at.longitude})"
    if message.location is not None:
        return f"(a place: {message.location.latitude}, {message.location.longitude})"
    if message.contact is not None:
        one = message.contact
        return f"(a contact: {f'{one.first_name} {one.last_name}'.strip()}, {one.phone_number})"
    if message.poll is not None:
        return f"(a poll: {message.poll.question} {' / '.join(option.text for option in message.poll.options)})"
    if message.dice is not None:
        return f"(thrown: {message.dice.emoji} {message.dice.value})"
    return f"(a sticker: {message.sticker.emoji})" if message.sticker is not None and message.sticker.emoji else ""


def _quote(message: Message) -> str:
    replied = _replied_to(message)
    if replied is None:
        return ""
    files = ", ".join(attachment.name for attachment in _attachments(replied))
    said = message.quote.text if message.quote is not None else replied.text or replied.caption or _described(replied) or files
    who = replied.sender_chat or replied.sender
    return f"{_name(who)[0] or 'somebody'}: {said}" if who is not None else said


def _attachments(message: Message) -> Iterator[Attachment]:
    for index, (kind, file, ending, media_type) in enumerate(_files(message)):
        id_ = f"{message.chat.id}/{message.message_id}/{index}"  # with its chat: a group that moved numbers its messages anew
        yield Attachment(id=id_, name=file.file_name or f"{kind}.{ending}", media_type=file.mime_type or media_type, source=file.file_id)


def _files(message: Message) -> Iterator[tuple[str, File, str, str]]:
    """Each file: what it is, the file, and the ending and media type that it has if it does not say."""
    if message.photo:
        yield "photo", max(message.photo, key=lambda size: size.width), "jpg", "image/jpeg"
    if message.animation is not None:  # which is there as a document too
        yield "animation", message.animation, "mp4", "video/mp4"
    elif message.document is not None:
        yield "document", message.document, "bin", "application/octet-stream"
    if message.voice is not None:
        yield "voice", message.voice, "ogg", "audio/ogg"
    if message.audio is not None:
        yield "audio", message.audio, "mp3", "audio/mpeg"
    if message.video is not None:
        yield "video", message.video, "mp4", "video/mp4"
    if message.video_note is not None:
        yield "video-note", message.video_note, "mp4", "video/mp4"
    if message.sticker is not None:
        drawn = ("webm", "video/webm") if message.sticker.is_video else ("webp", "image/webp")
        yield "sticker", message.sticker, *(("tgs", "application/gzip") if message.sticker.is_animated else drawn)
