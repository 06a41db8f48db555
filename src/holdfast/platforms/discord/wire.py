"""What of Discord's API v10 we read; https://discord.com/developers/docs names the fields. What is not here is not looked at, so it can't be wrong.

Ids are snowflakes: their first 42 bits are the milliseconds since 2015.
"""

from __future__ import annotations

from typing import Final

import msgspec

EPOCH_MS: Final = 1_420_070_400_000

DIRECT: Final = 1
THREADS: Final = (10, 11, 12)
"""Types of channels."""
READABLE: Final = (0, DIRECT, 2, 5, *THREADS, 13)
"""Those with messages in them."""

WRITTEN: Final = (0, 19)
"""Types of messages: what people write, and what they reply. All others say what happened."""

COMMAND: Final = 2
PRESS: Final = 3
"""Types of interactions."""


def snowflake(at: float) -> int:
    """The smallest one of this instant."""
    return max(int(at * 1000) - EPOCH_MS, 0) << 22


class User(msgspec.Struct, frozen=True):
    id: str
    username: str = ""
    global_name: str | None = None
    discriminator: str = "0"
    bot: bool = False


class Member(msgspec.Struct, frozen=True):
    """A user, in a server."""

    nick: str | None = None
    user: User | None = None


class File(msgspec.Struct, frozen=True):
    id: str
    filename: str = ""
    content_type: str | None = None
    url: str = ""


class Sticker(msgspec.Struct, frozen=True):
    name: str


class PollText(msgspec.Struct, frozen=True):
    text: str | None = None


class PollAnswer(msgspec.Struct, frozen=True):
    poll_media: PollText = PollText()


class Poll(msgspec.Struct, frozen=True):
    question: PollText = PollText()
    answers: tuple[PollAnswer, ...] = ()


class Content(msgspec.Struct, frozen=True):
    """What a message says, be it one that is passed on."""

    content: str = ""
    attachments: tuple[File, ...] = ()
    sticker_items: tuple[Sticker, ...] = ()
    poll: Poll | None = None


class Snapshot(msgspec.Struct, frozen=True):
    message: Content = Content()


class Message(Content, frozen=True, kw_only=True):
    """`author` is missing in what is said of an edit that is none."""

    id: str
    channel_id: str
    guild_id: str = ""
    author: User | None = None
    member: Member | None = None
    type: int = 0
    webhook_id: str = ""
    edited_timestamp: str | None = None
    mentions: tuple[User, ...] = ()
    mention_roles: tuple[str, ...] = ()
    referenced_message: Message | None = None
    message_snapshots: tuple[Snapshot, ...] = ()
    nonce: str | int | None = None


class Deleted(msgspec.Struct, frozen=True):
    """One message is gone, or many."""

    channel_id: str
    id: str = ""
    ids: tuple[str, ...] = ()
    guild_id: str = ""


class Channel(msgspec.Struct, frozen=True):
    id: str
    type: int = 0
    guild_id: str = ""
    parent_id: str | None = None
    last_message_id: str | None = None
    recipients: tuple[User, ...] = ()


class Guild(msgspec.Struct, frozen=True):
    id: str
    unavailable: bool = False
    channels: tuple[Channel, ...] = ()
    threads: tuple[Channel, ...] = ()


class RoleTags(msgspec.Struct, frozen=True):
    bot_id: str = ""


class Role(msgspec.Struct, frozen=True):
    id: str
    tags: RoleTags = RoleTags()


class Option(msgspec.Struct, frozen=True):
    value: str | float | bool = ""


class InteractionData(msgspec.Struct, frozen=True):
    name: str = ""
    custom_id: str = ""
    options: tuple[Option, ...] = ()


class Interaction(msgspec.Struct, frozen=True):
    """A button was pressed, or a slash command given."""

    id: str
    token: str
    type: int
    channel_id: str = ""
    channel: Channel | None = None
    guild_id: str = ""
    data: InteractionData = InteractionData()
    user: User | None = None
    member: Member | None = None


class Application(msgspec.Struct, frozen=True):
    id: str


class Ready(msgspec.Struct, frozen=True):
    """A new session. `guilds` are described one by one after it."""

    user: User
    session_id: str
    resume_gateway_url: str
    application: Application
    guilds: tuple[Guild, ...] = ()


class StartLimit(msgspec.Struct, frozen=True):
    """How many sessions may yet be begun, and in how many milliseconds there are more."""

    remaining: int = 1
    reset_after: float = 0.0


class Entrance(msgspec.Struct, frozen=True):
    """Where the gateway is."""

    url: str
    session_start_limit: StartLimit = StartLimit()


class Sent(msgspec.Struct, frozen=True):
    id: str
