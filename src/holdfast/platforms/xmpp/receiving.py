"""From the archives into the inbox: on each connection from the cursor to the end, and then whenever a message rings the bell.

The cursor is one instant for all archives. It moves when all of them were read, and what is read begins some time before it: for clocks that differ, and for
what another server brought late. The inbox knows what it has already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from holdfast.core.incoming import Deleted, Edited, Incoming, Unread
from holdfast.errors import Temporary
from holdfast.platforms.xmpp import wire
from holdfast.platforms.xmpp.archive import Archives, Kept
from holdfast.platforms.xmpp.reading import Said, command, incoming, read
from holdfast.platforms.xmpp.rooms import Rooms
from holdfast.platforms.xmpp.stream import Refused, Stream
from holdfast.ports import Clock, Inbox

LOOK_S: Final = 300.0
"""How often every archive is looked at, bell or not."""
OVERLAP_S: Final = 1200.0
"""Two clocks may each be five minutes off, and a look may be so long ago."""
CURSOR_S: Final = 60.0
"""For less than that the cursor alone is not moved."""
KNOWN_MAX: Final = 2000
LOOK_BACK_MAX: Final = 300
"""So many messages of a chat are looked through for one that was corrected."""


class Receiving:
    """What one connection brings. It is told of every message that comes."""

    def __init__(self, account: str, stream: Stream, archives: Archives, rooms: Rooms, inbox: Inbox, clock: Clock) -> None:
        self._account, self._stream, self._archives, self._rooms, self._inbox = account, stream, archives, rooms, inbox
        self._clock = clock
        self._bell = asyncio.Event()
        self._rung: set[str] = set()
        self._loose: list[wire.Element] = []
        self._last: dict[str, str] = {}  # of each archive, the id that was read last
        self._known: dict[tuple[str, str, str], str] = {}  # (chat, author, id by the author or the archive): the archive's id
        self._begin = self._reached = self._moved = 0.0
        self._caught_up = False

    def heard(self, message: wire.Element) -> None:
        """The archive has it, and is read. What none keeps (a message that is not to be stored, a bare retraction) is taken as it is."""
        self._inbox.alive()
        sender = wire.bare(message.get("from", ""))
        archive = sender if message.get("type") == "groupchat" else self._stream.jid
        if wire.archive_id(message, archive):
            self.ring(archive)
        elif wire.child(message, wire.DELAY, "delay") is None and message.get("type") != "error":
            self._loose.append(message)
            self._bell.set()

    def ring(self, archive: str) -> None:
        """There may be something new in it."""
        self._rung.add(archive)
        self._bell.set()

    async def run(self, cursor: str) -> None:
        """Until cancelled. Raises `Refused` if there is no archive."""
        self._begin = self._reached = self._moved = float(cursor) if cursor else self._clock.now()
        await self._all()
        self._caught_up = True
        await self._inbox.take([], self._cursor())
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._bell.wait()
            except TimeoutError:
                self._rooms.join()
                await self._all()
                continue
            self._bell.clear()
            rung, self._rung = self._rung, set()
            loose, self._loose = self._loose, []
            for archive in sorted(rung):
                await (self._own() if archive == self._stream.jid else self._room(archive))
            if events := [
                event for one in loose if (event := await self._event(one, f"live-{wire.origin_id(one) or one.get('id', '')}")) is not None
            ]:
                await self._inbox.take(events)

    async def _all(self) -> None:
        await self._own()
        for room in self._rooms.inside():
            await self._room(room.jid)

    async def _own(self) -> None:
        await self._read(self._stream.jid)

    async def _room(self, jid: str) -> None:
        """One that keeps no archive is left alone: what is said there could be lost. One that does not answer now is looked at later."""
        room = self._rooms.room(jid)
        if room is None or room.state != "in":
            return
        try:
            await self._read(jid)
        except Refused as refused:
            if refused.kind == "wait" or refused.condition.startswith("remote-server"):
                self._rooms.unanswered_by(room, f"its archive can't be read now: {refused}")
            else:
                self._rooms.lost(room, f"it keeps no archive that we may read ({refused}). Its owner can turn that on")
        except Temporary as failed:
            self._stream.check()
            self._rooms.unanswered_by(room, str(failed).rstrip("."))

    async def _read(self, archive: str) -> None:
        while True:
            since = self._begin - OVERLAP_S
            try:
                page = await self._archives.after(archive, self._last.get(archive, ""), since)
            except Refused as refused:
                if refused.condition != "item-not-found" or not self._last.pop(archive, ""):
                    raise
                continue  # what we read last is not kept any more
            events = [event for kept in page.kept if (event := await self._of(kept)) is not None]
            self._reached = max([self._reached, *(kept.at for kept in page.kept)])
            await self._take(events)
            self._last[archive] = page.last or self._last.get(archive, "")
            if page.ends:
                return

    async def _take(self, events: Sequence[Incoming | Unread]) -> None:
        moves = self._caught_up and (events or self._reached - self._moved > CURSOR_S)
        cursor = self._cursor() if moves else None
        if events or cursor is not None:
            await self._inbox.take(events, cursor)

    def _cursor(self) -> str | None:
        """It stays where it is as long as a room has not answered on this connection."""
        if self._rooms.unanswered:
            return None
        self._moved = self._reached
        return f"{self._reached:.0f}"

    # --- what a message says ------------------------------------------------------------------------------------------------------------------

    async def _of(self, kept: Kept) -> Incoming | Unread | None:
        event = await self._event(kept.message, kept.id)
        return None if isinstance(event, Unread) and kept.at < int(self._begin) else event  # that was told already

    async def _event(self, message: wire.Element, id_: str) -> Incoming | Unread | None:
        nick = self._nick(message)
        said = read(message, id_, self._stream.jid, nick)
        if said is None:
            return None
        if not said.of:
            self._know(said)
            return incoming(said, nick, self._stream.jid)
        of = self._known.get((said.place.chat, said.author, said.of)) or await self._looked_up(said, nick)
        if not of:
            return None  # nobody changes what another one wrote
        did = Edited(command(said.body, nick), version=said.id) if said.edits else Deleted()
        return Incoming(place=said.place, id=of, author=said.author, did=did, name=said.name, group=bool(nick))

    async def _looked_up(self, wanted: Said, nick: str) -> str:
        """The id of the message that is corrected, further back in the archive."""
        archive, with_ = (wanted.place.chat, "") if nick else (self._stream.jid, wanted.place.chat)
        number = 0
        async for kept in self._archives.back(archive, with_):
            said = read(kept.message, kept.id, self._stream.jid, nick)
            if said is not None and said.author == wanted.author and not said.of and wanted.of in said.by_author | {said.id}:
                return kept.id
            number += 1
            if number >= LOOK_BACK_MAX:
                break
        return ""

    def _know(self, said: Said) -> None:
        for id_ in said.by_author | {said.id}:
            self._known[said.place.chat, said.author, id_] = said.id
        while len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]

    def _nick(self, message: wire.Element) -> str:
        room = self._rooms.room(message.get("from", "")) if message.get("type") == "groupchat" else None
        return room.nick if room is not None else ""
