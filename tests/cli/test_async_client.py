from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from holdfast.cli import async_client
from holdfast.cli.async_client import AsyncClient
from holdfast.cli.client import Away, Event
from holdfast.errors import Config, Request
from holdfast.web.wire import Post, Stands, Writing

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@asynccontextmanager
async def _answering(path: Path, answer: bytes, hold: bool = False) -> AsyncIterator[AsyncClient]:
    """A gateway that says this to each request, and then closes the connection (or holds it)."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        if hold:
            await done.wait()
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    client = AsyncClient(path)
    try:
        yield client
    finally:
        done.set()
        await client.close()
        server.close()
        await server.wait_closed()


async def _events(client: AsyncClient) -> list[Event | None]:
    return [event async for event in client.events("web:local:x", 0)]


def _chunk(text: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(text), text)


async def test_no_door_means_that_no_gateway_runs(tmp_path: Path) -> None:
    client = AsyncClient(tmp_path / "door.sock")
    with pytest.raises(Away, match="holdfast run"):
        await client.send("x", Post(key="k", text="x"))
    with pytest.raises(Away, match="holdfast run"):
        await _events(client)
    await client.close()


async def test_a_door_of_somebody_else_is_for_a_person_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise httpx2.ConnectError("refused") from PermissionError()

    client = AsyncClient(tmp_path / "door.sock")
    monkeypatch.setattr(client._http, "request", refused)
    with pytest.raises(Config, match="somebody else"):
        await client.newest("web:local:x", 1)
    await client.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n"])
async def test_an_answer_that_breaks_off_is_no_answer(tmp_path: Path, answer: bytes) -> None:
    async with _answering(tmp_path / "door.sock", answer) as client:
        with pytest.raises(Away):
            await client.send("x", Post(key="k", text="x"))


async def test_a_gateway_that_keeps_silent_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_client, "SILENCE_S_MAX", 0.05)
    async with _answering(tmp_path / "door.sock", HEAD + _chunk(b": open\n\n"), hold=True) as client:
        events = client.events("web:local:x", 0)
        assert await anext(events) is None
        with pytest.raises(Away, match="does not answer"):
            await anext(events)


@pytest.mark.parametrize(("status", "kind"), [(413, Request), (503, Away)])
async def test_a_refusal_is_its_sentence(tmp_path: Path, status: int, kind: type[Exception]) -> None:
    async with _answering(tmp_path / "door.sock", b'HTTP/1.1 %d x\r\ncontent-length: 16\r\n\r\n{"error": "No."}' % status) as client:
        with pytest.raises(kind, match=r"^No\.$"):
            await client.send("x", Post(key="k", text="x"))
        with pytest.raises(kind, match=r"^No\.$"):
            await _events(client)


async def test_a_conversation_that_is_not_there_yet_has_no_entries(tmp_path: Path) -> None:
    async with _answering(tmp_path / "door.sock", b"HTTP/1.1 404 x\r\ncontent-length: 2\r\n\r\n{}") as client:
        assert await client.newest("web:local:x", 10) == ()


async def test_events_are_read_however_they_are_cut(tmp_path: Path) -> None:
    whole = (
        b'event: writing\ndata: {"name":"a1","at":0,"text":"Hel \xe2\x80\xa8\xc2\x85"}\n\n: alive\n\n'
        b'event: standing\ndata: {"state":"idle","words":"Ready."}\n\nevent: news/7\ndata: {}\n\n'
    )
    pieces = b"".join(_chunk(whole[at : at + 3]) for at in range(0, len(whole), 3))
    async with _answering(tmp_path / "door.sock", HEAD + pieces + _chunk(b"")) as client:
        assert await _events(client) == [Writing("a1", 0, "Hel \u2028\x85"), None, Stands("idle", "Ready."), None]
