"""`holdfast demo` as a child process, in a folder of its own: what it tells, and the door of the gateway that it starts.

async with DemoProcess.started() as demo:
    ... demo.link ... await demo.press("kill-gateway") ... await demo.told("started again")
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import httpx2

from holdfast.core.entries import Entry
from holdfast.testing.looking import LOOK_S, Looks
from holdfast.testing.process import Away, Door
from holdfast.web.wire import door_path

COMMAND: Final = (sys.executable, "-P", "-m", "holdfast.cli", "demo")
USUAL_PORT: Final = 8420
TELLS_S_MAX: Final = 30.0


class DemoProcess:
    """The running demo. `lines`: what it has told so far."""

    def __init__(self, process: asyncio.subprocess.Process, root: Path) -> None:
        self.process = process
        self.lines: list[str] = []
        self._root = root
        self._news = asyncio.Condition()
        self._hearing = asyncio.create_task(self._hear())

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, **environ: str) -> AsyncIterator[Self]:
        """A demo without a display, up or not; it ends on leaving, whatever it does."""
        with (
            _usual_port_taken(),
            tempfile.TemporaryDirectory(prefix="hf-", ignore_cleanup_errors=True) as root,  # a short path: the door is a socket in it
        ):
            ours = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                env={**ours, "TMPDIR": root, **environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
            demo = cls(process, Path(root))
            try:
                yield demo
            finally:
                if process.returncode is None:
                    process.kill()  # the gateway ends with it
                await process.wait()
                await demo._hearing

    async def _hear(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._news:
                self.lines.append(line.decode().rstrip("\n"))
                self._news.notify_all()

    async def told(self, pattern: str, times: int = 1) -> re.Match[str]:
        """The last of so many lines in which this is found, once they were told."""
        async with asyncio.timeout(TELLS_S_MAX), self._news:
            await self._news.wait_for(lambda: len(self._found(pattern)) >= times)
        return self._found(pattern)[-1]

    def _found(self, pattern: str) -> list[re.Match[str]]:
        return [found for line in self.lines if (found := re.search(pattern, line))]

    async def link(self) -> str:
        """The one-time link."""
        return (await self.told(r"http://\S+")).group()

    @property
    def folder(self) -> Path:
        """Where everything is kept."""
        (folder,) = self._root.glob("holdfast-demo-*")
        return folder

    @property
    def gone(self) -> bool:
        """Is nothing left of it on the disk?"""
        return not list(self._root.glob("holdfast-demo-*"))

    async def gateway(self, life: int = 1) -> int:
        """The number of the gateway's process in its so-many-th life."""
        return int((await self.told(r"gateway .*process (\d+)", life)).group(1))

    @contextlib.asynccontextmanager
    async def door(self) -> AsyncIterator[Door]:
        door = Door(door_path(self.folder / "data", os.environ.get("XDG_RUNTIME_DIR")))
        try:
            yield door
        finally:
            await door.close()

    async def press(self, action: str) -> None:
        """One of the buttons. The answer may be lost with the gateway."""
        path = door_path(self.folder / "data", os.environ.get("XDG_RUNTIME_DIR"))
        async with httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=str(path), verify=False)) as client:
            with contextlib.suppress(httpx2.TransportError):
                (await client.post(f"http://holdfast/v1/demo/{action}")).raise_for_status()

    async def entries(self, name: str, enough: Callable[[Sequence[Entry]], bool]) -> tuple[Entry, ...]:
        """A conversation's entries, once there are enough of them."""
        looks = Looks()
        async with asyncio.timeout(TELLS_S_MAX), self.door() as door:
            while True:
                with contextlib.suppress(Away, httpx2.HTTPStatusError):
                    entries = await door.entries(name)
                    if enough(entries):
                        return entries
                await looks.pause()

    async def ended(self, number: signal.Signals) -> int:
        """The exit code after this signal."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), TELLS_S_MAX)


@contextlib.contextmanager
def _usual_port_taken() -> Iterator[None]:
    """Somebody has it, so that demos side by side don't want the same one."""
    with socket.socket() as somebody:
        somebody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            somebody.bind(("127.0.0.1", USUAL_PORT))
            somebody.listen()
        yield


async def until(true: Callable[[], bool]) -> None:
    """Return when this is so."""
    async with asyncio.timeout(TELLS_S_MAX):
        while not true():  # noqa: ASYNC110 other processes set no events of ours
            await asyncio.sleep(LOOK_S)


def runs(pid: int) -> bool:
    """Is there such a process (Linux)?"""
    return Path(f"/proc/{pid}").exists()


def children_of(*pids: int) -> Mapping[int, str]:
    """All processes below these, by number, with their command lines (Linux)."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found: dict[int, str] = {}
    level = list(pids)
    while level:
        level = [child for pid in level for child in parents.get(pid, [])]
        for pid in level:
            with contextlib.suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return found
