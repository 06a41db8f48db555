"""One life of the gateway in a simulated day: wired as in `app.py`, on a journal whose commits take their time, and watched."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from day_weather import CHAINS, ROUTES, TINY_TOKENS, classify

from holdfast.core.transcript import Transcript
from holdfast.core.world import World
from holdfast.ports import Lease, Platform
from holdfast.runtime.acts import Acts, AgentSettings, RouteSettings
from holdfast.runtime.dispatch import Dispatch
from holdfast.runtime.follow import Followers
from holdfast.runtime.gateway import LocalGateway
from holdfast.runtime.lifetime import Lifetime
from holdfast.runtime.owner import Owner
from holdfast.runtime.service_manager import ServiceManager
from holdfast.runtime.speech import Speech, gate_of
from holdfast.runtime.supervisor import Supervisor
from holdfast.runtime.weather import GateSettings, Weather
from holdfast.testing.fake_platform import FakePlatform
from holdfast.testing.fake_tools import FakeTools
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.testing.scripted_model import ScriptedModel
from holdfast.testing.steady import Steady

if TYPE_CHECKING:
    from day import Day

BOSS = "boss"
"""The chat in which the owner is told."""


class SlowJournal(MemoryJournal):
    """Commits take their time, as with a disk, so that others get in between."""

    day: Day

    async def _begin(self) -> None:
        self.day.transactions[self.day.minute] += 1
        await asyncio.sleep(self.day.latency.random() * 0.004)
        await super()._begin()


class WatchedActs(Acts):
    """Every decision asks for the world: so decisions can be counted."""

    day: Day

    def world(self, lease: Lease, attempts: int, transcript: Transcript) -> World:
        self.day.decisions[self.day.minute] += 1
        return super().world(lease, attempts, transcript)


class Life:
    """One life of the gateway, wired as in `app.py`."""

    def __init__(self, day: Day, number: int) -> None:
        self.day = day
        self.name = f"life-{number}"
        self.journal = SlowJournal(day.disk)
        self.journal.day = day
        self.tools = FakeTools(day.outside, day.clock, lambda _: day.latency.choice((0.0, 0.05, 1.0)))
        self.dispatch: Dispatch | None = None
        self.stopped = asyncio.Event()
        self.process = day.loop.start(self.name, self._main())

    async def stop(self) -> None:
        """SIGTERM, as in `app.py`."""
        if self.dispatch is not None:
            await self.dispatch.stop(5.0)
        self.stopped.set()

    async def _main(self) -> None:
        day, journal, clock = self.day, self.journal, self.day.clock
        gates = [GateSettings(f"route:{name}", f"f{day.providers.configurations[name]}", 3) for name in ROUTES]
        gates += [GateSettings(gate_of(account), "f1", 4) for account in day.accounts]
        draw = random.Random(f"{day.plan.seed}/{self.name}").random
        weather = Weather(journal, clock, draw, gates, await journal.gates())
        models = {name: ScriptedModel(clock, day.providers.script(name)) for name in ROUTES}
        routes = tuple(
            RouteSettings(name, f"route:{name}", models[name], TINY_TOKENS if name == "tiny" else None, tools=name != "mute")
            for name in ROUTES
        )
        chains = {name: chain for name, chain in CHAINS.items() if name != "default"}
        agent = AgentSettings("Be brief.", routes, classify, CHAINS["default"], chains, summaries=("spare", "main"))
        followers, supervisor = Followers(journal, weather.known), Supervisor(clock, draw)
        platforms: dict[str, Platform] = {}
        hands = WatchedActs(agent, weather, Speech(platforms, weather, clock), self.tools, clock, followers.changed, files=MemoryFiles())
        hands.day = day
        self.dispatch = Dispatch(self.name, tuple(day.accounts), journal, clock, weather, hands, followers.changed)
        gateway = LocalGateway(
            lambda: "sim",
            journal,
            MemoryFiles(),
            followers,
            self.dispatch.arrived,
            weather,
            self.tools,
            supervisor,
            clock,
            hands,
            lambda now: now - now % 86400.0,
            Lifetime(journal, clock, ServiceManager({})),
            Steady(),
        )
        owner = Owner([(f"keyed:{BOSS}", "keyed", BOSS)], gateway.accept, clock)
        weather.closed, hands.cut_short = owner.closed, owner.cut_short
        fakes = {chat.account: FakePlatform(chat, gateway.accept) for chat in day.accounts.values()}
        platforms.update(fakes)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._disown(self.dispatch))
            tasks.create_task(self.dispatch.run())
            tasks.create_task(supervisor.run({name: platform.serve for name, platform in fakes.items()}))

    async def _disown(self, dispatch: Dispatch) -> None:
        while await self.journal.disown(self.day.clock.now(), 3):
            dispatch.weather_changed()
