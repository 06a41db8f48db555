"""What every `ports.Journal` promises of a conversation that is forgotten."""

from __future__ import annotations

import pytest

from holdfast.core.entries import AssistantMessage, Attachment, Correction, Fetched, Forgotten, UserMessage
from holdfast.errors import LeaseLost
from holdfast.ports import Accepted, Cursor, Erased, Journal, Timer
from holdfast.testing.contracts.journal_kit import WEB, Rig, answer, arrival, claim, claim_one, ingest, keys, let_go

SHA256 = "ab" * 32
CURSOR = Cursor("web", "bot", "1")


class JournalForgettingContract:
    """Everything of it is gone but one line, and what is told again of it stays forgotten."""

    @pytest.fixture
    def journal(self, rig: Rig) -> Journal:
        return rig.journal

    async def test_of_a_forgotten_conversation_one_line_is_left(self, rig: Rig) -> None:
        lease = await claim_one(rig.journal)
        await rig.journal.append(lease, 20.0, 1, facts=[answer()])
        assert await rig.journal.forget("a", 30.0) == Erased(2)
        journal = await rig.restart()
        (line,) = (await journal.read("a", 0)).entries
        assert (line.seq, line.at, line.epoch, line.body) == (3, 30.0, 0, Forgotten(n=1))
        assert await journal.page("a", 99, 9) == (line,)
        row = await journal.conversation("a")
        assert row
        assert (row.last_seq, row.last_at, row.title, row.running, row.due, row.asks) == (3, 30.0, "", False, None, False)
        assert await journal.search("message", 9) == ()
        assert await journal.used(0.0) == ()

    async def test_what_there_is_not_can_not_be_forgotten(self, journal: Journal) -> None:
        assert await journal.forget("a", 30.0) is None

    async def test_others_are_not_touched(self, journal: Journal) -> None:
        await ingest(journal, "a", "b")
        await journal.forget("a", 30.0)
        assert len((await journal.read("b", 0)).entries) == 1
        assert keys(await claim(journal)) == ["b"]

    async def test_who_had_it_has_it_no_more_and_nothing_is_due(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        await journal.forget("a", 30.0)
        with pytest.raises(LeaseLost):
            await journal.append(lease, 31.0, 1, facts=[answer()])
        assert await claim(journal, now=1e9) == ()
        assert await journal.next_due(WEB) is None

    async def test_one_that_waited_and_asked_does_neither(self, journal: Journal) -> None:
        await let_go(journal, await claim_one(journal), due=70.0, turn_gate="main", speech_gate="web", asks=True, failed=True)
        await journal.forget("a", 80.0)
        assert await claim(journal, now=1e9, main=9, web=9) == ()
        assert await journal.waiting_gates() == ()
        row = await journal.conversation("a")
        assert row
        assert (row.attempts, row.asks) == (0, False)

    async def test_what_a_platform_tells_again_is_not_new(self, rig: Rig) -> None:
        await ingest(rig.journal, "a", message="1")
        await rig.journal.forget("a", 30.0)
        journal = await rig.restart()
        assert await journal.ingest([arrival(message="1")]) == (Accepted("a", 2, new=False),)
        assert [entry.body for entry in (await journal.read("a", 0)).entries] == [Forgotten(n=0)]

    async def test_an_edit_of_what_was_forgotten_brings_nothing_back(self, journal: Journal) -> None:
        await ingest(journal, "a", message="1")
        await journal.forget("a", 30.0)
        edit = Correction(author="ann", id="1.2", of="1", text="message one")
        assert await journal.ingest([arrival(message="1 edit", body=edit, only_after="web a 1")]) == (Accepted("a", 0, new=False),)

    async def test_what_is_said_later_goes_on_in_it(self, journal: Journal) -> None:
        await ingest(journal, "a", message="1")
        await journal.forget("a", 30.0)
        assert await journal.ingest([arrival(message="2", at=40.0)]) == (Accepted("a", 3, new=True),)
        (lease,) = await claim(journal)
        assert [entry.seq for entry in (await journal.read("a", lease.floor - 1)).entries] == [2, 3]
        assert [entry.seq for entry in (await journal.read("a", 2)).entries] == [3]
        assert [entry.seq for entry in await journal.page("a", 3, 9)] == [2]
        assert [entry.seq for entry in await journal.page("a", 9, 1)] == [3]
        appended = await journal.append(lease, 41.0, (await journal.read("a", 0)).wakes, facts=[answer(3)])
        assert [entry.seq for entry in appended.entries] == [4]
        row = await journal.conversation("a")
        assert row
        assert (row.title, row.last_seq) == ("message 2", 4)

    async def test_forgotten_twice_the_answers_are_still_counted(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        await journal.append(lease, 20.0, 1, facts=[AssistantMessage(n=7, seen=1, text="Yes.")])
        await journal.forget("a", 30.0)
        await ingest(journal, "a", message="2")
        assert await journal.forget("a", 50.0) == Erased(2)
        (line,) = (await journal.read("a", 0)).entries
        assert (line.seq, line.body) == (5, Forgotten(n=7))
        for message in ("1", "2"):
            assert not (await journal.ingest([arrival(message=message)]))[0].new

    async def test_its_timers_and_what_may_be_of_its_chat_and_could_not_be_read_are_gone(self, journal: Journal) -> None:
        await ingest(journal, "a", "b", address="to-a 7")
        await ingest(journal, "b")
        await journal.put_timer(Timer("x", 70.0, arrival("a", address="to-a 7")))
        await journal.put_timer(Timer("y", 70.0, arrival("b")))
        await journal.ingest([], CURSOR, unread=['{"chat": "to-a"}', '{"chat": "to-b"}'])
        await journal.forget("a", 60.0)
        assert [timer.key for timer in await journal.due_timers(1e9, 9)] == ["y"]
        assert [raw for _, _, raw in await journal.unread(9)] == ['{"chat": "to-b"}']

    async def test_its_files_are_named(self, journal: Journal) -> None:
        body = UserMessage(author="ann", id="1", text="look", attachments=(Attachment(id="1/0", name="a.txt", source="cd" * 32),))
        await ingest(journal, "a", body=body)
        (lease,) = await claim(journal)
        await journal.append(lease, 20.0, 1, facts=[Fetched(attachment="1/0", sha256=SHA256)])
        assert await journal.forget("a", 30.0) == Erased(2, (SHA256, "cd" * 32))
