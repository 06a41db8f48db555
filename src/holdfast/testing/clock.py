"""Clocks for tests: one that goes only when told, and one that goes with a simulation."""

from __future__ import annotations

import asyncio
import heapq
from typing import Final

BEGAN: Final = 1_750_000_000.0
"""When simulations begin: as large as real instants are, so that floats are as coarse."""


class ManualClock:
    """Stands still until it is advanced; whoever sleeps wakes then."""

    def __init__(self, now: float = BEGAN) -> None:
        self.wall = now
        self._monotonic = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._slept = 0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, delay_s: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slept += 1
        heapq.heappush(self._sleepers, (self._monotonic + delay_s, self._slept, woken))
        await woken

    @property
    def sleepers(self) -> int:
        """How many sleep."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    def advance(self, by_s: float) -> None:
        """Time goes on; who slept long enough is woken, in the order of their instants."""
        self.wall += by_s
        self._monotonic += by_s
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)


class LoopClock:
    """The time of the running loop. `jump_s` is how far somebody has set the wall clock."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.jump_s = 0.0

    def now(self) -> float:
        return BEGAN + self._loop.time() + self.jump_s

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
