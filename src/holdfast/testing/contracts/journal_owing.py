"""What every `ports.Journal` promises to those who ask what is owed, and since when."""

from __future__ import annotations

import pytest

from holdfast.core.entries import AssistantMessage
from holdfast.ports import Counts, Journal, Used
from holdfast.testing.contracts.journal_kit import Rig, arrival, claim, claim_one, ingest, let_go


class JournalOwingContract:
    """Who waits, since when, and how many."""

    @pytest.fixture
    def journal(self, rig: Rig) -> Journal:
        return rig.journal

    async def owing(self, journal: Journal) -> list[tuple[str, float]]:
        return [(row.key, row.owes_since) for row in await journal.owing(9)]

    async def test_what_is_owed_is_told_the_longest_first_and_since_when(self, journal: Journal) -> None:
        assert await self.owing(journal) == []
        await journal.ingest([arrival("b", at=20.0), arrival("a", at=30.0), arrival("c", at=10.0)])
        await journal.ingest([arrival("c", message="2", at=40.0)])
        assert await self.owing(journal) == [("c", 10.0), ("b", 20.0), ("a", 30.0)]
        assert [row.key for row in await journal.owing(1)] == ["c"]

    @pytest.mark.parametrize("waits", [{"due": 90.0}, {"turn_gate": "main"}, {"speech_gate": "web"}, {"asks": True}])
    async def test_whoever_waits_or_asks_has_done_so_since_it_came_however_often_it_was_tried(
        self, journal: Journal, waits: dict[str, object]
    ) -> None:
        lease = await claim_one(journal, at=10.0)
        assert await self.owing(journal) == [("a", 10.0)], "while it is worked on"
        for now in (20.0, 30.0):
            await let_go(journal, lease, now, **waits)
            assert await self.owing(journal) == [("a", 10.0)]
            await ingest(journal, "a", message=f"at {now}", at=now)
            (lease,) = await claim(journal, now)
        await let_go(journal, lease, 40.0)
        assert await self.owing(journal) == []
        await ingest(journal, "a", message="new", at=50.0)
        assert await self.owing(journal) == [("a", 50.0)]

    async def test_a_restart_does_not_make_it_younger(self, rig: Rig) -> None:
        await claim_one(rig.journal, at=10.0)
        journal = await rig.restart()
        assert await self.owing(journal) == [("a", 10.0)]
        await journal.disown(60.0, 9)
        assert await self.owing(journal) == [("a", 10.0)]

    async def test_they_are_counted_by_how_they_stand(self, journal: Journal) -> None:
        assert await journal.counts(10.0) == Counts()
        for key, waits in (
            ("a", {"turn_gate": "main"}),
            ("b", {"due": 90.0}),
            ("c", {"asks": True, "due": 95.0}),
            ("d", {}),
            ("e", {"asks": True}),
        ):
            await let_go(journal, await claim_one(journal, key), **waits)
        await claim_one(journal, "f", at=30.0)
        await ingest(journal, "g", at=40.0)
        assert await journal.counts(50.0) == Counts(running=1, due=1, waiting=2, asking=2)
        assert await journal.counts(95.0) == Counts(running=1, due=3, waiting=1, asking=1)

    async def test_of_accounts_that_nobody_works_for_all_wait(self, journal: Journal) -> None:
        await let_go(journal, await claim_one(journal, "asks"), asks=True)
        await claim_one(journal, "works", at=30.0)
        await ingest(journal, "due", at=40.0)
        assert await journal.counts(50.0, ["web", "other"]) == await journal.counts(50.0) == Counts(running=1, due=1, asking=1)
        assert await journal.counts(50.0, ["other"]) == await journal.counts(50.0, []) == Counts(running=1, waiting=2)

    async def test_what_was_used_in_some_time_is_told(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        for n, at in enumerate((20.0, 30.0, 40.0), 1):
            await journal.append(lease, at, 1, facts=[AssistantMessage(n=n, seen=1, text="Yes.", route="main")])
        assert await journal.used(20.0, 40.0) == (Used("main", "web", "", 2),)
        assert await journal.used(10.0, 20.0) == ()

    async def test_it_is_told_what_it_takes_and_when_it_was_written(self, journal: Journal) -> None:
        await ingest(journal, "a")
        room = await journal.room()
        assert min(room.size, room.free, room.written) > 0
