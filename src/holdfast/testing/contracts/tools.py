"""What every `ports.ToolHost` promises, tried on a host that offers the tools of `holdfast.testing.toolserver` as server `demo`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from holdfast.core.entries import Call
from holdfast.ports import ToolHost, ToolOutcome


@dataclass(frozen=True, slots=True)
class Rig:
    """A host, and the world outside: how often a tool had its effect under a key; a call whose server is lost while it is in flight."""

    host: ToolHost
    count: Callable[[str, str], int]
    lose: Callable[[bool], Awaitable[ToolOutcome]]


def call(tool: str, **arguments: Any) -> Call:
    """A call of one of the tools of `demo`."""
    return Call(id="call_1_0", tool=f"demo__{tool}", arguments=json.dumps(arguments))


class ToolHostContract:
    """Subclass it, and give it a fixture `rig`."""

    async def test_tools_have_names_and_schemas_that_every_dialect_takes(self, rig: Rig) -> None:
        await rig.host.ready()
        tools = {tool.name: tool for tool in rig.host.tools()}
        assert {"demo__clock", "demo__count", "demo__lookup", "demo__slow"} <= set(tools)
        assert len(tools) == len(rig.host.tools())
        for tool in tools.values():
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool.name)
            assert tool.schema["type"] == "object"
            assert tool.description
            assert tool.server == "demo"

    async def test_only_tools_that_are_known_to_be_repeatable_say_so(self, rig: Rig) -> None:
        await rig.host.ready()
        repeatable = {tool.name: tool.repeatable for tool in rig.host.tools()}
        assert not repeatable["demo__count"]
        assert repeatable["demo__clock"]
        assert repeatable["demo__lookup"]
        assert repeatable["demo__slow"]

    async def test_a_call_has_its_effect_once_and_is_answered(self, rig: Rig) -> None:
        outcome = await rig.host.call(call("count", key="a"))
        assert outcome.outcome == "ok"
        assert outcome.text
        assert rig.count("count", "a") == 1

    async def test_calls_at_once_run_side_by_side(self, rig: Rig) -> None:
        """H-53: one call of five minutes held up that server for all conversations."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        outcomes = await asyncio.gather(*(rig.host.call(call("slow", seconds=0.4, key=f"k{n}")) for n in range(20)))
        assert {outcome.outcome for outcome in outcomes} == {"ok"}
        assert [rig.count("slow", f"k{n}") for n in range(20)] == [1] * 20
        assert loop.time() - begun < 4, "twenty calls of 0.4 s each took as long as ten in a row"

    async def test_an_unknown_tool_is_an_error_and_nothing_is_raised(self, rig: Rig) -> None:
        outcome = await rig.host.call(call("nonesuch"))
        assert outcome.outcome == "error"
        assert "nonesuch" in outcome.text

    async def test_arguments_that_are_no_object_are_an_error(self, rig: Rig) -> None:
        for arguments in ('["a"]', '{"key": ', '"key"', '{"key": "\\ud83d"}'):
            outcome = await rig.host.call(Call(id="call_1_0", tool="demo__count", arguments=arguments))
            assert outcome.outcome == "error", arguments

    async def test_a_tools_own_error_is_an_error_in_its_own_words(self, rig: Rig) -> None:
        outcome = await rig.host.call(call("count"))
        assert outcome.outcome == "error"
        assert "count" in outcome.text
        assert all(state.state == "ready" and state.restarts == 0 for state in rig.host.servers())

    async def test_a_cancelled_call_returns_at_once_and_does_not_go_on_outside(self, rig: Rig) -> None:
        await rig.host.call(call("clock"))
        loop = asyncio.get_running_loop()
        going = asyncio.create_task(rig.host.call(call("slow", seconds=0.5, key="cancelled")))
        await rig.host.call(call("slow", seconds=0.1, key="meanwhile"))
        begun = loop.time()
        going.cancel()
        await asyncio.wait([going])
        assert going.cancelled()
        assert loop.time() - begun < 0.2
        await rig.host.call(call("slow", seconds=0.8, key="after"))
        assert rig.count("slow", "after") == 1
        assert rig.count("slow", "cancelled") == 0

    async def test_a_call_that_lost_its_server_is_unknown_unless_it_may_be_made_again(self, rig: Rig) -> None:
        not_repeatable = await rig.lose(False)
        assert not_repeatable.outcome == "unknown"
        repeatable = await rig.lose(True)
        assert repeatable.outcome == "error"
        assert "again" in repeatable.text

    async def test_after_a_loss_the_tools_are_the_same_and_can_be_called(self, rig: Rig) -> None:
        await rig.host.ready()
        before = rig.host.tools()
        await rig.lose(True)
        assert rig.host.tools() == before
        assert (await rig.host.call(call("count", key="after a loss"))).outcome == "ok"

    async def test_the_state_of_each_server_can_be_seen(self, rig: Rig) -> None:
        await rig.host.call(call("clock"))
        (state,) = rig.host.servers()
        assert (state.name, state.state) == ("demo", "ready")
        assert state.tools >= 4
