"""What every `ports.Journal` promises of a conversation that comes from elsewhere with its past."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.entries import AssistantMessage, Command, Entry, Forgotten, Usage, UserMessage
from holdfast.ports import Accepted, Journal, Used
from holdfast.testing.contracts.journal_kit import WEB, Rig, answer, arrival, claim

PAST = (
    Entry(1, 10.0, 0, UserMessage(author="ann", id="1", text="Why is the sea salt?")),
    Entry(2, 11.5, 7, AssistantMessage(n=1, seen=1, text="Rivers.", route="main", usage=Usage(input_tokens=5))),
    Entry(3, 12.0, 0, Command(author="ann", id="2", name="title", args="Salt")),
)


async def adopt(journal: Journal, key: str = "a", address: str = "to-a") -> bool:
    return await journal.adopt(key, "web", address, PAST)


class JournalAdoptionContract:
    """A conversation is adopted whole, once, and at rest."""

    @pytest.fixture
    def journal(self, rig: Rig) -> Journal:
        return rig.journal

    async def test_a_conversation_with_a_past_is_kept_as_it_was_and_survives_a_restart(self, rig: Rig) -> None:
        assert await adopt(rig.journal)
        journal = await rig.restart()
        assert (await journal.read("a", 0)).entries == PAST
        row = await journal.conversation("a")
        assert row
        assert (row.account, row.address, row.last_seq, row.last_at, row.title) == ("web", "to-a", 3, 12.0, "Salt")
        assert await journal.conversations(9) == (row,)
        assert [found.row.key for found in await journal.search("rivers", 9)] == ["a"]
        assert await journal.used(0.0) == (Used("main", "web", "", 1, 5, 0),)

    async def test_nothing_of_a_past_is_due(self, journal: Journal) -> None:
        await adopt(journal)
        assert await claim(journal, now=1e9) == ()
        assert await journal.next_due(WEB) is None
        assert await journal.waiting_gates() == ()

    async def test_adopting_what_is_here_changes_nothing(self, rig: Rig) -> None:
        assert await adopt(rig.journal)
        assert not await adopt(rig.journal)
        journal = await rig.restart()
        assert not await adopt(journal)
        assert (await journal.read("a", 0)).entries == PAST

    async def test_of_two_who_bring_the_same_at_once_one_does(self, journal: Journal) -> None:
        assert sorted(await asyncio.gather(adopt(journal), adopt(journal))) == [False, True]
        assert (await journal.read("a", 0)).entries == PAST

    async def test_what_began_here_is_not_written_over(self, journal: Journal) -> None:
        await journal.ingest([arrival("a")])
        before = await journal.read("a", 0)
        assert not await adopt(journal)
        assert not await adopt(journal, key="b")
        assert await journal.read("a", 0) == before
        assert await journal.conversation("b") is None
        assert await adopt(journal, key="b", address="to-b")

    async def test_one_that_was_forgotten_once_begins_where_it_did(self, journal: Journal) -> None:
        past = (Entry(41, 10.0, 0, Forgotten(n=3)), Entry(42, 11.0, 0, UserMessage(author="ann", id="1", text="Anew.")))
        assert await journal.adopt("a", "web", "to-a", past)
        assert (await journal.read("a", 0)).entries == past
        assert (await journal.read("a", 41)).entries == past[1:]
        assert await journal.ingest([arrival("a", "9", at=50.0)]) == (Accepted("a", 43, new=True),)

    async def test_who_writes_there_goes_on_after_the_past_and_a_worker_has_a_later_epoch(self, journal: Journal) -> None:
        await adopt(journal)
        assert await journal.ingest([arrival("x", "9", at=50.0, address="to-a")]) == (Accepted("a", 4, new=True),)
        (lease,) = await claim(journal)
        assert (lease.conversation, lease.epoch) == ("a", 8)
        snapshot = await journal.read("a", 0)
        assert snapshot.entries[:3] == PAST
        done = await journal.append(lease, 60.0, snapshot.wakes, facts=[answer(seen=4)])
        assert [entry.seq for entry in done.entries] == [5]
