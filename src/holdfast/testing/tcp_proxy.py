"""A wire that can be broken: a TCP proxy of a test, in front of a real server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Literal, Self

Trouble = Literal["", "silent", "reset", "swallow", "cut"]
"""What befalls a connection whose first bytes arrive. `silent`: they go no further, and nothing comes back; `reset`: they go no further, and the
connection is reset; `swallow`: they go on, and the connection is reset when the answer begins; `cut`: it ends cleanly after the answer's head."""


class TcpProxy:
    """Passes on what comes at `port` to `target_port`, both of 127.0.0.1. `delay_s` is added to each direction; `connections` counts, and
    `heard` is what came on each of them."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.trouble: Trouble = ""
        self.delay_s = 0.0
        self.connections = 0
        self.heard: list[bytearray] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open(self) -> None:
        """Take connections, at the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Take no new connections; those that are there go on."""
        if self._server is not None:
            self._server.close()
            await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trouble, heard = self.trouble, bytearray()
        self.heard.append(heard)
        there: asyncio.StreamWriter | None = None
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                first = await reader.readuntil(b"\r\n\r\n")
                heard += first
                if trouble == "silent":
                    await asyncio.Event().wait()
                if trouble != "reset":
                    back, there = await asyncio.open_connection("127.0.0.1", self.target_port)
                    there.write(first)
                    await asyncio.gather(self._copy(reader, there, heard), self._answer(back, writer, trouble))
            if trouble in {"reset", "swallow"}:
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        finally:
            for one in filter(None, (writer, there)):
                one.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Trouble) -> None:
        if trouble == "swallow":
            await reader.read(1)
            raise ConnectionResetError
        if trouble == "cut":
            writer.write(await reader.readuntil(b"\r\n\r\n"))
            raise ConnectionResetError
        await self._copy(reader, writer, bytearray())
        raise ConnectionResetError  # the answer's end is the connection's

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: bytearray) -> None:
        while data := await reader.read(65_536):
            heard += data
            await asyncio.sleep(self.delay_s)
            writer.write(data)
            await writer.drain()
