"""What of Slack's messages, events and answers we read; https://docs.slack.dev names the fields. What is not here is not looked at, so it can't be wrong."""

from __future__ import annotations

from typing import Any

import msgspec


class File(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    mimetype: str = ""
    mode: str = ""
    url_private: str = ""
    url_private_download: str = ""
    shares: dict[str, dict[str, Any]] = {}
    """By "public" and "private", by chat."""


class Shared(msgspec.Struct, frozen=True):
    """Something attached: another message, or what a link shows."""

    is_share: bool = False
    is_msg_unfurl: bool = False
    author_name: str = ""
    text: str = ""
    files: tuple[File, ...] = ()


class Edit(msgspec.Struct, frozen=True):
    ts: str


class Metadata(msgspec.Struct, frozen=True):
    event_type: str = ""
    event_payload: dict[str, Any] = {}


class Message(msgspec.Struct, frozen=True):
    """`ts` is its time, and its id in its chat. With `thread_ts` it stands in the thread below that message, or is that message."""

    ts: str = ""
    subtype: str = ""
    user: str = ""
    bot_id: str = ""
    text: str = ""
    thread_ts: str = ""
    latest_reply: str = ""
    reply_count: int = 0
    files: tuple[File, ...] = ()
    attachments: tuple[Shared, ...] = ()
    edited: Edit | None = None
    metadata: Metadata = Metadata()

    @property
    def thread(self) -> str:
        """The thread that it stands in; "" for the message that it stands below, and for all others."""
        return self.thread_ts if self.thread_ts != self.ts else ""


class Event(Message, frozen=True):
    """Something that happened. Of a message that was changed or deleted: `message` as it is now, `previous_message` as it was."""

    type: str = ""
    channel: Any = ""
    message: Message | None = None
    previous_message: Message | None = None
    deleted_ts: str = ""
    old_channel_id: str = ""
    new_channel_id: str = ""


class Authorization(msgspec.Struct, frozen=True):
    user_id: str = ""


class Callback(msgspec.Struct, frozen=True):
    """An event, and for whom it is brought."""

    event: Event
    authorizations: tuple[Authorization, ...] = ()


class Named(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


class Action(msgspec.Struct, frozen=True):
    action_ts: str
    value: str = ""


class Container(msgspec.Struct, frozen=True):
    message_ts: str = ""
    thread_ts: str = ""


class Pressed(msgspec.Struct, frozen=True):
    """Somebody pressed a button."""

    user: Named
    channel: Named | None = None
    container: Container = Container()
    message: Message = Message()
    actions: tuple[Action, ...] = ()
    type: str = ""


class Slashed(msgspec.Struct, frozen=True):
    """Somebody gave our slash command."""

    channel_id: str
    user_id: str
    trigger_id: str
    user_name: str = ""
    text: str = ""


# --- answers ----------------------------------------------------------------------------------------------------------------------------


class WhoWeAre(msgspec.Struct, frozen=True):
    team_id: str
    user_id: str
    bot_id: str = ""
    user: str = ""


class Address(msgspec.Struct, frozen=True):
    url: str


class Next(msgspec.Struct, frozen=True):
    next_cursor: str = ""


class Messages(msgspec.Struct, frozen=True):
    messages: list[dict[str, Any]] = []
    response_metadata: Next = Next()


class Done(msgspec.Struct, frozen=True):
    """Nothing more is said."""


class Chat(msgspec.Struct, frozen=True):
    id: str
    is_im: bool = False
    is_mpim: bool = False
    is_member: bool = False


class Asked(msgspec.Struct, frozen=True):
    channel: Chat


class Chats(msgspec.Struct, frozen=True):
    channels: tuple[Chat, ...] = ()
    response_metadata: Next = Next()


class Profile(msgspec.Struct, frozen=True):
    display_name: str = ""
    real_name: str = ""


class User(msgspec.Struct, frozen=True):
    name: str = ""
    profile: Profile = Profile()


class Found(msgspec.Struct, frozen=True):
    user: User


class Sent(msgspec.Struct, frozen=True):
    ts: str


class Upload(msgspec.Struct, frozen=True):
    upload_url: str
    file_id: str


class Stored(msgspec.Struct, frozen=True):
    file: File
