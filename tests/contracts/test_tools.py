from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.ports import ToolOutcome
from holdfast.testing.contracts.tools import Rig, ToolHostContract, call
from holdfast.testing.fake_tools import FakeTools, Outside
from holdfast.testing.tool_rig import HttpServer, SystemClock, demo_server, supervised
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Address


def counted(journal: Path, tool: str, key: str) -> int:
    effects = map(json.loads, journal.read_text().splitlines())
    return sum(effect["effect"] == tool and effect["arguments"].get("key") == key for effect in effects)


class TestMcpHost(ToolHostContract):
    @pytest.fixture
    async def rig(self, tmp_path: Path) -> AsyncIterator[Rig]:
        journal = tmp_path / "effects"
        host = McpHost([demo_server(journal, "--dangerous")], keep=_forget, kept={}, clock=SystemClock())

        async def lose(repeatable: bool) -> ToolOutcome:
            await host.call(call("clock"))
            outcomes = await asyncio.gather(host.call(call("slow", seconds=60)), host.call(call("crash", process="self")))
            return outcomes[0 if repeatable else 1]

        async with supervised(host):
            yield Rig(host, lambda tool, key: counted(journal, tool, key), lose)


class TestMcpHostOverHttp(ToolHostContract):
    @pytest.fixture
    async def rig(self, tmp_path: Path) -> AsyncIterator[Rig]:
        journal = tmp_path / "effects"

        async def start_again_and_again(server: HttpServer) -> None:
            while True:
                await server.ended()
                await server.start()

        async with HttpServer(journal, "--dangerous", "--token", "secret") as server:
            headers = {"authorization": "Bearer secret"}
            host = McpHost([server.settings(where=Address(server.url, headers))], keep=_forget, kept={}, clock=SystemClock())

            async def lose(repeatable: bool) -> ToolOutcome:
                await host.call(call("clock"))
                outcomes = await asyncio.gather(host.call(call("slow", seconds=60)), host.call(call("crash", process="self")))
                return outcomes[0 if repeatable else 1]

            again = asyncio.create_task(start_again_and_again(server))
            try:
                async with supervised(host):
                    yield Rig(host, lambda tool, key: counted(journal, tool, key), lose)
            finally:
                again.cancel()
                await asyncio.wait([again])


class TestFakeTools(ToolHostContract):
    @pytest.fixture
    async def rig(self) -> Rig:
        outside = Outside()
        host = FakeTools(outside, SystemClock())

        async def lose(repeatable: bool) -> ToolOutcome:
            tool = "lookup" if repeatable else "count"
            outside.faults[tool].append("lost")
            return await host.call(call(tool, key="lost"))

        return Rig(host, outside.count, lose)


async def _forget(_tool_list: object) -> None: ...
