"""What was written, in order and without a gap, in whatever way it comes: live, told again to a session that goes on, or read in a channel's history.

A session that begins says how new the newest message of each channel is (of direct chats we ask): where that is newer than the cursor there is a gap. What
comes live in such a channel waits until its history is read; all other channels go on at once. The cursor, one snowflake for all channels, does not move
before the last gap is closed; and it is only ever taken for good to within `OVERLAP_S`, since channels are not told in the order of their messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec

from holdfast.core.incoming import Incoming, Place, Unread, Wrote
from holdfast.errors import Temporary
from holdfast.platforms.asking import Failure
from holdfast.platforms.discord import reading
from holdfast.platforms.discord.api import Api, Refused
from holdfast.platforms.discord.gateway import Event
from holdfast.platforms.discord.reading import Where
from holdfast.platforms.discord.sending import channel_of
from holdfast.platforms.discord.wire import READABLE, Channel, Deleted, Guild, Interaction, Message, Ready, Role, Sent, snowflake
from holdfast.platforms.together import together
from holdfast.ports import Clock, Inbox

OVERLAP_S: Final = 60.0
PAGE: Final = 100
READ_AT_ONCE_MAX: Final = 4
READ_AGAIN_S: Final = 5.0
"""A history that could not be read is asked for again after so long."""
HELD_MAX: Final = 10_000
"""So much that comes live may wait for histories; beyond it, everything is read anew."""
AUTHORS_MAX: Final = 10_000
"""Of so many messages we know who wrote them, in case they are deleted."""
ROLES_MAX: Final = 1_000
"""So many servers' roles are remembered."""

PLACES_MAX: Final = 50_000
"""So many channels are remembered."""

_NOT_FOR_US: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_MS: Final = 22
"""Of a snowflake, so many bits are below the milliseconds."""

T = TypeVar("T")
Taken = tuple[Sequence[Incoming], Interaction | None]
"""What was kept that had not been before, and the interaction by which it was said."""


class TooMuch(Temporary):
    """So much was written that the session is of no use any more."""


@dataclass(slots=True)
class Gap:
    """A channel whose history is to be read, from here; `held`: what came live meanwhile."""

    after: int
    held: list[Incoming | Unread] = field(default_factory=list)


