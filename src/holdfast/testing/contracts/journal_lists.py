"""What every `ports.Journal` promises to those who look: titles, pages, and what is found."""

from __future__ import annotations

import pytest

from holdfast.core.entries import AssistantMessage, Command, Failed, Note, Notice, Sampled, ToolResult, Usage, UserMessage
from holdfast.ports import ALL, Journal, Used
from holdfast.testing.contracts.journal_kit import Rig, arrival, claim_one, ingest


def message(text: str) -> UserMessage:
    return UserMessage(author="ann", id="1", text=text)


def used(route: str, answers: int, input_tokens: int, output_tokens: int) -> Used:
    return Used(route, "web", "", answers, input_tokens, output_tokens)


class JournalListsContract:
    """Lists, pages and search."""

    @pytest.fixture
    def journal(self, rig: Rig) -> Journal:
        return rig.journal

    async def title(self, journal: Journal) -> str:
        row = await journal.conversation("a")
        assert row
        assert row == (await journal.conversations(1))[0]
        return row.title

    async def test_a_conversation_is_called_by_how_it_began_until_it_is_given_a_title(self, journal: Journal) -> None:
        await journal.ingest([arrival(message="0", body=Command(author="ann", id="0", name="help"))])
        assert await self.title(journal) == ""
        await journal.ingest(
            [arrival(message="1", body=message("Why is\nthe sea salt?")), arrival(message="2", body=message("And why not?"))]
        )
        assert await self.title(journal) == "Why is the sea salt?"
        for number, args in ((3, "Salt"), (4, "  Sea\nsalt  ")):
            await journal.ingest([arrival(message=str(number), body=Command(author="ann", id=str(number), name="title", args=args))])
        assert await self.title(journal) == "Sea salt"

    async def test_a_conversation_that_began_with_a_note_to_the_owner_is_not_called_by_what_is_said_there(self, journal: Journal) -> None:
        await journal.ingest([arrival(message="0", body=Note(text="main is away.")), arrival(message="1", body=message("Why?"))])
        assert await self.title(journal) == ""
        await journal.ingest([arrival(message="2", body=Command(author="ann", id="2", name="title", args="Notes"))])
        assert await self.title(journal) == "Notes"

    async def test_a_long_title_is_cut(self, journal: Journal) -> None:
        await journal.ingest([arrival(body=message("so " * 100))])
        assert len(await self.title(journal)) == 80

    async def test_a_page_holds_the_last_entries_before_a_seq_in_order(self, journal: Journal) -> None:
        for number in range(1, 6):
            await ingest(journal, "a", message=str(number))
        await ingest(journal, "b")
        assert [entry.seq for entry in await journal.page("a", ALL, 2)] == [4, 5]
        assert [entry.seq for entry in await journal.page("a", 4, 2)] == [2, 3]
        assert [entry.seq for entry in await journal.page("a", 2, 9)] == [1]
        assert await journal.page("a", 1, 9) == ()
        assert await journal.page("none", ALL, 9) == ()

    async def test_as_many_entries_are_read_as_are_asked_for(self, journal: Journal) -> None:
        for number in range(1, 6):
            await ingest(journal, "a", message=str(number))
        assert [entry.seq for entry in (await journal.read("a", 1, 2)).entries] == [2, 3]
        assert (await journal.read("a", 1, 2)).wakes == 5

    async def test_what_was_said_is_found_and_the_newest_of_it_shown(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        await journal.append(lease, 20.0, 1, facts=[AssistantMessage(n=1, seen=1, text="The SEA is wide, and the sea is salt.")])
        await journal.ingest([arrival("b", body=message("I like the sea."), at=30.0), arrival("c", body=message("Mountains?"), at=40.0)])
        found = await journal.search("sea", 9)
        assert [(one.row.key, one.seq) for one in found] == [("b", 1), ("a", 2)]
        assert all("sea" in one.excerpt.lower() for one in found)
        assert [one.row.key for one in await journal.search("sea", 1)] == ["b"]

    async def test_titles_are_found_and_the_gateways_own_words_are_not(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        await journal.append(lease, 20.0, 1, intentions=[Notice(text="Stopped.")])
        assert await journal.search("stopped", 9) == ()
        await journal.ingest([arrival(message="9", body=Command(author="ann", id="9", name="title", args="Lighthouse"))])
        assert [(one.row.key, one.seq, one.excerpt) for one in await journal.search("lightH", 9)] == [("a", 0, "Lighthouse")]

    @pytest.mark.parametrize("text", ["100 %", "a_b", "a\\b", 'say "hi"', "two\nlines"])
    async def test_signs_mean_themselves(self, journal: Journal, text: str) -> None:
        await journal.ingest([arrival("a", body=message("nothing here")), arrival("b", body=message(f"It is {text} so"))])
        assert [one.row.key for one in await journal.search(text, 9)] == ["b"]

    @pytest.mark.parametrize("text", ["ähre", "Ähre", "海", "привет", "ПРИВЕТ"])
    async def test_letters_of_any_script_are_found(self, journal: Journal, text: str) -> None:
        await journal.ingest([arrival("a", body=message(f"Hier: {text}!"))])
        assert len(await journal.search(text, 9)) == 1

    async def test_of_each_route_it_is_told_how_often_it_answered_since_then_and_with_how_many_tokens(self, journal: Journal) -> None:
        assert await journal.used(0.0) == ()
        told = (("a", 20.0, "main", 1000), ("a", 30.0, "spare", 200), ("a", 40.0, "main", 10), ("b", 50.0, "main", 5))
        leases = {name: await claim_one(journal, name) for name in "ab"}
        for n, (name, at, route, tokens) in enumerate(told, 1):
            usage = Usage(input_tokens=tokens, output_tokens=1)
            await journal.append(leases[name], at, 1, facts=[AssistantMessage(n=n, seen=1, text="Yes.", route=route, usage=usage)])
        assert await journal.used(0.0) == (used("main", 3, 1015, 3), used("spare", 1, 200, 1))
        assert await journal.used(30.0) == (used("main", 2, 15, 2), used("spare", 1, 200, 1)), "since that instant, it included"
        assert await journal.used(45.0) == (used("main", 1, 5, 1),)
        assert await journal.used(50.5) == ()

    async def test_what_tools_asked_the_model_in_the_middle_of_their_calls_was_asked_of_its_routes_too(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        sampled = (Sampled(route="main", usage=Usage(input_tokens=70, output_tokens=3)), Sampled(route="spare"))
        facts = (
            AssistantMessage(n=1, seen=1, route="main", usage=Usage(input_tokens=10)),
            ToolResult(call="c1", outcome="ok", sampled=sampled),
        )
        await journal.append(lease, 20.0, 1, facts=[*facts, ToolResult(call="c2", outcome="ok", text='"sampled"')])
        assert await journal.used(0.0) == (used("main", 2, 80, 3), used("spare", 1, 0, 0))

    async def test_a_reminder_that_is_late_lets_nothing_be_forgotten_that_was_used_since_its_time(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        await journal.append(lease, 30.0, 1, facts=[AssistantMessage(n=1, seen=1, text="Yes.", route="main")])
        await journal.ingest([arrival(message="late", at=12.0)])
        assert await journal.used(15.0) == (used("main", 1, 0, 0),)
        row = await journal.conversation("a")
        assert row
        assert row.last_at == 30.0

    async def test_an_answer_whose_tokens_nobody_counted_counts_and_a_failed_call_does_not(self, journal: Journal) -> None:
        lease = await claim_one(journal)
        facts = (AssistantMessage(n=1, seen=1, text="Yes.", route="main"), Failed(failure="overflow", route="spare"))
        await journal.append(lease, 20.0, 1, facts=facts)
        assert await journal.used(0.0) == (used("main", 1, 0, 0),)

    async def test_what_was_used_is_told_for_each_person_of_each_account(self, journal: Journal) -> None:
        await journal.ingest([arrival("a"), arrival("b"), arrival("c", account="chat")])
        for lease in await journal.claim("us", 20.0, ("web", "chat"), {}, 9):
            facts = [AssistantMessage(n=n, seen=1, route="main", author=author) for n, author in enumerate(("ann", "bob"), 1)]
            await journal.append(lease, 20.0, 1, facts=facts)
        expected = (("chat", "ann", 1), ("chat", "bob", 1), ("web", "ann", 2), ("web", "bob", 2))
        assert await journal.used(0.0) == tuple(Used("main", *group) for group in expected)
