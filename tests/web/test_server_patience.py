"""Nobody can hold a connection without asking for something, nor go on sending what was refused."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from holdfast.core.entries import UserMessage
from holdfast.web import server


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "])
async def test_a_connection_that_asks_for_nothing_is_ended(site: Any, monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(server, "HEAD_S_MAX", 0.05)
    with contextlib.suppress(ConnectionResetError):
        assert await site.raw(begun) == b""


async def test_a_second_request_is_waited_for_no_longer_than_the_first(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_S_MAX", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET /x HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 401")
    writer.write(b"GET /x HTTP/1.1\r\nx: ")
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()


async def test_a_slow_answer_is_waited_for(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: patience ends with those who ask nothing, not with those who wait for an answer."""
    monkeypatch.setattr(server, "HEAD_S_MAX", 0.05)
    cookie = await site.log_in()
    head = f"GET /v1/conversations/web:local:x/events HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\n\r\n"
    reading = asyncio.create_task(site.raw(head.encode(), b"event: entry"))
    while not site.platform.listeners:  # noqa: ASYNC110 it has no event
        await asyncio.sleep(0)
    await asyncio.sleep(0.2)  # four times as long as its patience
    site.gateway.append("web:local:x", UserMessage(author="local", id="1", text="Hello"))
    assert b"event: entry" in await reading


ASSET = b"GET /assets/vendor/markdown-it.js HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


def reader(port: int) -> socket.socket:
    """A connection that takes little at a time."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.setblocking(False)
    return connection


@pytest.mark.parametrize("answers", [8, 1000])
async def test_who_takes_nothing_of_the_answers_keeps_nobody_out(site: Any, monkeypatch: pytest.MonkeyPatch, answers: int) -> None:
    monkeypatch.setattr(server, "READ_S_MAX", 0.1)
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 1)
    with reader(site.port) as connection:
        connection.sendall(ASSET * answers)
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            answer = b""
            while b" 401 " not in answer:
                with contextlib.suppress(ConnectionResetError):
                    answer = await site.raw(b"GET /v1/status HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")


async def test_who_reads_slowly_reads_to_the_end(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    monkeypatch.setattr(server, "READ_S_MAX", 1.0)
    loop, size = asyncio.get_running_loop(), 0
    with reader(site.port) as connection:
        await loop.sock_sendall(connection, ASSET * 30 + ASSET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        async with asyncio.timeout(20):
            while piece := await loop.sock_recv(connection, 16_384):
                size += len(piece)
                await asyncio.sleep(0.002)
    assert size > 31 * 120_000


async def test_what_was_refused_does_not_go_on_coming_for_ever(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_S_MAX", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"POST /v1/files HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 403")

    async def go_on() -> None:
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(go_on(), 20)
    writer.close()


async def test_more_connections_than_the_limit_are_closed_and_the_others_served(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 3)
    idle = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(3)]
    with contextlib.suppress(ConnectionResetError):
        assert await site.raw(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n") == b""
    idle[0][1].write(b"GET /v1/status HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    assert (await idle[0][0].readline()).startswith(b"HTTP/1.1 401")
    for _, writer in idle:
        writer.close()


async def test_a_head_that_is_too_long_is_refused(site: Any) -> None:
    with contextlib.suppress(ConnectionResetError):
        answer = await site.raw(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: " + b"x" * 1_000_000 + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
    assert (await site.client.get("/v1/status")).status_code == 401
