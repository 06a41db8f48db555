from __future__ import annotations

import asyncio

from runtime_rig import turns_of_the_loop

from holdfast.runtime.follow import Followers
from holdfast.testing.contracts.journal_kit import ingest
from holdfast.testing.memory_journal import MemoryJournal


async def _collect(followers: Followers, into: list[int], after: int, most: int) -> None:
    async for entry in followers.follow("a", after):
        into.append(entry.seq)
        if len(into) == most:
            return


async def test_a_follower_gets_every_entry_in_order_and_without_a_gap() -> None:
    journal = MemoryJournal()
    followers = Followers(journal)
    await ingest(journal, "a", message="1")
    seen: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_collect(followers, seen, 0, 7))
        for number in range(2, 8):
            await ingest(journal, "a", message=str(number))
            followers.grown("a")
            if number % 3:
                await turns_of_the_loop(5)
    assert seen == [1, 2, 3, 4, 5, 6, 7]


async def test_what_is_committed_while_a_follower_reads_is_not_missed() -> None:
    journal = MemoryJournal()
    followers = Followers(journal)
    await ingest(journal, "a", message="1")
    following = followers.follow("a", 0)
    assert (await anext(following)).seq == 1
    await ingest(journal, "a", message="2")
    followers.grown("a")
    assert (await anext(following)).seq == 2
    await following.aclose()  # type: ignore[attr-defined] # it is a generator


async def test_each_follower_goes_at_its_own_pace_and_leaves_nothing_behind() -> None:
    journal = MemoryJournal()
    followers = Followers(journal)
    quick: list[int] = []
    slow: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_collect(followers, quick, 0, 1))
        tasks.create_task(_collect(followers, slow, 1, 1))
        for number in (1, 2):
            await ingest(journal, "a", message=str(number))
            followers.grown("a")
            await turns_of_the_loop(5)
    assert (quick, slow) == ([1], [2])
    await turns_of_the_loop(5)
    assert not followers._grown
