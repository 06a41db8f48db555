from __future__ import annotations

import asyncio

from holdfast.testing.contracts.tools import call
from holdfast.testing.fake_tools import FakeTools, Outside
from holdfast.testing.tool_rig import SystemClock

A_MOMENT_S = 0.05


async def test_what_a_killed_gateway_asked_for_still_happens_once_and_what_it_cancelled_does_not() -> None:
    outside = Outside()
    killed = FakeTools(outside, SystemClock(), delay_s=lambda _: A_MOMENT_S)
    cancelled = FakeTools(outside, SystemClock(), delay_s=lambda _: A_MOMENT_S)
    calls = [
        asyncio.create_task(killed.call(call("count", key="killed"))),
        asyncio.create_task(cancelled.call(call("count", key="cancelled"))),
    ]
    await asyncio.sleep(0)
    killed.kill()
    for one in calls:
        one.cancel()
    await FakeTools(outside, SystemClock(), delay_s=lambda _: 2 * A_MOMENT_S).call(call("count", key="next gateway"))
    assert outside.count("count", "killed") == 1
    assert outside.count("count", "cancelled") == 0
    assert outside.count("count", "next gateway") == 1


async def test_each_fault_befalls_one_call_and_only_hanging_and_losing_afterwards_have_the_effect() -> None:
    outside = Outside()
    host = FakeTools(outside, SystemClock())
    outside.faults["count"].extend(["fail", "lost_before", "lost"])
    outcomes = [await host.call(call("count", key=fault)) for fault in ("fail", "lost_before", "lost", "none")]
    assert [outcome.outcome for outcome in outcomes] == ["error", "unknown", "unknown", "ok"]
    assert [effect.arguments["key"] for effect in outside.effects] == ["lost", "none"]


async def test_a_hanging_call_ends_only_by_being_cancelled() -> None:
    outside = Outside()
    host = FakeTools(outside, SystemClock())
    outside.faults["count"].append("hang")
    hanging = asyncio.create_task(host.call(call("count", key="h")))
    await host.call(call("slow", seconds=A_MOMENT_S))
    assert not hanging.done()
    assert outside.count("count", "h") == 1
    hanging.cancel()
    await asyncio.wait([hanging])
    assert hanging.cancelled()


async def test_while_the_server_is_down_its_tools_stay_and_calls_say_why() -> None:
    outside = Outside(down="down since noon")
    host = FakeTools(outside, SystemClock())
    assert host.tools()
    assert (await host.call(call("clock"))).text == "unavailable: down since noon"
    assert host.servers()[0].state == "down"
