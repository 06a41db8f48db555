from __future__ import annotations

import asyncio
from collections.abc import Callable

from holdfast.core.lives import HEALTHY_AFTER_S, RESTS_S, Life
from holdfast.ports import Hold
from holdfast.runtime.lifetime import Lifetime
from holdfast.runtime.service_manager import ServiceManager
from holdfast.runtime.supervisor import Run
from holdfast.testing.clock import LoopClock
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.testing.sim import simulated


class Rig:
    """A gateway's lives on virtual time."""

    def __init__(self) -> None:
        self.clock, self.journal = LoopClock(), MemoryJournal()

    async def life(self, *, rests: bool = True) -> Lifetime:
        await asyncio.sleep(1)
        lifetime = Lifetime(self.journal, self.clock, ServiceManager({}), rests=rests)
        await lifetime.begin()
        return lifetime

    async def short_lives(self, count: int) -> None:
        for _ in range(count):
            await self.life()


async def _serve(run: Run) -> None:
    await run(lambda: None)


@simulated
async def test_the_fourth_life_after_three_short_ones_rests_for_half_an_hour_tries_and_goes_on() -> None:
    rig = Rig()
    told: list[int | None] = []
    ran: list[float] = []
    await rig.short_lives(3)
    lifetime = await rig.life()
    lifetime.changed = lambda: told.append(lifetime.places)

    async def child(ready: Callable[[], None]) -> None:
        ran.append(rig.clock.now())
        ready()

    assert lifetime.places == 0
    assert lifetime.hold == Hold("safe mode", rig.clock.now() + RESTS_S)
    began = rig.clock.now()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lifetime.run())
        tasks.create_task(_serve(lifetime.after_rest(child)))
        await asyncio.sleep(RESTS_S - 1)
        assert (lifetime.places, told, ran) == (0, [], [])
        await asyncio.sleep(2)
        assert (lifetime.places, told, ran) == (1, [1], [began + RESTS_S])
        assert lifetime.hold == Hold("trying", began + RESTS_S + HEALTHY_AFTER_S)
        await asyncio.sleep(HEALTHY_AFTER_S)
        assert (lifetime.places, *told, lifetime.hold) == (None, 1, None, None)
        running.cancel()
    assert (await rig.life()).places is None


@simulated
async def test_somebody_may_ask_for_it_and_a_death_in_the_trial_is_safe_mode_again() -> None:
    rig = Rig()
    assert not (await rig.life()).leave_safe_mode()
    await rig.short_lives(3)
    lifetime = await rig.life()
    assert lifetime.leave_safe_mode()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lifetime.run())
        await asyncio.sleep(HEALTHY_AFTER_S - 1)
        assert lifetime.places == 1
        running.cancel()
    assert (await rig.life()).places == 0


@simulated
async def test_a_life_that_is_stopped_in_order_is_no_short_one_and_none_needs_to_rest_where_that_is_off() -> None:
    rig = Rig()
    await rig.short_lives(2)
    await (await rig.life()).end()
    await rig.short_lives(2)
    assert (await rig.life()).places is None
    assert (await rig.life(rests=False)).places is None
    assert (await rig.life()).places == 0


@simulated
async def test_it_is_written_down_that_it_lives() -> None:
    rig = Rig()
    lifetime = await rig.life()
    began = rig.clock.now()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lifetime.run())
        await asyncio.sleep(HEALTHY_AFTER_S + 1)
        running.cancel()
    assert await rig.journal.lives(1) == (Life(began, began + HEALTHY_AFTER_S),)
    assert (await rig.journal.lives(1))[0].healthy
