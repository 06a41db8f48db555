"""An HTTP proxy of a test, as companies have one: it opens tunnels (`CONNECT`), passes on plain requests, and counts who was asked for.

    async with HttpProxy() as proxy: ... proxy.url ... proxy.asked == ["models.example:443"]

Whatever the name, what it leads to is this machine, at the port that was asked for.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Self


class HttpProxy:
    """`asked` are the hosts and ports so far, `credentials` what was sent with each. `refusal`: the status that it answers all with."""

    def __init__(self, refusal: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.refusal = refusal
        self.asked: list[str] = []
        self.credentials: list[str] = []
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.address}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", ssl=self._tls)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there: asyncio.StreamWriter | None = None
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                top = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = top.split(" ", 2)
                host = target.partition("://")[2].partition("/")[0] or target
                self.asked.append(host)
                self.credentials += [
                    line.partition(": ")[2] for line in top.split("\r\n") if line.lower().startswith("proxy-authorization:")
                ]
                if self.refusal:
                    writer.write(f"HTTP/1.1 {self.refusal}\r\ncontent-length: 0\r\n\r\n".encode())
                    await writer.drain()
                    return
                back, there = await asyncio.open_connection("127.0.0.1", int(host.rpartition(":")[2]))
                if method == "CONNECT":
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    there.write(top.replace(f"http://{host}", "", 1).encode("latin-1"))
                await asyncio.gather(_copy(reader, there), _copy(back, writer))
        finally:
            for one in filter(None, (writer, there)):
                one.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
