"""A real gateway as a child process: started, killed and started again in a folder of its own, and talked to through its door.

    async with GatewayProcess(folder, practice(folder)) as gateway:
        await gateway.ready()
        ... await gateway.door.send("name", "key", "Hello") ...
        gateway.kill()

The door's client here shares no code with the command line's: whoever judges the gateway has to see it with eyes of his own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from holdfast.core.entries import Entry
from holdfast.ports import ConversationRow
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing import toolserver
from holdfast.testing.looking import Looks
from holdfast.web.wire import ACCOUNT, Attached, Link, Page, Post, Saved, Uploaded, Writing, door_path

COMMAND: Final = (sys.executable, "-c", "import sys; sys.argv[0] = 'holdfast'; from holdfast.cli import main; sys.exit(main())")
"""The command line, of this very Python."""

READY_S_MAX: Final = 40.0
REPLY_S_MAX: Final = 40.0
COMMAND_S_MAX: Final = 50.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it printed."""

    exit: int
    out: str
    err: str


class Away(Exception):
    """The gateway does not answer, or does not take anything now."""


class Door:
    """Asks the gateway behind the socket at `path`, with a connection for each request. Everything raises `Away` if it does not answer."""

    def __init__(self, path: Path) -> None:
        transport = httpx2.AsyncHTTPTransport(uds=str(path), verify=False, limits=httpx2.Limits(max_keepalive_connections=0))
        self._client = httpx2.AsyncClient(transport=transport, base_url="http://holdfast/v1", timeout=REPLY_S_MAX)

    async def close(self) -> None:
        await self._client.aclose()

    async def upload(self, name: str, data: bytes) -> Attached:
        """Put a file there. Returns what goes with the message."""
        uploaded = msgspec.json.decode(await self._ask("POST", f"/files?name={quote(name, safe='')}", data), type=Uploaded)
        return Attached(sha256=uploaded.sha256, name=name, media_type=uploaded.media_type)

    async def send(self, name: str, key: str, text: str, *files: Attached) -> Saved:
        body = msgspec.json.encode(Post(key=key, text=text, attachments=files))
        return msgspec.json.decode(await self._ask("POST", f"/conversations/{quote(name, safe='')}/messages", body), type=Saved)

    async def rows(self) -> tuple[ConversationRow, ...]:
        return msgspec.json.decode(await self._ask("GET", "/conversations"), type=tuple[ConversationRow, ...])

    async def entries(self, name: str, after: int = 0) -> tuple[Entry, ...]:
        """One page of them."""
        return await self.entries_of(f"{ACCOUNT}:{name}", after)

    async def entries_of(self, key: str, after: int = 0) -> tuple[Entry, ...]:
        """The same of a conversation of any account."""
        body = await self._ask("GET", f"/conversations/{quote(key, safe='')}/entries?after={after}")
        return msgspec.json.decode(body, type=Page).entries

    async def status(self) -> Mapping[str, Any]:
        return msgspec.json.decode(await self._ask("GET", "/status"), type=dict[str, Any])

    async def login_link(self) -> str:
        """A new one-time link."""
        return msgspec.json.decode(await self._ask("POST", "/login/codes"), type=Link).link

    async def retry(self, gate: str) -> None:
        """Open a gate."""
        await self._ask("POST", f"/gates/{gate}/retry")

    async def retry_tools(self, server: str) -> None:
        """Start a tool server now, if it waits for that."""
        await self._ask("POST", f"/tools/{server}/retry")

    async def follow(self, name: str, after: int = 0) -> AsyncIterator[Entry]:
        """The entries as they come, until the gateway ends the stream."""
        async for event in self.events(name, after):
            if isinstance(event, Entry):
                yield event

    async def events(self, name: str, after: int = 0) -> AsyncGenerator[Entry | Writing, None]:
        """The entries as they come, and between them what is being written."""
        headers = {"last-event-id": str(after)}
        try:
            async with self._client.stream("GET", f"/conversations/{_key(name)}/events", headers=headers, timeout=None) as response:
                kind, rest = b"", b""
                async for piece in response.aiter_bytes():  # not lines: those of httpx2 end at U+2028 too, which JSON may hold
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        if line.startswith(b"event: "):
                            kind = line[7:]
                        elif line.startswith(b"data: ") and kind == b"entry":
                            yield msgspec.json.decode(line[6:], type=Entry)
                        elif line.startswith(b"data: ") and kind == b"writing":
                            yield msgspec.json.decode(line[6:], type=Writing)
        except httpx2.TransportError as error:
            raise Away(repr(error)) from error

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        try:
            response = await self._client.request(method, path, content=body)
        except httpx2.TransportError as error:
            raise Away(repr(error)) from error
        if response.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
            raise Away(response.text)
        response.raise_for_status()
        return response.content