class Reception:
    """Of one account. `wanted`: is this chat of a server one that we answer in? `caught_up` is told when the last gap is closed, before the cursor moves."""

    def __init__(
        self, api: Api, clock: Clock, wanted: Callable[[str], bool], refused: Callable[[Failure], None], caught_up: Callable[[], None]
    ) -> None:
        self._api, self._clock, self._wanted, self._refused, self._caught_up = api, clock, wanted, refused, caught_up
        self._inbox: Inbox | None = None
        self._us = ""
        self._places: dict[str, Where] = {}
        self._newest: dict[str, int] = {}  # the last messages of channels with gaps, as far as we were told
        self._roles: dict[str, frozenset[str]] = {}
        self._authors: dict[str, str] = {}
        self._awaited: set[str] = set()
        self._gaps: dict[str, Gap] = {}
        self._held = 0
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._taking = asyncio.Lock()
        self._since = self._reached = 0
        self.flushed = 0
        """The journal's cursor."""

    @property
    def whole(self) -> bool:
        """Everything that was told so far has been taken, and there is no gap before it."""
        return not self._awaited and not self._gaps

    # --- sessions -----------------------------------------------------------------------------------------------------------------------

    def go_on(self, inbox: Inbox, us: str, cursor: str) -> None:
        """With a session that we had: gaps that were left are still there."""
        self._inbox, self._us = inbox, us
        self.flushed = int(cursor or 0)
        self._reached = max(self._reached, self.flushed)

    async def begin(self, inbox: Inbox, ready: Ready, cursor: str) -> None:
        """With a session that is new: everything since the cursor is a gap."""
        self._held = 0
        for left in (self._gaps, self._awaited, self._newest):
            left.clear()
        self.go_on(inbox, ready.user.id, cursor)
        if not cursor:
            self._reached = snowflake(self._api.theirs(self._clock.now()))
            return
        self._since = max(int(cursor) - (int(OVERLAP_S * 1000) << _MS), 0)
        self._awaited |= {guild.id for guild in ready.guilds}
        for place in await inbox.chats():
            self._open(channel_of(place), self._since)

    def _open(self, channel: str, after: int) -> None:
        """There is a gap."""
        if channel not in self._gaps:
            self._gaps[channel] = Gap(after)
            self._queue.put_nowait(channel)

    async def settle(self) -> None:
        """Once there is no gap, the cursor follows to where we are, be it that nothing came that is kept."""
        async with self._taking:
            if self.whole:
                self._caught_up()
                if self._reached > self.flushed:
                    await self._take_now(())

    # --- what is told -------------------------------------------------------------------------------------------------------------------

    async def heed(self, event: Event) -> Taken | None:
        """Take what an event says; None if it says nothing to us. Raises `Temporary`."""
        try:
            return await self._heed(event)
        except (msgspec.DecodeError, ValueError) as error:
            raw = bytes(event.data).decode("utf-8", "replace")
            await self._take([Unread(raw, f"Discord sent something unexpected ({event.name or 'no event'}): {error}")])
            return (), None
        except Failure as failure:
            raise Temporary(f"Discord does not say where something was done: {failure}.") from None

    async def _heed(self, event: Event) -> Taken | None:
        match event.name:
            case "MESSAGE_CREATE":
                return await self._message(msgspec.json.decode(event.data, type=Message))
            case "MESSAGE_UPDATE":
                return await self._edit(msgspec.json.decode(event.data, type=Message))
            case "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK":
                return await self._delete(msgspec.json.decode(event.data, type=Deleted))
            case "INTERACTION_CREATE":
                return await self._interaction(msgspec.json.decode(event.data, type=Interaction))
            case "GUILD_CREATE":
                await self._guild(msgspec.json.decode(event.data, type=Guild))
            case "GUILD_DELETE":
                await self._left(msgspec.json.decode(event.data, type=Guild))
            case "THREAD_CREATE" | "THREAD_UPDATE":
                thread = msgspec.json.decode(event.data, type=Channel)
                self._remember(thread.id, reading.where_of(thread))
            case "":
                raise msgspec.DecodeError("it is no event")
            case _:
                pass
        return None

    async def _guild(self, guild: Guild) -> None:
        """A server, with the channels that we see: after the beginning of a session, or since we were invited."""
        if guild.unavailable:
            return
        awaited = guild.id in self._awaited
        for channel in (*guild.channels, *guild.threads):
            where, newest = reading.where_of(channel, guild.id), int(channel.last_message_id or 0)
            self._remember(channel.id, where)
            if awaited and newest > self._since and channel.type in READABLE and self._wanted(where.place.chat):
                self._open(channel.id, self._since)
            if channel.id in self._gaps:
                self._newest[channel.id] = newest
        self._awaited.discard(guild.id)
        if awaited:
            await self.settle()

    async def _left(self, guild: Guild) -> None:
        """We are in this server no more, or it is away for a while."""
        if not guild.unavailable and guild.id in self._awaited:
            self._awaited.discard(guild.id)
            await self.settle()

    async def _message(self, message: Message) -> Taken | None:
        number = int(message.id)
        try:
            roles = await self._our_roles(message)
            if not reading.is_to_us(message, message.guild_id, self._us, roles):
                return await self._live(message.channel_id, None, number)
            where = await self._known(message.channel_id, message.guild_id)
        except Failure:
            self._open(message.channel_id, number - 1)  # there it stays until we know where it belongs
            return None
        return await self._live(message.channel_id, reading.wrote(message, where, self._us, roles), number)

    async def _edit(self, message: Message) -> Taken | None:
        if message.edited_timestamp is None or message.author is None or message.author.bot:
            return None  # only what is shown of its links has changed
        where = await self._known(message.channel_id, message.guild_id)
        return await self._live(message.channel_id, reading.edited(message, where, self._us, await self._our_roles(message)))

    async def _delete(self, gone: Deleted) -> Taken | None:
        """Discord does not say who wrote what is gone."""
        taken: Taken | None = None
        for message in (*gone.ids, *([gone.id] if gone.id else [])):
            author = self._authors.get(message, "") or ("" if gone.guild_id else await self._other(gone.channel_id))
            if author:
                where = await self._known(gone.channel_id, gone.guild_id)
                taken = await self._live(gone.channel_id, reading.deleted(message, author, where)) or taken
        return taken

    async def _interaction(self, interaction: Interaction) -> Taken | None:
        """Never held back: whoever pressed waits for three seconds at most, and histories tell of none."""
        channel = interaction.channel
        if interaction.guild_id and channel is not None and channel.parent_id:
            self._remember(channel.id, reading.where_of(channel, interaction.guild_id))
        where = await self._known(interaction.channel_id or (channel.id if channel is not None else ""), interaction.guild_id)
        incoming = reading.interacted(interaction, where)
        return (await self._take([incoming]), interaction) if incoming is not None else None

    async def _live(self, channel: str, incoming: Incoming | None, message: int = 0) -> Taken | None:
        """Take it, or hold it until what was before it has been read."""
        async with self._taking:
            self._reached = max(self._reached, message)
            if incoming is None or (incoming.group and not self._wanted(incoming.place.chat)):
                return None
            gap = self._gaps.get(channel)
            if gap is None:
                return await self._take_now([incoming]), None
            self._held += 1
            if self._held > HELD_MAX:
                raise TooMuch(f"More than {HELD_MAX} messages came while histories were being read. All of them are read anew.")
            gap.held.append(incoming)
            return None

    # --- what was missed ----------------------------------------------------------------------------------------------------------------

    async def read_gaps(self) -> None:
        """For ever: servers may come later. It is begun anew with each connection, and ends with it."""
        self._queue = asyncio.Queue()
        for channel in self._gaps:
            self._queue.put_nowait(channel)
        await together(*(self._read_next() for _ in range(READ_AT_ONCE_MAX)))

    async def _read_next(self) -> None:
        queue = self._queue
        while True:
            channel = await queue.get()
            try:
                await self._read(channel, self._gaps[channel])
            except Failure as failure:
                again_s = (failure.retry_after_s if isinstance(failure, Refused) else None) or READ_AGAIN_S
                asyncio.get_running_loop().call_later(again_s, queue.put_nowait, channel)

    async def _read(self, channel: str, gap: Gap) -> None:
        """Read it to its end, and go on with what is held. Raises `Failure`: then it is still there, as far as it was not read."""
        where, newest = await self._there(channel)
        complete = newest <= gap.after or bool(where.server and not self._wanted(where.place.chat))
        while not complete:
            complete = await self._read_page(channel, where, gap)
        async with self._taking:
            if gap.held:
                await self._take_now(gap.held)
            self._held -= len(gap.held)
            del self._gaps[channel]
        await self.settle()

    async def _read_page(self, channel: str, where: Where, gap: Gap) -> bool:
        """The oldest messages after those that were read. Is that the end?"""
        try:
            page = await self._ask("GET", f"/channels/{channel}/messages?limit={PAGE}&after={gap.after}", tuple[msgspec.Raw, ...])
        except Refused as refused:
            if refused.status in _NOT_FOR_US:
                return True  # it can't be read any more, or never could be
            raise
        in_order = sorted((int(msgspec.json.decode(raw, type=Sent).id), raw) for raw in page)
        events = [event for _, raw in in_order if (event := await self._missed(raw, where)) is not None]
        if events:
            await self._take(events)
        gap.after = max([gap.after, *(message for message, _ in in_order)])
        self._reached = max(self._reached, gap.after)
        return len(page) < PAGE

    async def _missed(self, raw: msgspec.Raw, where: Where) -> Incoming | Unread | None:
        try:
            message = msgspec.json.decode(raw, type=Message)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Unread(bytes(raw).decode("utf-8", "replace"), f"Discord sent something unexpected: {error}")
        incoming = reading.wrote(message, where, self._us, await self._our_roles(message, where.server))
        return None if incoming is None or (incoming.group and not incoming.to_us) else incoming

    # --- taking -------------------------------------------------------------------------------------------------------------------------

    async def _take(self, events: Sequence[Incoming | Unread]) -> Sequence[Incoming]:
        async with self._taking:
            return await self._take_now(events)

    async def _take_now(self, events: Sequence[Incoming | Unread]) -> Sequence[Incoming]:
        """Make it durable, and move the cursor if there is no gap. One at a time: so cursors come in order."""
        assert self._inbox is not None, "nothing is told before it begins"
        moves = self.whole and self._reached > self.flushed
        reached = self._reached if moves else self.flushed
        kept = await self._inbox.take(events, str(reached) if moves else None)
        self.flushed = reached
        for one in kept:
            if isinstance(one.did, Wrote):
                self._authors[reading.split_id(one.id)[0]] = one.author
        while len(self._authors) > AUTHORS_MAX:
            del self._authors[next(iter(self._authors))]
        return kept

    # --- asking -------------------------------------------------------------------------------------------------------------------------

    def _remember(self, channel: str, where: Where) -> None:
        if len(self._places) >= PLACES_MAX:
            self._places.clear()
        self._places[channel] = where

    async def _known(self, channel: str, server: str) -> Where:
        """Where something was done just now. Raises `Failure`."""
        if not server:
            return Where(Place(channel))
        if channel not in self._places:
            where, _ = await self._there(channel)
            self._remember(channel, replace(where, server=server))
        return self._places[channel]

    async def _there(self, channel: str) -> tuple[Where, int]:
        """A channel, and its newest message: 0 if we may not see it (any more). Raises `Failure`."""
        if channel in self._newest and channel in self._places:
            return self._places[channel], self._newest[channel]
        try:
            found = await self._ask("GET", f"/channels/{channel}", Channel)
        except Refused as refused:
            if refused.status in _NOT_FOR_US:
                return Where(Place(channel)), 0
            raise
        return reading.where_of(found), int(found.last_message_id or 0)

    async def _other(self, channel: str) -> str:
        """Whom we talk to in a direct chat."""
        try:
            found = await self._ask("GET", f"/channels/{channel}", Channel)
        except Refused:
            return ""
        return next((user.id for user in found.recipients if user.id != self._us), "")

    async def _our_roles(self, message: Message, server: str = "") -> frozenset[str]:
        """The roles that are ours alone, where a message names roles."""
        server = server or message.guild_id
        if not server or not message.mention_roles:
            return frozenset()
        if server not in self._roles:
            if len(self._roles) >= ROLES_MAX:
                self._roles.clear()
            roles = await self._ask("GET", f"/guilds/{server}/roles", tuple[Role, ...])
            self._roles[server] = frozenset(role.id for role in roles if role.tags.bot_id == self._us)
        return self._roles[server]

    async def _ask(self, method: str, path: str, answer: type[T], **more: Any) -> T:
        try:
            return await self._api.call(method, path, answer, **more)
        except Failure as failure:
            self._refused(failure)
            raise
