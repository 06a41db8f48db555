from __future__ import annotations

import json
import time

import pytest

from holdfast.core.files import FILE_BYTES_MAX
from holdfast.ports import ToolOutcome
from holdfast.testing.scripted_server import Script, do, done, refused, served
from holdfast.testing.stub_provider import Hit, Reply, event, head, http
from holdfast.testing.tool_rig import supervised
from holdfast.tools import exchange, link, remote

# anyio drops a connection that is made in the very moment in which whoever waits for it is cancelled, and leaves it to the collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <(socket.socket|function _SelectorTransport):pytest.PytestUnraisableExceptionWarning"
)


async def test_an_answer_that_breaks_off_is_read_on_where_its_events_are_numbered() -> None:
    calls: list[Hit] = []

    def call(hit: Hit) -> Reply:
        calls.append(hit)
        return Reply(head(), b"id: 7\nretry: 1\ndata:\n\n", end="close")

    script = Script(call=call, GET=lambda hit: Reply(http(event(done(calls[0])))) if "last-event-id" in hit.headers else refused(405))
    async with served(script) as (stub, host), supervised(host):
        assert await do(host) == ToolOutcome("ok", "done")
        assert len(calls) == 1
        assert [hit.headers["last-event-id"] for hit in stub.hits if "last-event-id" in hit.headers] == ["7"]


async def test_an_answer_that_can_not_be_read_on_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "AGAIN_S_MIN", 0.01)
    script = Script(call=lambda _: Reply(head(), b"id: 7\nretry: 1\ndata:\n\n", end="close"))
    async with served(script) as (stub, host), supervised(host):
        assert (await do(host)).outcome == "unknown"
        assert sum("last-event-id" in hit.headers for hit in stub.hits) == remote.RESUMES_MAX


async def test_chatter_comments_and_halves_of_characters_do_no_harm() -> None:
    half = {"jsonrpc": "2.0", "id": 0, "result": {"content": [{"type": "text", "text": "half \ud83d of a smile"}]}}

    def call(hit: Hit) -> Reply:
        half["id"] = hit.json["id"]
        return Reply(http(b": hello\n\nevent: other\ndata: 1\n\ndata: not json\n\n" + event(half)))

    async with served(Script(call=call)) as (_, host), supervised(host):
        assert await do(host) == ToolOutcome("ok", "half ? of a smile")


@pytest.mark.parametrize("depth", [300, 100_000])
@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_that_is_nested_without_end_is_none(streamed: bool, depth: int) -> None:
    bomb = b'{"jsonrpc":"2.0","id":1,"result":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    whole = http(b"data: " + bomb + b"\n\n") if streamed else http(bomb, content_type="application/json")
    async with served(Script(call=lambda _: Reply(whole))) as (_, host), supervised(host):
        assert (await do(host)).outcome == "unknown"
        assert host.servers()[0].state == "ready"


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_without_end_takes_no_memory(streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MESSAGE_BYTES_MAX", 100_000)
    assert link.MESSAGE_BYTES_MAX > FILE_BYTES_MAX * 4 / 3

    def call(hit: Hit) -> Reply:
        answer = done(hit, "x" * 200_000)
        return Reply(http(event(answer)) if streamed else http(json.dumps(answer).encode(), content_type="application/json"))

    async with served(Script(call=call)) as (_, host), supervised(host):
        outcome = await do(host)
        assert outcome.outcome == "error", "it was done, and the model may ask for less"
        assert "more than" in outcome.text


async def test_a_packed_answer_is_not_unpacked() -> None:
    packed = http(b"\x1f\x8b", content_type="application/json", headers={"content-encoding": "gzip"})
    async with served(Script(call=lambda _: Reply(packed))) as (stub, host), supervised(host):
        assert (await do(host)).outcome == "unknown"
        assert {hit.headers["accept-encoding"] for hit in stub.hits} == {"identity"}


async def test_a_flood_of_events_is_read_at_a_bounded_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "EVENTS_PER_S_MAX", 50)
    flood = event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}) * 120
    async with served(Script(call=lambda hit: Reply(http(flood + event(done(hit)))))) as (_, host), supervised(host):
        await host.ready()
        begun = time.monotonic()
        assert (await do(host)).outcome == "ok"
        assert time.monotonic() - begun > 1.5
