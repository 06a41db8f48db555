"""Dispatch: conversations that are due, or whose gate lets them through, get a worker. Fair: the oldest first, and nobody waits for another.

A claimed conversation is a coroutine, bounded by memory alone; model calls are bounded by the places of their route's gate.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from holdfast.errors import JournalFailed, LeaseLost
from holdfast.local_time import LocalTime
from holdfast.ports import Clock, Journal, Lease, Release
from holdfast.runtime.timers import fired
from holdfast.runtime.weather import Weather
from holdfast.runtime.worker import Hands, Worker

CLAIMS_AT_ONCE_MAX: Final = 64
CLOCKS_PART_S: Final = 5.0
LOOK_S_MAX: Final = 60.0
"""However far away the next due time: the clocks are compared this often."""

BUSY_LOOK_S: Final = 1.0
"""However busy it is: timers are fired, and the clocks compared, this often."""

ABANDON_S_MAX: Final = 60.0
END_S_MAX: Final = 10.0
"""How long a worker may take that is ended. After that it is cut off by losing its lease."""

log = logging.getLogger(__name__)


class Dispatch:
    """Claims conversations and owns their workers."""

    def __init__(
        self,
        owner: str,
        accounts: tuple[str, ...],
        journal: Journal,
        clock: Clock,
        weather: Weather,
        hands: Hands,
        changed: Callable[[str], None],
        *,
        local: LocalTime = LocalTime(),
    ) -> None:
        self._owner, self._accounts = owner, accounts
        self._journal, self._clock, self._weather, self._hands, self._changed = journal, clock, weather, hands, changed
        self._local = local
        self.places: Callable[[], int | None] = lambda: None
        """So many conversations may be worked on at once; None: all."""
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._let_go = asyncio.Event()
        self._stopping = False
        self._offset = clock.now() - clock.monotonic()
        self._looked_around = clock.monotonic()
        weather.listeners.append(self.weather_changed)

    @property
    def running(self) -> tuple[str, ...]:
        """The conversations that have a worker."""
        return tuple(self._workers)

    def arrived(self, conversation: str) -> None:
        """Something was committed for this conversation."""
        self._weather.press(conversation)
        worker = self._workers.get(conversation)
        if worker is None:
            self._woken.set()
        else:
            worker.wake()

    def weather_changed(self) -> None:
        """A gate may let somebody through who waits: in the journal, or in a worker that has something else to do."""
        self._woken.set()
        self._wake_those_at_gates()

    def look_again(self) -> None:
        """Something changed that any conversation may be about: who may do what."""
        self._woken.set()
        for worker in self._workers.values():
            worker.wake()

    def _wake_those_at_gates(self) -> None:
        for worker in self._workers.values():
            if worker.waits_at_gate:
                worker.wake()

    async def run(self) -> None:
        """Until cancelled, or stopped and every worker has let go. Raises `JournalFailed`."""
        async with asyncio.TaskGroup() as tasks:
            looked_at = self._clock.now()
            await self._journal.hasten(looked_at)
            while not self._stopping:
                self._woken.clear()
                before, looked_at = looked_at, self._clock.now()
                if (change := self._weather.next_change(before)) is not None and change <= looked_at:
                    self._wake_those_at_gates()
                claimed = await self._claim(tasks, looked_at)
                if claimed < CLAIMS_AT_ONCE_MAX and not self._woken.is_set():
                    await self._wait(looked_at)
                if self._clock.monotonic() - self._looked_around >= BUSY_LOOK_S:
                    await self._look_around()

    async def stop(self, within_s: float) -> None:
        """Claim nothing more; let sends in flight finish, and every worker let go, for at most so long."""
        self._stopping = True
        self._woken.set()
        await self._journal.forgive(self._owner)
        for worker in self._workers.values():
            worker.stop()
        if self._workers:
            self._let_go.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._let_go.wait()

    async def end(self, conversation: str) -> None:
        """End its worker, if it has one, in the middle of whatever it does. Nobody else gets the conversation before whoever asked for this takes it away."""
        if task := self._tasks.get(conversation):
            task.cancel()
            await asyncio.wait({task}, timeout=END_S_MAX)

    async def _claim(self, tasks: asyncio.TaskGroup, now: float) -> int:
        most = self._room()
        if not most:
            return 0
        leases = await self._journal.claim(self._owner, now, self._accounts, self._weather.admits(), most)
        for lease in leases:
            if lease.through:
                self._weather.reserve(lease.through, lease.conversation)
            worker = self._workers[lease.conversation] = Worker(lease, self._journal, self._clock, self._hands)
            self._tasks[lease.conversation] = tasks.create_task(self._advance(worker))
            self._changed(lease.conversation)
            if self._stopping:
                worker.stop()
        return len(leases)

    def _room(self) -> int:
        """How many more may be claimed."""
        places = self.places()
        return CLAIMS_AT_ONCE_MAX if places is None else max(min(places - len(self._workers), CLAIMS_AT_ONCE_MAX), 0)

    async def _advance(self, worker: Worker) -> None:
        """Own one worker. A bug in it counts against its conversation as a crash would, and touches no other."""
        lease = worker.lease
        try:
            await worker.run()
        except* LeaseLost:
            log.warning("%s was taken over by another worker", lease.conversation)
        except* JournalFailed:
            raise
        except* Exception:  # the dispatcher is where a worker's bug is contained
            log.exception(
                "a bug while working on %s; it is tried again in a while, and set aside if that does not help",
                lease.conversation,
                extra={"conversation": lease.conversation},
            )
            with contextlib.suppress(LeaseLost):
                await self._abandon(lease)
        finally:
            if self._workers.get(lease.conversation) is worker:  # it may have been claimed again before this one heard that it had let go
                del self._workers[lease.conversation], self._tasks[lease.conversation]
            self._weather.give_back(lease.conversation)
            self._woken.set()
            if not self._workers:
                self._let_go.set()

    async def _abandon(self, lease: Lease) -> None:
        """Let go without taking the attempt back: what a crash leaves behind."""
        due = self._clock.now() + min(2.0**lease.attempts, ABANDON_S_MAX)
        released = False
        while not released:
            snapshot = await self._journal.read(lease.conversation, 2**62)
            release = Release(due, floor=lease.floor, failed=True)
            released = (await self._journal.append(lease, self._clock.now(), snapshot.wakes, release=release)).released

    async def _wait(self, looked_at: float) -> None:
        """Until something arrives, a gate opens, or an instant comes; then fire the timers whose instant that is.

        A gate whose time has come since `looked_at` was still closed then: it is looked at again at once.
        """
        instants = [await self._journal.next_due(self._accounts), self._weather.next_change(looked_at)]
        due = min((instant for instant in instants if instant is not None), default=None)
        delay_s = LOOK_S_MAX if due is None else min(max(due - self._clock.now(), 0.0), LOOK_S_MAX)
        if not self._room():
            delay_s = max(delay_s, BUSY_LOOK_S)  # what is due can't be claimed, and is so until that changes
        try:
            async with asyncio.timeout(delay_s):
                await self._woken.wait()
        except TimeoutError:
            await self._look_around()
            self.weather_changed()

    async def _look_around(self) -> None:
        """Fire the timers whose time has come. Where wall and monotonic clock have parted, instants written down before may be hours away: look at each once."""
        self._looked_around = self._clock.monotonic()
        offset = self._clock.now() - self._clock.monotonic()
        if abs(offset - self._offset) > CLOCKS_PART_S:
            self._weather.hasten()
            await self._journal.hasten(self._clock.now())
        self._offset = offset
        now = self._clock.now()
        for timer in await self._journal.due_timers(now, CLAIMS_AT_ONCE_MAX):
            accepted = await self._journal.fire(*fired(timer, now, self._local))
            if accepted is not None:
                self._changed(accepted.conversation)
