"""The servers that people use, killed and stopped in mid-call (LEDGER H-49, H-51 and H-52, part I rows 20 and 30).

All at once, under one host: every other one is killed, and the rest are stopped. With HOLDFAST_LONG=1 the other way round too, three times.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from holdfast.core.entries import Call
from holdfast.ports import ToolList, ToolOutcome, ToolServerState
from holdfast.testing.stub_provider import Reply, StubProvider, http
from holdfast.testing.tool_rig import SystemClock, children, eventually, gone, supervised
from holdfast.tools import child
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Address, Command, ServerSettings

LONG: Final = os.environ.get("HOLDFAST_LONG") == "1"
SILENCE_S: Final = 4.0
CONNECT_S: Final = 10.0
AT_ONCE_S: Final = 3.0
"""An answer at once, on a machine that is busy with all the others."""
BACK_S: Final = 25.0
PAGE: Final = b"<html><body><article><h1>Tide tables</h1><p>High water at noon.</p></article></body></html>"


@dataclass(frozen=True)
class Real:
    """A server of others, one call that it can answer, and what its answer says."""

    program: str
    install: str
    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    says: str = ""
    words: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    """Over HTTP, if there is one."""

    @property
    def path(self) -> str | None:
        return shutil.which(self.program, path=f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}")


def real_servers(folder: Path, page: str) -> dict[str, Real]:
    repository, files = folder / "repository", folder / "files"
    files.mkdir()
    (files / "notes.txt").write_text("High water at noon.")
    subprocess.run(["git", "init", "--quiet", "--initial-branch=tide", str(repository)], check=True)
    pip, npm = "pip install {}", "npm install --global @modelcontextprotocol/{}"
    apart = "in an environment of its own, `pip install mcp-server-sqlite 'mcp<2'`, with its bin on PATH,"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    everything = npm.format("server-everything")
    return {
        "time": Real("mcp-server-time", pip, "get_current_time", {"timezone": "UTC"}, "UTC"),
        "fetch": Real("mcp-server-fetch", pip, "fetch", {"url": page, "raw": True}, "High water at noon", ("--ignore-robots-txt", "--allow-private-ips")),
        "git": Real("mcp-server-git", pip, "git_status", {"repo_path": str(repository)}, "tide"),
        "sqlite": Real(
            "mcp-server-sqlite", apart, "read_query", {"query": "SELECT 6 * 7"}, "42", ("--db-path", str(folder / "tides.db"))
        ),
        "everything": Real("mcp-server-everything", everything, "echo", {"message": "ahoy"}, "ahoy", ("stdio",)),
        "filesystem": Real("mcp-server-filesystem", npm.format("server-filesystem"), "list_directory", {"path": str(files)}, "notes.txt", (str(files),)),
        "memory": Real(
            "mcp-server-memory", npm.format("server-memory"), "read_graph", {}, "entities", (), {"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}
        ),
        "elsewhere": Real(
            "mcp-server-everything", everything, "echo", {"message": "ahoy"}, "ahoy", ("streamableHttp",), {"PORT": str(port)}, port
        ),
    }  # fmt: skip


class Fleet:
    """All of them under one host. Those over HTTP are no children of the host's: whoever runs them starts them anew, as we do here."""

    def __init__(self, servers: dict[str, Real]) -> None:
        async def keep(_tool_list: ToolList) -> None: ...

        self._servers = servers
        self._elsewhere: dict[str, subprocess.Popen[bytes]] = {}
        self.host = McpHost([self._settings(name) for name in servers], keep, {}, SystemClock())

    def _settings(self, name: str) -> ServerSettings:
        real = self._servers[name]
        where = Address(f"http://127.0.0.1:{real.port}/mcp") if real.port else Command((str(real.path), *real.words), real.env)
        return ServerSettings(name, where, connect_timeout_s=CONNECT_S, timeout_s=SILENCE_S)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        for name, real in self._servers.items():
            if real.port:
                self.start_elsewhere(name)
        try:
            async with supervised(self.host):
                await eventually(lambda: all(state.state == "ready" for state in self.host.servers()), 60)
                yield
        finally:
            for process in self._elsewhere.values():
                process.kill()
                process.wait()

    def start_elsewhere(self, name: str) -> None:
        real = self._servers[name]
        self._elsewhere[name] = subprocess.Popen(
            [str(real.path), *real.words], env={**os.environ, **real.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def state(self, name: str) -> ToolServerState:
        return next(state for state in self.host.servers() if state.name == name)

    def pid(self, name: str) -> int:
        pid = self._elsewhere[name].pid if name in self._elsewhere else self.state(name).pid
        assert pid
        return pid

    def signal(self, name: str, number: signal.Signals) -> None:
        """To the whole group: what is started by `npx` and its like is a child of a child."""
        pid = self.pid(name)
        if name in self._elsewhere:
            os.kill(pid, number)
        else:
            os.killpg(pid, number)

    async def call(self, name: str) -> ToolOutcome:
        real = self._servers[name]
        return await self.host.call(Call(id="call_1_0", tool=f"{name}__{real.tool}", arguments=json.dumps(real.arguments)))

    async def works(self, name: str) -> None:
        outcome = await self.call(name)
        assert outcome.outcome == "ok" and self._servers[name].says in outcome.text, f"{name}: {outcome}"

    async def works_again(self, name: str) -> float:
        """How long it took from now on."""
        begun = time.monotonic()
        while (outcome := await self.call(name)).outcome != "ok":
            assert time.monotonic() - begun < BACK_S, f"{name}: {outcome} {self.state(name)}"
        return time.monotonic() - begun

    async def caught(self, name: str) -> asyncio.Task[ToolOutcome]:
        """A call that is under way at a server that does nothing any more."""
        self.signal(name, signal.SIGSTOP)
        calling = asyncio.create_task(self.call(name))
        session = self.host._servers[name]._session
        assert session
        await eventually(lambda: session.calls == 1 or calling.done())
        return calling

    async def killed(self, name: str) -> tuple[float, float]:
        """In mid-call, by SIGKILL: how long until the caller had an answer, and until the server was of use again."""
        pid = self.pid(name)
        calling = await self.caught(name)
        begun = time.monotonic()
        self.signal(name, signal.SIGKILL)
        outcome = await calling
        answered = time.monotonic() - begun
        assert outcome.outcome == "unknown", f"{name}: {outcome}"
        assert answered < AT_ONCE_S
        if name in self._elsewhere:
            self._elsewhere[name].wait()
            self.start_elsewhere(name)
        await self.works_again(name)
        assert gone(pid)
        return answered, time.monotonic() - begun

    async def stopped(self, name: str) -> tuple[float, float]:
        """In mid-call, by SIGSTOP: the same. Whoever runs a server elsewhere lets it go on."""
        pid = self.pid(name)
        calling = await self.caught(name)
        begun = time.monotonic()
        outcome = await calling
        answered = time.monotonic() - begun
        assert outcome.outcome == "unknown" and f"silent for {SILENCE_S:g} s" in outcome.text, f"{name}: {outcome}"
        assert answered < SILENCE_S + AT_ONCE_S
        if name in self._elsewhere:
            late = await self.call(name)
            assert late.outcome == "error" and re.search("is (down|starting) since .* (silent|did not answer)", late.text), late
            self.signal(name, signal.SIGCONT)
        await self.works_again(name)
        assert name in self._elsewhere or gone(pid)
        return answered, time.monotonic() - begun


def processes(pid: int, but: Sequence[int] = ()) -> int:
    """How many there are below this one. (Other tests may have left a browser there, for the next ones.)"""
    return sum(1 + processes(one) for one in children(pid) if one not in but and not gone(one))


async def together(work: Callable[[str], Any], names: Sequence[str]) -> list[tuple[float, float]]:
    async with asyncio.TaskGroup() as tasks:
        going = [tasks.create_task(work(name)) for name in names]
    return [one.result() for one in going]


@pytest.mark.needs("git")
@pytest.mark.timeout(330 if LONG else 150)
async def test_real_servers_killed_and_stopped_in_mid_call_answer_in_time_and_are_back_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "END_OF_INPUT_S", 0.4)
    monkeypatch.setattr(child, "TERMINATE_S", 0.2)
    before = children(os.getpid())
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(StubProvider(lambda _: Reply(http(PAGE, content_type="text/html"))))
        servers = real_servers(tmp_path, stub.base_url)
        absent = {name: real for name, real in servers.items() if real.path is None}
        fleet = Fleet({name: real for name, real in servers.items() if name not in absent})
        await stack.enter_async_context(fleet.running())
        names = [name for name in servers if name not in absent]
        await asyncio.gather(*map(fleet.works, names))
        assert all(state.memory_bytes for state in fleet.host.servers() if state.pid)
        at_first = processes(os.getpid(), before), len(asyncio.all_tasks())
        halves = (names[::2], names[1::2]), (names[1::2], names[::2])
        for victims, frozen in halves * 3 if LONG else halves[:1]:
            killed, stopped = await asyncio.gather(together(fleet.killed, victims), together(fleet.stopped, frozen))
            print("killed", *(f"{name} {a:.2f}/{b:.1f}" for name, (a, b) in zip(victims, killed, strict=True)))
            print("stopped", *(f"{name} {a:.2f}/{b:.1f}" for name, (a, b) in zip(frozen, stopped, strict=True)))
            await eventually(lambda: (processes(os.getpid(), before), len(asyncio.all_tasks())) == at_first, 20)
        assert all(state.state == "ready" for state in fleet.host.servers())
    assert children(os.getpid()) == before, "no process is left, and no zombie"
    if absent:
        missing = "; ".join(f"{real.program} ({real.install.format(real.program)})" for real in absent.values())
        pytest.skip(f"All others passed, but these are not installed: {missing}")
