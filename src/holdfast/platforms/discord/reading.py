"""What Discord's events say that somebody did. Pure: what has to be asked for is said to whoever asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Chose, Deleted, Edited, Incoming, Place, Wrote
from holdfast.platforms.discord.wire import COMMAND, PRESS, THREADS, WRITTEN, Channel, Content, File, Interaction, Message, User

CUSTOM_ID_MAX: Final = 100
"""Of what a button carries."""

_CHOSEN: Final = re.compile(r"(\d{1,18}):(.+)", re.DOTALL)
_MENTION: Final = re.compile(r"<@!?(\d+)>")
_EMOJI: Final = re.compile(r"<a?(:\w+:)\d+>")


@dataclass(frozen=True, slots=True)
class Where:
    """A channel: the place of its conversations, and the server it is in ("": a direct chat)."""

    place: Place
    server: str = ""


def where_of(channel: Channel, server: str = "") -> Where:
    """A thread is a thread of the channel above it."""
    thread = channel.type in THREADS and channel.parent_id
    place = Place(channel.parent_id or "", channel.id) if thread else Place(channel.id)
    return Where(place, channel.guild_id or server)


def id_of(message: str, place: Place) -> str:
    """How conversations name a message: with its thread, which it can be replied to in."""
    return f"{message}@{place.thread}" if place.thread else message


def split_id(id_: str) -> tuple[str, str]:
    """The message, and the channel that it stands in if that is not the chat's own, out of what `id_of` made."""
    message, _, channel = id_.partition("@")
    return message, channel


# --- what was done ----------------------------------------------------------------------------------------------------------------------


def wrote(message: Message, where: Where, us: str, our_roles: frozenset[str] = frozenset()) -> Incoming | None:
    """A message of a person's; None if it is none, or says nothing."""
    author = _person(message)
    if author is None or message.type not in WRITTEN:
        return None
    replied, group = message.referenced_message, bool(where.server)
    attachments = tuple(_attachments(message))
    if group and replied is not None and not _is_ours(replied, us):
        attachments += tuple(_attachments(replied))  # "@bot what is this?" under somebody's picture
    text = _said(message, us, our_roles)
    if not text and not attachments:
        return None
    return _incoming(
        message, author, where, Wrote(text, attachments, _quote(message, us)), to_us=is_to_us(message, where.server, us, our_roles)
    )


def edited(message: Message, where: Where, us: str, our_roles: frozenset[str] = frozenset()) -> Incoming | None:
    """Another text; None if only what Discord shows of it has changed. The inbox keeps an edit if it kept the message."""
    author = _person(message)
    if author is None or message.edited_timestamp is None or message.type not in WRITTEN:
        return None
    text = _said(message, us, our_roles)
    return _incoming(message, author, where, Edited(text, message.edited_timestamp), to_us=True) if text else None


def deleted(message: str, author: str, where: Where) -> Incoming:
    """Gone. Discord does not say whose it was."""
    return Incoming(place=where.place, id=id_of(message, where.place), author=author, did=Deleted(), group=bool(where.server))


def interacted(interaction: Interaction, where: Where) -> Incoming | None:
    """A button of ours was pressed, or a slash command given: that is as if it had been written."""
    user = interaction.user or (interaction.member.user if interaction.member is not None else None)
    if user is None:
        return None
    data = interaction.data
    if interaction.type == COMMAND:
        did: Wrote | Chose = Wrote(command_text(interaction))
    elif interaction.type == PRESS and (chosen := _CHOSEN.fullmatch(data.custom_id)) is not None:
        did = Chose(int(chosen[1]), chosen[2])
    else:
        return None
    nick = interaction.member.nick if interaction.member is not None else None
    name = nick or user.global_name or user.username
    group = bool(where.server)
    return Incoming(place=where.place, id=interaction.id, author=user.id, did=did, name=name, handles=_handles(user), group=group)


