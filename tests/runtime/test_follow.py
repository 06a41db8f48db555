from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from runtime_rig import turns_of_the_loop

from holdfast.core.entries import Entry
from holdfast.core.weather import GateRow
from holdfast.ports import Hold, Release, Standing
from holdfast.runtime.follow import READ_AT_ONCE, Followers
from holdfast.testing.contracts.journal_kit import ingest
from holdfast.testing.memory_journal import MemoryJournal


async def _collect(followers: Followers, into: list[int], after: int, most: int) -> None:
    async for told in followers.follow("a", after):
        if isinstance(told, Entry):
            into.append(told.seq)
        if len(into) == most:
            return


async def _next_seq(following: AsyncIterator[Entry | Standing]) -> int:
    async for told in following:
        if isinstance(told, Entry):
            return told.seq
    raise AssertionError("it ended")


async def test_a_follower_gets_every_entry_in_order_and_without_a_gap() -> None:
    journal = MemoryJournal()
    followers = Followers(journal, lambda _: None)
    await ingest(journal, "a", message="1")
    seen: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_collect(followers, seen, 0, 7))
        for number in range(2, 8):
            await ingest(journal, "a", message=str(number))
            followers.changed("a")
            if number % 3:
                await turns_of_the_loop(5)
    assert seen == [1, 2, 3, 4, 5, 6, 7]


async def test_what_is_committed_while_a_follower_reads_is_not_missed() -> None:
    journal = MemoryJournal()
    followers = Followers(journal, lambda _: None)
    await ingest(journal, "a", message="1")
    following = followers.follow("a", 0)
    assert await _next_seq(following) == 1
    await ingest(journal, "a", message="2")
    followers.changed("a")
    assert await _next_seq(following) == 2
    await following.aclose()  # type: ignore[attr-defined] # it is a generator


async def test_each_follower_goes_at_its_own_pace_and_leaves_nothing_behind() -> None:
    journal = MemoryJournal()
    followers = Followers(journal, lambda _: None)
    quick: list[int] = []
    slow: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_collect(followers, quick, 0, 1))
        tasks.create_task(_collect(followers, slow, 1, 1))
        for number in (1, 2):
            await ingest(journal, "a", message=str(number))
            followers.changed("a")
            await turns_of_the_loop(5)
    assert (quick, slow) == ([1], [2])
    await turns_of_the_loop(5)
    assert not followers._events


async def test_a_follower_is_told_what_holds_the_conversation_and_when_that_is_over() -> None:
    journal, holds = MemoryJournal(), {"web": Hold("safe mode", 50.0)}
    followers = Followers(journal, lambda _: None)
    followers.held = holds.get
    await ingest(journal, "a", message="1")
    following = followers.follow("a", 1)
    told = await anext(following)
    assert isinstance(told, Standing)
    assert told.held == Hold("safe mode", 50.0)
    holds.clear()
    followers.all_changed()
    told = await anext(following)
    assert isinstance(told, Standing)
    assert told.held is None
    await following.aclose()  # type: ignore[attr-defined] # it is a generator


async def test_a_follower_is_told_how_the_conversation_stands_whenever_that_changes() -> None:
    journal = MemoryJournal()
    gate = GateRow("route:main", "f", until=50.0, streak=1, why="connection refused")
    followers = Followers(journal, {"route:main": gate}.get)
    await ingest(journal, "a", message="1")
    following = followers.follow("a", 1)
    told = await anext(following)
    assert isinstance(told, Standing)
    assert not told.row.running
    (lease,) = await journal.claim("me", 100.0, ["web"], {}, 1)
    followers.changed("a")
    told = await anext(following)
    assert isinstance(told, Standing)
    assert (told.row.running, told.gates) == (True, ())
    wakes = (await journal.read("a", 0)).wakes
    await journal.append(lease, 100.0, wakes, release=Release(turn_gate="route:gone route:main", asks=True))
    followers.changed("a")
    told = await anext(following)
    assert isinstance(told, Standing)
    assert (told.row.running, told.row.asks, told.gates) == (False, True, (gate,))
    later = asyncio.ensure_future(anext(following))
    followers.all_changed()
    await turns_of_the_loop(5)
    assert not later.done(), "nothing that is shown has changed"
    later.cancel()


async def test_a_long_conversation_is_read_in_pieces() -> None:
    journal = MemoryJournal()
    followers = Followers(journal, lambda _: None)
    for number in range(READ_AT_ONCE * 2 + 1):
        await ingest(journal, "a", message=str(number))
    seen: list[int] = []
    await _collect(followers, seen, 0, READ_AT_ONCE * 2 + 1)
    assert seen == list(range(1, READ_AT_ONCE * 2 + 2))


async def test_who_follows_all_is_told_of_any_change() -> None:
    followers = Followers(MemoryJournal(), lambda _: None)
    changes = followers.changes()
    waiting = asyncio.ensure_future(anext(changes))
    await turns_of_the_loop(5)
    assert not waiting.done()
    followers.changed("a")
    await waiting
    await changes.aclose()  # type: ignore[attr-defined] # it is a generator
