"""What of the Bot API's updates we read; https://core.telegram.org/bots/api names the fields. What is not here is not looked at, so it can't be wrong."""

from __future__ import annotations

from typing import Any

import msgspec


class User(msgspec.Struct, frozen=True):
    id: int
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""


class Chat(msgspec.Struct, frozen=True):
    id: int
    type: str
    title: str = ""
    username: str = ""


class Entity(msgspec.Struct, frozen=True):
    """`offset` and `length` count UTF-16 units."""

    type: str
    offset: int
    length: int
    url: str = ""
    user: User | None = None


class File(msgspec.Struct, frozen=True):
    """Anything with bytes."""

    file_id: str
    file_name: str = ""
    mime_type: str = ""
    width: int = 0
    emoji: str = ""
    is_animated: bool = False
    is_video: bool = False


class Location(msgspec.Struct, frozen=True):
    latitude: float
    longitude: float


class Venue(msgspec.Struct, frozen=True):
    location: Location
    title: str = ""
    address: str = ""


class Contact(msgspec.Struct, frozen=True):
    phone_number: str
    first_name: str = ""
    last_name: str = ""


class Option(msgspec.Struct, frozen=True):
    text: str


class Poll(msgspec.Struct, frozen=True):
    question: str
    options: tuple[Option, ...] = ()


class Dice(msgspec.Struct, frozen=True):
    emoji: str
    value: int


class Quote(msgspec.Struct, frozen=True):
    text: str


class Origin(msgspec.Struct, frozen=True):
    """Of what was forwarded: where it was first said."""

    sender_user: User | None = None
    sender_user_name: str = ""
    sender_chat: Chat | None = None
    chat: Chat | None = None


class Button(msgspec.Struct, frozen=True):
    text: str
    callback_data: str = ""


class Keyboard(msgspec.Struct, frozen=True):
    inline_keyboard: tuple[tuple[Button, ...], ...] = ()


class Message(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    message_id: int
    chat: Chat
    sender: User | None = None
    sender_chat: Chat | None = None
    message_thread_id: int = 0
    is_topic_message: bool = False
    edit_date: int = 0
    text: str = ""
    caption: str = ""
    entities: tuple[Entity, ...] = ()
    caption_entities: tuple[Entity, ...] = ()
    reply_to_message: Message | None = None
    quote: Quote | None = None
    forward_origin: Origin | None = None
    reply_markup: Keyboard | None = None
    photo: tuple[File, ...] = ()
    document: File | None = None
    voice: File | None = None
    video: File | None = None
    audio: File | None = None
    sticker: File | None = None
    animation: File | None = None
    video_note: File | None = None
    location: Location | None = None
    venue: Venue | None = None
    contact: Contact | None = None
    poll: Poll | None = None
    dice: Dice | None = None
    migrate_to_chat_id: int = 0
    migrate_from_chat_id: int = 0
    forum_topic_created: Any = None


class CallbackQuery(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    id: str
    sender: User
    message: Message | None = None
    data: str = ""


class Update(msgspec.Struct, frozen=True):
    message: Message | None = None
    edited_message: Message | None = None
    callback_query: CallbackQuery | None = None


class Number(msgspec.Struct, frozen=True):
    """The one thing without which an update can't be acknowledged."""

    update_id: int


KINDS = ("message", "edited_message", "callback_query")
"""What we want to be told. Being blocked or thrown out we learn when we send."""


class Sent(msgspec.Struct, frozen=True):
    """A message of ours, as far as we need it."""

    message_id: int


class Stored(msgspec.Struct, frozen=True):
    """A file that can be downloaded."""

    file_path: str = ""


class Hooked(msgspec.Struct, frozen=True):
    """How the webhook fares."""

    url: str = ""
    pending_update_count: int = 0
    last_error_date: int = 0
    last_error_message: str = ""
