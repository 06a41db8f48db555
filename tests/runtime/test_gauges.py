from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families
from runtime_rig import GATE, Rig

from holdfast.errors import Temporary
from holdfast.runtime.gauges import Gauges
from holdfast.runtime.lifetime import Lifetime
from holdfast.runtime.numbers import Numbers
from holdfast.runtime.service_manager import ServiceManager
from holdfast.runtime.speech import gate_of
from holdfast.runtime.supervisor import Supervisor
from holdfast.runtime.weather import GateSettings, Weather
from holdfast.testing.scripted_model import Break, Say
from holdfast.testing.sim import simulated


class Looked:
    """The gauges of a gateway in memory."""

    def __init__(self, rig: Rig, weather: Weather | None = None) -> None:
        self.lifetime = Lifetime(rig.journal, rig.clock, ServiceManager({}))
        self.supervisor = Supervisor(rig.clock, random.random)
        numbers = Numbers()
        self._gauges = Gauges(
            numbers, rig.journal, weather or rig.weather, rig.tools, self.supervisor, self.lifetime, rig.clock, lambda: ({"error": 2}, 7)
        )

    async def look(self) -> dict[str, float]:
        """Every sample, as Prometheus reads it."""
        families = text_string_to_metric_families(await self._gauges.exposition())
        samples = [one for family in families for one in family.samples]
        return {" ".join((one.name, *one.labels.values())): one.value for one in samples}


@simulated
async def test_it_is_told_how_everything_stands() -> None:
    rig = Rig([Break(why="down", takes_s=1.0)], draw=1.0)
    looked = Looked(rig)
    await looked.lifetime.begin()
    seen = await looked.look()
    assert seen["holdfast_gate_open route:main"] == 1
    assert seen["holdfast_oldest_owed_seconds"] == 0
    assert seen["holdfast_safe_mode"] == 0
    assert seen["holdfast_start_time_seconds"] == looked.lifetime.began
    assert (seen["holdfast_tool_server_state demo ready"], seen["holdfast_tool_server_state demo down"]) == (1, 0)
    assert (seen["holdfast_log_lines_total error"], seen["holdfast_log_lines_lost_total"]) == (2, 7)
    async with rig.running():
        for chat in "abc":
            await rig.say("hello", chat)
        await asyncio.sleep(100)
        seen = await looked.look()
    assert seen["holdfast_conversations waiting"] + seen["holdfast_conversations running"] == 3
    assert 98 < seen["holdfast_oldest_owed_seconds"] < 101
    assert seen["holdfast_gate_open route:main"] == 0
    assert 90 < seen["holdfast_gate_away_seconds route:main"] < 101
    assert seen["holdfast_gate_failures route:main"] > 3
    assert seen["holdfast_gate_places route:main"] == rig.weather.under_way(GATE)[1]


@simulated
async def test_an_account_that_cannot_be_reached_is_away_however_often_it_is_tried() -> None:
    rig = Rig([])
    name, down = "telegram:mybot", True
    looked = Looked(rig, Weather(rig.journal, rig.clock, lambda: 1.0, [GateSettings(gate_of(name), "f1", 1)], []))

    async def account(ready: Callable[[], None]) -> None:
        if down:
            raise Temporary("no connection")
        ready()
        await asyncio.Event().wait()

    running = asyncio.ensure_future(looked.supervisor.run({f"platform:{name}": account}))
    await asyncio.sleep(1_000)
    seen = await looked.look()
    assert (seen[f"holdfast_gate_away_seconds account:{name}"], seen[f"holdfast_gate_open account:{name}"]) == (1_000, 0)
    down = False
    await asyncio.sleep(300)
    seen = await looked.look()
    assert (seen[f"holdfast_gate_away_seconds account:{name}"], seen[f"holdfast_gate_open account:{name}"]) == (0, 1)
    running.cancel()
    await asyncio.wait([running])


@simulated
async def test_parts_and_lives_are_counted_by_how_they_ended() -> None:
    rig = Rig([Say(text="Yes.")])
    for _ in range(3):
        looked = Looked(rig)
        await looked.lifetime.begin()
        await asyncio.sleep(1)
    await looked.lifetime.end()
    looked = Looked(rig)
    await looked.lifetime.begin()

    async def page(_: object) -> None:
        await asyncio.Event().wait()

    running = asyncio.ensure_future(looked.supervisor.run({"page": page}))
    await asyncio.sleep(1)
    seen = await looked.look()
    running.cancel()
    assert (seen["holdfast_lives in order"], seen["holdfast_lives sudden"]) == (1, 2)
    assert (seen["holdfast_part_state page starting"], seen["holdfast_part_state page ready"]) == (1, 0)
    assert seen["holdfast_part_restarts_total page"] == 0
