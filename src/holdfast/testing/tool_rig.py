"""What tests of real tool servers need: our own server as a child, over stdio or HTTP, and the simplest possible supervision."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from holdfast.errors import Config, Temporary
from holdfast.tools.mcp import McpHost, Owner
from holdfast.tools.settings import Address, Command, ServerSettings

RESTART_S: Final = 0.05
LOOK_S: Final = 0.01


class SystemClock:
    """Real time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


def demo_server(journal: Path, *options: str, **settings: Any) -> ServerSettings:
    """The settings of `holdfast.testing.toolserver` as server `demo`, its annotations trusted."""
    command = (sys.executable, "-m", "holdfast.testing.toolserver", "--journal", str(journal), *options)
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # a server sees nothing of our environment that is not named
    return ServerSettings(**{"name": "demo", "where": Command(command, path), "trust_annotations": True, **settings})


class HttpServer:
    """`holdfast.testing.toolserver` over HTTP, at a port that stays its own however often it is killed and started again."""

    def __init__(self, journal: Path, *options: str) -> None:
        self.url = ""
        self._command = (sys.executable, "-m", "holdfast.testing.toolserver", "--journal", str(journal), *options)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.kill()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2].partition("/")[0] or 0)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    async def start(self) -> None:
        """Return when it listens."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            "--http",
            str(self.port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert self._process.stdout
        self.url = (await self._process.stdout.readline()).decode().strip()
        assert self.url, "the tool server did not start"

    async def ended(self) -> None:
        """Return when the process is gone."""
        assert self._process
        await self._process.wait()
        self._process._transport.close()  # type: ignore[attr-defined] # noqa: SLF001 - asyncio has no public way

    async def kill(self) -> None:
        """With SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            assert self._process
            self._process.kill()
        await self.ended()

    def settings(self, **settings: Any) -> ServerSettings:
        """As server `demo`, its annotations trusted."""
        return ServerSettings(**{"name": "demo", "where": Address(self.url), "trust_annotations": True, **settings})


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.asynccontextmanager
async def running(port: int, *command: str, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server of others at a port, when it listens; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **env},
    )

    async def listens() -> None:
        while True:
            with contextlib.suppress(OSError):
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                return
            assert process.returncode is None, "it ended at once"
            await asyncio.sleep(0.02)

    try:
        await asyncio.wait_for(listens(), 30)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def eventually(true: Callable[[], bool], within_s: float = 10.0) -> None:
    """Return when it is true. Fails if it does not become so."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(LOOK_S)


def gone(pid: int) -> bool:
    """Has this process ended? One that waits for a reaper has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def children(pid: int) -> list[int]:
    """Of a process, those waiting for a reaper among them."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended just now
            found += map(int, (task / "children").read_text().split())
    return sorted(found)


async def failure_of(host: McpHost) -> Exception:
    """How the only server of a host fails when it is started or reached once."""
    (own,) = host.children().values()
    try:
        await own(lambda: None)
    except (Temporary, Config) as failure:
        return failure
    raise AssertionError("it did not fail")


@contextlib.asynccontextmanager
async def supervised(host: McpHost) -> AsyncIterator[None]:
    """Run the host's children, and start each anew when it was lost, until left."""
    children = [asyncio.create_task(_again_and_again(own)) for own in host.children().values()]
    try:
        yield
    finally:
        for child in children:
            child.cancel()
        done = await asyncio.gather(*children, return_exceptions=True)
    failures = [one for one in done if isinstance(one, Exception)]
    if failures:
        raise ExceptionGroup("tool servers", failures)


async def _again_and_again(own: Owner) -> None:
    with contextlib.suppress(Config):
        while True:
            with contextlib.suppress(Temporary):
                await own(lambda: None)
            await asyncio.sleep(RESTART_S)
