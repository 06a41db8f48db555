"""The rooms that we are in (XEP-0045), under a name that is ours there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from holdfast.platforms.xmpp import wire
from holdfast.platforms.xmpp.stream import Stream

JOIN_S_MAX: Final = 15.0
NAMES_MAX: Final = 5
"""So many names are tried, where others have ours already."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Room:
    """`asked`: nobody has answered yet. `out`: we are not let in, or taken out."""

    jid: str
    nick: str
    state: Literal["asked", "in", "out"] = "asked"
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    why: str = ""
    """What was warned of last."""


class Rooms:
    """It is told of every presence that comes."""

    def __init__(self, account: str, stream: Stream, rooms: Sequence[str]) -> None:
        self._account, self._stream = account, stream
        nick = stream.jid.partition("@")[0]
        self._rooms = {wire.bare(jid): Room(wire.bare(jid), nick) for jid in rooms}

    def room(self, jid: str) -> Room | None:
        return self._rooms.get(wire.bare(jid))

    def inside(self) -> list[Room]:
        return [room for room in self._rooms.values() if room.state == "in"]

    @property
    def unanswered(self) -> bool:
        """Is there one of which we don't know yet?"""
        return any(room.state == "asked" for room in self._rooms.values())

    def join(self) -> None:
        """Come into all. Who is inside already is only told again who is there."""
        for room in self._rooms.values():
            self._stream.send(wire.presence(f"{room.jid}/{room.nick}"))

    async def joined(self) -> None:
        """Return when all have answered; a room whose server is away is waited for no longer than `JOIN_S_MAX`."""
        async with asyncio.TaskGroup() as waiting:
            for room in self._rooms.values():
                waiting.create_task(self._answered(room))

    async def _answered(self, room: Room) -> None:
        try:
            async with asyncio.timeout(JOIN_S_MAX):
                await room.answered.wait()
        except TimeoutError:
            self.unanswered_by(room, "it does not answer")

    def heard(self, presence: wire.Element) -> str:
        """The room that we have just come into, if it says so."""
        sender, kind = presence.get("from", ""), presence.get("type", "")
        room = self.room(sender)
        if room is None:
            return ""
        codes = {one.get("code") for one in presence.findall(f"{{{wire.MUC_USER}}}x/{{{wire.MUC_USER}}}status")}
        if kind == "error":
            self._refused(room, *wire.condition(presence))
        elif "110" in codes and kind == "unavailable":
            self.lost(room, "we were taken out of it")
        elif "110" in codes:
            before, room.state, room.nick = room.state, "in", wire.resource(sender)
            room.answered.set()
            return "" if before == "in" else room.jid
        return ""

    def _refused(self, room: Room, condition: str, kind: str, why: str) -> None:
        own = self._stream.jid.partition("@")[0]
        if condition == "conflict" and len(room.nick) < len(own) + NAMES_MAX:
            room.nick += "_"
            self._stream.send(wire.presence(f"{room.jid}/{room.nick}"))
        elif kind == "wait" or condition.startswith("remote-server"):
            self.unanswered_by(room, f"it can't be reached: {why or condition}")
            room.answered.set()
        else:
            self.lost(room, why or condition)

    def unanswered_by(self, room: Room, why: str) -> None:
        """For now."""
        self._warn(room, f"{why}. It is tried again")
        room.state = "asked"

    def lost(self, room: Room, why: str) -> None:
        """Until somebody changes something there."""
        self._warn(room, why)
        room.state = "out"
        room.answered.set()

    def _warn(self, room: Room, why: str) -> None:
        if room.why != why:
            log.warning("%s is not in the room %s: %s.", self._account, room.jid, why)
        room.why = why
