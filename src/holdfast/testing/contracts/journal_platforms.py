"""What every `ports.Journal` promises to platforms: addresses that find their conversations, chats that move, people, and what could not be read."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from holdfast.core.entries import Correction, UserMessage
from holdfast.core.lives import Life
from holdfast.errors import Config
from holdfast.ports import LIVES_MAX, UNREAD_CHARS_MAX, UNREAD_MAX, Accepted, Cursor, Held, Journal, Move, Person, Timer
from holdfast.testing.contracts.journal_kit import NEVER_MANY, Rig, arrival, claim, let_go

CURSOR = Cursor("web", "bot-7", "100")


async def addresses(journal: Journal) -> dict[str, str]:
    """Where each conversation is now; all of them have something new."""
    return {lease.conversation: lease.address for lease in await journal.claim("us", 1e9, ("web", "chat"), {}, NEVER_MANY)}


class JournalPlatformsContract:
    """A conversation is found by its address, which may change; its key never does."""

    @pytest.fixture
    def journal(self, rig: Rig) -> Journal:
        return rig.journal

    async def test_what_comes_from_an_address_goes_to_the_conversation_that_has_it(self, rig: Rig) -> None:
        done = await rig.journal.ingest([arrival("a"), arrival("b", "2", address="to-a"), arrival("b", "3", address="to-a")])
        assert done == (Accepted("a", 1, new=True), Accepted("a", 2, new=True), Accepted("a", 3, new=True))
        journal = await rig.restart()
        assert await journal.ingest([arrival("b", "2", address="to-a")]) == (Accepted("a", 2, new=False),)
        assert [entry.seq for entry in (await journal.read("a", 0)).entries] == [1, 2, 3]
        assert await journal.conversation("b") is None
        assert await addresses(journal) == {"a": "to-a"}

    async def test_an_address_of_another_account_is_another_one(self, journal: Journal) -> None:
        await journal.ingest([arrival("a"), arrival("b", account="chat", address="to-a")])
        assert (await journal.read("b", 0)).entries

    async def test_who_has_the_address_gets_it_even_if_another_one_has_the_key(self, journal: Journal) -> None:
        await journal.ingest([arrival("a"), arrival("b")])
        assert await journal.ingest([arrival("b", "2", address="to-a")]) == (Accepted("a", 2, new=True),)
        assert await addresses(journal) == {"a": "to-a", "b": "to-b"}

    async def test_a_timer_fires_into_the_conversation_that_has_its_address(self, journal: Journal) -> None:
        timer = Timer("standup", 30.0, arrival("b", address="to-a"))
        await journal.ingest([arrival("a")])
        await journal.put_timer(timer)
        assert await journal.fire(timer, None) == Accepted("a", 2, new=True)

    async def test_what_corrects_is_kept_only_after_what_it_corrects(self, rig: Rig) -> None:
        body = Correction(author="ann", id="1.2", of="1", text="message one")
        edit = arrival(message="1 edit", body=body, only_after="web a 1")
        assert await rig.journal.ingest([edit], CURSOR) == (Accepted("a", 0, new=False),)
        assert await rig.journal.conversation("a") is None
        assert await rig.journal.cursor("web") == CURSOR
        await rig.journal.ingest([arrival(message="1")])
        journal = await rig.restart()
        assert await journal.ingest([edit]) == (Accepted("a", 2, new=True),)
        assert await journal.ingest([edit]) == (Accepted("a", 2, new=False),)
        assert [entry.body for entry in (await journal.read("a", 1)).entries] == [body]

    async def test_what_corrects_may_come_with_what_it_corrects(self, journal: Journal) -> None:
        done = await journal.ingest([arrival(), arrival(message="1 edit", only_after="web a 1")])
        assert done == (Accepted("a", 1, new=True), Accepted("a", 2, new=True))

    async def test_what_corrects_goes_where_that_is(self, journal: Journal) -> None:
        """Who deletes a message of a thread may not be told by the platform which thread that was."""
        await journal.ingest([arrival(message="1"), arrival("b", "2")])
        done = await journal.ingest([arrival("b", "1 delete", only_after="web a 1")])
        assert done == (Accepted("a", 2, new=True),)

    async def test_what_is_dropped_wakes_nobody(self, journal: Journal) -> None:
        await journal.ingest([arrival()])
        before = await journal.read("a", 0)
        assert await journal.ingest([arrival(message="9 edit", only_after="web a 9")]) == (Accepted("a", 0, new=False),)
        assert await journal.read("a", 0) == before

    async def test_a_chat_that_moves_takes_its_conversations_with_it(self, rig: Rig) -> None:
        places = {"a": "-5", "b": "-5 7", "c": "-5  ann", "d": "-55", "e": "-5!", "f": "-4 -5", "g": "-"}
        await rig.journal.ingest([arrival(key, address=address) for key, address in places.items()])
        await rig.journal.ingest([arrival("h", account="chat", address="-5 7")])
        done = await rig.journal.ingest([arrival("new", "2", address="-100 7")], CURSOR, [Move("web", "-5", "-100")])
        assert done == (Accepted("b", 2, new=True),), "the move comes first"
        journal = await rig.restart()
        assert await journal.conversation("new") is None
        assert await addresses(journal) == places | {"a": "-100", "b": "-100 7", "c": "-100  ann", "h": "-5 7"}

    async def test_after_a_move_both_its_ends_are_the_same_conversation(self, journal: Journal) -> None:
        await journal.ingest([arrival("-5", address="-5")])
        await journal.ingest([], moves=[Move("web", "-5", "-100")])
        done = await journal.ingest([arrival("-100", address="-100"), arrival("-5", "2", address="-5")])
        assert done == (Accepted("-5", 2, new=True), Accepted("-5", 3, new=True))
        assert await addresses(journal) == {"-5": "-100"}

    async def test_a_move_that_comes_again_or_is_of_no_chat_changes_nothing(self, journal: Journal) -> None:
        await journal.ingest([arrival("a", address="-5")])
        for move in (Move("web", "-5", "-5"), Move("web", "-5", "-100"), Move("web", "-5", "-100"), Move("web", "-9", "-5")):
            await journal.ingest([], moves=[move])
        assert await addresses(journal) == {"a": "-100"}

    async def test_moves_are_made_one_after_the_other(self, journal: Journal) -> None:
        await journal.ingest([arrival("a", address="-5 7")])
        await journal.ingest([], moves=[Move("web", "-5", "-6"), Move("web", "-6", "-100")])
        assert await addresses(journal) == {"a": "-100 7"}

    async def test_a_conversation_whose_new_address_is_anothers_already_stays(self, journal: Journal) -> None:
        await journal.ingest([arrival("a", address="-5"), arrival("b", address="-5 7"), arrival("c", address="-100")])
        assert await journal.ingest([arrival("a", "2", address="-100")], moves=[Move("web", "-5", "-100")]) == (Accepted("c", 2, new=True),)
        assert await addresses(journal) == {"a": "-5", "b": "-100 7", "c": "-100"}

    async def test_a_lease_outlives_a_move_of_its_conversation(self, journal: Journal) -> None:
        await journal.ingest([arrival("a", address="-5")])
        (lease,) = await claim(journal)
        await journal.ingest([], moves=[Move("web", "-5", "-100")])
        assert (await journal.append(lease, 51.0, 1)).intended

    async def test_a_cursor_of_another_identity_moves_nothing_and_keeps_nothing_of_what_could_not_be_read(self, journal: Journal) -> None:
        await journal.ingest([arrival("a", address="-5")], CURSOR)
        with pytest.raises(Config, match="bot-8"):
            await journal.ingest([], Cursor("web", "bot-8", "1"), [Move("web", "-5", "-100")], ["{"])
        assert await addresses(journal) == {"a": "-5"}
        assert await journal.unread(9) == ()

    async def test_what_could_not_be_read_is_kept_with_its_account_and_its_time(self, rig: Rig) -> None:
        began = time.time()
        await rig.journal.ingest([], CURSOR, unread=["one", "two"])
        await rig.journal.ingest([], Cursor("chat", "bot-1", "5"), unread=["three"])
        journal = await rig.restart()
        assert [(account, raw) for account, _, raw in await journal.unread(9)] == [("chat", "three"), ("web", "two"), ("web", "one")]
        assert [raw for *_, raw in await journal.unread(2)] == ["three", "two"]
        assert all(began - 1 <= at <= time.time() + 1 for _, at, _ in await journal.unread(9))
        assert await journal.cursor("web") == CURSOR

    async def test_what_could_not_be_read_is_cut_and_the_newest_kept(self, journal: Journal) -> None:
        await journal.ingest([], CURSOR, unread=[str(n) for n in range(UNREAD_MAX)])
        await journal.ingest([], CURSOR, unread=["\ud800" * UNREAD_CHARS_MAX + "!", "last"])
        kept = [raw for *_, raw in await journal.unread(UNREAD_MAX + 9)]
        assert len(kept) == UNREAD_MAX
        assert kept[:3] == ["last", "?" * UNREAD_CHARS_MAX, str(UNREAD_MAX - 1)]
        assert kept[-1] == "2"

    async def test_what_is_held_back_is_counted_for_each_account(self, journal: Journal) -> None:
        await journal.ingest([arrival("a"), arrival("b"), arrival("c"), arrival("e", account="chat")], CURSOR, unread=["one", "two"])
        assert await journal.held() == (Held("web", 0, 2),)
        for lease in await journal.claim("us", 1e9, ("web", "chat"), {}, NEVER_MANY):
            await let_go(journal, lease, speech_gate="" if lease.conversation == "c" else f"account:{lease.account}")
        assert await journal.held() == (Held("chat", 1, 0), Held("web", 2, 2))

    async def test_the_addresses_of_an_account_are_those_of_its_conversations_the_newest_first(self, journal: Journal) -> None:
        for at, (key, account) in enumerate([("a", "web"), ("b", "chat"), ("c", "web"), ("d", "web"), ("a", "web")]):
            body = UserMessage(author="ann", id=str(at), text="Hello")
            await journal.ingest([replace(arrival(key, account=account, address=f"at {key}", dedupe=f"m{at}", body=body), at=float(at))])
        assert await journal.addresses("web", 9) == ("at a", "at d", "at c")
        assert await journal.addresses("web", 2) == ("at a", "at d")
        assert await journal.addresses("none", 9) == ()

    async def test_lives_are_kept_by_their_beginnings_the_newest_first(self, rig: Rig) -> None:
        for began in range(LIVES_MAX + 5):
            await rig.journal.put_life(Life(float(began), float(began)))
        await rig.journal.put_life(Life(50.0, 90.0, ended=True, safe=True))
        journal = await rig.restart()
        assert await journal.lives(2) == (Life(104.0, 104.0), Life(103.0, 103.0))
        assert [life for life in await journal.lives(999) if life.alive != life.began] == [Life(50.0, 90.0, ended=True, safe=True)]
        assert len(await journal.lives(999)) == LIVES_MAX

    async def test_people_are_kept_by_account_and_id_and_can_be_let_go(self, rig: Rig) -> None:
        waits = Person("web", "7", "Ann", "7", code="482913", expires=3600.5)
        ann, bob, other = Person("web", "7", "Ann B.", "7", since=20.0), Person("web", "5", "Bob", "-5 3"), Person("chat", "7", "Ann", "!x")
        for person in (waits, bob, other):
            await rig.journal.put_person(person)
        journal = await rig.restart()
        assert await journal.people() == (other, bob, waits)
        await journal.put_person(ann)
        assert await journal.people() == (other, bob, ann)
        assert await journal.drop_person("web", "7")
        assert not await journal.drop_person("web", "7")
        journal = await rig.restart()
        assert await journal.people() == (other, bob)

    async def test_a_message_stays_where_it_was_kept_when_another_has_its_address(self, journal: Journal) -> None:
        body = UserMessage(author="ann", id="1", text="Hello")
        await journal.ingest([arrival("a", address="-5", dedupe="m1", body=body)])
        await journal.ingest([arrival("c", address="-6")], moves=[Move("web", "-5", "-100")])
        assert await journal.ingest([arrival("c", address="-6", dedupe="m1", body=body)]) == (Accepted("a", 1, new=False),)
