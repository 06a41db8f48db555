"""The supervisor: children that are started again, each for itself.

`Temporary` means try again: with back-off and jitter, capped, for ever. `Config` means that only a person can mend it: stopped, and shown, until that
person says that it is mended. Anything else is a bug: logged, and started again, at the cap if it happens too often. A child never harms a sibling.
`JournalFailed` ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from holdfast.errors import Config, JournalFailed, Temporary
from holdfast.ports import Clock

BACK_OFF_S_MIN: Final = 1.0
BACK_OFF_S_MAX: Final = 300.0
BUGS_MAX: Final = 5
BUGS_WITHIN_S: Final = 60.0
HEALTHY_AFTER_S: Final = 60.0
"""A child that served so long begins its back-off anew."""

log = logging.getLogger(__name__)

Run = Callable[[Callable[[], None]], Awaitable[None]]
"""Serves until cancelled, calling its argument when ready."""


@dataclass(frozen=True, slots=True)
class ChildState:
    """One child at a glance."""

    state: Literal["starting", "ready", "waiting", "stopped"]
    since: float
    """Since when it is ready, or is not: not since the last try of many."""
    why: str = ""
    restarts: int = 0
    next_try: float = 0.0
    """When one that waits is started again."""


class Supervisor:
    """Owns one task per child."""

    def __init__(self, clock: Clock, draw: Callable[[], float]) -> None:
        self._clock, self._draw = clock, draw
        self._states: dict[str, ChildState] = {}
        self._asked_for: dict[str, asyncio.Event] = {}

    def states(self) -> Mapping[str, ChildState]:
        return dict(self._states)

    def retry(self, name: str) -> bool:
        """Start a child that waits or is stopped now. False if there is none of that name."""
        if name in self._asked_for:
            self._asked_for[name].set()  # nobody looks at it before the next rest, which begins with another one
        return name in self._states

    async def run(self, children: Mapping[str, Run]) -> None:
        """Run them side by side until cancelled. Raises `JournalFailed`."""
        async with asyncio.TaskGroup() as tasks:
            for name, child in children.items():
                tasks.create_task(self._supervise(name, child), name=name)

    async def _supervise(self, name: str, child: Run) -> None:
        streak, restarts, why = 0, 0, ""
        bugs: deque[float] = deque(maxlen=BUGS_MAX)
        while True:
            self._become(name, "starting", why, restarts)  # why it has to: until it is ready, that is the news
            began = self._clock.monotonic()
            delay_s: float | None = None
            try:
                await child(lambda: self._become(name, "ready"))
                why = "it ended"
            except Config as failure:
                why = str(failure)
                self._become(name, "stopped", why)
                await self._rest(name, None)
                streak, restarts = 0, restarts + 1
                continue
            except Temporary as failure:
                why, delay_s = str(failure), failure.retry_after_s
            except JournalFailed:
                raise
            except Exception as failure:  # the supervisor is where a child's bug is contained
                log.exception("a bug in %s; it is started again", name)
                why = f"a bug: {failure!r}"
                bugs.append(self._clock.monotonic())
            streak = 1 if self._clock.monotonic() - began > HEALTHY_AFTER_S else streak + 1
            restarts += 1
            too_often = len(bugs) == BUGS_MAX and self._clock.monotonic() - bugs[0] < BUGS_WITHIN_S
            bound = BACK_OFF_S_MAX if too_often else min(BACK_OFF_S_MIN * 2.0 ** min(streak - 1, 16), BACK_OFF_S_MAX)
            delay_s = bound * (0.5 + 0.5 * self._draw()) if delay_s is None else delay_s
            self._become(name, "waiting", why, restarts, self._clock.now() + delay_s)
            if await self._rest(name, delay_s):
                streak = 0

    async def _rest(self, name: str, delay_s: float | None) -> bool:
        """For so long (None: for ever), or until somebody asks for it: then True."""
        asked_for = self._asked_for[name] = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await asked_for.wait()
        return asked_for.is_set()

    def _become(
        self,
        name: str,
        state: Literal["starting", "ready", "waiting", "stopped"],
        why: str = "",
        restarts: int | None = None,
        next_try: float = 0.0,
    ) -> None:
        before = self._states.get(name, ChildState("starting", 0.0))
        if why and why != before.why:  # not at every try: the same trouble is one line
            log.warning("%s: %s", name, why)
        same = before.since and (state == "ready") == (before.state == "ready")
        self._states[name] = replace(
            before,
            state=state,
            since=before.since if same else self._clock.now(),
            why=why,
            restarts=before.restarts if restarts is None else restarts,
            next_try=next_try,
        )
