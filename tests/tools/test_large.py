"""Answers as large as the largest file that is kept, and larger ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.entries import Call
from holdfast.core.files import FILE_BYTES_MAX
from holdfast.ports import ToolOutcome
from holdfast.testing.tool_rig import SystemClock, eventually, supervised
from holdfast.tools import child, exchange, link
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Address, Command, ServerSettings

SERVER = str(Path(__file__).parent / "large_server.py")


async def _forget(_tool_list: object) -> None: ...


@contextlib.asynccontextmanager
async def serving(*options: str) -> AsyncIterator[McpHost]:
    process = None
    if "http" in options:
        process = await asyncio.create_subprocess_exec(sys.executable, SERVER, *options, stdout=asyncio.subprocess.PIPE)
        assert process.stdout
        where: Address | Command = Address((await process.stdout.readline()).decode().strip())
    else:
        where = Command((sys.executable, SERVER, *options))
    host = McpHost([ServerSettings("large", where, connect_timeout_s=20.0)], _forget, {}, SystemClock())
    async with supervised(host):
        await eventually(lambda: host.servers()[0].state == "ready", 30)
        yield host
    if process is not None:
        process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined] # asyncio has no public way


async def ask(host: McpHost, tool: str = "file", **arguments: Any) -> ToolOutcome:
    return await host.call(Call(id="call_1_0", tool=f"large__{tool}", arguments=json.dumps(arguments)))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((child, "LINE_BYTES_MAX"), (link, "MESSAGE_BYTES_MAX"), (exchange, "MESSAGE_BYTES_MAX")):
        monkeypatch.setattr(module, name, 2_000_000)


@pytest.mark.parametrize(("options", "arguments"), [((), {}), (("http",), {}), (("http",), {"json": True}), ((), {"wrapped": True})])
async def test_the_largest_file_that_is_kept_is_taken_and_read_beside_the_loop(
    options: tuple[str, ...], arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[tuple[threading.Thread, int]] = []
    parse = link.parse

    def noted(data: bytes) -> Any:
        threads.append((threading.current_thread(), len(data)))
        return parse(data)

    monkeypatch.setattr(link, "parse", noted)
    async with serving(*options) as host:
        outcome = await ask(host, bytes=FILE_BYTES_MAX, **arguments)
        assert outcome.outcome == "ok"
        (file,) = outcome.files
        assert file.data == bytes(FILE_BYTES_MAX)
        beside = {thread is not threading.main_thread() for thread, size in threads if size > link.LARGE_BYTES}
        assert beside == {True}
        assert all(thread is threading.main_thread() for thread, size in threads if size < link.LARGE_BYTES)


async def test_a_file_that_is_too_large_to_be_kept_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as host:
        await ask(host, bytes=10)
        monkeypatch.setattr("holdfast.tools.results.FILE_BYTES_MAX", 1_000_000)
        outcome = await ask(host, bytes=1_000_001)
        assert (outcome.outcome, outcome.files) == ("ok", ()) and outcome.text.endswith("977 kB: too large to be kept]")


@pytest.mark.parametrize("options", [(), ("last",), ("http",)])
async def test_an_answer_that_is_too_large_is_an_error_of_that_call_and_its_server_goes_on(small: None, options: tuple[str, ...]) -> None:
    async with serving(*options) as host:
        going = [asyncio.create_task(ask(host, bytes=size)) for size in (10, 3_000_000, 20)]
        little, large, other = await asyncio.gather(*going)
        assert [len(one.files[0].data) for one in (little, other)] == [10, 20]
        assert large.outcome == "error", "the model reads that it may ask for less"
        assert "answered with more than 1 MB, which is not taken: what it did is done" in large.text and "Ask for less" in large.text
        assert (await ask(host, "text", bytes=1000)).text == "x" * 1000
        assert host.servers()[0].restarts == 0


async def test_an_answer_that_is_too_large_as_json_is_an_error_too(small: None) -> None:
    async with serving("http") as host:
        large = await ask(host, bytes=3_000_000, json=True)
        assert large.outcome == "error" and "answered with more than 1 MB" in large.text


async def test_a_line_without_end_ends_its_server_and_takes_no_memory(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "SKIPPED_BYTES_MAX", 20_000_000)
    async with serving() as host:
        outcome = await ask(host, "endless")
        assert outcome.outcome == "unknown" and "a line without end" in outcome.text
        await eventually(lambda: host.servers()[0].restarts == 1 and host.servers()[0].state == "ready", 30)
        assert (await ask(host, bytes=10)).outcome == "ok"


async def test_a_line_that_is_too_large_and_no_answer_ends_its_server(small: None) -> None:
    program = "import sys; sys.stdin.readline(); print('x' * 3_000_000, flush=True); sys.stdin.readline()"
    host = McpHost([ServerSettings("large", Command((sys.executable, "-c", program)))], _forget, {}, SystemClock())
    async with supervised(host):
        await eventually(lambda: "more than 1 MB" in host.servers()[0].why, 30)


@pytest.mark.parametrize(
    ("begins", "ends", "id_"),
    [
        (b'{"jsonrpc":"2.0","id":7,"result":{"content":[', b'x"}]}}', 7),
        (b'{ "id": 7, "jsonrpc": "2.0", "result": {', b"}}", 7),
        (b'{"id":7,"result":{', b"}}", 7),
        (b'{"result":{"content":[', b'x"}]},"jsonrpc":"2.0","id":8}\n', 8),
        (b'{"error":{"message":"', b'"}, "id": 8, "jsonrpc": "2.0"}', 8),
        (b'{"result":{"content":[', b'"id":8}]}}', None),
        (b'{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage"', b"}}", None),
        (b'{"method":"sampling/createMessage","params":{', b'},"jsonrpc":"2.0","id":8}', None),
        (b"x" * 200, b"x" * 200, None),
    ],
)
def test_what_a_line_would_have_been_the_answer_to_is_told_by_its_ends(begins: bytes, ends: bytes, id_: int | None) -> None:
    from holdfast.tools.stdio import _answered  # noqa: PLC0415 the SDK is imported late

    answer = _answered(begins, ends)
    assert (answer and answer.id) == id_


async def test_base64_with_signs_that_are_none_of_it_is_read_all_the_same() -> None:
    from holdfast.tools.results import _bytes  # noqa: PLC0415 the SDK is imported late

    data = os.urandom(1_000_000)
    plain = base64.b64encode(data).decode()
    spaced = " ".join(plain[at : at + 1001] for at in range(0, len(plain), 1001))
    assert _bytes(plain) == _bytes(spaced) == _bytes(base64.encodebytes(data).decode()) == data
    assert _bytes("") == b""
    assert _bytes("%%% not base64 %") is None
