"""Nothing that a gateway started outlives it, however it ends (LEDGER H-49 and part I row 20: orphans by the hundred)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from holdfast.core.entries import Call
from holdfast.errors import Temporary
from holdfast.ports import ToolList
from holdfast.testing.tool_rig import SystemClock, children, eventually, failure_of, gone, supervised
from holdfast.tools import child
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Command, ServerSettings

ODD = str(Path(__file__).parent / "odd_server.py")
GONE_S_MAX = 15.0

GATEWAY = """
import asyncio, sys
from holdfast.core.entries import Call
from holdfast.testing.tool_rig import SystemClock, eventually, supervised
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Command, ServerSettings

async def keep(_): ...

def server(oddity):
    return ServerSettings(oddity, Command((sys.executable, sys.argv[1], oddity)), trust_annotations=True)

async def main():
    host = McpHost([server("plain"), server("stubborn"), server("stopped")], keep, {}, SystemClock())
    async with supervised(host):
        await eventually(lambda: all(one.state == "ready" for one in host.servers()))
        left = await host.call(Call(id="call_1_0", tool="plain__leave", arguments="{}"))
        print(*(one.pid for one in host.servers()), left.text, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "END_OF_INPUT_S", 0.4)
    monkeypatch.setattr(child, "TERMINATE_S", 0.2)


def a_host(oddity: str = "") -> McpHost:
    async def keep(_tool_list: ToolList) -> None: ...

    return McpHost([ServerSettings("odd", Command((sys.executable, ODD, oddity)))], keep, {}, SystemClock())


async def test_a_killed_gateway_takes_servers_with_it_that_are_stubborn_or_stopped_and_what_they_started() -> None:
    path = os.pathsep.join(filter(None, sys.path))
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY, ODD, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert gateway.stdout
    pids = [int(pid) for pid in (await gateway.stdout.readline()).split()]
    assert len(pids) == 4
    guards = set(children(gateway.pid)) - set(pids)
    assert len(guards) == 3
    os.kill(pids[2], signal.SIGSTOP)
    begun = time.monotonic()
    gateway.kill()
    await gateway.wait()
    await eventually(lambda: all(map(gone, {*pids, *guards})))
    assert time.monotonic() - begun < GONE_S_MAX


@pytest.mark.usefixtures("hurried")
async def test_a_server_that_is_lost_leaves_neither_a_zombie_nor_its_guard() -> None:
    before = children(os.getpid())
    host = a_host()
    async with supervised(host):
        for lives in range(1, 4):
            await eventually(lambda: host.servers()[0].state == "ready")
            pid = host.servers()[0].pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda lives=lives: host.servers()[0].restarts == lives)  # type: ignore[misc]  # mypy knows no defaults here
            await eventually(lambda: host.servers()[0].state == "ready")
            assert len(children(os.getpid())) == len(before) + 2
    assert children(os.getpid()) == before


@pytest.mark.usefixtures("hurried")
async def test_a_server_that_nobody_can_guard_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = children(os.getpid())
    monkeypatch.setattr(child, "Guard", full)
    failure = await failure_of(a_host())
    assert isinstance(failure, Temporary)
    assert "no room for the shell that guards it (Resource temporarily unavailable)" in str(failure)
    assert children(os.getpid()) == before


@pytest.mark.usefixtures("hurried")
async def test_a_guard_harms_nobody_while_we_live() -> None:
    host, before = a_host(), set(children(os.getpid()))
    async with supervised(host):
        await host.ready()
        pid = host.servers()[0].pid
        (shell,) = set(children(os.getpid())) - before - {pid}
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            os.kill(shell, number)
        assert (await host.call(Call(id="call_1_0", tool="odd__empty", arguments="{}"))).outcome == "ok"
        assert not gone(shell) and host.servers()[0].pid == pid
