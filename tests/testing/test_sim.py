from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from holdfast.testing import sim
from holdfast.testing.clock import LoopClock, ManualClock
from holdfast.testing.sim import Killed, SimLoop, Stuck, simulated, this_loop


@simulated
async def test_a_day_takes_no_time() -> None:
    clock = LoopClock()
    began = clock.now()
    await asyncio.sleep(86_400)
    assert clock.now() - began == 86_400
    clock.jump_s = -3600.0
    assert (clock.now() - began, clock.monotonic()) == (82_800, 86_400)


async def _order(count: int = 8) -> list[int]:
    order: list[int] = []

    async def step(number: int) -> None:
        for _ in range(3):
            order.append(number)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(step(number))
    return order


def test_what_is_ready_runs_in_an_order_that_the_seed_draws() -> None:
    orders = {seed: tuple(sim.run(_order, seed)) for seed in range(5)}
    assert len(set(orders.values())) == 5
    assert orders == {seed: tuple(sim.run(_order, seed)) for seed in range(5)}


def test_the_order_depends_on_no_hash() -> None:
    program = (
        "import asyncio\nfrom holdfast.testing import sim\n"
        "async def main():\n"
        "    order, names = [], {'a', 'b', 'c', 'd', 'e', 'f'}\n"
        "    async def step(name):\n"
        "        try: await asyncio.sleep(100)\n"
        "        except asyncio.CancelledError: order.append(name)\n"
        "    tasks = {name: asyncio.create_task(step(name)) for name in sorted(names)}\n"
        "    await asyncio.sleep(1)\n"
        "    for name in names: tasks[name].cancel()\n"
        "    await asyncio.sleep(1)\n"
        "    print(order)\n"
        "sim.run(main, 3)\n"
    )
    said = {
        subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in "0123"
    }
    assert len(said) == 1


@simulated
async def test_what_one_stream_tells_is_heard_in_its_order() -> None:
    heard: list[int] = []
    for number in range(50):
        asyncio.get_running_loop().call_soon(heard.append, number)
    await asyncio.sleep(1)
    assert heard == list(range(50))


@simulated
async def test_an_executor_runs_inline() -> None:
    assert await asyncio.to_thread(lambda: 6 * 7) == 42
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 // 0)


@simulated
async def test_there_is_no_network() -> None:
    with pytest.raises(OSError, match="no network"):
        await asyncio.open_connection("localhost", 80)


def test_a_simulation_in_which_nothing_can_happen_any_more_ends() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck, match="Nothing is ready"):
        sim.run(forever)


def test_a_simulation_in_which_somebody_runs_in_circles_ends() -> None:
    async def circles() -> None:
        while True:  # noqa: ASYNC110 - this is what it is about
            await asyncio.sleep(0)

    with pytest.raises(Stuck, match="circles"):
        sim.run(circles)


@simulated
async def test_a_killed_process_does_nothing_any_more() -> None:
    """No `finally`, no job of an executor, no task of a task."""
    loop, said = this_loop(), list[str]()

    async def child() -> None:
        try:
            await asyncio.to_thread(said.append, "a job")
            await asyncio.sleep(100)
        finally:
            said.append("finally")

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child())
            await asyncio.sleep(0)
            loop.kill(process)

    process = loop.start("it", main())
    await asyncio.sleep(1000)
    assert said == []


@simulated
async def test_a_process_that_kills_itself_stops_at_that_point() -> None:
    loop, said = this_loop(), list[str]()

    async def main() -> None:
        said.append("before")
        loop.kill(process)
        raise Killed

    async def sibling() -> None:
        await asyncio.sleep(1)
        said.append("after")

    process = loop.start("it", main())
    loop.join(process, sibling())
    await asyncio.sleep(1000)
    assert said == ["before"]
    assert loop.complaints == []


@simulated
async def test_a_frozen_process_goes_on_where_it_stood() -> None:
    loop, at = this_loop(), list[float]()

    async def main() -> None:
        for _ in range(3):
            await asyncio.sleep(10)
            at.append(loop.time())

    process = loop.start("it", main())
    await asyncio.sleep(15)
    loop.freeze(process)
    await asyncio.sleep(100)
    assert at == [10]
    loop.thaw(process)
    await asyncio.sleep(100)
    assert at == [10, 115, 125]


@simulated
async def test_a_process_that_fails_is_complained_of() -> None:
    async def main() -> None:
        raise ValueError("a bug")

    this_loop().start("it", main())
    await asyncio.sleep(1)
    assert "ValueError('a bug')" in this_loop().complaints[0]


def test_closing_twice_is_harmless() -> None:
    loop = SimLoop()
    loop.close()
    loop.close()


async def test_a_clock_that_goes_only_when_told() -> None:
    clock, woken = ManualClock(now=100.0), list[float]()

    async def sleep(delay_s: float) -> None:
        await clock.sleep(delay_s)
        woken.append(delay_s)

    async with asyncio.TaskGroup() as tasks:
        for delay_s in (3.0, 1.0, 2.0):
            tasks.create_task(sleep(delay_s))
        await asyncio.sleep(0)
        assert clock.sleepers == 3
        clock.advance(2.0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert woken == [1.0, 2.0]
        clock.advance(1.0)
    assert (clock.now(), clock.monotonic(), clock.sleepers) == (103.0, 3.0, 0)
