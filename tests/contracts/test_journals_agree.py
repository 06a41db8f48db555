"""The journal on SQLite answers any sequence of calls as the one in memory does, which is simple enough to be read."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.entries import Entry, SetAside
from holdfast.errors import HoldfastError
from holdfast.ports import Cursor, GateRow, Journal, Lease, Move, Person, Release, Timer
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import answer, arrival, result, sending, started
from holdfast.testing.memory_journal import MemoryJournal

Call = Callable[[Journal], Awaitable[Any]]

ACCOUNTS = ("web", "chat")
GATES = ("", "", "main", "spare", "main spare", "web")
CONVERSATIONS = "abcdef"
CHATS = ("to-a", "to-b", "to-c", "to-e", "to-g")
THREADS = ("", "", " 7", "  ann")


@dataclass
class Caller:
    """Makes up calls, of which many are about the same few things."""

    rng: random.Random
    now: float = 10.0
    life: int = 0
    leases: list[Lease] = field(default_factory=list)

    def next_call(self) -> Call:
        self.now += self.rng.choice((0.0, 1.0, 5.0))
        return self.rng.choice(
            (self.ingest, self.ingest, self.claim, self.claim, self.append, self.append, self.append, self.timer, self.other)
        )()

    def arrival(self) -> Any:
        key = self.rng.choice(CONVERSATIONS)
        account = ACCOUNTS[key in "ef"]
        changed = {"address": f"{self.rng.choice(CHATS)}{self.rng.choice(THREADS)}"} if self.rng.random() < 0.2 else {}
        only_after = f"web {key} {self.rng.randint(1, 15)}" if self.rng.random() < 0.2 else ""
        return arrival(key, str(self.rng.randint(1, 15)), self.now, account=account, only_after=only_after, **changed)

    def ingest(self) -> Call:
        arrivals = [self.arrival() for _ in range(self.rng.randint(0, 3))]
        identity = "bot" if self.rng.random() < 0.95 else "another bot"
        cursor = self.rng.choice((None, Cursor("web", identity, str(self.now))))
        moves = [self.move() for _ in range(self.rng.choice((0, 0, 0, 1, 2)))]
        unread = [str(self.now)] if cursor and self.rng.random() < 0.2 else []
        return lambda journal: journal.ingest(arrivals, cursor, moves, unread)

    def move(self) -> Move:
        return Move(self.rng.choice(ACCOUNTS), self.rng.choice(CHATS), self.rng.choice(CHATS))

    def claim(self) -> Call:
        accounts = self.rng.choice((ACCOUNTS, ACCOUNTS, ("web",), ()))
        admits = {gate: self.rng.randint(0, 2) for gate in ("main", "spare", "web")}
        owner, now, most = f"life {self.life}", self.now, self.rng.randint(0, 4)
        return lambda journal: journal.claim(owner, now, accounts, admits, most)

    def append(self) -> Call:
        if not self.leases:
            return self.claim()
        lease, now, stale = self.rng.choice(self.leases[-6:]), self.now, self.rng.random() < 0.3
        facts = self.rng.choices((answer(), result()), k=self.rng.randint(0, 2))
        intentions = self.rng.choices(
            (started(), sending(), result("c2"), SetAside(since=1, upto=1, why="crashed")), k=self.rng.randint(0, 2)
        )
        released = Release(
            due=self.rng.choice((None, None, now + 3)),
            turn_gate=self.rng.choice(GATES),
            speech_gate=self.rng.choice(GATES),
            floor=self.rng.randint(0, 3),
            failed=self.rng.random() < 0.3,
            asks=self.rng.random() < 0.2,
        )
        release = self.rng.choice((released, None))

        async def append(journal: Journal) -> Any:
            fresh = (await journal.read(lease.conversation, 0)).wakes
            return await journal.append(lease, now, fresh - stale, facts, intentions, release)

        return append

    def timer(self) -> Call:
        timer = Timer(self.rng.choice("xy"), float(self.rng.randint(10, 60)), self.arrival())
        next_at = self.rng.choice((None, timer.at + 10))
        if self.rng.random() < 0.5:
            return lambda journal: journal.put_timer(timer)
        now = self.now

        async def fire(journal: Journal) -> Any:
            return [(due, await journal.fire(due, next_at)) for due in await journal.due_timers(now, 2)]

        return fire

    def other(self) -> Call:
        now, owner, row = self.now, f"life {self.life}", GateRow(self.rng.choice(("main", "spare")), until=self.now)
        adopted, account = self.rng.choice(CONVERSATIONS), self.rng.choice(ACCOUNTS)
        address = f"{self.rng.choice(CHATS)}{self.rng.choice(THREADS)}"
        past = [Entry(1, now - 5, 0, arrival().body), Entry(2, now, 3, answer())]
        key = self.rng.choice(CONVERSATIONS)
        person = Person(self.rng.choice(ACCOUNTS), self.rng.choice("78"), f"Ann at {now}", "to-a")
        calls: tuple[Call, ...] = (
            lambda journal: journal.adopt(adopted, account, address, past),
            lambda journal: journal.put_person(person),
            lambda journal: journal.drop_person(person.account, person.id),
            lambda journal: journal.disown(now, 2),
            lambda journal: journal.disown(now, 9),
            lambda journal: journal.forgive(owner),
            lambda journal: journal.hasten(now),
            lambda journal: journal.forget(key, now),
            lambda journal: journal.put_gate(row),
        )
        return self.rng.choice(calls)


async def outcome(call: Call, journal: Journal) -> Any:
    try:
        return await call(journal)
    except HoldfastError as error:
        return type(error)


async def everything(journal: Journal) -> list[Any]:
    """What can be seen of a journal."""
    rows = await journal.conversations(4)
    return [
        rows,
        await journal.conversations(4, before=rows[-1] if rows else None),
        [await journal.read(key, 1) for key in CONVERSATIONS],
        await journal.next_due(("web",)),
        await journal.next_due(ACCOUNTS),
        await journal.waiting_gates(),
        await journal.gates(),
        await journal.cursor("web"),
        await journal.people(),
        await journal.held(),
        [(account, raw) for account, _, raw in await journal.unread(9)],
        await journal.used(15.0),
        await journal.owing(3),
        await journal.counts(20.0),
        await journal.due_timers(1e9, 5),
    ]


@pytest.mark.parametrize("seed", range(40))
async def test_both_journals_answer_any_sequence_of_calls_alike(tmp_path: Path, seed: int) -> None:
    caller = Caller(random.Random(seed))
    memory, real = MemoryJournal(), SqliteJournal.open(tmp_path)
    for n in range(100):
        if caller.rng.random() < 0.1:
            caller.life += 1
            await real.close()
            memory, real = MemoryJournal(memory.disk), SqliteJournal.open(tmp_path)
        call = caller.next_call()
        expected = await outcome(call, memory)
        assert await outcome(call, real) == expected
        if n % 4 == 0:
            assert await everything(real) == await everything(memory)
        if isinstance(expected, tuple):
            caller.leases += [lease for lease in expected if isinstance(lease, Lease)]
    await real.close()
