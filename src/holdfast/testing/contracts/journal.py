"""What every `ports.Journal` promises: arrivals, leases, appends and rows. Claims are in `journal_claims`."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holdfast.core.entries import Notice, Question, SetAside, UserMessage
from holdfast.errors import Config, LeaseLost
from holdfast.ports import Accepted, Arrival, ConversationRow, Cursor, GateRow, Journal, Lease, Release, Snapshot, Timer, ToolList
from holdfast.testing.contracts.journal_adoption import JournalAdoptionContract
from holdfast.testing.contracts.journal_claims import JournalClaimsContract
from holdfast.testing.contracts.journal_forgetting import JournalForgettingContract
from holdfast.testing.contracts.journal_kit import (
    WEB,
    Rig,
    answer,
    arrival,
    claim,
    claim_one,
    ingest,
    keys,
    let_go,
    result,
    sending,
    started,
)
from holdfast.testing.contracts.journal_lists import JournalListsContract
from holdfast.testing.contracts.journal_owing import JournalOwingContract
from holdfast.testing.contracts.journal_platforms import JournalPlatformsContract


class JournalArrivalsContract:
    """Accept before acknowledge, once."""

    @pytest.fixture
    def journal(self, rig: Rig) -> Journal:
        return rig.journal

    async def test_an_arrival_is_kept_as_it_came_and_survives_a_restart(self, rig: Rig) -> None:
        (accepted,) = await rig.journal.ingest([arrival(at=12.5)])
        assert accepted == Accepted("a", 1, new=True)
        journal = await rig.restart()
        (entry,) = (await journal.read("a", 0)).entries
        assert (entry.seq, entry.at, entry.epoch) == (1, 12.5, 0)
        assert entry.body == UserMessage(author="ann", id="1", text="message 1")

    async def test_sequence_numbers_start_at_one_and_have_no_holes(self, journal: Journal) -> None:
        await journal.ingest([arrival(message="1"), arrival("b", message="1"), arrival(message="2"), arrival(message="3")])
        assert [entry.seq for entry in (await journal.read("a", 0)).entries] == [1, 2, 3]
        assert [entry.seq for entry in (await journal.read("a", 1)).entries] == [2, 3]
        assert [entry.seq for entry in (await journal.read("b", 0)).entries] == [1]

    async def test_an_arrival_that_comes_again_gets_its_first_seq_and_wakes_nobody(self, rig: Rig) -> None:
        await ingest(rig.journal, "a", message="1")
        await ingest(rig.journal, "a", message="2")
        journal = await rig.restart()
        before = await journal.read("a", 0)
        assert await journal.ingest([arrival(message="1", at=99.0)]) == (Accepted("a", 1, new=False),)
        assert await journal.read("a", 0) == before

    async def test_an_arrival_that_comes_twice_in_one_batch_is_kept_once(self, journal: Journal) -> None:
        assert await journal.ingest([arrival(), arrival()]) == (Accepted("a", 1, new=True), Accepted("a", 1, new=False))

    async def test_the_cursor_moves_with_the_arrivals(self, rig: Rig) -> None:
        assert await rig.journal.cursor("web") is None
        await rig.journal.ingest([arrival()], Cursor("web", "bot-7", "100"))
        await rig.journal.ingest([], Cursor("web", "bot-7", "101"))
        journal = await rig.restart()
        assert await journal.cursor("web") == Cursor("web", "bot-7", "101")

    async def test_a_cursor_of_another_identity_is_a_configuration_error_and_keeps_nothing(self, journal: Journal) -> None:
        await journal.ingest([], Cursor("web", "bot-7", "100"))
        with pytest.raises(Config, match="bot-8"):
            await journal.ingest([arrival()], Cursor("web", "bot-8", "1"))
        assert await journal.cursor("web") == Cursor("web", "bot-7", "100")
        assert await journal.read("a", 0) == Snapshot((), 0)

    async def test_one_refused_batch_harms_no_other_that_is_on_its_way(self, journal: Journal) -> None:
        await journal.ingest([], Cursor("web", "bot-7", "100"))
        done = await asyncio.gather(
            journal.ingest([arrival("a")]),
            journal.ingest([arrival("b")], Cursor("web", "bot-8", "1")),
            journal.ingest([arrival("c")]),
            return_exceptions=True,
        )
        assert [isinstance(outcome, Config) for outcome in done] == [False, True, False]
        assert [(await journal.read(key, 0)).entries != () for key in "abc"] == [True, False, True]

    async def test_what_nobody_knows_is_empty(self, journal: Journal) -> None:
        assert await journal.read("nobody", 0) == Snapshot((), 0)
        assert await journal.conversation("nobody") is None
        assert await journal.conversations(10) == ()


class JournalAppendContract:
    """Facts always, intentions and releases only on a fresh reading, and nothing under a lost lease."""

    async def test_appended_entries_come_back_with_seq_time_and_epoch(self, rig: Rig) -> None:
        lease = await claim_one(rig.journal)
        wakes = (await rig.journal.read("a", 0)).wakes
        done = await rig.journal.append(lease, 11.5, wakes, facts=[answer()], intentions=[sending()])
        assert [(entry.seq, entry.at, entry.epoch, entry.body) for entry in done.entries] == [
            (2, 11.5, lease.epoch, answer()),
            (3, 11.5, lease.epoch, sending()),
        ]
        assert (done.wakes, done.intended, done.released) == (wakes, True, False)
        journal = await rig.restart()
        assert (await journal.read("a", 1)).entries == done.entries

    async def test_on_a_stale_reading_the_fact_is_kept_and_the_intention_refused(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        stale = (await journal.read("a", 0)).wakes
        await ingest(journal, "a", message="2")
        done = await journal.append(lease, 11.0, stale, facts=[answer()], intentions=[sending()], release=Release())
        assert [(entry.seq, entry.body) for entry in done.entries] == [(3, answer())]
        assert done.wakes != stale
        assert (done.intended, done.released) == (False, False)
        again = await journal.append(lease, 12.0, done.wakes, intentions=[sending()])
        assert [entry.seq for entry in again.entries] == [4]

    async def test_a_question_that_belongs_to_a_fact_is_kept_with_it(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        question = Question(question="unknown", about="c1", text="Did it happen?", options=("yes", "no"))
        done = await journal.append(lease, 11.0, 77, facts=[result(), question])
        assert [entry.body for entry in done.entries] == [result(), question]

    async def test_a_release_on_a_stale_reading_is_refused(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        stale = (await journal.read("a", 0)).wakes
        await ingest(journal, "a", message="2")
        assert not (await journal.append(lease, 11.0, stale, release=Release())).released
        row = await journal.conversation("a")
        assert row
        assert row.running
        assert (await let_go(journal, lease)).released

    async def test_an_arrival_that_came_before_does_not_wake_again(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        wakes = (await journal.read("a", 0)).wakes
        await ingest(journal, "a")
        assert (await journal.append(lease, 11.0, wakes, release=Release())).released

    async def test_a_stale_epoch_appends_nothing(self, rig: Rig) -> None:
        old = await claim_one(rig.journal)
        journal = await rig.restart()
        await journal.disown(20.0, 10)
        (new,) = await claim(journal, owner="next life")
        assert new.epoch > old.epoch
        with pytest.raises(LeaseLost):
            await journal.append(old, 21.0, 1, facts=[answer()], release=Release())
        assert len((await journal.read("a", 0)).entries) == 1
        assert (await journal.append(new, 21.0, 1, facts=[answer()])).entries

    @pytest.mark.parametrize("end", ["released", "disowned"])
    async def test_a_lease_that_was_given_up_or_taken_away_appends_nothing(self, rig: Rig, end: str) -> None:
        lease = await claim_one(rig.journal)
        if end == "released":
            await let_go(rig.journal, lease)
        else:
            await rig.restart()
            await rig.journal.disown(20.0, 10)
        with pytest.raises(LeaseLost):
            await rig.journal.append(lease, 21.0, 1, facts=[answer()])

    async def test_a_lease_of_nothing_appends_nothing(self, journal: Journal) -> None:
        with pytest.raises(LeaseLost):
            await journal.append(Lease("nobody", "web", "to-nobody", "us", 1, 1, 0), 1.0, 0, facts=[answer()])

    async def test_a_lost_lease_harms_no_other_append_that_is_on_its_way(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        lost = replace(lease, epoch=lease.epoch + 7)
        done = await asyncio.gather(
            journal.append(lease, 11.0, 1, facts=[answer()]),
            journal.append(lost, 11.0, 1, facts=[answer()]),
            journal.append(lease, 12.0, 1, facts=[result()]),
            return_exceptions=True,
        )
        assert isinstance(done[1], LeaseLost)
        assert [entry.seq for entry in (await journal.read("a", 0)).entries] == [1, 2, 3]

    async def test_arrivals_and_appends_at_once_leave_no_hole_and_no_double(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        done = await asyncio.gather(
            *(journal.append(lease, 11.0, 0, facts=[result(f"c{n}")]) for n in range(20)),
            *(journal.ingest([arrival(message=f"m{n}")]) for n in range(20)),
        )
        assert len(done) == 40
        assert [entry.seq for entry in (await journal.read("a", 0)).entries] == list(range(1, 42))

    async def test_a_release_leaves_what_it_says(self, rig: Rig) -> None:
        lease = await claim_one(rig.journal)
        await let_go(rig.journal, lease, due=99.0, turn_gate="route:a route:b", speech_gate="account:web", floor=1, asks=True)
        journal = await rig.restart()
        assert await journal.conversation("a") == ConversationRow(
            "a",
            "web",
            1,
            10.0,
            running=False,
            due=99.0,
            turn_gate="route:a route:b",
            speech_gate="account:web",
            attempts=0,
            asks=True,
            title="message 1",
            address="to-a",
            owes_since=10.0,
        )
        (lease,) = await claim(journal, now=99.0)
        assert (lease.floor, lease.account, lease.address) == (1, "web", "to-a")


class JournalAttemptsContract:
    """Attempts count the claims since the last fact in which the process ended."""

    async def attempts(self, journal: Journal) -> int:
        row = await journal.conversation("a")
        assert row
        return row.attempts

    async def die(self, rig: Rig, times: int) -> Lease:
        """The lease after so many claims that each ended with the process."""
        await ingest(rig.journal, "a")
        for life in range(times):
            await rig.journal.claim(f"life {life}", 20.0, WEB, {}, 1)
            await rig.restart()
            await rig.journal.disown(20.0, 10)
        (lease,) = await claim(rig.journal)
        return lease

    async def test_a_claim_counts_itself_until_it_is_released(self, rig: Rig) -> None:
        lease = await self.die(rig, times=2)
        assert lease.attempts == 3
        await let_go(rig.journal, lease)
        assert await self.attempts(rig.journal) == 2

    @pytest.mark.parametrize("body", [answer(), result(), SetAside(upto=1, since=1, why="crashed")])
    async def test_a_fact_or_a_set_aside_begins_the_count_anew(self, rig: Rig, body: object) -> None:
        lease = await self.die(rig, times=3)
        assert lease.attempts == 4
        await rig.journal.append(lease, 21.0, 1, **{"intentions" if isinstance(body, SetAside) else "facts": [body]})  # type: ignore[arg-type]
        assert await self.attempts(rig.journal) == 1
        await let_go(rig.journal, lease)
        assert await self.attempts(rig.journal) == 0

    async def test_a_closing_result_counts_as_a_fact_only_if_it_was_taken(self, rig: Rig) -> None:
        lease = await self.die(rig, times=1)
        await rig.journal.append(lease, 21.0, wakes=77, intentions=[result()])
        assert await self.attempts(rig.journal) == 2
        await rig.journal.append(lease, 21.0, wakes=1, intentions=[result()])
        assert await self.attempts(rig.journal) == 1

    async def test_an_intention_begins_no_count_anew(self, rig: Rig) -> None:
        lease = await self.die(rig, times=1)
        await rig.journal.append(lease, 21.0, 1, intentions=[started(), sending(), Notice(text="Saved.", about=1)])
        assert await self.attempts(rig.journal) == 2

    async def test_fact_and_release_in_one_commit_leave_no_attempt(self, rig: Rig) -> None:
        lease = await self.die(rig, times=2)
        await rig.journal.append(lease, 21.0, 1, facts=[answer()], release=Release())
        assert await self.attempts(rig.journal) == 0

    async def test_a_release_of_a_worker_that_failed_leaves_the_attempt(self, rig: Rig) -> None:
        lease = await self.die(rig, times=1)
        await let_go(rig.journal, lease, due=60.0, failed=True)
        assert await self.attempts(rig.journal) == 2

    async def test_where_nothing_is_owed_no_attempt_counts_any_more(self, rig: Rig) -> None:
        lease = await self.die(rig, times=2)
        await let_go(rig.journal, lease, rests=True)
        assert await self.attempts(rig.journal) == 0

    async def test_an_orderly_stop_counts_nothing_against_what_it_interrupts(self, rig: Rig) -> None:
        await ingest(rig.journal, "a")
        await claim(rig.journal)
        await rig.journal.forgive("somebody else")
        assert await self.attempts(rig.journal) == 1
        await rig.journal.forgive("us")
        await rig.restart()
        assert await self.attempts(rig.journal) == 0


class JournalRowsContract:
    """Timers, gates, tool lists, and conversations at a glance."""

    def timer(self, at: float = 30.0, text: str = "Stand up.") -> Timer:
        body = UserMessage(author="clock", id="standup", text=text)
        return Timer("standup", at, Arrival("a", "web", "to-a", "", body, at))

    async def test_a_timer_fires_once_and_wakes_its_conversation(self, rig: Rig) -> None:
        await rig.journal.put_timer(self.timer())
        journal = await rig.restart()
        assert await journal.next_due(WEB) == 30.0
        assert await journal.due_timers(29.0, 10) == ()
        (due,) = await journal.due_timers(31.0, 10)
        assert due == self.timer()
        fired = await asyncio.gather(journal.fire(due, None), journal.fire(due, None))
        assert sorted(fired, key=str) == sorted([Accepted("a", 1, new=True), None], key=str)
        assert await journal.due_timers(99.0, 10) == ()
        (entry,) = (await journal.read("a", 0)).entries
        assert (entry.at, entry.body) == (30.0, self.timer().arrival.body)
        assert keys(await claim(journal, now=31.0)) == ["a"]

    async def test_a_timer_that_repeats_goes_on_to_its_next_occurrence(self, journal: Journal) -> None:
        await journal.put_timer(self.timer())
        assert await journal.fire(self.timer(30.0), 40.0) == Accepted("a", 1, new=True)
        assert await journal.fire(self.timer(30.0), 40.0) is None
        assert await journal.due_timers(40.0, 10) == (self.timer(40.0),)
        assert await journal.fire(self.timer(40.0), None) == Accepted("a", 2, new=True)

    async def test_a_timer_keeps_how_often_and_since_when_it_comes(self, rig: Rig) -> None:
        timer = replace(self.timer(), every_s=3600.0, since=30.0)
        await rig.journal.put_timer(self.timer())
        await rig.journal.put_timer(timer)
        journal = await rig.restart()
        await journal.fire(timer, 3630.0)
        assert await journal.timers("a") == (replace(timer, at=3630.0, arrival=replace(timer.arrival, at=3630.0)),)

    async def test_a_timer_that_was_set_anew_meanwhile_does_not_fire(self, journal: Journal) -> None:
        await journal.put_timer(self.timer(30.0))
        await journal.put_timer(self.timer(50.0))
        assert await journal.fire(self.timer(30.0), None) is None
        assert await journal.next_due(WEB) == 50.0

    async def test_an_occurrence_that_was_kept_before_is_not_kept_again(self, journal: Journal) -> None:
        await journal.put_timer(self.timer())
        await journal.fire(self.timer(), None)
        await journal.put_timer(self.timer())
        assert await journal.fire(self.timer(), None) == Accepted("a", 1, new=False)

    async def test_the_weather_survives_a_restart(self, rig: Rig) -> None:
        await rig.journal.put_gate(GateRow("route:b", "f1"))
        await rig.journal.put_gate(GateRow("route:a", "f1", 30.0, 2, 10.0, 5.0, "refused"))
        await rig.journal.put_gate(GateRow("route:a", "f2", 31.0, 3, 11.0, 6.0, "bad key"))
        journal = await rig.restart()
        assert await journal.gates() == (GateRow("route:a", "f2", 31.0, 3, 11.0, 6.0, "bad key"), GateRow("route:b", "f1"))

    async def test_tool_lists_survive_a_restart(self, rig: Rig) -> None:
        await rig.journal.put_tool_list(ToolList("clock", "f1", "[1]"))
        await rig.journal.put_tool_list(ToolList("clock", "f2", "[2]"))
        journal = await rig.restart()
        assert await journal.tool_lists() == (ToolList("clock", "f2", "[2]"),)

    async def test_conversations_are_listed_by_their_last_change_page_by_page(self, journal: Journal) -> None:
        await ingest(journal, "a", "b", "c", "d")
        lease = (await claim(journal, most=1))[0]
        await journal.append(lease, 40.0, 1, facts=[answer()])
        first = await journal.conversations(2)
        assert [(row.key, row.last_seq, row.last_at, row.running) for row in first] == [("a", 2, 40.0, True), ("d", 1, 13.0, False)]
        second = await journal.conversations(2, before=first[-1])
        assert [row.key for row in second] == ["c", "b"]
        assert await journal.conversations(2, before=second[-1]) == ()

    async def test_no_page_skips_what_changed_at_the_same_instant(self, journal: Journal) -> None:
        await journal.ingest([arrival(key) for key in "abcde"])
        pages = [await journal.conversations(2)]
        while pages[-1]:
            pages.append(await journal.conversations(2, before=pages[-1][-1]))
        assert sorted(row.key for page in pages for row in page) == list("abcde")


class JournalContract(
    JournalArrivalsContract,
    JournalAdoptionContract,
    JournalAppendContract,
    JournalAttemptsContract,
    JournalClaimsContract,
    JournalForgettingContract,
    JournalRowsContract,
    JournalListsContract,
    JournalOwingContract,
    JournalPlatformsContract,
):
    """Subclass it, and give it a fixture `rig`."""
