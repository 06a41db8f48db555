"""This life of the gateway: that it lives is written down, and told to the service manager; after too many short ones it begins in safe mode.

In safe mode everything is received and saved, the doors are open, and no turn runs and no tool server starts. After half an hour, or when somebody asks for
it, one conversation at a time is worked on; if the gateway lives for two minutes then, safe mode is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import Any, Final

from holdfast.core.lives import HEALTHY_AFTER_S, RESTS_S, UNHEALTHY_MAX, Life, needs_rest
from holdfast.ports import Clock, Hold, Journal
from holdfast.runtime.service_manager import ServiceManager
from holdfast.runtime.supervisor import Run

CONFIRMED_S: Final = 1.0
"""Whoever asks more often than that is told of the last commit."""

log = logging.getLogger(__name__)

WHY: Final = (
    f"Holdfast ended {UNHEALTHY_MAX} times within minutes of its start, so it rests: what is written is received and saved, and no turn runs. "
    f"Its log says why it ended. {RESTS_S / 60:.0f} minutes after its start it tries again by itself."
)


@dataclass(frozen=True, slots=True)
class SafeMode:
    """`tries_at`: when it works on one conversation to see whether it survives that; `trying`: it does so now."""

    since: float
    tries_at: float
    trying: bool = False
    why: str = WHY


class Lifetime:
    """See the module's docstring. `changed` is called when more may be done than before."""

    def __init__(self, journal: Journal, clock: Clock, manager: ServiceManager, *, rests: bool = True) -> None:
        self._journal, self._clock, self._manager, self._rests = journal, clock, manager, rests
        self._life = Life(0.0, 0.0)
        self._asked_for = asyncio.Event()
        self._works = asyncio.Event()
        self._writing = asyncio.Lock()
        self._confirmed = -inf
        self.safe_mode: SafeMode | None = None
        self.changed: Callable[[], None] = lambda: None

    @property
    def began(self) -> float:
        return self._life.began

    @property
    def places(self) -> int | None:
        """So many conversations may be worked on at once; None: as many as there are."""
        return None if self.safe_mode is None else int(self.safe_mode.trying)

    @property
    def hold(self) -> Hold | None:
        """What keeps conversations from being worked on."""
        if self.safe_mode is None:
            return None
        if self.safe_mode.trying:
            return Hold("trying", self.safe_mode.tries_at + HEALTHY_AFTER_S)
        return Hold("safe mode", self.safe_mode.tries_at)

    async def begin(self) -> None:
        """Write this life down, before anything may end it."""
        now = self._clock.now()
        rests = self._rests and needs_rest(await self._journal.lives(UNHEALTHY_MAX), now)
        self._life = Life(now, now, safe=rests)
        await self._journal.put_life(self._life)
        if rests:
            self.safe_mode = SafeMode(now, now + RESTS_S)
            log.warning("safe mode: %s", WHY)
        else:
            self._works.set()

    async def run(self) -> None:
        """Say that we live, until cancelled; and leave safe mode when its time has come."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pulse())
            if self.safe_mode is not None:
                tasks.create_task(self._leave(self.safe_mode))

    async def _pulse(self) -> None:
        """Only while the loop turns and the journal commits."""
        every_s = self._manager.watchdog_s / 3 or HEALTHY_AFTER_S
        while True:
            self._manager.alive(self.status)
            await self._clock.sleep(min(every_s, HEALTHY_AFTER_S))
            await self._put(alive=self._clock.now())

    async def confirm(self) -> None:
        """Return when the journal has committed that we live, just now."""
        if self._clock.monotonic() - self._confirmed > CONFIRMED_S:
            await self._put(alive=self._clock.now())
            self._confirmed = self._clock.monotonic()

    async def _leave(self, safe_mode: SafeMode) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESTS_S):
                await self._asked_for.wait()
        self.safe_mode = replace(safe_mode, tries_at=self._clock.now(), trying=True)
        log.warning("safe mode: one conversation at a time is worked on now, to see whether that goes well")
        self._works.set()
        self.changed()
        await self._clock.sleep(HEALTHY_AFTER_S)
        self.safe_mode = None
        await self._put(safe=False)
        log.warning("safe mode is over: everything goes on")
        self.changed()

    def leave_safe_mode(self) -> bool:
        """Try now. False if there is nothing to leave."""
        self._asked_for.set()
        return self.safe_mode is not None

    async def end(self) -> None:
        """In order. The next life begins as if all before had been well."""
        await self._put(ended=True)

    async def _put(self, **changes: Any) -> None:
        async with self._writing:  # what is newer is kept last
            self._life = replace(self._life, **changes)
            await self._journal.put_life(self._life)

    def after_rest(self, run: Run) -> Run:
        """The same child, which rests in safe mode until something is tried."""

        async def rested(ready: Callable[[], None]) -> None:
            await self._works.wait()
            await run(ready)

        return rested

    @property
    def status(self) -> str:
        """In a line."""
        if self.safe_mode is None:
            return "Serving."
        return (
            "Safe mode: one conversation at a time is tried." if self.safe_mode.trying else "Safe mode: everything is saved, no turn runs."
        )

    def state(self) -> dict[str, Any] | None:
        return None if self.safe_mode is None else asdict(self.safe_mode)
