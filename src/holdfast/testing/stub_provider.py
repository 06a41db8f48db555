"""A stand-in for a provider, exact to the byte: it says what it is told to, counts what it was asked, and breaks off wherever it should.

    async with StubProvider(Reply(http(events(text("Hello"), finish())))) as stub:
        ... stub.base_url ... stub.hits

`python -m holdfast.testing.stub_provider` serves one complete answer at once, for benchmarks, and prints its base URL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal, Self

# --- what it says -------------------------------------------------------------------------------------------------------------------

End = Literal["keep", "close", "reset", "hang"]


@dataclass(frozen=True, slots=True)
class Reply:
    """The bytes of one answer, each piece sent as it is, and what follows them.

    `keep`: the connection stays open for the next request. `close`: a clean end. `reset`: the connection is reset, as by a process that died.
    `hang`: nothing more comes until the client leaves. A `gate` among the pieces is waited for.
    """

    pieces: tuple[bytes | asyncio.Event, ...]
    end: End = "keep"

    def __init__(self, *pieces: bytes | asyncio.Event, end: End = "keep") -> None:
        object.__setattr__(self, "pieces", pieces)
        object.__setattr__(self, "end", end)


def http(body: bytes, status: int = 200, content_type: str = "text/event-stream", headers: Mapping[str, str] | None = None) -> bytes:
    """A complete HTTP answer with its length."""
    return head(status, content_type, {**(headers or {}), "content-length": str(len(body))}) + body


def head(status: int = 200, content_type: str = "text/event-stream", headers: Mapping[str, str] | None = None) -> bytes:
    """Status line and headers. With neither a length nor chunks among them, the body ends with the connection, cleanly."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"content-type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


CHUNKED: Final = head(headers={"transfer-encoding": "chunked"})
"""The head of a stream in chunks: cut before `chunk(b"")`, it is visibly incomplete."""


def chunk(body: bytes) -> bytes:
    """One chunk; the empty one ends the body."""
    return b"%x\r\n%s\r\n" % (len(body), body)


def event(data: Mapping[str, Any] | str) -> bytes:
    """One server-sent event."""
    return b"data: " + (data if isinstance(data, str) else json.dumps(data)).encode() + b"\n\n"


def events(*data: Mapping[str, Any] | str, done: bool = True) -> bytes:
    """A whole stream of events, with the closing `[DONE]`."""
    return b"".join(map(event, data)) + (event("[DONE]") if done else b"")


# --- the events of the dialect openai-chat ------------------------------------------------------------------------------------------


def delta(finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """One event of a chat completion."""
    choice = {"index": 0, "delta": fields, "finish_reason": finish_reason}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "stub", "choices": [choice]}


def text(content: str) -> dict[str, Any]:
    return delta(content=content)


def call(index: int, name: str, arguments: str, id_: str = "") -> dict[str, Any]:
    """The beginning of a tool call, with as much of its arguments as are given."""
    return delta(
        tool_calls=[{"index": index, "id": id_ or f"c{index}", "type": "function", "function": {"name": name, "arguments": arguments}}]
    )


def more(index: int, arguments: str) -> dict[str, Any]:
    """More arguments of a call."""
    return delta(tool_calls=[{"index": index, "function": {"arguments": arguments}}])


def finish(reason: str = "stop") -> dict[str, Any]:
    return delta(reason)


def usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    counts = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "total_tokens": input_tokens + output_tokens}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "stub", "choices": [], "usage": counts}


def answering(words: str = "A short answer that is always the same.") -> Reply:
    """A complete answer of so many words, sent at once."""
    said = [text(word if number == 0 else " " + word) for number, word in enumerate(words.split(" "))]
    return Reply(http(events(delta(role="assistant", content=""), *said, finish(), usage(10, len(said)))))


# --- the server ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hit:
    """One request, as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Script = Reply | Iterable[Reply] | Callable[[Hit], Reply]


class StubProvider:
    """A server on the loopback that answers by its script: always the same, one after the other (the last one stays), or what a function says.

    `hits` are the requests so far, `connections` counts those they came on, `left` those that clients closed while they were being answered.
    """

    def __init__(self, script: Script, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._script = _scripted(script)
        self._tls = tls
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Condition()
        self.hits: list[Hit] = []
        self.connections = 0
        self.left = 0

    @property
    def base_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}/v1"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=2**26, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.close()
        await self._server.wait_closed()
        async with self._changed:
            await self._changed.wait_for(lambda: not self._writers)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def wait_for_hits(self, count: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.hits) >= count)

    async def wait_for_left(self, count: int) -> None:
        """Wait until so many clients have left in the middle of an answer."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.left >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        try:
            while (hit := await _read(reader)) is not None:
                self.hits.append(hit)
                await self._tell()
                if not await _answer(self._script(hit), reader, writer):
                    break
        except ConnectionError:
            self.left += 1
        finally:
            writer.close()
            self._writers.discard(writer)
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _answer(reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send the reply. False if the connection is over."""
    for piece in reply.pieces:
        if isinstance(piece, bytes):
            writer.write(piece)
            await writer.drain()
        else:
            await _before_leaving(reader, piece)
    if reply.end == "hang":
        await _before_leaving(reader, asyncio.Event())
    if reply.end == "reset":
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    return reply.end == "keep"


async def _before_leaving(reader: asyncio.StreamReader, gate: asyncio.Event) -> None:
    """Wait for the gate. Raises `ConnectionResetError` if the client leaves before."""
    gone, opened = asyncio.ensure_future(reader.read(1)), asyncio.ensure_future(gate.wait())
    try:
        await asyncio.wait((gone, opened), return_when=asyncio.FIRST_COMPLETED)
        if not gate.is_set():
            raise ConnectionResetError("the client left")
    finally:
        gone.cancel()
        opened.cancel()


async def _read(reader: asyncio.StreamReader) -> Hit | None:
    """The next request, or None at the end of the connection."""
    try:
        top = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = top.strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Hit(method, path, headers, body)


def _scripted(script: Script) -> Callable[[Hit], Reply]:
    if isinstance(script, Reply):
        return lambda _: script
    if callable(script):
        return script
    replies = list(script)

    def following(_: Hit) -> Reply:
        return replies.pop(0) if len(replies) > 1 else replies[0]

    return following


async def _main() -> None:
    parser = argparse.ArgumentParser(description="Answer every chat completion at once, with the same words.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--words", default="A short answer that is always the same.")
    args = parser.parse_args()
    async with StubProvider(answering(args.words), args.port) as stub:
        print(stub.base_url, flush=True)  # noqa: T201 -- this is how its user learns the port
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
