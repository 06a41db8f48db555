"""What people did, out of Slack's messages, events and payloads. Pure.

A chat whose id begins with D is a direct one; all others are groups. In a group every message begins a thread, or stands in one: there it is answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from holdfast.core.commands import COMMANDS, HIDDEN
from holdfast.core.entries import Attachment
from holdfast.core.incoming import Chose, Deleted, Edited, Incoming, Moved, Place, Wrote
from holdfast.platforms.slack.wire import Event, File, Message, Pressed, Slashed

_WRITTEN: Final = ("", "file_share", "me_message", "thread_broadcast")
"""The kinds of messages that people write; all others say that something happened."""
_GONE: Final = ("hidden_by_limit", "tombstone")
"""The modes of files that nobody can have any more."""

_TS: Final = re.compile(r"\d+\.\d+")
_CHOSEN: Final = re.compile(r"(\d{1,18}):(.+)", re.DOTALL)
_MARKED: Final = re.compile(r"<([^<>]+)>")
_PERSON: Final = re.compile(r"<@([A-Z0-9]+)")
_COMMAND: Final = re.compile(rf"(?:{'|'.join((*(one.name for one in COMMANDS), *HIDDEN))})\b.*", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Us:
    """Who we are to Slack."""

    team: str
    user: str
    name: str = ""

    def mentioned(self, text: str) -> bool:
        return self.user in _PERSON.findall(text)


@dataclass(frozen=True, slots=True)
class Parent:
    """The message that a thread stands below. `to_us`: it mentions us, or is ours, so that the thread is a talk with us. `first`: the ts of the first reply,
    while that is the only one."""

    to_us: bool = False
    first: str = ""
    quote: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What had to be asked to understand a message: what people are called, by their ids, and what its thread stands below."""

    names: Mapping[str, str]
    parent: Parent = Parent()


def is_group(chat: str) -> bool:
    return not chat.startswith("D")


def ts_of(id_: str) -> str:
    """The message of the id that was given to what somebody did; "" if it was no message."""
    ts = id_.partition("@")[0]
    return ts if _TS.fullmatch(ts) else ""


def answers_go_to(id_: str) -> str:
    """The thread in which a group is answered."""
    return id_.partition("@")[2] or ts_of(id_)


def value_of(question: int, option: str) -> str:
    """What the button of an option carries; `pressed` reads it."""
    return f"{question}:{option}"


def subject(event: Event) -> Message:
    """The message that an event is about."""
    match event.subtype:
        case "message_changed":
            return event.message or Message()
        case "message_deleted":
            return event.previous_message or Message()
        case _:
            return event


def people_in(message: Message) -> set[str]:
    """Whom one has to know by name."""
    return {message.user, *_PERSON.findall(message.text)} - {""}


def is_somebodys(message: Message, us: Us) -> bool:
    """Did a person write it? Bots must not talk to bots."""
    return bool(message.user) and not message.bot_id and message.user != us.user


# --- what was done ----------------------------------------------------------------------------------------------------------------------


def happened(event: Event, us: Us, known: Known) -> Incoming | Moved | None:
    """What an event says; None if it is nothing to us."""
    if event.type == "channel_id_changed":
        return Moved(event.old_channel_id, event.new_channel_id)
    message, chat, was = subject(event), str(event.channel), event.previous_message
    if event.subtype == "message_deleted" or message.subtype == "tombstone":  # with replies below it, a stone stays in its place
        return _incoming(was, chat, Deleted(), known) if was is not None and is_somebodys(was, us) else None
    if event.subtype == "message_changed":
        return None if was is not None and was.edited == message.edited else edited(message, chat, us, known)
    return written(message, chat, us, known)


def written(message: Message, chat: str, us: Us, known: Known) -> Incoming | None:
    if message.subtype not in _WRITTEN or not is_somebodys(message, us):
        return None
    begins_talk = (
        not known.parent.to_us if is_group(chat) else message.ts == known.parent.first
    )  # what it is about is not in the conversation
    parent = known.parent if message.thread and begins_talk else Parent()
    shared = tuple(one for one in message.attachments if one.is_share or one.is_msg_unfurl)
    files = (*message.files, *(file for one in shared for file in one.files))
    attachments = (*attached(files, chat, message.ts), *parent.attachments)
    quotes = [parent.quote, *(f"{one.author_name}: {plain(one.text, known.names)}" for one in shared)]
    text = _text(message, us, known)
    if not text and not attachments and not shared:
        return None
    to_us = us.mentioned(message.text) or (bool(message.thread) and known.parent.to_us)
    return _incoming(message, chat, Wrote(text, attachments, "\n".join(filter(None, quotes))), known, to_us=to_us)


