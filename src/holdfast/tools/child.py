"""The process of one tool server: lines in, lines out, and an end that is certain."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
from collections import deque
from typing import Final, cast

from holdfast.errors import Config, Temporary
from holdfast.tools.guard import Guard
from holdfast.tools.settings import Command

log: Final = logging.getLogger("holdfast.tools")

LINE_BYTES_MAX: Final = 36 * 1024 * 1024
"""The largest file that is kept has 25 MB, and a third more as base64."""
SKIPPED_BYTES_MAX: Final = 256 * 1024 * 1024
"""A line longer than this is none."""
PIECE_BYTES: Final = 256 * 1024
END_BYTES: Final = 200
"""Of a line that is skipped so much is kept, of its beginning and of its end: they say to what it would have been the answer."""
LINES_PER_S_MAX: Final = 500
"""Of one server; more wait in the pipe, so that one that prints without end holds up nobody but itself."""
WORDS_CHARS_MAX: Final = 300
STDERR_LINE_BYTES_MAX: Final = 4_000
STDERR_LINES_PER_MINUTE_MAX: Final = 120

END_OF_INPUT_S: Final = 2.0
TERMINATE_S: Final = 1.5
REAPED_S: Final = 5.0
DRAIN_S: Final = 0.5

_NEEDS_A_PERSON: Final = frozenset({errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.E2BIG})


class TooLong(Exception):
    """A line was longer than is taken. `ends`: its beginning and its end."""

    def __init__(self, ends: tuple[bytes, bytes]) -> None:
        super().__init__(f"it sent a line of more than {LINE_BYTES_MAX // 1024 // 1024} MB")
        self.ends = ends


class Child(asyncio.SubprocessProtocol):
    """A running tool server. It has a process group of its own, which ends with us however we end: see `guard`.

    `lost`: it sends and takes no more. `stirred` is set then, and by whoever else wants its owner's attention.
    """

    def __init__(self, name: str) -> None:
        self.lost = False
        self.stirred = asyncio.Event()
        self.exited = asyncio.Event()
        self.pid: int | None = None
        self._why = ""
        self._garbage = b""
        self._second = 0.0
        self._lines = 0
        self._guard: Guard | None = None
        self._stdout = asyncio.StreamReader(limit=PIECE_BYTES)
        self._stderr = _Stderr(name)
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def start(cls, name: str, command: Command) -> Child:
        """Start the process. Raises `Config` if the command can't be run, `Temporary` if the machine has no room for it."""
        loop = asyncio.get_running_loop()
        where = f"Tool server {name!r}: the command {command.words[0]!r}"
        try:
            _, child = await loop.subprocess_exec(lambda: cls(name), *command.words, env=command.environment(), start_new_session=True)
        except FileNotFoundError as failure:
            raise Config(f"{where} was not found. Install it, or give its full path in [tools.{name}].") from failure
        except ValueError as failure:
            raise Config(f"{where} can't be run ({failure}). Correct it in [tools.{name}].") from failure
        except OSError as failure:
            if failure.errno in _NEEDS_A_PERSON:
                raise Config(f"{where} can't be run ({failure.strerror}). Correct it in [tools.{name}].") from failure
            raise Temporary(f"{where} can't be run now ({failure.strerror}).") from failure
        try:
            child._guard = Guard(child._transport.get_pid(), END_OF_INPUT_S, TERMINATE_S)  # noqa: SLF001 - it is made here
        except OSError as failure:
            await child.stop()
            raise Temporary(f"{where} can't be run now: there is no room for the shell that guards it ({failure.strerror}).") from failure
        return child

    async def line(self) -> bytes:
        """The next line that it sent; empty when it is lost. Raises `TooLong`, when it was read to its end."""
        await self._paced()
        pieces: list[bytes] = []
        size, begins = 0, b""
        while True:
            piece, ended = await self._piece()
            size += len(piece)
            if size > SKIPPED_BYTES_MAX:
                self.lose("it sent a line without end")
                return b""
            pieces.append(piece)
            if size > LINE_BYTES_MAX:
                begins = begins or b"".join(pieces[:2])[:END_BYTES]
                del pieces[:-2]
            if ended:
                break
        if begins:
            raise TooLong((begins, b"".join(pieces)[-END_BYTES:]))
        return b"".join(pieces)

    async def _piece(self) -> tuple[bytes, bool]:
        """The next piece of a line, and whether the line ends with it."""
        try:
            return await self._stdout.readuntil(), True
        except asyncio.IncompleteReadError as end:
            return end.partial, True
        except asyncio.LimitOverrunError as more:
            return await self._stdout.readexactly(more.consumed), False

    async def _paced(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._second >= 1:
            self._second, self._lines = now, 0
        self._lines += 1
        if self._lines > LINES_PER_S_MAX:
            await asyncio.sleep(self._second + 1 - now)

    def write(self, line: bytes) -> None:
        """Send a line. Never waits: see `writable`."""
        self._stdin.write(line)

    async def writable(self) -> None:
        """Wait while it does not read what it was sent."""
        await self._writable.wait()

    def not_understood(self, line: bytes) -> None:
        """It printed something that is not of the protocol: harmless, unless nothing else comes."""
        self._garbage = self._garbage or line[:WORDS_CHARS_MAX]

    def lose(self, why: str) -> None:
        """From now on it sends and takes no more, for the reason given first."""
        if not self.lost:
            self.lost = True
            self._why = why
            self._stdout.feed_eof()
            self._writable.set()
            self.stirred.set()

    async def stop(self) -> None:
        """End its input; then ask it to go; then kill its whole group. Bounded; being cancelled kills at once."""
        self._stdin.close()
        try:
            if await self._gone_within(END_OF_INPUT_S):
                return
            self._signal(signal.SIGTERM)
            if await self._gone_within(TERMINATE_S):
                return
        finally:
            self._signal(signal.SIGKILL)  # what it left behind in its group goes with it
            self.lose("it was stopped")
            await self._gone_within(REAPED_S)  # also when cancelled: nothing can outlive the signal, and no zombie is left
            self._transport.close()
            if self._guard is not None:
                self._guard.end()  # at once, not in a thread: whoever is cancelled twice must not leave it behind

    def last_words(self) -> str:
        """What is known of its end, or of its silence, as the end of a sentence."""
        parts = [self._why] if self.lost else []
        match self._transport.get_returncode():
            case None | 0:
                pass
            case status if status < 0:
                parts.append(f"it was ended by {signal.Signals(-status).name}")
            case status:
                parts.append(f"its exit status is {status}")
        if self._garbage:
            parts.append(f"it printed {_words(self._garbage)}, which is not MCP")
        if self._stderr.last:
            parts.append(f"the last line of its log is {_words(self._stderr.last[-1])}")
        return "; ".join(parts)

    async def _gone_within(self, patience_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self.exited.wait()
        return self.exited.is_set()

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    # What the event loop reports.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
        self._stdout.set_transport(cast("asyncio.Transport", self._transport.get_pipe_transport(1)))
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._stderr.feed(data)
        elif not self.lost:
            self._stdout.feed_data(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002  the event loop's signature
        if fd == 0:
            self.lose("it closed its input")
        elif fd == 1:
            self.lose("it closed its output")

    def process_exited(self) -> None:
        self.exited.set()
        # Its last answer may still be in the pipe; but a child of its own may hold that pipe open for ever.
        asyncio.get_running_loop().call_later(DRAIN_S, self.lose, "it ended")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()


class _Stderr:
    """What a server writes to its stderr: to our log, so many lines a minute; it is never made to wait."""

    def __init__(self, name: str) -> None:
        self.last: deque[bytes] = deque(maxlen=1)
        self._name = name
        self._rest = b""
        self._minute = 0.0
        self._lines = 0

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:STDERR_LINE_BYTES_MAX]
        for line in filter(bytes.strip, lines):
            self.last.append(line[:STDERR_LINE_BYTES_MAX])
            self._log(line[:STDERR_LINE_BYTES_MAX])

    def _log(self, line: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._minute >= 60:
            self._minute, self._lines = now, 0
        self._lines += 1
        if self._lines <= STDERR_LINES_PER_MINUTE_MAX:
            log.info("%s: %s", self._name, line.decode(errors="replace"), extra={"server": self._name})
        elif self._lines == STDERR_LINES_PER_MINUTE_MAX + 1:
            log.info("%s: more lines in this minute are left out", self._name)


def _words(line: bytes) -> str:
    return json.dumps(line.decode(errors="replace").strip()[:WORDS_CHARS_MAX], ensure_ascii=False)
