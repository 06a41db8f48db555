"""Servers of others over streamable HTTP."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.entries import Call
from holdfast.ports import ToolList, ToolOutcome
from holdfast.testing.tool_rig import SystemClock, a_free_port, eventually, running, supervised
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Address, ServerSettings

# anyio drops a connection that is made in the very moment in which whoever waits for it is cancelled, and leaves it to the collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <(socket.socket|function _SelectorTransport):pytest.PytestUnraisableExceptionWarning"
)


SDK_SERVER = str(Path(__file__).parent / "sdk_server.py")


def a_host(port: int, **settings: Any) -> McpHost:
    async def keep(_tool_list: ToolList) -> None: ...

    server = ServerSettings("demo", Address(f"http://127.0.0.1:{port}/mcp"), **settings)
    return McpHost([server], keep, {}, SystemClock())


async def is_ready(host: McpHost) -> None:
    await eventually(lambda: host.servers()[0].state == "ready")


async def ask(host: McpHost, tool: str, **arguments: Any) -> ToolOutcome:
    return await host.call(Call(id="call_1_0", tool=f"demo__{tool}", arguments=json.dumps(arguments)))


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_a_server_of_the_sdk_is_used_in_either_protocol(era: str) -> None:
    port = a_free_port()
    host = a_host(port, timeout_s=1.0)
    async with running(port, sys.executable, SDK_SERVER, str(port), era), supervised(host):
        await host.ready()
        assert {tool.name for tool in host.tools()} >= {"demo__slow", "demo__were_aborted", "demo__grow"}
        assert await ask(host, "slow", seconds=1.5) == ToolOutcome("ok", "done"), "progress is a sign of life"
        going = asyncio.create_task(ask(host, "slow", seconds=60))
        await ask(host, "slow", seconds=0.3)
        going.cancel()
        await asyncio.wait([going])
        outcome = await ask(host, "slow", seconds=0.3)
        assert outcome.outcome == "ok"
        assert (await ask(host, "were_aborted")).text == '["slow"]', "being cancelled tells the server"
        assert (await ask(host, "grow")).outcome == "ok"
        await eventually(lambda: "demo__grown" in {tool.name for tool in host.tools()})


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_a_server_of_the_sdk_that_is_killed_and_started_anew_is_used_on(era: str) -> None:
    port = a_free_port()
    command = (sys.executable, SDK_SERVER, str(port), era)
    host = a_host(port, connect_timeout_s=10.0)
    async with supervised(host):
        async with running(port, *command):
            await is_ready(host)
            going = asyncio.create_task(ask(host, "slow", seconds=60))
            await ask(host, "slow", seconds=0.2)
        assert (await going).outcome == "unknown"
        await eventually(lambda: host.servers()[0].state != "ready")  # what is written in the instant of its death may have been done
        waiting = asyncio.create_task(ask(host, "slow", seconds=0.1))
        async with running(port, *command):
            outcome = await waiting
            assert (outcome.outcome, outcome.text) == ("ok", "done")


@pytest.fixture
def everything() -> str:
    program = shutil.which("mcp-server-everything")
    if program is None:
        pytest.skip("mcp-server-everything is not installed: `npm install -g @modelcontextprotocol/server-everything`, and this test runs.")
    return program


async def test_a_server_of_another_making_is_used_killed_and_used_on(everything: str) -> None:
    port = a_free_port()
    host = a_host(port, connect_timeout_s=10.0)
    async with supervised(host):
        async with running(port, everything, "streamableHttp", PORT=str(port)):
            await is_ready(host)
            assert len(host.tools()) > 5
            assert await ask(host, "echo", message="hello") == ToolOutcome("ok", "Echo: hello")
            outcomes = await asyncio.gather(*(ask(host, "echo", message=str(number)) for number in range(20)))
            assert {outcome.outcome for outcome in outcomes} == {"ok"}
            assert (await ask(host, "trigger-long-running-operation", duration=1, steps=4)).outcome == "ok"
            going = asyncio.create_task(ask(host, "trigger-long-running-operation", duration=60, steps=4))
            await ask(host, "trigger-long-running-operation", duration=0.2, steps=1)
        assert (await going).outcome == "unknown"
        waiting = asyncio.create_task(ask(host, "echo", message="again"))
        async with running(port, everything, "streamableHttp", PORT=str(port)):
            assert await waiting == ToolOutcome("ok", "Echo: again")
