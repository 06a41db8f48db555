"""A journal in memory, for simulations: the rules of `ports.Journal` in their plainest form, inline and without threads.

The `MemoryDisk` outlives the journal as a disk outlives a process: `crash` the one, and open another on the same disk.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import TypeVar

from holdfast import failpoints
from holdfast.core.entries import (
    AssistantMessage,
    Entry,
    Fact,
    Intention,
    Question,
    Sampled,
    ToolResult,
    UserMessage,
    ends_an_attempt,
)
from holdfast.core.lives import Life
from holdfast.core.text import well_formed
from holdfast.errors import Config, JournalFailed, LeaseLost
from holdfast.ports import (
    ALL,
    COUNTED_MAX,
    LIVES_MAX,
    UNREAD_CHARS_MAX,
    UNREAD_MAX,
    Accepted,
    Appended,
    Arrival,
    ConversationRow,
    Counts,
    Cursor,
    Erased,
    Found,
    GateRow,
    Held,
    Lease,
    Move,
    Person,
    Release,
    Room,
    Snapshot,
    Timer,
    ToolList,
    Used,
)
from holdfast.testing.memory_disk import Conversation as Conversation  # noqa: PLC0414 - who looks into this journal gets its rows
from holdfast.testing.memory_disk import MemoryDisk as MemoryDisk  # noqa: PLC0414 - what this journal is opened on

R = TypeVar("R")


class MemoryJournal:
    """`ports.Journal`. Between being called and doing it, and between that and returning, others may run: as with a disk."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = disk or MemoryDisk()
        self._owners: set[str] = set()
        self._failure: JournalFailed | None = None
        self._failed = asyncio.Event()

    # --- from outside ---------------------------------------------------------------------------------------------------------------

    async def ingest(
        self, arrivals: Sequence[Arrival], cursor: Cursor | None = None, moves: Sequence[Move] = (), unread: Sequence[str] = ()
    ) -> tuple[Accepted, ...]:
        await self._begin()
        known = self.disk.cursors.get(cursor.account) if cursor else None
        if cursor and known and known.identity != cursor.identity:
            raise Config(
                f"The account {cursor.account!r} is now {cursor.identity!r}, but its conversations are those of {known.identity!r}."
            )
        assert cursor or not unread, "what could not be read is an account's"
        failpoints.failpoint("ingest.before_commit")
        if cursor:
            self.disk.cursors[cursor.account] = cursor
            self.disk.unread += [(cursor.account, time.time(), well_formed(raw[:UNREAD_CHARS_MAX])) for raw in unread]
            del self.disk.unread[:-UNREAD_MAX]
        for move in moves:
            self._move(move)
        accepted = tuple(self._accept(arrival) for arrival in arrivals)
        return await self._committed(accepted, "ingest.after_commit")

    def _move(self, move: Move) -> None:
        for row in self.disk.conversations.values():
            if row.account == move.account and f"{row.address} ".startswith(f"{move.chat} "):
                address = move.to + row.address.removeprefix(move.chat)
                if self._at(move.account, address) is None:
                    row.address = address

    def _at(self, account: str, address: str) -> Conversation | None:
        return next((row for row in self.disk.conversations.values() if (row.account, row.address) == (account, address)), None)

    def _accept(self, arrival: Arrival) -> Accepted:
        known = self.disk.arrivals.get(arrival.dedupe) or self.disk.forgotten.get(arrival.dedupe)
        if known:
            return Accepted(*known, new=False)
        if arrival.only_after:
            if arrival.only_after not in self.disk.arrivals:
                return Accepted(arrival.conversation, 0, new=False)
            row = self.disk.conversations[self.disk.arrivals[arrival.only_after][0]]
        else:
            begun = Conversation(arrival.conversation, arrival.account, arrival.address)
            row = self._at(arrival.account, arrival.address) or self.disk.conversations.setdefault(arrival.conversation, begun)
        seq = row.add(arrival.body, arrival.at, epoch=0).seq
        self.disk.arrivals[arrival.dedupe] = (row.key, seq)
        row.wakes += 1
        row.due = arrival.at if row.due is None else min(row.due, arrival.at)
        row.owes_since = arrival.at if row.owes_since is None else row.owes_since
        return Accepted(row.key, seq, new=True)

    async def adopt(self, conversation: str, account: str, address: str, entries: Sequence[Entry]) -> bool:
        await self._begin()
        if conversation in self.disk.conversations or self._at(account, address):
            return await self._committed(False)
        failpoints.failpoint("ingest.before_commit")
        row = Conversation(conversation, account, address, epoch=max(entry.epoch for entry in entries), forgotten=entries[0].seq - 1)
        for entry in entries:
            row.add(entry.body, entry.at, entry.epoch)
        self.disk.conversations[conversation] = row
        return await self._committed(True, "ingest.after_commit")

    async def cursor(self, account: str) -> Cursor | None:
        await self._begin()
        return self.disk.cursors.get(account)

    # --- claims ---------------------------------------------------------------------------------------------------------------------

    async def claim(self, owner: str, now: float, accounts: Sequence[str], admits: Mapping[str, int], most: int) -> tuple[Lease, ...]:
        await self._begin()
        self._owners.add(owner)
        places = dict(admits)
        taken: dict[str, str] = {}
        suspect_runs = self._suspect_runs()
        for row, gates in [*self._due_ones(now), *self._those_at_gates()]:
            through = next((gate for gate in gates if places.get(gate, 0) > 0), "")
            refused = (row.attempts >= 2 and suspect_runs) or (gates and not through)
            if len(taken) == most or row.account not in accounts or row.key in taken or refused:
                continue
            if through:
                places[through] -= 1
            taken[row.key] = through
            suspect_runs = suspect_runs or row.attempts >= 2
        leases = tuple(self._take(owner, self.disk.conversations[key], through) for key, through in taken.items())
        return await self._committed(leases, *(["claim.after_commit"] if leases else []))

    def _free(self) -> Iterator[Conversation]:
        return (row for row in self.disk.conversations.values() if row.owner is None)

    def _suspect_runs(self) -> bool:
        return any(row.owner is not None and row.attempts >= 3 for row in self.disk.conversations.values())

    def _due_ones(self, now: float) -> Iterator[tuple[Conversation, tuple[str, ...]]]:
        due = sorted((row.due, row.key) for row in self._free() if row.due is not None and row.due <= now)
        return ((self.disk.conversations[key], ()) for _, key in due)

    def _those_at_gates(self) -> Iterator[tuple[Conversation, tuple[str, ...]]]:
        for row in sorted(self._free(), key=lambda row: (row.since, row.key)):
            for gates in sorted(gate.split(" ") for gate in (row.turn_gate, row.speech_gate) if gate):
                yield row, tuple(gates)

    def _take(self, owner: str, row: Conversation, through: str) -> Lease:
        row.owner, row.epoch, row.attempts = owner, row.epoch + 1, row.attempts + 1
        return Lease(row.key, row.account, row.address, owner, row.epoch, row.attempts, row.floor, through)

    async def next_due(self, accounts: Sequence[str]) -> float | None:
        await self._begin()
        suspect_runs = self._suspect_runs()
        rows = [row.due for row in self._free() if row.account in accounts and not (suspect_runs and row.attempts >= 2)]
        return min((at for at in [*rows, *(timer.at for timer in self.disk.timers.values())] if at is not None), default=None)

    async def waiting_gates(self) -> tuple[str, ...]:
        await self._begin()
        return tuple(sorted({gate for row in self._free() for gate in (row.turn_gate, row.speech_gate) if gate}))

    async def disown(self, now: float, most: int) -> int:
        await self._begin()
        gone = [row for row in self.disk.conversations.values() if row.owner is not None and row.owner not in self._owners]
        batch = sorted(gone, key=lambda row: (row.owner, row.key))[:most]
        for row in batch:
            row.owner = None
            row.due = now if row.due is None else min(row.due, now)
        return await self._committed(len(batch))

    async def hasten(self, now: float) -> None:
        await self._begin()
        for row in self._free():
            if row.due is not None and row.due > now:
                row.due = now
        await self._committed(None)

    async def forgive(self, owner: str) -> None:
        await self._begin()
        for row in self.disk.conversations.values():
            if row.owner == owner:
                row.attempts = 0
        await self._committed(None)

    # --- what a worker does ---------------------------------------------------------------------------------------------------------

    async def read(self, conversation: str, after: int, most: int = ALL) -> Snapshot:
        await self._begin()
        row = self.disk.conversations.get(conversation)
        return Snapshot(tuple(row.entries[max(after - row.forgotten, 0) :][:most]), row.wakes) if row else Snapshot((), 0)

    async def page(self, conversation: str, before: int, most: int) -> tuple[Entry, ...]:
        await self._begin()
        row = self.disk.conversations.get(conversation)
        return tuple(row.entries[: max(before - row.forgotten - 1, 0)][-most:]) if row else ()

    async def append(
        self,
        lease: Lease,
        now: float,
        wakes: int,
        facts: Sequence[Fact | Question] = (),
        intentions: Sequence[Intention] = (),
        release: Release | None = None,
    ) -> Appended:
        await self._begin()
        row = self.disk.conversations.get(lease.conversation)
        if row is None or (row.owner, row.epoch) != (lease.owner, lease.epoch):
            raise LeaseLost(f"The worker of epoch {lease.epoch} has lost the conversation {lease.conversation!r}.")
        failpoints.failpoint("append.before_commit")
        fresh = row.wakes == wakes
        entries = tuple(row.add(body, now, row.epoch) for body in ([*facts, *intentions] if fresh else facts))
        if any(ends_an_attempt(entry.body) for entry in entries):
            row.attempts = 1
        released = fresh and release is not None
        if fresh and release:
            self._release(row, now, release)
        appended = Appended(entries, row.wakes, intended=fresh, released=released)
        return await self._committed(appended, "append.after_commit", *(["release.after_commit"] if released else []))

    def _release(self, row: Conversation, now: float, release: Release) -> None:
        row.owner, row.since = None, now
        if not release.failed:
            row.attempts = 0 if release.rests else max(row.attempts - 1, 0)
        row.due, row.turn_gate, row.speech_gate, row.floor = release.due, release.turn_gate, release.speech_gate, release.floor
        row.asks = release.asks
        if row.due is None and not (row.turn_gate or row.speech_gate or row.asks):
            row.owes_since = None

    # --- timers ---------------------------------------------------------------------------------------------------------------------

    async def put_timer(self, timer: Timer) -> None:
        await self._begin()
        self.disk.timers[timer.key] = replace(timer, arrival=replace(timer.arrival, dedupe="", only_after="", at=timer.at))
        await self._committed(None)

    async def due_timers(self, now: float, most: int) -> tuple[Timer, ...]:
        await self._begin()
        due = [timer for timer in self.disk.timers.values() if timer.at <= now]
        return tuple(sorted(due, key=lambda timer: (timer.at, timer.key))[:most])

    async def timers(self, conversation: str) -> tuple[Timer, ...]:
        await self._begin()
        found = [timer for timer in self.disk.timers.values() if timer.arrival.conversation == conversation]
        return tuple(sorted(found, key=lambda timer: timer.at))

    async def drop_timer(self, key: str) -> bool:
        await self._begin()
        return self.disk.timers.pop(key, None) is not None

    async def fire(self, timer: Timer, next_at: float | None) -> Accepted | None:
        await self._begin()
        known = self.disk.timers.get(timer.key)
        if known is None or known.at != timer.at:
            return None
        failpoints.failpoint("ingest.before_commit")
        del self.disk.timers[timer.key]
        if next_at is not None:
            self.disk.timers[timer.key] = replace(known, at=next_at, arrival=replace(known.arrival, at=next_at))
        return await self._committed(self._accept(timer.occurrence), "ingest.after_commit")

    # --- rows -----------------------------------------------------------------------------------------------------------------------

    async def gates(self) -> tuple[GateRow, ...]:
        await self._begin()
        return tuple(self.disk.gates[name] for name in sorted(self.disk.gates))

    async def put_gate(self, row: GateRow) -> None:
        await self._begin()
        self.disk.gates[row.name] = row
        await self._committed(None)

    async def tool_lists(self) -> tuple[ToolList, ...]:
        await self._begin()
        return tuple(self.disk.tool_lists[server] for server in sorted(self.disk.tool_lists))

    async def put_tool_list(self, tool_list: ToolList) -> None:
        await self._begin()
        self.disk.tool_lists[tool_list.server] = tool_list
        await self._committed(None)

    async def people(self) -> tuple[Person, ...]:
        await self._begin()
        return tuple(person for _, person in sorted(self.disk.people.items()))

    async def put_person(self, person: Person) -> None:
        await self._begin()
        self.disk.people[person.account, person.id] = person
        await self._committed(None)

    async def drop_person(self, account: str, id: str) -> bool:  # noqa: A002 the platform's word
        await self._begin()
        return await self._committed(self.disk.people.pop((account, id), None) is not None)

    async def unread(self, most: int) -> tuple[tuple[str, float, str], ...]:
        await self._begin()
        return tuple(self.disk.unread[::-1][:most])

    async def forget(self, conversation: str, now: float) -> Erased | None:
        await self._begin()
        return await self._committed(self.disk.forget(conversation, now))

    async def addresses(self, account: str, most: int) -> tuple[str, ...]:
        await self._begin()
        rows = sorted(
            (one.row for one in self.disk.conversations.values() if one.account == account), key=lambda row: (-row.last_at, row.key)
        )
        return tuple(row.address for row in rows[:most])

    async def lives(self, most: int) -> tuple[Life, ...]:
        await self._begin()
        return tuple(sorted(self.disk.lives.values(), key=lambda life: -life.began)[:most])

    async def put_life(self, life: Life) -> None:
        await self._begin()
        self.disk.lives[life.began] = life
        for began in sorted(self.disk.lives)[:-LIVES_MAX]:
            del self.disk.lives[began]

    async def held(self) -> tuple[Held, ...]:
        await self._begin()
        unread = Counter(account for account, *_ in self.disk.unread)
        unsaid = Counter(row.account for row in self.disk.conversations.values() if row.owner is None and row.speech_gate)
        return tuple(Held(account, unsaid[account], unread[account]) for account in sorted(unread.keys() | unsaid.keys()))

    async def conversation(self, key: str) -> ConversationRow | None:
        await self._begin()
        row = self.disk.conversations.get(key)
        return row.row if row else None

    async def conversations(self, most: int, before: ConversationRow | None = None) -> tuple[ConversationRow, ...]:
        await self._begin()
        rows = sorted((conversation.row for conversation in self.disk.conversations.values()), key=_place, reverse=True)
        return tuple([row for row in rows if before is None or _place(row) < _place(before)][:most])

    async def search(self, text: str, most: int) -> tuple[Found, ...]:
        found = []
        for row in await self.conversations(ALL):
            said = [
                (e.seq, e.body.text) for e in self.disk.conversations[row.key].entries if isinstance(e.body, UserMessage | AssistantMessage)
            ]
            hits = [(seq, words) for seq, words in said if text.casefold() in words.casefold()]
            if hits:
                found.append(Found(row, *hits[-1]))
            elif text.casefold() in row.title.casefold():
                found.append(Found(row, 0, row.title))
        return tuple(found[:most])

    async def owing(self, most: int) -> tuple[ConversationRow, ...]:
        await self._begin()
        owing = sorted((row.owes_since, row.key) for row in self.disk.conversations.values() if row.owes_since is not None)
        return tuple(self.disk.conversations[key].row for _, key in owing[:most])

    async def counts(self, now: float, accounts: Sequence[str] | None = None) -> Counts:
        rows = await self.owing(COUNTED_MAX)
        free = [row for row in rows if not row.running]
        ours = [row for row in free if accounts is None or row.account in accounts]
        due = [row for row in ours if row.due is not None and row.due <= now]
        asking = [row for row in ours if row.asks and row not in due]
        return Counts(len(rows) - len(free), len(due), len(free) - len(due) - len(asking), len(asking))

    async def room(self) -> Room:
        await self._begin()
        written = max((entry.at for row in self.disk.conversations.values() for entry in row.entries), default=0.0)
        return Room(size=len(self.disk.arrivals), free=ALL, written=written)

    async def used(self, since: float, before: float = inf) -> tuple[Used, ...]:
        groups = defaultdict[tuple[str, str, str], list[AssistantMessage | Sampled]](list)
        for row in self.disk.conversations.values():
            for entry in row.entries:
                body = entry.body
                for one in body.sampled if isinstance(body, ToolResult) else (body,):
                    if isinstance(one, AssistantMessage | Sampled) and since <= entry.at < before:
                        author = one.author if isinstance(one, AssistantMessage) else ""
                        groups[one.route, row.account, author].append(one)
        return tuple(
            Used(*group, len(answers), sum(a.usage.input_tokens for a in answers), sum(a.usage.output_tokens for a in answers))
            for group, answers in sorted(groups.items())
        )

    # --- the end --------------------------------------------------------------------------------------------------------------------

    def crash(self, why: str = "The process was killed.") -> None:
        """From now on nothing reaches the disk, and every call fails."""
        self._failure = JournalFailed(why)
        self._failed.set()

    async def wait_failed(self) -> JournalFailed:
        await self._failed.wait()
        assert self._failure is not None
        return self._failure

    async def close(self) -> None:
        self._failure = self._failure or JournalFailed("The journal is closed, since Holdfast is ending.")

    async def _begin(self) -> None:
        """Others run between a call and its transaction."""
        await asyncio.sleep(0)
        self._check()

    async def _committed(self, result: R, *points: str) -> R:
        """Others run between a commit and its caller, who may not live to see it."""
        for point in points:
            failpoints.failpoint(point)
        await asyncio.sleep(0)
        self._check()
        return result

    def _check(self) -> None:
        if self._failure:
            raise JournalFailed(*self._failure.args)


def _place(row: ConversationRow) -> tuple[float, str]:
    return row.last_at, row.key
