from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.web import bodies

HEAD = b"POST /v1/conversations/x/messages HTTP/1.1\r\nhost: x\r\n"


async def _answer(rig: Any, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(rig.path)
    writer.write(HEAD + sent)
    answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
    writer.close()
    return answer


@pytest.mark.parametrize(
    "sent", [b"content-length: 100\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n", b"content-length: 5\r\n\r\n"]
)
async def test_a_body_that_stands_still_is_not_waited_for(rig: Any, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(bodies, "PAUSE_S_MAX", 0.05)
    answer = await _answer(rig, sent)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"Nothing of it is kept" in answer
    assert rig.gateway.transcripts == {}


async def test_a_body_that_comes_drop_by_drop_has_an_end_too(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_S_MAX", 0.1)
    reader, writer = await asyncio.open_unix_connection(rig.path)
    writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    answering = asyncio.create_task(reader.readline())
    async with asyncio.timeout(20):
        while not answering.done():
            writer.write(b"1\r\n \r\n")
            await asyncio.sleep(0.01)
    assert (await answering).startswith(b"HTTP/1.1 408")
    writer.close()


@pytest.mark.parametrize("length", [b"9999999999", b"9" * 19])
async def test_a_body_that_says_that_it_is_too_long_is_not_read(rig: Any, length: bytes) -> None:
    assert (await _answer(rig, b"content-length: " + length + b"\r\n\r\n")).startswith(b"HTTP/1.1 413")


async def test_a_sender_who_leaves_in_the_middle_leaves_nothing_behind(rig: Any, caplog: pytest.LogCaptureFixture) -> None:
    begun = asyncio.Event()
    put = rig.gateway.files.put

    async def watched(chunks: Any) -> Any:
        begun.set()
        try:
            return await put(chunks)
        finally:
            left.set()

    left = asyncio.Event()
    rig.gateway.files.put = watched
    _, writer = await asyncio.open_unix_connection(rig.path)
    writer.write(b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nxxx")
    await asyncio.wait_for(begun.wait(), 20)
    writer.close()
    await asyncio.wait_for(left.wait(), 20)
    assert rig.gateway.files.kept == {}
    assert (await rig.client.get("/v1/status")).status_code == 200
    assert caplog.text == ""


@pytest.mark.parametrize("bomb", [b"[" * 100_000, b'{"key": "k", "text": "t", "x": ' + b'{"a":' * 60_000])
async def test_a_body_that_is_nested_without_end_is_refused(rig: Any, bomb: bytes) -> None:
    answer = await _answer(rig, b"content-length: %d\r\n\r\n%s" % (len(bomb), bomb))
    assert answer.startswith(b"HTTP/1.1 400") and b"can not be read" in answer
