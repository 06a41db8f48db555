"""Which conversations a journal hands out, and when."""

from __future__ import annotations

from holdfast.ports import Journal
from holdfast.testing.contracts.journal_kit import WEB, Rig, answer, arrival, claim, claim_one, ingest, keys, let_go, wait_at


class JournalClaimsContract:
    """Claims by due time and by gate, fair; of suspects one at a time."""

    async def test_what_is_due_is_claimed_oldest_first_once(self, journal: Journal) -> None:
        await ingest(journal, "c", "a", "b", at=10.0)
        assert keys(await claim(journal, now=11.0)) == ["c", "a"]
        assert keys(await claim(journal, now=11.0)) == []
        assert keys(await claim(journal, now=12.0)) == ["b"]

    async def test_no_more_are_claimed_than_were_asked_for(self, journal: Journal) -> None:
        await ingest(journal, *"abc")
        assert keys(await claim(journal, most=2)) == ["a", "b"]
        assert keys(await claim(journal, most=0)) == []
        assert keys(await claim(journal, most=2)) == ["c"]

    async def test_each_claim_has_a_higher_epoch(self, journal: Journal) -> None:
        first = await claim_one(journal)
        await let_go(journal, first, due=60.0)
        (second,) = await claim(journal, now=60.0, owner="them")
        assert second.epoch > first.epoch >= 1
        assert (second.conversation, second.owner, second.account, second.address) == ("a", "them", "web", "to-a")

    async def test_accounts_that_are_not_configured_wait(self, journal: Journal) -> None:
        await journal.ingest([arrival("a", account="gone"), arrival("b")])
        assert keys(await claim(journal)) == ["b"]
        assert await journal.next_due(WEB) is None
        assert await journal.next_due(["gone", "web"]) == 10.0
        assert keys(await journal.claim("us", 50.0, ["gone", "web"], {}, 10)) == ["a"]

    async def test_accounts_share_one_queue(self, journal: Journal) -> None:
        await journal.ingest([arrival("a", account="x", at=12.0), arrival("b", account="y", at=10.0), arrival("c", account="x", at=11.0)])
        assert keys(await journal.claim("us", 50.0, ["x", "y"], {}, 2)) == ["b", "c"]

    async def test_a_conversation_that_waits_for_nothing_is_not_claimed_until_something_arrives(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        await let_go(journal, lease)
        assert keys(await claim(journal, now=1e9, route=100)) == []
        assert await journal.next_due(WEB) is None
        await ingest(journal, "a", message="2", at=70.0)
        assert await journal.next_due(WEB) == 70.0
        assert keys(await claim(journal, now=70.0)) == ["a"]

    async def test_an_arrival_never_puts_off_what_is_due_sooner(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        await let_go(journal, lease, due=65.0)
        await ingest(journal, "a", message="2", at=70.0)
        assert await journal.next_due(WEB) == 65.0

    async def test_the_next_instant_is_the_earliest_of_those_nobody_has(self, journal: Journal) -> None:
        assert await journal.next_due(WEB) is None
        await ingest(journal, "a", "b", at=10.0)
        assert await journal.next_due(WEB) == 10.0
        await claim(journal, now=10.0)
        assert await journal.next_due(WEB) == 11.0

    async def test_a_gate_that_admits_none_lets_none_through(self, journal: Journal) -> None:
        await wait_at(journal, ("a", "main"))
        assert await journal.waiting_gates() == ("main",)
        assert keys(await claim(journal)) == []
        assert keys(await claim(journal, main=0, other=5)) == []
        assert keys(await claim(journal, main=1)) == ["a"]
        assert await journal.waiting_gates() == ()

    async def test_a_gate_lets_through_as_many_as_it_admits_those_first_that_wait_longest(self, journal: Journal) -> None:
        await wait_at(journal, ("d", "main"), ("c", "main"), ("b", "main"), ("a", "main"))
        assert keys(await claim(journal, main=2)) == ["d", "c"]
        assert keys(await claim(journal, main=4, most=1)) == ["b"]
        assert keys(await claim(journal, main=4)) == ["a"]

    async def test_who_was_let_through_in_vain_goes_to_the_end_of_the_queue(self, journal: Journal) -> None:
        await wait_at(journal, ("a", "main"), ("b", "main"))
        (first,) = await claim(journal, main=1)
        await let_go(journal, first, now=60.0, turn_gate="main")
        assert keys(await claim(journal, main=1)) == ["b"]

    async def test_alternatives_are_one_queue_and_each_place_is_given_once(self, journal: Journal) -> None:
        await wait_at(journal, ("d", "main spare"), ("c", "main"), ("b", "spare"), ("a", "main spare"))
        assert await journal.waiting_gates() == ("main", "main spare", "spare")
        leases = await claim(journal, main=1, spare=1)
        assert [(lease.conversation, lease.through) for lease in leases] == [("d", "main"), ("b", "spare")]
        leases = await claim(journal, main=1, spare=1)
        assert [(lease.conversation, lease.through) for lease in leases] == [("c", "main"), ("a", "spare")]

    async def test_due_ones_come_first_and_take_no_place(self, journal: Journal) -> None:
        await wait_at(journal, ("a", "main"), ("b", "main"))
        await ingest(journal, "b", message="2", at=45.0)
        leases = await claim(journal, main=1)
        assert [(lease.conversation, lease.through) for lease in leases] == [("b", ""), ("a", "main")]

    async def test_speech_waits_at_the_gate_of_its_account(self, journal: Journal) -> None:
        await wait_at(journal, ("b", "web"), speech=True)
        await wait_at(journal, ("a", "main"))
        assert await journal.waiting_gates() == ("main", "web")
        leases = await claim(journal, web=1, main=1)
        assert sorted((lease.conversation, lease.through) for lease in leases) == [("a", "main"), ("b", "web")]

    async def test_who_waits_at_two_gates_is_claimed_once(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        await let_go(journal, lease, turn_gate="main", speech_gate="web")
        leases = await claim(journal, main=3, web=3)
        assert [(lease.conversation, lease.through) for lease in leases] == [("a", "main")]

    async def test_who_waits_at_a_gate_of_an_account_that_is_not_configured_takes_no_place(self, journal: Journal) -> None:
        await journal.ingest([arrival("a", account="gone")])
        (lease,) = await journal.claim("us", 10.0, ["gone"], {}, 1)
        await let_go(journal, lease, now=15.0, turn_gate="main")
        await wait_at(journal, ("b", "main"))
        assert keys(await claim(journal, main=1)) == ["b"]

    async def test_when_the_clock_was_set_whoever_waits_for_an_instant_is_due_now(self, journal: Journal) -> None:
        for key in "abcd":
            lease = await claim_one(journal, key)
            await let_go(journal, lease, **{"due": 1e9} if key < "c" else {"turn_gate": "main"})
        await ingest(journal, "d", message="2", at=30.0)
        await journal.hasten(50.0)
        assert keys(await claim(journal, now=50.0)) == ["d", "a", "b"]

    # --- a process that is gone -----------------------------------------------------------------------------------------------------

    async def test_what_a_dead_process_had_is_claimed_by_nobody_until_it_is_disowned(self, rig: Rig) -> None:
        await ingest(rig.journal, *"abc")
        await claim(rig.journal)
        journal = await rig.restart()
        assert keys(await claim(journal, owner="next life")) == []
        assert await journal.next_due(WEB) is None
        assert [await journal.disown(60.0, 2), await journal.disown(60.0, 2), await journal.disown(60.0, 2)] == [2, 1, 0]
        assert await journal.next_due(WEB) is not None
        assert sorted(keys(await claim(journal, now=60.0, owner="next life"))) == list("abc")

    async def test_what_this_process_has_is_not_disowned(self, rig: Rig) -> None:
        await ingest(rig.journal, *"ab")
        await claim(rig.journal, most=1)
        journal = await rig.restart()
        (ours,) = await claim(journal, owner="next life")
        assert await journal.disown(60.0, 10) == 1
        assert (await journal.append(ours, 61.0, 1, facts=[answer()])).entries
        assert keys(await claim(journal, now=60.0, owner="next life")) == ["a"]

    async def test_a_restart_makes_nothing_due_that_nobody_had(self, rig: Rig) -> None:
        lease = await claim_one(rig.journal)
        await let_go(rig.journal, lease, turn_gate="main")
        journal = await rig.restart()
        assert await journal.disown(60.0, 10) == 0
        assert keys(await claim(journal, now=60.0)) == []

    # --- suspects -------------------------------------------------------------------------------------------------------------------

    async def make_suspects(self, rig: Rig, *conversations: str) -> Journal:
        """Conversations that two processes died with, due in this order."""
        await ingest(rig.journal, *conversations)
        for life in ("first", "second"):
            await claim(rig.journal, owner=life)
            await rig.restart()
            await rig.journal.disown(60.0, 100)
        return rig.journal

    async def test_suspects_run_one_at_a_time_and_all_others_as_ever(self, rig: Rig) -> None:
        journal = await self.make_suspects(rig, *"abc")
        await ingest(journal, *"xy", at=40.0)
        (suspect, *others) = await claim(journal, now=60.0)
        assert (suspect.conversation, suspect.attempts) == ("a", 3)
        assert keys(tuple(others)) == ["x", "y"]
        assert keys(await claim(journal, now=60.0)) == []
        await let_go(journal, suspect)
        assert keys(await claim(journal, now=60.0)) == ["b"]

    async def test_the_next_suspect_may_run_when_the_one_before_has_shown_a_fact(self, rig: Rig) -> None:
        journal = await self.make_suspects(rig, *"ab")
        (suspect,) = await claim(journal, now=60.0)
        await journal.append(suspect, 61.0, 1, facts=[answer()])
        assert keys(await claim(journal, now=60.0)) == ["b"]

    async def test_no_instant_is_due_for_a_suspect_that_must_wait_for_another(self, rig: Rig) -> None:
        journal = await self.make_suspects(rig, *"ab")
        assert await journal.next_due(WEB) is not None
        (suspect,) = await claim(journal, now=60.0)
        assert await journal.next_due(WEB) is None
        await let_go(journal, suspect)
        assert await journal.next_due(WEB) is not None

    async def test_suspects_at_gates_run_one_at_a_time_too(self, rig: Rig) -> None:
        journal = await self.make_suspects(rig, *"ab")
        for gate in ("main", "spare"):
            (suspect,) = await claim(journal, now=60.0)
            await let_go(journal, suspect, turn_gate=gate)
        await wait_at(journal, ("x", "main"))
        leases = await claim(journal, main=5, spare=5)
        assert sorted(keys(leases)) == ["a", "x"]
        assert keys(await claim(journal, main=5, spare=5)) == []
