"""Who asks whether the gateway receives gets the truth."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from holdfast import config, watching
from holdfast.core.lives import UNHEALTHY_MAX, Life
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.gauges import Gauges
from holdfast.runtime.lifetime import Lifetime
from holdfast.runtime.service_manager import ServiceManager
from holdfast.runtime.supervisor import Supervisor
from holdfast.runtime.weather import Weather
from holdfast.testing.fake_tools import FakeTools, Outside
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.watching import Watching


class Slow(MemoryJournal):
    """A disk that can hang."""

    hangs = False
    puts = 0

    async def put_life(self, life: Life) -> None:
        self.puts += 1
        if self.hangs:
            await asyncio.Event().wait()
        await super().put_life(life)


class Site:
    """The listener, and what is behind it."""

    def __init__(self, folder: Path, text: str, port: int = 0) -> None:
        file = folder / "holdfast.toml"
        file.write_text(text)
        clock, self.journal, self.door = SystemClock(), Slow(), folder / "door"
        self.lifetime = Lifetime(self.journal, clock, ServiceManager({}))
        watched = Watching(config.load(file, {"HOME": str(folder)}), clock, lambda: "1.2")
        weather, tools = Weather(self.journal, clock, random.random, [], []), FakeTools(Outside(), clock)
        supervisor = Supervisor(clock, random.random)
        gauges = Gauges(watched.numbers, self.journal, weather, tools, supervisor, self.lifetime, clock, lambda: ({}, 0))
        self.children = watched.children(gauges, self.lifetime, self.door)
        self.client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}")

    def open_door(self) -> None:
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(self.door))

    async def ready(self) -> tuple[int, str]:
        answer = await self.client.get("/readyz")
        return answer.status_code, answer.text


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site, opened = Site(folder, f"[metrics]\nport = {port}\n", port), asyncio.Event()
    await site.lifetime.begin()
    task = asyncio.create_task(_run(site, opened))
    try:
        async with asyncio.timeout(20):
            await opened.wait()
        yield site
    finally:
        task.cancel()
        await asyncio.wait({task})
        await site.client.aclose()


async def _run(site: Site, opened: asyncio.Event) -> None:
    await site.children["metrics"](opened.set)


async def test_it_receives_while_its_door_is_open_and_its_journal_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "COMMIT_S_MAX", 0.1)
    monkeypatch.setattr("holdfast.runtime.lifetime.CONFIRMED_S", 0.0)
    async with served(tmp_path) as site:
        assert await site.ready() == (503, "The door is being opened.\n")
        site.open_door()
        assert await site.ready() == (200, "Serving.\n")
        site.journal.hangs = True
        assert await site.ready() == (503, "The journal does not commit.\n")
        assert (await site.client.get("/livez")).status_code == 200, "the loop turns all the same"
        site.journal.hangs = False
        assert await site.ready() == (200, "Serving.\n")
        await site.journal.close()
        status, said = await site.ready()
        assert (status, said.startswith("The journal does not commit.")) == (503, True)


async def test_who_asks_without_pause_makes_no_commit_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.runtime.lifetime.CONFIRMED_S", 60.0)
    async with served(tmp_path) as site:
        site.open_door()
        for _ in range(20):
            assert (await site.ready())[0] == 200
        assert site.journal.puts == 2, "one when it began, and one for all who asked"


async def test_in_safe_mode_it_receives_and_says_that_no_turn_runs(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        site.open_door()
        for _ in range(UNHEALTHY_MAX):
            await site.lifetime.begin()
        assert site.lifetime.safe_mode is not None
        assert await site.ready() == (200, "Safe mode: everything is saved, no turn runs.\n")
        assert "holdfast_safe_mode 1.0" in (await site.client.get("/metrics")).text


async def test_nothing_listens_and_nothing_is_traced_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert Site(tmp_path, "").children == {}
    assert set(Site(tmp_path, '[metrics]\nport = 0\n[traces]\nendpoint = "http://127.0.0.1:1"').children) == {"metrics", "traces"}
