"""Who goes through a gate, and who waits in line."""

from __future__ import annotations

import asyncio

import pytest
from runtime_rig import GATE as G
from runtime_rig import fail, turns_of_the_loop, weather_of

from holdfast.core.failure import Failure
from holdfast.core.weather import GateRow
from holdfast.runtime.weather import GateClosed, GateSettings, Weather
from holdfast.testing.clock import ManualClock
from holdfast.testing.memory_journal import MemoryJournal


async def _hold(weather: Weather, name: str, done: asyncio.Event, order: list[str]) -> None:
    async with weather.place(G, name):
        order.append(name)
        await done.wait()


async def test_places_of_a_healthy_gate_are_given_in_the_order_of_asking() -> None:
    weather, *_ = weather_of(places=1)
    order: list[str] = []
    leave = [asyncio.Event() for _ in range(4)]
    async with asyncio.TaskGroup() as tasks:
        for i, event in enumerate(leave):
            tasks.create_task(_hold(weather, str(i), event, order))
            await turns_of_the_loop(3)
        for i, event in enumerate(leave):
            assert order == [str(n) for n in range(i + 1)]
            event.set()
            await turns_of_the_loop(5)
    assert weather.admits() == {G: 1}


@pytest.mark.parametrize("late", [False, True])
async def test_whoever_is_cancelled_while_waiting_in_line_loses_no_place(late: bool) -> None:
    """Also in the instant in which the place was given (`late`)."""
    weather, *_ = weather_of(places=1)
    order: list[str] = []
    first, rest = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_hold(weather, "first", first, order))
        await turns_of_the_loop(3)
        second = tasks.create_task(_hold(weather, "second", rest, order))
        tasks.create_task(_hold(weather, "third", rest, order))
        await turns_of_the_loop(3)
        if late:
            first.set()
            await asyncio.sleep(0)
        second.cancel()
        first.set()
        await turns_of_the_loop(5)
        assert order == ["first", "third"]
        rest.set()
    assert weather.admits() == {G: 1}


async def test_a_failure_sends_away_those_in_line() -> None:
    weather, *_ = weather_of(places=1)
    done, order = asyncio.Event(), list[str]()
    first = asyncio.ensure_future(_hold(weather, "first", done, order))
    await turns_of_the_loop(3)
    second = asyncio.ensure_future(_hold(weather, "second", done, order))
    await turns_of_the_loop(3)
    await fail(weather, "reset")
    with pytest.raises(GateClosed):
        await second
    done.set()
    await first


async def test_a_failed_call_hands_its_place_to_nobody_who_waits_in_line() -> None:
    """Its place is free before the gate is closed: whoever was next in line must not go through all the same."""
    weather, *_ = weather_of(places=1, row=GateRow(G, "f1", last_ok=1.0))
    fails = asyncio.Event()

    async def failing() -> None:
        began = weather._clock.now()
        async with weather.place(G, "a"):
            await fails.wait()
        await weather.failed(G, began, Failure("transient", reason="reset"))

    order: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(failing())
        await turns_of_the_loop(3)
        second = tasks.create_task(_sent_away(weather, "b", order))
        await turns_of_the_loop(3)
        fails.set()
    assert second.result() and not order
    assert weather.under_way(G) == (0, 1)


async def _sent_away(weather: Weather, name: str, order: list[str]) -> bool:
    try:
        async with weather.place(G, name):
            order.append(name)
    except GateClosed:
        return True
    return False


async def test_a_place_that_was_kept_at_one_gate_is_free_once_its_holder_goes_through_another() -> None:
    other = "route:spare"
    clock, journal = ManualClock(), MemoryJournal()
    weather = Weather(journal, clock, lambda: 1.0, [GateSettings(G, "f1", 1), GateSettings(other, "f2", 1)], [])
    weather.reserve(other, "a")
    assert weather.admits() == {G: 1, other: 0}
    async with weather.place(G, "a"):
        assert weather.admits() == {G: 0, other: 1}
    weather.give_back("a")
    assert weather.admits() == {G: 1, other: 1}


async def test_more_claims_than_there_is_room_for_let_nobody_in_beyond_it() -> None:
    """The dispatcher claims for what it saw a moment ago; meanwhile a worker may have taken the only place."""
    weather, clock, _ = weather_of()
    await fail(weather, "refused")
    clock.advance(1.0)
    async with weather.place(G, "fast"):
        weather.reserve(G, "slow")
        assert not weather.is_open(G, "slow")
        with pytest.raises(GateClosed):
            async with weather.place(G, "slow"):
                pass
    weather.give_back("slow")
    assert weather.admits() == {G: 1}


async def test_beyond_the_places_of_a_healthy_gate_one_waits_in_line_whoever_one_is() -> None:
    weather, *_ = weather_of(places=1, row=GateRow(G, "f1", last_ok=1.0))
    done, order = asyncio.Event(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_hold(weather, "fast", done, order))
        await turns_of_the_loop(3)
        weather.reserve(G, "slow")
        tasks.create_task(_hold(weather, "slow", done, order))
        await turns_of_the_loop(3)
        assert order == ["fast"] and weather.under_way(G) == (1, 1)
        done.set()
    assert order == ["fast", "slow"] and weather.under_way(G) == (0, 1)


async def test_the_dispatcher_is_told_when_a_place_of_a_full_and_healthy_gate_is_free() -> None:
    """Others may wait in the journal; and whoever leaves may go on with his tools for an hour before his worker ends."""
    weather, *_ = weather_of(places=1, row=GateRow(G, "f1", last_ok=1.0))
    told: list[str] = []
    weather.listeners.append(lambda: told.append("changed"))
    async with weather.place(G, "a"):
        assert told == []
    assert told == ["changed"]


async def test_a_reservation_is_used_by_its_conversation_or_given_back() -> None:
    weather, clock, _ = weather_of()
    await fail(weather, "refused")
    clock.advance(1.0)
    weather.reserve(G, "a")
    assert weather.admits() == {G: 0}
    assert weather.is_open(G, "a")
    assert not weather.is_open(G, "b")
    with pytest.raises(GateClosed):
        async with weather.place(G, "b"):
            pass
    async with weather.place(G, "a"):
        assert weather.admits() == {G: 0}
    assert weather.admits() == {G: 1}
    weather.reserve(G, "b")
    weather.give_back("b")
    assert weather.admits() == {G: 1}
    weather.give_back("b")
    assert weather.admits() == {G: 1}


async def test_a_place_that_was_reserved_is_not_used_once_the_gate_has_closed() -> None:
    weather, _, _ = weather_of()
    weather.reserve(G, "c")
    await fail(weather, "refused")
    with pytest.raises(GateClosed):
        async with weather.place(G, "c"):
            pytest.fail("it was let through")
    weather.give_back("c")
    assert weather.admits() == {G: 0}
