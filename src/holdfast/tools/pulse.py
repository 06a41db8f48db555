"""Is a server alive while it works? It is pinged in the middle of its calls.

Many servers do one thing at a time and hear nothing meanwhile, so a ping without an answer says nothing by itself. Two things do: a signal has stopped
it; or it answered during a call, and then no more. See docs/decisions/013-who-hangs.md.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from holdfast.tools.link import Link
from holdfast.tools.processes import is_stopped

PING_S: Final = 3.0
"""How often a server is pinged that works, and looked at that does not answer."""
DEAF_S: Final = 60.0
"""One that answers while it works, and then no more for so long, hangs."""
PROOF: Final = 2
"""So many pings answered during one call: it does answer while it works."""


class Pulse:
    """Of one server. `ping` tells whether it answered."""

    def __init__(self, link: Link, ping: Callable[[], Awaitable[bool]]) -> None:
        self._link, self._ping = link, ping
        self._calls: dict[object, int] = {}
        """Those under way, each with the pings that were answered meanwhile."""
        self._working = asyncio.Event()
        self._heard = 0.0

    @contextlib.contextmanager
    def during(self, call: object) -> Iterator[None]:
        self._calls[call] = 0
        self._working.set()
        try:
            yield
        finally:
            del self._calls[call]
            if not self._calls:
                self._working.clear()

    async def feel(self) -> None:
        """As long as the link lasts. Loses it when the server hangs: so those who wait have an answer, and its owner starts it anew."""
        loop = asyncio.get_running_loop()
        while not self._link.lost:
            if not self._working.is_set():
                await self._working.wait()
                self._heard = loop.time()
            await asyncio.sleep(PING_S)
            if self._calls:
                await self._beat()

    async def _beat(self) -> None:
        """One ping, for as long as its answer is waited for: a server that does one thing at a time is not left a heap of them."""
        loop, during = asyncio.get_running_loop(), tuple(self._calls)
        ping = asyncio.ensure_future(self._ping())
        try:
            while self._calls and not self._link.lost:
                await asyncio.wait([ping], timeout=PING_S)
                if ping.done() and ping.result():
                    self._heard = loop.time()
                    self._calls.update({call: self._calls[call] + 1 for call in during if call in self._calls})
                    return
                if self._link.pid is not None and is_stopped(self._link.pid):
                    self._link.lose("a signal has stopped it (SIGSTOP or its like)")
                elif max(self._calls.values(), default=0) >= PROOF and loop.time() - self._heard > DEAF_S:
                    self._link.lose(f"it answered while it worked, and then nothing more for {DEAF_S:g} s, not even a ping")
                if ping.done():
                    return
        finally:
            ping.cancel()
            await asyncio.wait([ping])
