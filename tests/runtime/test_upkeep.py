from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from holdfast.core.entries import Note
from holdfast.ports import Accepted, Arrival, Room
from holdfast.runtime.owner import Owner
from holdfast.runtime.upkeep import Upkeep
from holdfast.testing.clock import ManualClock
from holdfast.testing.memory_journal import MemoryJournal

DAY_S = 86_400.0


class Journal(MemoryJournal):
    free = 1 << 40

    async def room(self) -> Room:
        return Room(size=0, free=self.free, written=0.0)


class Rig:
    def __init__(self, days: int = 0) -> None:
        self.journal, self.clock, self.dropped_before, self.told = Journal(), ManualClock(), list[float](), dict[str, str]()
        self._looked = asyncio.Event()
        owner = Owner([("notes", "web", "notes")], self.accept, self.clock)
        self.upkeep = Upkeep(self.journal, owner, self.clock, 256 << 20, days, self.drop)

    async def accept(self, arrivals: Sequence[Arrival]) -> tuple[Accepted, ...]:
        for arrival in arrivals:
            assert isinstance(arrival.body, Note)
            self.told.setdefault(arrival.dedupe, arrival.body.text)
        return ()

    async def drop(self, before: float) -> int:
        self.dropped_before.append(before)
        return 3

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.upkeep.run(self._looked.set))
        await self.look()
        yield
        task.cancel()
        await asyncio.wait({task})

    async def look(self) -> None:
        await asyncio.wait_for(self._looked.wait(), 20)
        self._looked.clear()

    async def pass_by(self, time_s: float) -> None:
        for _ in range(int(time_s / 600)):
            self.clock.advance(600)
            await self.look()


async def test_old_files_are_dropped_at_the_start_and_once_a_day() -> None:
    rig = Rig(days=30)
    began = rig.clock.now()
    async with rig.running():
        await rig.pass_by(2 * DAY_S)
    assert rig.dropped_before == [began - 30 * DAY_S, began - 29 * DAY_S, began - 28 * DAY_S]


async def test_files_are_kept_for_ever_unless_that_is_wished_otherwise() -> None:
    rig = Rig()
    async with rig.running():
        await rig.pass_by(DAY_S)
    assert rig.dropped_before == []


async def test_a_disk_that_is_nearly_full_is_told_to_the_owner_once_a_day() -> None:
    """LEDGER H-59: before it is full, not when it is."""
    rig = Rig()
    async with rig.running():
        assert rig.told == {}
        rig.journal.free = 100 << 20
        await rig.pass_by(DAY_S)
    assert len(rig.told) == 2
    assert next(iter(rig.told.values())).startswith("The disk of the data folder is nearly full: 104.9 MB are left.")
