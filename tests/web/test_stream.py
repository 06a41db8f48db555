from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from holdfast.core.entries import AssistantMessage, UserMessage
from holdfast.core.weather import GateRow
from holdfast.web import stream
from holdfast.web.stream import Sent
from holdfast.web.wire import Writing

KEY = "web:local:kitchen"
EVENTS = f"/v1/conversations/{KEY}/events"


def _answer(n: int, text: str = "x") -> AssistantMessage:
    return AssistantMessage(n=n, seen=0, text=text)


async def _events(response: httpx2.Response, *kinds: str) -> AsyncIterator[tuple[str, str, Any]]:
    """(event, id, data) as they come, of these kinds (else entries and what is being written); a comment as ("", "", its text)."""
    async for event in _all_events(response):
        if event[0] in (kinds or ("", "entry", "writing")):
            yield event


async def _all_events(response: httpx2.Response) -> AsyncIterator[tuple[str, str, Any]]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            yield "", "", line
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}


async def test_entries_come_in_order_with_their_seq_as_id_and_go_on_as_they_are_committed(rig: Any) -> None:
    rig.gateway.append(KEY, UserMessage(author="a", id="1", text="Hello\n\nyou"))
    async with rig.client.stream("GET", EVENTS) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = _events(response)
        assert await anext(events) == ("", "", ": open")
        kind, id_, data = await anext(events)
        assert (kind, id_, data["seq"], data["body"]["text"]) == ("entry", "1", 1, "Hello\n\nyou")
        rig.gateway.append(KEY, _answer(1))
        rig.gateway.append("web:local:another", _answer(1))
        rig.gateway.append(KEY, _answer(2))
        assert [(await anext(events))[1] for _ in range(2)] == ["2", "3"]


@pytest.mark.parametrize(("query", "headers"), [("?after=2", {}), ("", {"last-event-id": "2"}), ("?after=0", {"last-event-id": "2"})])
async def test_a_reader_that_comes_back_goes_on_after_the_last_entry_it_has(rig: Any, query: str, headers: dict[str, str]) -> None:
    for n in range(1, 4):
        rig.gateway.append(KEY, _answer(n))
    async with rig.client.stream("GET", EVENTS + query, headers=headers) as response:
        events = _events(response)
        await anext(events)
        assert (await anext(events))[1] == "3"


async def test_how_far_a_call_has_come_is_told_a_few_times_a_second_and_its_last_word_always(rig: Any) -> None:
    async with rig.client.stream("GET", EVENTS) as response:
        events = _events(response, "progress")
        rig.gateway.append(KEY, _answer(1))
        said: list[dict[str, str]] = []
        began = time.monotonic()
        for done in range(1, 501):
            rig.platform.progress(KEY, "call_1_0", f"{done} of 500")
            await asyncio.sleep(0)
        while not said or said[-1]["text"] != "500 of 500":
            said.append((await anext(events))[2])
        assert {one["call"] for one in said} == {"call_1_0"}
        assert len(said) <= 2 + (time.monotonic() - began) / stream.PROGRESS_S_MIN


async def test_what_is_being_written_is_sent_once_each_character(rig: Any) -> None:
    async with rig.client.stream("GET", EVENTS) as response:
        events = _events(response)
        await anext(events)
        for end in (2, 5):
            rig.platform.show(KEY, "a1", "Hello"[:end])
            kind, id_, data = await anext(events)
            assert (kind, id_) == ("writing", "")
        assert data == {"name": "a1", "at": 2, "text": "llo"}


async def test_a_committed_answer_ends_its_writing(rig: Any) -> None:
    async with rig.client.stream("GET", EVENTS) as response:
        events = _events(response)
        await anext(events)
        rig.gateway.append(KEY, _answer(1, "Hello"))
        assert (await anext(events))[0] == "entry"
        rig.platform.show(KEY, "a1", "Hel")
        rig.platform.show(KEY, "a2", "Next")
        assert (await anext(events))[2] == {"name": "a2", "at": 0, "text": "Next"}


async def test_a_silent_stream_shows_signs_of_life(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 0.01)
    async with rig.client.stream("GET", EVENTS) as response:
        events = _events(response)
        await anext(events)
        assert await anext(events) == ("", "", ": still here")