def command_text(interaction: Interaction) -> str:
    """A slash command as commands are written."""
    values = [str(option.value) for option in interaction.data.options]
    return " ".join([f"/{interaction.data.name}", *values]).strip()


def custom_id(question: int, option: str) -> str:
    """What the button of an option carries; `interacted` reads it. "" if it is too long for one."""
    whole = f"{question}:{option}"
    return whole if len(whole.encode("utf-16-le")) // 2 <= CUSTOM_ID_MAX else ""


def _person(message: Message) -> User | None:
    """Bots must not talk to bots."""
    author = message.author
    return None if author is None or author.bot or message.webhook_id else author


def _incoming(message: Message, author: User, where: Where, did: Wrote | Edited, *, to_us: bool) -> Incoming:
    name = (message.member.nick if message.member is not None else None) or _name(author)
    return Incoming(
        place=where.place,
        id=id_of(message.id, where.place),
        author=author.id,
        did=did,
        name=name,
        handles=_handles(author),
        group=bool(where.server),
        to_us=to_us,
    )


def _name(user: User) -> str:
    return user.global_name or user.username


def _handles(user: User) -> tuple[str, ...]:
    """A name with a number behind it is of an older kind, and nobody's own."""
    return (f"@{user.username}",) if user.username and user.discriminator == "0" else ()


# --- is it to us? -----------------------------------------------------------------------------------------------------------------------


def is_to_us(message: Message, server: str, us: str, our_roles: frozenset[str]) -> bool:
    """In a server: a mention of us, or of the role that is ours alone (clients offer both under our name); a reply to us."""
    if not server or any(user.id == us for user in message.mentions):
        return True
    replied = message.referenced_message
    return bool(our_roles.intersection(message.mention_roles)) or (replied is not None and _is_ours(replied, us))


def _is_ours(message: Message, us: str) -> bool:
    return message.author is not None and message.author.id == us


# --- what it says -----------------------------------------------------------------------------------------------------------------------


def _said(message: Message, us: str, our_roles: frozenset[str] = frozenset()) -> str:
    """Without what only says that we are meant, and with people's names instead of their numbers."""
    text = message.content.strip()
    for ours in (f"<@{us}>", f"<@!{us}>", *(f"<@&{role}>" for role in our_roles)):
        if text.startswith(ours):
            text = text.removeprefix(ours).lstrip(" \n,:")
    names = {user.id: _name(user) for user in message.mentions}
    text = _MENTION.sub(lambda found: f"@{names[found[1]]}" if found[1] in names else found[0], text)
    passed_on = "\n".join(f"Forwarded:\n{said}" for one in message.message_snapshots if (said := _described(one.message)))
    return _EMOJI.sub(r"\1", text) or ("" if message.content else _described(message)) or passed_on


def _described(content: Content) -> str:
    """What a message says; in words if it has no text of its own."""
    if content.content:
        return content.content
    if content.poll is not None:
        answers = " / ".join(answer.poll_media.text or "?" for answer in content.poll.answers)
        return f"(a poll: {content.poll.question.text or '?'} {answers})"
    return " ".join(f"(a sticker: {sticker.name})" for sticker in content.sticker_items)


def _quote(message: Message, us: str) -> str:
    replied = message.referenced_message
    if replied is None or replied.author is None:
        return ""
    said = _said(replied, us) or ", ".join(file.filename for file in replied.attachments)
    return f"{_name(replied.author)}: {said}" if said else ""


def _attachments(message: Message) -> Iterator[Attachment]:
    """Addresses of files hold for a day: the source says where to ask for the one of now."""
    for file in files_of(message):
        name, media_type = file.filename or "file", (file.content_type or "").partition(";")[0]
        yield Attachment(id=file.id, name=name, media_type=media_type, source=f"{message.channel_id}/{message.id}/{file.id}")


def files_of(message: Message) -> Iterator[File]:
    """Those of a message, and those that it passes on."""
    yield from message.attachments
    for one in message.message_snapshots:
        yield from one.message.attachments
