"""What a measurement runs against: a provider and a gateway, each a process of its own, and a client of the door that costs little."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

HOLDFAST: Final = str(Path(sys.executable).with_name("holdfast"))
ROOT: Final = Path(__file__).parent.parent
START_S_MAX: Final = 30.0
ANSWER_S_MAX: Final = 60.0

OPENAI: Final = """[routes.main]
dialect = "openai-chat"
base_url = "{base_url}"
model = "stub"
calls_at_once_max = {places}
"""
PRACTICE: Final = """[routes.main]
dialect = "practice"
"""
CLOCK: Final = """[tools.clock]
command = ["{python}", "-m", "holdfast.testing.toolserver"]
"""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one measurement, on the disk that the project is on."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir=os.environ.get("BENCH_DIR")) as name:
        yield Path(name)


def configure(data_dir: Path, *tables: str) -> Path:
    """Write a configuration with these tables. Port 0 takes any that is free."""
    file = data_dir.with_suffix(".toml")
    file.write_text("\n".join([f'data_dir = "{data_dir}"', *tables, "[web]\nport = 0\n"]))
    return file


@contextmanager
def provider(*arguments: str) -> Iterator[str]:
    """The stub provider, in its own process, answering at once. Yields its base URL."""
    process = subprocess.Popen([sys.executable, "-m", "holdfast.testing.stub_provider", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@dataclass(slots=True)
class Gateway:
    """A gateway process. `started` is when it was, on the monotonic clock."""

    process: subprocess.Popen[str]
    data_dir: Path
    started: float
    report: Path | None = None

    @property
    def door(self) -> Path:
        return self.data_dir / "door.sock"

    def memory_mb(self) -> float:
        """Resident memory now, of this process alone."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu_s(self) -> float:
        """CPU time of this process so far, in the threads that it has now."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def stop(self) -> dict[str, float]:
        """End it in order. Returns what the launcher reports, if it was started by it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_S_MAX)
        told: dict[str, float] = json.loads(self.report.read_text()) if self.report else {}
        return told

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def gateway(config: Path, watched: bool = False, no_pause: bool = False, environ: Mapping[str, str] | None = None) -> Iterator[Gateway]:
    """A gateway, started as its user does; or `watched`, by the launcher. Killed at the end if it still runs."""
    data_dir = config.with_suffix("")
    report = config.with_suffix(".report") if watched else None
    command = [HOLDFAST, "run", "--config", str(config)]
    if report:
        command = [sys.executable, "-m", "bench.launcher", str(report), str(config), *(["--no-pause"] if no_pause else [])]
    started = time.monotonic()
    variables = {**os.environ, **(environ or {}), "HOLDFAST_SAFE_MODE": "never"}  # it is killed for a purpose
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=variables)
    running = Gateway(process, data_dir, started, report)
    try:
        yield running
    finally:
        if process.poll() is None:
            running.kill()


class Door:
    """One kept connection of the door's API, as cheap as it can be: what the client costs is measured with the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._keys = count()

    @classmethod
    async def open(cls, running: Gateway) -> Self:
        """Connect, as soon as somebody answers."""
        while True:
            with contextlib.suppress(OSError):
                return cls(*await asyncio.open_unix_connection(running.door, limit=2**24))
            assert running.process.poll() is None, "the gateway has ended; start it by hand to see why"
            assert time.monotonic() - running.started < START_S_MAX, "the gateway does not open its door"
            await asyncio.sleep(0.001)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()

    async def send(self, conversation: str, text: str) -> int:
        """Send a message. Returns its seq when it is durable."""
        body = json.dumps({"key": f"{id(self)}-{next(self._keys)}-{time.monotonic_ns()}", "text": text}).encode()
        await self._ask(f"POST /v1/conversations/{conversation}/messages", body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        answer = await self._reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 200"), answer
        return int(json.loads(answer)["seq"])

    async def _ask(self, what: str, body: bytes = b"") -> None:
        self._writer.write(f"{what} HTTP/1.1\r\nhost: holdfast\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await self._writer.drain()

    async def follow(self, conversation: str, after: int) -> AsyncIterator[bytes]:
        """The JSON of each entry after `after`; first nothing, as soon as the gateway has begun to answer."""
        await self._ask(f"GET /v1/conversations/web:local:{conversation}/events?after={after}")
        await self._reader.readuntil(b": open\n\n")
        yield b""
        committed = False
        async for line in self._reader:
            if line.startswith(b"event: "):
                committed = line.startswith(b"event: entry")
            elif committed and line.startswith(b"data: "):
                yield line[6:]


class Talk:
    """One conversation: a connection to send on, one to listen on."""

    def __init__(self, running: Gateway, conversation: str) -> None:
        self._running, self.conversation = running, conversation

    async def __aenter__(self) -> Self:
        self._sends = await Door.open(self._running)
        self._follows = await Door.open(self._running)
        self._entries: AsyncIterator[bytes] | None = None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._sends.__aexit__(None, None, None)
        await self._follows.__aexit__(None, None, None)

    async def listen(self, after: int = 0) -> None:
        """Follow the conversation's entries from here."""
        self._entries = self._follows.follow(self.conversation, after)
        await anext(self._entries)

    async def turn(self, text: str) -> float:
        """Send a message, wait for the answer's entry. Returns how long that took, in seconds."""
        began = time.perf_counter()
        async with asyncio.timeout(ANSWER_S_MAX):
            if self._entries is None:
                await self.listen()
            assert self._entries is not None
            await self._sends.send(self.conversation, text)
            async for entry in self._entries:
                if b'"kind":"answer/1"' in entry:
                    return time.perf_counter() - began
        raise AssertionError("the gateway closed the stream")

    async def settled(self) -> None:
        """Wait until the answer's delivery is written down: nothing of the turn is left to do."""
        assert self._entries is not None
        async with asyncio.timeout(ANSWER_S_MAX):
            async for entry in self._entries:
                if b'"kind":"delivered/1"' in entry:
                    return


@asynccontextmanager
async def talks(running: Gateway, names: list[str]) -> AsyncIterator[list[Talk]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Talk(running, name)) for name in names]