async def test_a_reader_is_told_how_the_conversation_stands_when_that_changes(rig: Any) -> None:
    rig.gateway.append(KEY, _answer(1))
    async with rig.client.stream("GET", EVENTS) as response:
        events = _events(response, "entry", "standing")
        assert (await anext(events))[0] == "entry"
        assert await anext(events) == ("standing", "", {"state": "idle", "words": "Ready.", "until": 0.0, "waits": [], "held": False})
        rig.gateway.stand(KEY, running=True)
        assert (await anext(events))[2]["state"] == "working"
        rig.gateway.stand(KEY, running=True, attempts=1)  # the words are the same
        rig.gateway.stand(KEY, GateRow("route:main", until=2e12, streak=1, since=1.0, why="refused"), turn_gate="route:main")
        kind, _, stands = await anext(events)
        assert (kind, stands["state"], stands["until"]) == ("standing", "waiting", 2e12)
        assert [(wait["gate"], wait["what"], wait["since"]) for wait in stands["waits"]] == [("route:main", "has been away", 1.0)]
        assert "main, which has been away for 30 days (refused)" in stands["words"]


async def test_words_that_change_with_time_alone_are_sent_again(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 0.01)
    rig.gateway.append(KEY, _answer(1))
    rig.gateway.stand(KEY, due=time.time() + 0.2)
    async with rig.client.stream("GET", EVENTS) as response:
        events = _events(response, "standing")
        assert [(await anext(events))[2]["state"] for _ in range(2)] == ["waiting", "working"]


async def test_a_change_anywhere_is_told_at_most_once_in_a_while(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LIST_S_MIN", 0.3)
    async with rig.client.stream("GET", EVENTS) as response:
        events = _events(response, "", "list")
        await anext(events)
        began = time.monotonic()
        stop = asyncio.Event()

        async def go_on() -> None:
            while not stop.is_set():
                rig.gateway.append("web:local:another", _answer(1))
                await asyncio.sleep(0.01)

        going_on = asyncio.create_task(go_on())
        assert [await anext(events) for _ in range(3)] == [("list", "", {})] * 3
        assert time.monotonic() - began >= 0.6
        stop.set()
        await going_on


async def test_a_reader_who_takes_nothing_holds_nobody_up(rig: Any) -> None:
    _, writer = await asyncio.open_unix_connection(rig.path)
    writer.write(f"GET {EVENTS} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    async with rig.client.stream("GET", EVENTS) as response:
        events = _events(response)
        await anext(events)
        for n in range(1, 101):
            rig.platform.show(KEY, f"a{n}", "y" * 50_000)
            rig.gateway.append(KEY, _answer(n, "z" * 50_000))
            while (await anext(events))[0] != "entry":
                pass
    writer.close()


async def test_the_limit_of_readers_is_said(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.web.api.STREAMS_MAX", 1)
    async with rig.client.stream("GET", EVENTS) as response:
        await anext(_events(response))
        refused = await rig.client.get(EVENTS)
        assert refused.status_code == 503
        assert "1 readers" in refused.json()["error"]


async def test_a_reader_who_leaves_is_forgotten(rig: Any) -> None:
    async with rig.client.stream("GET", EVENTS) as response:
        await anext(_events(response))
        assert rig.platform.listeners == 1
    async with asyncio.timeout(20):
        while rig.platform.listeners:  # noqa: ASYNC110 it has no event
            await asyncio.sleep(0)


async def test_streams_end_cleanly_when_the_gateway_stops(rig: Any) -> None:
    rig.gateway.append(KEY, _answer(1))
    async with rig.client.stream("GET", EVENTS) as response:
        events = _events(response)
        await anext(events)
        await anext(events)
        async with asyncio.timeout(20):
            await rig.stop()
            assert [event async for event in events] == []  # the end, and no error


def test_writing_goes_on_where_the_reader_is() -> None:
    sent = Sent()
    assert sent.writing("a1", "") is None
    assert sent.writing("a1", "He") == Writing(name="a1", at=0, text="He")
    assert sent.writing("a1", "Hello") == Writing(name="a1", at=2, text="llo")
    assert sent.writing("a1", "Hello") is None


def test_an_answer_begun_anew_is_sent_once_it_differs() -> None:
    sent = Sent()
    sent.writing("a1", "Hello you")
    assert sent.writing("a1", "Hel") is None
    assert sent.writing("a1", "Hello you there") == Writing(name="a1", at=9, text=" there")
    assert sent.writing("a1", "Good day") == Writing(name="a1", at=0, text="Good day")


def test_another_answer_begins_at_its_start() -> None:
    sent = Sent()
    sent.writing("a1", "Hello")
    assert sent.writing("a2", "Hello again") == Writing(name="a2", at=0, text="Hello again")
