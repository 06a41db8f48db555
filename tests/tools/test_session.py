from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.core.entries import Call
from holdfast.ports import ToolOutcome
from holdfast.testing.tool_rig import SystemClock, supervised
from holdfast.tools import child
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import INHERITED, Command, ServerSettings

ODD = str(Path(__file__).parent / "odd_server.py")


async def _forget(_tool_list: object) -> None: ...


@pytest.fixture
async def host() -> AsyncIterator[McpHost]:
    host = McpHost([ServerSettings("odd", Command((sys.executable, ODD), {"NAMED": "yes"}))], _forget, {}, SystemClock())
    async with supervised(host):
        await host.ready()
        yield host


async def ask(host: McpHost, tool: str) -> ToolOutcome:
    return await host.call(Call(id="call_1_0", tool=f"odd__{tool}", arguments="{}"))


async def test_what_is_no_text_is_a_file_and_named_where_it_stood(host: McpHost) -> None:
    outcome = await ask(host, "image")
    assert outcome.text == (
        "look:\n[file picture-1, application/octet-stream, 12 kB]\n[resource a page: https://example.org/]\n"
        "[file a.bin, application/octet-stream, 1 kB]\nthe text of a page"
    )
    assert [(file.name, len(file.data)) for file in outcome.files] == [("picture-1", 12288), ("a.bin", 3)]


async def test_structured_content_without_text_is_told_as_json(host: McpHost) -> None:
    assert await ask(host, "structured") == ToolOutcome("ok", '{"grüße": 1}')


async def test_an_answer_without_anything_says_so(host: McpHost) -> None:
    assert await ask(host, "empty") == ToolOutcome("ok", "[no output]")


async def test_a_long_text_comes_whole(host: McpHost) -> None:
    outcome = await ask(host, "long")
    assert outcome.text == "ä" * 100_000


async def test_texts_broken_in_mid_character_are_read_all_the_same(host: McpHost) -> None:
    assert await ask(host, "halves") == ToolOutcome("ok", "half ? of a smile")
    assert await ask(host, "latin") == ToolOutcome("ok", "caf\N{REPLACEMENT CHARACTER}")


async def test_chatter_on_stdout_does_no_harm(host: McpHost) -> None:
    assert await ask(host, "chatter") == ToolOutcome("ok", "answered all the same")


async def test_an_answer_that_can_not_be_read_leaves_the_outcome_unknown_and_the_server_alone(host: McpHost) -> None:
    assert (await ask(host, "unreadable")).outcome == "unknown"
    assert (await ask(host, "empty")).outcome == "ok"
    assert host.servers()[0].restarts == 0


async def test_a_server_sees_nothing_of_our_environment_that_is_not_named(host: McpHost, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = json.loads((await ask(host, "environment")).text)
    assert seen["NAMED"] == "yes"
    assert set(seen) <= {*INHERITED, "NAMED", "LC_CTYPE"}
    assert {"HOME", "PATH"} <= set(seen)


async def test_a_flood_on_stderr_neither_blocks_the_server_nor_fills_the_log(host: McpHost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "holdfast.tools")
    assert await ask(host, "flood") == ToolOutcome("ok", "flooded")
    lines = [record for record in caplog.records if record.name == "holdfast.tools"]
    assert len(lines) == child.STDERR_LINES_PER_MINUTE_MAX + 1
    assert "left out" in lines[-1].getMessage()


async def test_a_server_that_knows_only_the_newest_protocol_is_spoken_to_in_it() -> None:
    host = McpHost([ServerSettings("odd", Command((sys.executable, ODD, "modern")))], _forget, {}, SystemClock())
    async with supervised(host):
        await host.ready()
        assert await ask(host, "structured") == ToolOutcome("ok", '{"grüße": 1}')


async def test_the_gateway_starts_without_the_sdk() -> None:
    program = "import sys, holdfast.tools.mcp; sys.exit(bool({'mcp', 'mcp_types', 'anyio', 'pydantic'} & set(sys.modules)))"
    path = os.pathsep.join(filter(None, sys.path))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, env={**os.environ, "PYTHONPATH": path})
    assert await process.wait() == 0
