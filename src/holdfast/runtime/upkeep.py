"""What is looked after from time to time: that there is room on the disk, and that files which are old enough are dropped."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from holdfast.core import words
from holdfast.ports import Clock, Journal
from holdfast.runtime.owner import Owner

LOOK_S: Final = 600.0
DAY_S: Final = 86_400.0

log = logging.getLogger(__name__)


class Upkeep:
    """`room_least`: with fewer bytes free the owner is told, once a day. `days`: so long the bytes of files are kept (0: for ever); `drop` drops them."""

    def __init__(
        self, journal: Journal, told: Owner, clock: Clock, room_least: int, days: int, drop: Callable[[float], Awaitable[int]]
    ) -> None:
        self._journal, self._told, self._clock = journal, told, clock
        self._room_least, self._days, self._drop = room_least, days, drop

    async def run(self, ready: Callable[[], None]) -> None:
        """Until cancelled."""
        dropped_at = -DAY_S
        while True:
            await self._look_at_room()
            if self._days and self._clock.monotonic() - dropped_at >= DAY_S:
                dropped_at = self._clock.monotonic()
                await self._drop_files()
            ready()
            await self._clock.sleep(LOOK_S)

    async def _look_at_room(self) -> None:
        room = await self._journal.room()
        if room.free < self._room_least:
            await self._told.tell(f"room {self._clock.now() // DAY_S:.0f}", words.little_room(room.free))

    async def _drop_files(self) -> None:
        dropped = await self._drop(self._clock.now() - self._days * DAY_S)
        if dropped:
            log.info("the bytes of %d files that are older than %d days were dropped; what was said stays", dropped, self._days)
