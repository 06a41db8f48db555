"""A gateway in memory on virtual time, for the tests of its parts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from holdfast.core.commands import parse
from holdfast.core.entries import AnyBody, Entry
from holdfast.core.failure import Failure, Kind
from holdfast.core.request import Request
from holdfast.core.weather import GateRow
from holdfast.ports import Arrival, Lease, Platform, Traits
from holdfast.runtime.acts import Acts, AgentSettings, RouteSettings
from holdfast.runtime.dispatch import Dispatch
from holdfast.runtime.follow import Followers
from holdfast.runtime.speech import Speech
from holdfast.runtime.weather import GateSettings, Weather
from holdfast.testing.clock import LoopClock, ManualClock
from holdfast.testing.fake_platform import FakeChat, FakePlatform
from holdfast.testing.fake_tools import FakeTools, Outside
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.memory_journal import MemoryDisk, MemoryJournal
from holdfast.testing.scripted_model import Say, ScriptedModel, Step

GATE = "route:main"
_lives = itertools.count(1)


class CountingJournal(MemoryJournal):
    """Remembers what it committed."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        super().__init__(disk)
        self.commits: list[str] = []

    async def _committed(self, result: Any, *points: str) -> Any:
        if points:
            self.commits.append(points[0].partition(".")[0])
        return await super()._committed(result, *points)


class Rig:
    """Everything between a chat and a scripted model. Made inside a simulation."""

    def __init__(
        self,
        script: list[Step] | Callable[[Request], Step] | None = None,
        traits: Traits | None = None,
        places: int = 4,
        disk: MemoryDisk | None = None,
        draw: float = 0.5,
        hands: type[Acts] = Acts,
        agent: AgentSettings | None = None,
    ) -> None:
        self.owner = f"life-{next(_lives)}"
        self.clock = LoopClock()
        self.journal = CountingJournal(disk)
        self.outside = Outside()
        self.model = ScriptedModel(self.clock, script or [Say(text="Yes.")])
        self.chat = FakeChat("fake", self.clock, traits or Traits(key_holds_s=float("inf")))
        agent = agent or AgentSettings("Be brief.", (RouteSettings("main", GATE, self.model),))
        gates = [GateSettings(route.gate, "f1", places) for route in agent.routes]
        self.weather = Weather(self.journal, self.clock, lambda: draw, gates, self._gates())
        self.followers = Followers(self.journal, self.weather.known)
        self.tools = FakeTools(self.outside, self.clock)
        self.platform = FakePlatform(self.chat, self.journal.ingest)
        self.platforms: dict[str, Platform] = {"fake": self.platform}
        self.speech = Speech(self.platforms, self.weather, self.clock)
        self.hands = hands(agent, self.weather, self.speech, self.tools, self.clock, self.followers.changed, files=MemoryFiles())
        self.dispatch = Dispatch(self.owner, ("fake",), self.journal, self.clock, self.weather, self.hands, self.followers.changed)
        self._said = len(self.journal.disk.arrivals)

    def _gates(self) -> list[Any]:
        return list(self.journal.disk.gates.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.ensure_future(self.dispatch.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def say(self, text: str, chat: str = "c") -> int:
        """Somebody writes; returns the seq."""
        self._said += 1
        id_ = f"m{self._said}"
        arrival = Arrival(f"fake:{chat}", "fake", chat, f"{chat} {id_}", parse(text, "ann", id_), self.clock.now())
        (accepted,) = await self.journal.ingest([arrival])
        self.dispatch.arrived(accepted.conversation)
        self.followers.changed(accepted.conversation)
        return accepted.seq

    async def claim(self, chat: str = "c") -> Lease:
        leases = await self.journal.claim(self.owner, self.clock.now(), ("fake",), {}, 10)
        return next(lease for lease in leases if lease.conversation == f"fake:{chat}")

    def entries(self, chat: str = "c") -> list[Entry]:
        return self.journal.disk.conversations[f"fake:{chat}"].entries

    def bodies(self, kind: type[AnyBody], chat: str = "c") -> list[Any]:
        return [entry.body for entry in self.entries(chat) if isinstance(entry.body, kind)]

    def shown(self, chat: str = "c") -> list[str]:
        return [shown.text for shown in self.chat.screens[chat]]

    def idle(self, chat: str = "c") -> bool:
        return self.journal.disk.conversations[f"fake:{chat}"].owner is None


async def turns_of_the_loop(count: int = 40) -> None:
    """Let everything happen that happens at this instant."""
    for _ in range(count):
        await asyncio.sleep(0)


def weather_of(
    places: int = 8, row: GateRow | None = None, fingerprint: str = "f1", draw: float = 1.0
) -> tuple[Weather, ManualClock, MemoryJournal]:
    clock, journal = ManualClock(), MemoryJournal()
    return Weather(journal, clock, lambda: draw, [GateSettings(GATE, fingerprint, places)], [row] if row else []), clock, journal


async def fail(weather: Weather, why: str, retry_after_s: float | None = None, kind: Kind = "transient") -> None:
    """A call of this conversation, begun only now, fails."""
    await weather.failed(GATE, weather._clock.now(), Failure(kind, retry_after_s, why))