def _key(name: str) -> str:
    return quote(f"{ACCOUNT}:{name}", safe="")


class GatewayProcess:
    """`holdfast run` in `folder`, with this configuration (`data_dir` and a free port are added to it).

    `command` is what is run before `run --config FILE`: another one may plant bugs first.
    """

    def __init__(self, folder: Path, config: str, command: Sequence[str] = COMMAND) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.config = folder / "holdfast.toml"
        self.log = folder / "gateway.log"
        folder.mkdir(exist_ok=True)
        self.configure(config)
        self._runtime = tempfile.TemporaryDirectory(prefix="holdfast-")  # for a door whose path would be too long
        self.door = Door(door_path(self.data_dir, self._runtime.name))
        self._command = tuple(command)
        self._process: asyncio.subprocess.Process | None = None
        self._began = 0

    def configure(self, config: str) -> None:
        """What the next start reads."""
        web = "" if "[web]" in config else "\n[web]\nport = 0\n"
        self.config.write_text(f'data_dir = "{self.data_dir}"\n{config}{web}')

    async def start(self, *prefix: str, environ: Mapping[str, str] | None = None) -> None:
        """Start it, under `prefix` (a tracer, say), and do not wait for it."""
        assert self._process is None or self._process.returncode is not None, "it runs already"
        with self.log.open("ab") as log:
            self._began = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *prefix,
                *self._command,
                "run",
                "--config",
                str(self.config),
                env={**self.environ(), **(environ or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "it was not started"
        return self._process

    async def ready(self) -> None:
        """Return when the door answers. Raises `AssertionError` if the process ends before that, `TimeoutError` if it takes too long."""
        await self.until(lambda _: True)

    async def until(self, true: Callable[[Sequence[ConversationRow]], bool], within_s: float = READY_S_MAX) -> None:
        """Return when the door answers with rows of which this is true. Raises as `ready` does."""

        async def look() -> bool:
            return true(await self.door.rows())

        await self.eventually(look, within_s)

    async def eventually(self, look: Callable[[], Awaitable[bool]], within_s: float = READY_S_MAX) -> None:
        """Return when this is so (not while the gateway is away). Raises as `ready` does."""
        looks = Looks()
        async with asyncio.timeout(within_s):
            while True:
                assert self.process.returncode is None, f"it ended with {self.process.returncode}:\n{self.said()}"
                with contextlib.suppress(Away):
                    if await look():
                        return
                await looks.pause()

    async def tools_ready(self) -> None:
        """Return when every tool server serves."""

        async def look() -> bool:
            return all(server["state"] == "ready" for server in (await self.door.status())["tool servers"])

        await self.eventually(look)

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def ended(self, within_s: float = READY_S_MAX) -> int:
        """The exit code, when it has ended; negative if a signal ended it."""
        return await asyncio.wait_for(self.process.wait(), within_s)

    async def stop(self) -> int:
        """Ask it to go, and wait. Returns the exit code."""
        self.send_signal(signal.SIGTERM)
        return await self.ended()

    async def restart(self) -> None:
        """Kill it, start it again, and wait until its door answers."""
        self.kill()
        await self.ended()
        await self.start()
        await self.ready()

    async def told(self, name: str, enough: Callable[[Sequence[Entry]], bool], within_s: float = READY_S_MAX) -> tuple[Entry, ...]:
        """The conversation's entries, once there are enough of them."""
        entries: tuple[Entry, ...] = ()

        async def look() -> bool:
            nonlocal entries
            entries = await self.door.entries(name) if any(row.key == f"{ACCOUNT}:{name}" for row in await self.door.rows()) else ()
            return enough(entries)

        await self.eventually(look, within_s)
        return entries

    async def in_mid_answer(self, name: str, after: int = 0) -> None:
        """Return when something of an answer is being shown."""
        async with asyncio.timeout(READY_S_MAX):
            async with contextlib.aclosing(self.door.events(name, after)) as events:
                async for event in events:
                    if isinstance(event, Writing) and len(event.text) + event.at > 10:
                        return
        raise Away("the stream ended")

    def environ(self) -> dict[str, str]:
        """What the gateway and the commands that talk to it see of our environment."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        return {**ours, "XDG_RUNTIME_DIR": self._runtime.name, "HOLDFAST_SAFE_MODE": "never"}  # it is killed for a purpose

    def command_line(self, *words: str) -> list[str]:
        """A command of the command line, for this gateway."""
        return [*COMMAND, *words, "--config", str(self.config)]

    async def run(self, *words: str) -> Said:
        """Run a command, and wait for its end."""
        process = await asyncio.create_subprocess_exec(
            *self.command_line(*words),
            env=self.environ(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), COMMAND_S_MAX)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Said(process.returncode or 0, out.decode(), err.decode())

    def said(self) -> str:
        """All that it printed and logged, in all its lives."""
        return self.log.read_text() if self.log.exists() else ""

    async def hooks_port(self) -> int:
        """Where platforms that call find it in this life, once it says so."""
        port = 0

        async def look() -> bool:
            nonlocal port
            found = re.search(r"find us at http://127\.0\.0\.1:(\d+)/hooks", self.log.read_bytes()[self._began :].decode())
            port = int(found[1]) if found else 0
            return port > 0

        await self.eventually(look)
        return port

    async def journal(self) -> Mapping[str, tuple[Entry, ...]]:
        """What the journal holds, by conversation, once the process has ended."""
        journal = SqliteJournal.open(self.data_dir)
        try:
            return {row.key: (await journal.read(row.key, 0)).entries for row in await journal.conversations(10_000)}
        finally:
            await journal.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def end(self) -> None:
        """End it whatever it does, and close what belongs to it."""
        if self._process is not None and self._process.returncode is None:
            self.kill()
            await self.ended()
        await self.door.close()
        self._runtime.cleanup()


# --- configurations -------------------------------------------------------------------------------------------------------------------


def toolserver_table(effects: Path, *options: str, name: str = "t", more: str = "") -> str:
    """The table of our own tool server, its annotations trusted; it counts its effects in the file `effects`."""
    command = [sys.executable, toolserver.__file__, "--journal", str(effects), *options]
    patience = "" if "connect_timeout_s" in more else "connect_timeout_s = 30\n"  # on a busy machine
    return f'\n[tools.{name}]\ncommand = {json.dumps(command)}\n{patience}trust_annotations = true\npolicy = "allow"\n{more}\n'


def practice(effects: Path, *options: str, more: str = "") -> str:
    """The practice model, and our own tool server as `t`."""
    return '[routes.main]\ndialect = "practice"\n' + toolserver_table(effects, *options, more=more)


def effects_in(file: Path) -> Counter[tuple[str, str]]:
    """How often each effect happened: by name, and the key it was called with."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return Counter((line["effect"], str(line["arguments"].get("key", ""))) for line in lines)
