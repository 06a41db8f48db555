from __future__ import annotations

import asyncio

from holdfast.testing.stub_provider import Reply, StubProvider, answering, http

REQUEST = b'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{"a":1}'


async def connected(stub: StubProvider) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(stub.base_url.split(":")[2].removesuffix("/v1")))


async def test_it_sends_exactly_the_bytes_it_was_given_and_keeps_what_it_was_asked() -> None:
    body = http(b"\x00\xff", 418, "odd/type", {"X-Odd": "1"})
    async with StubProvider(Reply(body, end="close")) as stub:
        reader, writer = await connected(stub)
        writer.write(REQUEST)
        assert await reader.read() == body
        (hit,) = stub.hits
        assert (hit.method, hit.path, hit.headers["host"], hit.json) == ("POST", "/v1/chat/completions", "x", {"a": 1})
        writer.close()


async def test_it_answers_by_its_script_on_one_connection_and_counts() -> None:
    async with StubProvider([Reply(http(b"one")), Reply(http(b"two"))]) as stub:
        reader, writer = await connected(stub)
        for expected in (b"one", b"two", b"two"):
            writer.write(REQUEST)
            assert (await reader.readuntil(b"\r\n\r\n" + expected)).endswith(expected)
        assert (len(stub.hits), stub.connections, stub.left) == (3, 1, 0)
        writer.close()


async def test_a_gate_holds_the_rest_of_an_answer_back() -> None:
    gate = asyncio.Event()
    async with StubProvider(Reply(b"before", gate, b"after", end="close")) as stub:
        reader, writer = await connected(stub)
        writer.write(REQUEST)
        assert await reader.readexactly(6) == b"before"
        gate.set()
        assert await reader.read() == b"after"
        writer.close()


async def test_it_knows_that_a_client_left_in_mid_answer() -> None:
    async with StubProvider(Reply(b"before", end="hang")) as stub:
        reader, writer = await connected(stub)
        writer.write(REQUEST)
        await reader.readexactly(6)
        writer.close()
        await asyncio.wait_for(stub.wait_for_left(1), 20)


def test_a_benchmarks_answer_is_complete() -> None:
    (reply,) = answering("two words").pieces
    assert isinstance(reply, bytes)
    assert reply.endswith(b"data: [DONE]\n\n")
