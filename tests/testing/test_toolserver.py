from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

PATH = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
SERVER = (sys.executable, "-m", "holdfast.testing.toolserver")


class Client:
    """Speaks MCP by hand."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.sent = 0

    async def tell(self, method: str, **params: Any) -> None:
        await self._write({"method": method, "params": params})

    async def ask(self, method: str, **params: Any) -> int:
        self.sent += 1
        await self._write({"id": self.sent, "method": method, "params": params})
        return self.sent

    async def hear(self) -> dict[str, Any]:
        assert self.process.stdout
        line = json.loads(await self.process.stdout.readline() or b'{"end": true}')
        assert isinstance(line, dict)
        return line

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        await self.ask("tools/call", name=tool, arguments=arguments)
        result = (await self.hear())["result"]
        assert isinstance(result, dict)
        return result

    async def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        await self.process.stdin.drain()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "effects"


@pytest.fixture
async def client(journal: Path) -> AsyncIterator[Client]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *SERVER, "--dangerous", stdin=pipe, stdout=pipe, env={**os.environ, **PATH, "HOLDFAST_TOOLSERVER_JOURNAL": str(journal)}
    )
    yield Client(process)
    assert process.stdin
    process.stdin.close()
    await process.wait()


def effects(journal: Path) -> list[tuple[str, Any]]:
    lines = map(json.loads, journal.read_text().splitlines())
    return [(line["effect"], line["arguments"]) for line in lines]


async def test_it_shakes_hands_and_names_its_tools_with_their_annotations(client: Client) -> None:
    await client.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={})
    assert (await client.hear())["result"]["protocolVersion"] == "2025-06-18"
    await client.tell("notifications/initialized")
    await client.ask("tools/list")
    tools = {tool["name"]: tool.get("annotations", {}) for tool in (await client.hear())["result"]["tools"]}
    assert list(tools) == ["clock", "count", "counted", "lookup", "slow", "crash", "hang", "garbage"]
    assert tools["clock"]["readOnlyHint"] and tools["lookup"]["readOnlyHint"] and tools["slow"]["idempotentHint"]
    assert not tools["count"]["readOnlyHint"] and not tools["count"]["idempotentHint"]


async def test_every_effect_is_in_the_journal_with_its_arguments_when_it_is_answered(client: Client, journal: Path) -> None:
    assert not (await client.call("count", key="a"))["isError"]
    assert effects(journal) == [("start", {}), ("count", {"key": "a"})]
    first = await client.call("lookup", key="a")
    assert await client.call("lookup", key="a") == first
    await client.call("clock")
    assert [effect for effect, _ in effects(journal)] == ["start", "count", "lookup", "lookup"]


async def test_what_was_counted_is_known_in_every_life_and_a_count_that_was_killed_in_mid_call_did_not_happen(journal: Path) -> None:
    counted = []
    for life in range(2):
        process = await asyncio.create_subprocess_exec(
            *SERVER, "--journal", str(journal), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ, **PATH}
        )
        client = Client(process)
        counted.append((await client.call("counted", key="a"))["content"][0]["text"])
        assert (await client.call("count", key="a"))["content"][0]["text"] == f"a is counted: {life + 1}"
        await client.ask("tools/call", name="count", arguments={"key": "a", "seconds": 60}, _meta={"progressToken": 7})
        assert (await client.hear())["params"]["progressToken"] == 7
        process.kill()
        await process.wait()
    assert counted == ["a was counted 0 times", "a was counted 1 times"]


async def test_bad_arguments_are_an_error_of_the_tool_and_an_unknown_tool_one_of_the_protocol(client: Client) -> None:
    assert (await client.call("count"))["isError"]
    assert (await client.call("count", key="a", seconds="soon"))["isError"]
    assert (await client.call("crash", process="nobody"))["isError"]
    await client.ask("tools/call", name="nonesuch")
    assert (await client.hear())["error"]["code"] == -32602
    await client.ask("server/discover")
    assert (await client.hear())["error"]["code"] == -32601


async def test_the_slow_tool_reports_progress_and_does_not_block_the_others(client: Client, journal: Path) -> None:
    await client.ask("tools/call", name="slow", arguments={"seconds": 0.6, "key": "s"}, _meta={"progressToken": 7})
    await client.ask("tools/call", name="clock")
    assert (await client.hear())["id"] == 2
    assert (await client.hear())["params"]["progressToken"] == 7
    while "id" not in (message := await client.hear()):
        assert message["method"] == "notifications/progress"
    assert effects(journal)[-1] == ("slow", {"seconds": 0.6, "key": "s"})


async def test_a_cancelled_call_has_no_effect_and_no_answer(client: Client, journal: Path) -> None:
    call = await client.ask("tools/call", name="slow", arguments={"seconds": 60})
    await client.tell("notifications/cancelled", requestId=call)
    result = await client.call("slow", seconds=0.1)
    assert not result["isError"]
    assert effects(journal)[1:] == [("slow", {"seconds": 0.1})]


async def test_it_ends_with_its_input_even_in_mid_call(client: Client) -> None:
    await client.ask("tools/call", name="slow", arguments={"seconds": 60})
    assert client.process.stdin
    client.process.stdin.close()
    assert await client.process.wait() == 0


async def test_the_dangerous_tool_kills_what_it_is_told_to(client: Client, journal: Path) -> None:
    victim = await asyncio.create_subprocess_exec("sleep", "60")
    await client.call("crash", process=str(victim.pid))
    assert await victim.wait() == -signal.SIGKILL
    await client.ask("tools/call", name="crash", arguments={"process": "self"})
    assert await client.process.wait() == -signal.SIGKILL
    assert [effect for effect, _ in effects(journal)] == ["start", "crash", "crash"]


async def test_it_kills_the_process_that_started_it_when_told_to() -> None:
    program = """
import subprocess, sys
server = subprocess.Popen([sys.executable, "-m", "holdfast.testing.toolserver", "--dangerous"], stdin=subprocess.PIPE)
server.stdin.write(b'{"id": 1, "method": "tools/call", "params": {"name": "crash", "arguments": {"process": "parent"}}}\\n')
server.stdin.flush()
server.wait()
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env={**os.environ, **PATH}, stdout=asyncio.subprocess.DEVNULL
    )
    assert await parent.wait() == -signal.SIGKILL


async def test_the_dangerous_tool_is_not_there_unless_asked_for() -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*SERVER, stdin=pipe, stdout=pipe, env={**os.environ, **PATH})
    client = Client(process)
    await client.ask("tools/call", name="crash", arguments={"process": "self"})
    assert "error" in await client.hear()
    assert process.stdin
    process.stdin.close()
    assert await process.wait() == 0
