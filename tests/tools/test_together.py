"""Several hosts behave as one, and what they know is put together once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.core.entries import Call
from holdfast.local_time import LocalTime
from holdfast.ports import ToolList, ToolOutcome
from holdfast.testing.contracts.tools import Rig, ToolHostContract, call
from holdfast.testing.fake_tools import FakeTools, Outside
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.testing.tool_rig import SystemClock, demo_server, supervised
from holdfast.tools.builtin import TOOLS, BuiltIn
from holdfast.tools.mcp import McpHost
from holdfast.tools.together import Together


def built_in() -> BuiltIn:
    return BuiltIn(MemoryJournal(), MemoryFiles(), SystemClock(), LocalTime())


async def forget(_tool_list: ToolList) -> None: ...


class Empty(BuiltIn):
    """A host that has nothing, so that the contract sees the other one's tools alone."""

    def __init__(self) -> None:
        super().__init__(MemoryJournal(), MemoryFiles(), SystemClock(), LocalTime())

    def tools(self) -> tuple[()]:
        return ()


class TestTogether(ToolHostContract):
    @pytest.fixture
    async def rig(self, tmp_path: Path) -> AsyncIterator[Rig]:
        journal = tmp_path / "effects"
        mcp = McpHost([demo_server(journal, "--dangerous")], keep=forget, kept={}, clock=SystemClock())
        host = Together(Empty(), mcp)

        def counted(tool: str, key: str) -> int:
            effects = map(json.loads, journal.read_text().splitlines())
            return sum(effect["effect"] == tool and effect["arguments"].get("key") == key for effect in effects)

        async def lose(repeatable: bool) -> ToolOutcome:
            await host.call(call("clock"))
            outcomes = await asyncio.gather(host.call(call("slow", seconds=60)), host.call(call("crash", process="self")))
            return outcomes[0 if repeatable else 1]

        async with supervised(mcp):
            yield Rig(host, counted, lose)


async def test_the_tools_of_all_are_there_in_order_and_the_same_tuple_until_something_changes(tmp_path: Path) -> None:
    mcp = McpHost([demo_server(tmp_path / "effects")], keep=forget, kept={}, clock=SystemClock())
    host = Together(built_in(), mcp)
    before = host.tools()
    assert before == TOOLS
    assert host.tools() is before
    async with supervised(mcp):
        await host.ready()
        tools = host.tools()
        assert [tool.server for tool in tools] == ["holdfast"] * len(TOOLS) + ["demo"] * (len(tools) - len(TOOLS))
        assert host.tools() is tools
        assert [state.name for state in host.servers()] == ["demo"]
        assert [offer.server.name for offer in host.offers()] == ["demo"]


async def test_each_call_goes_to_whoever_has_the_tool() -> None:
    outside = Outside()
    host = Together(built_in(), FakeTools(outside, SystemClock()))
    assert (await host.call(call("count", key="a"))).outcome == "ok"
    assert outside.count("count", "a") == 1
    assert "It is " in (await host.call(Call(id="call_1_0", tool="holdfast__now", arguments="{}"))).text
    outcome = await host.call(Call(id="call_1_0", tool="holdfast__sing", arguments="{}"))
    assert (outcome.outcome, outcome.text) == ("error", "there is no tool 'holdfast__sing'")


async def test_a_call_of_a_tool_that_is_not_known_yet_waits_for_its_server(tmp_path: Path) -> None:
    mcp = McpHost([demo_server(tmp_path / "effects")], keep=forget, kept={}, clock=SystemClock())
    host = Together(built_in(), mcp)
    waiting = asyncio.create_task(host.call(call("count", key="a")))
    async with supervised(mcp):
        assert (await waiting).outcome == "ok"
