"""Being told of newer versions: once for each, and of nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from holdfast.core.entries import Note
from holdfast.errors import Temporary
from holdfast.ports import Accepted, Arrival
from holdfast.runtime.owner import Owner
from holdfast.runtime.updates import EVERY_S, Updates, is_newer
from holdfast.testing.clock import ManualClock

HEAD = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("version", "ours", "newer"),
    [
        ("0.2.0", "0.1.9", True),
        ("0.10", "0.9.9", True),
        ("1.0", "1.0.0", False),
        ("1.0.0", "1.0", False),
        ("1.0.1", "1.0", True),
        ("0.1.0", "0.2.0", False),
        ("1.0", "1.0rc1", True),
        ("1.1rc1", "1.0", False),
        ("", "1.0", False),
        ("1.0; rm -rf", "0.1", False),
        ("9" * 40, "0.1", False),
    ],
)
def test_what_is_newer_is_told_and_what_is_not_for_everybody_is_not(version: str, ours: str, newer: bool) -> None:
    assert is_newer(version, ours) == newer


class Rig:
    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, b'{"version": "0.2.0", "more": 1}', 0
        self.told: dict[str, str] = {}
        self.clock = ManualClock()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            writer.write(HEAD % (self.status, len(self.body)) + self.body)
            await writer.drain()
        writer.close()

    async def accept(self, arrivals: Sequence[Arrival]) -> tuple[Accepted, ...]:
        for arrival in arrivals:
            assert isinstance(arrival.body, Note)
            self.told.setdefault(arrival.dedupe, arrival.body.text)
        return ()

    def updates(self, url: str) -> Updates:
        return Updates(url, lambda: "0.1.0", Owner([("notes", "web", "notes")], self.accept, self.clock), self.clock)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Rig, Updates]]:
    rig = Rig()
    server = await asyncio.start_server(rig.answer, "127.0.0.1", 0)
    yield rig, rig.updates(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/newest.json")
    server.close()
    await server.wait_closed()


async def test_it_is_looked_once_a_day_and_each_version_is_told_once(served: tuple[Rig, Updates]) -> None:
    rig, updates = served
    ready = asyncio.Event()
    task = asyncio.create_task(updates.run(ready.set))
    for days, body in enumerate((b'{"version": "0.2.0"}', b'{"version": "0.2.0"}', b'{"version": "0.3"}')):
        rig.body = body
        rig.clock.advance(EVERY_S if days else 0.0)
        async with asyncio.timeout(20):
            await ready.wait()
        ready.clear()
        assert rig.asked == days + 1
    task.cancel()
    assert list(rig.told.values()) == [
        f"Holdfast {version} is there; this is 0.1.0. Nothing changes by itself: docs/operations.md says how to upgrade."
        for version in ("0.2.0", "0.3")
    ]


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, b"{}", "answers 404"),
        (200, b"<html>", "does not say"),
        (200, b'{"version": 3}', "does not say"),
        (200, b"\xff", "does not say"),
        (200, b" " * 70_000, "more than 64000 bytes"),
    ],
)
async def test_where_nobody_can_tell_that_is_said_and_tried_again_hours_later(
    served: tuple[Rig, Updates], status: int, body: bytes, why: str
) -> None:
    rig, updates = served
    rig.status, rig.body = status, body
    with pytest.raises(Temporary, match=why) as failed:
        await updates.run(lambda: None)
    assert failed.value.retry_after_s and failed.value.retry_after_s > 3600
    assert not rig.told


async def test_where_nobody_answers_that_is_said() -> None:
    with pytest.raises(Temporary, match="can't be reached"):
        await Rig().updates("http://127.0.0.1:1/").run(lambda: None)