def edited(message: Message, chat: str, us: Us, known: Known) -> Incoming | None:
    """That it has another text now. Of a group the inbox keeps that if it kept the message."""
    if message.edited is None or message.subtype not in _WRITTEN or not is_somebodys(message, us):
        return None
    return _incoming(message, chat, Edited(_text(message, us, known), message.edited.ts), known)


def pressed(press: Pressed) -> Incoming | None:
    chosen = next((found for one in press.actions if (found := _CHOSEN.fullmatch(one.value))), None)
    if chosen is None or press.channel is None:
        return None  # a button that is not ours
    chat, below = press.channel.id, press.container.thread_ts or press.message.thread_ts
    thread = below or press.container.message_ts if is_group(chat) else below
    return Incoming(
        place=Place(chat, thread),
        id=f"{press.actions[0].action_ts}@{thread}".rstrip("@"),
        author=press.user.id,
        did=Chose(int(chosen[1]), chosen[2]),
        name=press.user.name,
        group=is_group(chat),
    )


def slashed(slash: Slashed) -> Incoming:
    """`/holdfast status` is the command /status; any other words are a message; none ask for help."""
    text = plain(slash.text, {}).strip() or "help"
    did = Wrote(f"/{text}" if _COMMAND.fullmatch(text) else text)
    chat = slash.channel_id
    return Incoming(place=Place(chat), id=slash.trigger_id, author=slash.user_id, did=did, name=slash.user_name, group=is_group(chat))


def _incoming(message: Message, chat: str, did: Wrote | Edited | Deleted, known: Known, *, to_us: bool = True) -> Incoming:
    group, thread = is_group(chat), message.thread
    return Incoming(
        place=Place(chat, thread or (message.ts if group else "")),
        id=f"{message.ts}@{thread}" if thread else message.ts,
        author=message.user,
        did=did,
        name=known.names.get(message.user, ""),
        group=group,
        to_us=to_us or not group,
    )


# --- what it says -----------------------------------------------------------------------------------------------------------------------


def parent_of(message: Message, chat: str, us: Us, names: Mapping[str, str]) -> Parent:
    """What a thread stands below."""
    who = names.get(message.user, "")
    said = plain(message.text, names) or ", ".join(file.name for file in message.files)
    quote = f"{who}: {said}" if who else said
    to_us = message.user == us.user or us.mentioned(message.text)
    first = message.latest_reply if message.reply_count == 1 else ""
    return Parent(to_us, first, quote, tuple(attached(message.files, chat, message.ts)))


def attached(files: tuple[File, ...], chat: str, ts: str) -> Iterator[Attachment]:
    """The files, by their ids: where each is, Slack is asked when it is fetched."""
    for file in files:
        if file.mode not in _GONE:
            yield Attachment(id=f"{chat}/{ts}/{file.id}", name=file.name or "file", media_type=file.mimetype, source=file.id)


def _text(message: Message, us: Us, known: Known) -> str:
    """Without what only says that we are meant. `!stop` is a command: of what begins with a slash Slack lets nobody say anything."""
    raw = re.sub(rf"^\s*<@{us.user}(?:\|[^<>]*)?>[\s,:]*", "", message.text)
    text = plain(raw, {**known.names, us.user: us.name})
    return f"/{text[1:]}" if text.startswith("!") and _COMMAND.fullmatch(text[1:]) else text


def plain(text: str, names: Mapping[str, str]) -> str:
    """As people see it: people and chats by their names, links with their addresses."""
    shown = _MARKED.sub(lambda marked: _shown(marked[1], names), text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _shown(marked: str, names: Mapping[str, str]) -> str:
    what, _, label = marked.partition("|")
    match what[0]:
        case "@":
            return f"@{names.get(what[1:]) or label or what[1:]}"
        case "#":
            return f"#{label or what[1:]}"
        case "!":
            return label or f"@{what[1:].partition('^')[0]}"
        case _ if (
            not label or what.partition(":")[2].lstrip("/").rstrip("/") == label.partition("://")[2].rstrip("/") or what.endswith(label)
        ):
            return what.removeprefix("mailto:")
        case _:
            return f"{label} ({what})"
