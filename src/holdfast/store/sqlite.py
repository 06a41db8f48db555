"""The journal on SQLite: one file, one process, one connection that writes, in one thread.

Nothing else ever opens the files: a stray `open().close()` of the database in this process would drop SQLite's locks on it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any, Final

import apsw

from holdfast.core.entries import Entry, Fact, Intention, Question, decode, encode
from holdfast.core.lives import Life
from holdfast.errors import HoldfastError, JournalFailed, JournalFull
from holdfast.failpoints import failpoint
from holdfast.ports import (
    ALL,
    Accepted,
    Appended,
    Arrival,
    ConversationRow,
    Counts,
    Cursor,
    Erased,
    Found,
    Freed,
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
from holdfast.store import forgetting, operations, space
from holdfast.store.adoption import adopt
from holdfast.store.connections import reads, reads_what_is_left, schema, writes
from holdfast.store.failures import failed, unusable
from holdfast.store.folder import DataFolder
from holdfast.store.migrations import NEWEST
from holdfast.store.owing import counts, owing, room
from holdfast.store.search import search
from holdfast.store.writer import COMMITTED_TOGETHER_MAX, READ_TOGETHER_MAX, Breakage, Job, JobThread, anew, commit_together, read_each

CHECKPOINT_PAGES: Final = 2000
"""The write-ahead log goes into the database when it has so many pages (8 MB). Fewer: commits wait for it more often. More: a start after a
kill, which reads the log, takes longer."""

EMPTY_LOG_LOOK_S: Final = 0.05
HASTENED_TOGETHER: Final = 500
"""So few that nobody else's commit waits for long."""


class SqliteJournal:
    """`ports.Journal`. Opened before the loop serves, used from one loop."""

    def __init__(self, folder: DataFolder, writer: apsw.Connection, reads: Callable[[Path], apsw.Connection]) -> None:
        self._folder, self._reads = folder, reads
        reader = reads(folder.journal)
        self._breakage = Breakage(self._explain)
        self._log_pages = 0
        writer.set_wal_hook(self._logged)
        self._writer = JobThread("journal-writer", writer, self._commit, self._breakage, COMMITTED_TOGETHER_MAX, self._checkpoint)
        self._reader = JobThread("journal-reader", reader, read_each, self._breakage, READ_TOGETHER_MAX)
        self._searcher: JobThread | None = None  # a connection more, for those who search
        self._owners: frozenset[str] = frozenset()
        self._open = True
        self.committed: Callable[[int, float], None] = lambda _jobs, _took_s: None
        """Told, in the thread that commits, of each commit: of how many jobs, and how long it took."""

    @classmethod
    def open(cls, data_dir: Path) -> SqliteJournal:
        """Open or create the journal. Raises `AlreadyRunning`, `Config`, or `JournalFailed`, each with a sentence.

        No check of the file, also not after a kill: it would take time with every conversation ever held (a second for 300 MB), and finds what
        SQLite's own recovery of the log does not leave. A page that is damaged raises CORRUPT when it is read, and ends the process loudly.
        """
        return cls._of(DataFolder(data_dir), writes, reads)

    @classmethod
    def left(cls, data_dir: Path) -> SqliteJournal:
        """Open the journal that a gateway has left, to read it, beside others who do. One of an older version is brought up to date first. Raises as `open`."""
        if schema(data_dir) < NEWEST:
            return cls.open(data_dir)
        return cls._of(DataFolder(data_dir, reads=True), reads_what_is_left, reads_what_is_left)

    @classmethod
    def _of(cls, folder: DataFolder, writes: Callable[[Path], apsw.Connection], reads: Callable[[Path], apsw.Connection]) -> SqliteJournal:
        try:
            return cls(folder, writes(folder.journal), reads)
        except apsw.Error as error:
            if isinstance(error, apsw.FullError) and folder.drop_ballast():
                return cls._of(folder, writes, reads)
            folder.close()
            raise unusable(folder.journal, error) from error
        except HoldfastError:
            folder.close()
            raise

    # --- from outside ---------------------------------------------------------------------------------------------------------------

    async def ingest(
        self, arrivals: Sequence[Arrival], cursor: Cursor | None = None, moves: Sequence[Move] = (), unread: Sequence[str] = ()
    ) -> tuple[Accepted, ...]:
        encoded = [(arrival, encode(arrival.body)) for arrival in arrivals]
        return await self._writer.do(lambda db: operations.ingest(db, encoded, cursor, moves, unread), ("ingest.before_commit",), _ingested)

    async def adopt(self, conversation: str, account: str, address: str, entries: Sequence[Entry]) -> bool:
        encoded = await asyncio.to_thread(lambda: [(entry, encode(entry.body)) for entry in entries])
        return await self._writer.do(lambda db: adopt(db, conversation, account, address, encoded), ("ingest.before_commit",), _ingested)

    async def cursor(self, account: str) -> Cursor | None:
        return await self._reader.do(lambda db: operations.get_cursor(db, account))

    # --- claims ---------------------------------------------------------------------------------------------------------------------

    async def claim(self, owner: str, now: float, accounts: Sequence[str], admits: Mapping[str, int], most: int) -> tuple[Lease, ...]:
        self._owners |= {owner}
        asked = operations.Claim(owner, now, accounts, admits, most)
        return await self._writer.do(lambda db: operations.claim(db, asked), (), _claimed)

    async def next_due(self, accounts: Sequence[str]) -> float | None:
        return await self._reader.do(lambda db: operations.next_due(db, accounts))

    async def waiting_gates(self) -> tuple[str, ...]:
        return await self._reader.do(operations.waiting_gates)

    async def disown(self, now: float, most: int) -> int:
        ours = self._owners
        return await self._writer.do(lambda db: operations.disown(db, ours, now, most))

    async def hasten(self, now: float) -> None:
        while await self._writer.do(lambda db: operations.hasten(db, now, HASTENED_TOGETHER)):
            pass

    async def forgive(self, owner: str) -> None:
        await self._writer.do(lambda db: operations.forgive(db, owner))

    # --- what a worker does ---------------------------------------------------------------------------------------------------------

    async def read(self, conversation: str, after: int, most: int = ALL) -> Snapshot:
        return await self._reader.do(lambda db: operations.read(db, conversation, after, most))

    async def page(self, conversation: str, before: int, most: int) -> tuple[Entry, ...]:
        return await self._reader.do(lambda db: operations.page(db, conversation, before, most))

    async def append(
        self,
        lease: Lease,
        now: float,
        wakes: int,
        facts: Sequence[Fact | Question] = (),
        intentions: Sequence[Intention] = (),
        release: Release | None = None,
    ) -> Appended:
        happened = [(body, _readable(body)) for body in facts]
        intended = [(body, _readable(body)) for body in intentions]
        asked = operations.Append(lease, now, wakes, happened, intended, release)
        return await self._writer.do(lambda db: operations.append(db, asked), ("append.before_commit",), _appended)

    # --- timers ---------------------------------------------------------------------------------------------------------------------

    async def put_timer(self, timer: Timer) -> None:
        body = encode(timer.arrival.body)
        await self._writer.do(lambda db: operations.put_timer(db, timer, body))

    async def due_timers(self, now: float, most: int) -> tuple[Timer, ...]:
        return await self._reader.do(lambda db: operations.due_timers(db, now, most))

    async def timers(self, conversation: str) -> tuple[Timer, ...]:
        return await self._reader.do(lambda db: operations.timers(db, conversation))

    async def drop_timer(self, key: str) -> bool:
        return await self._writer.do(lambda db: operations.drop_timer(db, key))

    async def fire(self, timer: Timer, next_at: float | None) -> Accepted | None:
        body = encode(timer.arrival.body)
        return await self._writer.do(lambda db: operations.fire(db, timer, body, next_at), ("ingest.before_commit",), _ingested)

    # --- rows -----------------------------------------------------------------------------------------------------------------------

    async def gates(self) -> tuple[GateRow, ...]:
        return await self._reader.do(operations.gates)

    async def put_gate(self, row: GateRow) -> None:
        await self._writer.do(lambda db: operations.put_gate(db, row))

    async def tool_lists(self) -> tuple[ToolList, ...]:
        return await self._reader.do(operations.tool_lists)

    async def put_tool_list(self, tool_list: ToolList) -> None:
        await self._writer.do(lambda db: operations.put_tool_list(db, tool_list))

    async def people(self) -> tuple[Person, ...]:
        return await self._reader.do(operations.people)

    async def put_person(self, person: Person) -> None:
        await self._writer.do(lambda db: operations.put_person(db, person))

    async def drop_person(self, account: str, id: str) -> bool:  # noqa: A002 the platform's word
        return await self._writer.do(lambda db: operations.drop_person(db, account, id))

    async def unread(self, most: int) -> tuple[tuple[str, float, str], ...]:
        return await self._reader.do(lambda db: operations.unread(db, most))

    async def forget(self, conversation: str, now: float) -> Erased | None:
        if await self._writer.do(lambda db: forgetting.forget(db, conversation, now)) is None:
            return None
        failpoint("forget.seen_no_more")
        return await self.erase()

    async def addresses(self, account: str, most: int) -> tuple[str, ...]:
        return await self._aside().do(lambda db: operations.addresses(db, account, most))

    async def lives(self, most: int) -> tuple[Life, ...]:
        return await self._reader.do(lambda db: operations.lives(db, most))

    async def put_life(self, life: Life) -> None:
        await self._writer.do(lambda db: operations.put_life(db, life))

    async def held(self) -> tuple[Held, ...]:
        return await self._reader.do(operations.held)

    async def conversation(self, key: str) -> ConversationRow | None:
        return await self._reader.do(lambda db: operations.conversation(db, key))

    async def conversations(self, most: int, before: ConversationRow | None = None) -> tuple[ConversationRow, ...]:
        return await self._reader.do(lambda db: operations.conversations(db, most, before))

    async def search(self, text: str, most: int) -> tuple[Found, ...]:
        return await self._aside().do(lambda db: search(db, text, most))

    async def used(self, since: float, before: float = inf) -> tuple[Used, ...]:
        return await self._aside().do(lambda db: operations.used(db, since, before))

    async def owing(self, most: int) -> tuple[ConversationRow, ...]:
        return await self._reader.do(lambda db: owing(db, most))

    async def counts(self, now: float, accounts: Sequence[str] | None = None) -> Counts:
        return await self._reader.do(lambda db: counts(db, now, accounts))

    async def room(self) -> Room:
        return room(self._folder.journal)

    # --- upkeep: of this journal alone, not of the port ---------------------------------------------------------------------------------

    async def erase(self) -> Erased:
        """Erase what was forgotten, to its end. Says what that was."""
        entries, files = 0, set[str]()
        while (some := await self._writer.do(forgetting.erase_some)) is not None:
            entries += some.entries
            files.update(some.files)
        return Erased(entries, tuple(sorted(files)))

    async def doomed(self) -> tuple[str, ...]:
        """The files of what was erased, which are to be deleted unless others have them."""
        return await self._reader.do(forgetting.doomed)

    async def spare(self, names: Collection[str]) -> None:
        """These have been looked after."""
        await self._writer.do(lambda db: forgetting.spare(db, names))

    async def mentioned(self, names: Collection[str], since: float = 0.0) -> frozenset[str]:
        """Which of these files entries speak of that came since then, or that a turn which is open may still need."""
        asked = frozenset(names)
        return await self._aside().do(lambda db: forgetting.mentioned(db, asked, since))

    async def shrink(self) -> Freed:
        """Give back the room that nothing is in, a little at a time."""
        before = await self._writer.do(space.size_of)
        whole = await self._writer.do(space.rewrite_if_small, alone=True)
        while not whole and await self._writer.do(space.give_back_some):
            pass
        await self._writer.do(space.empty_log, alone=True)
        return Freed(before, await self._writer.do(space.size_of), await self._writer.do(space.unused))

    async def scrub(self) -> bool:
        """Leave no trace of what was erased: none in the log, and if the journal is not too large to be rewritten now, none in unused corners. Says whether it
        was."""
        rewritten = await self._writer.do(space.rewrite_if_small, alone=True)
        while not await self._writer.do(space.empty_log, alone=True):  # noqa: ASYNC110 - whoever reads tells nobody when they are done; it is soon
            await asyncio.sleep(EMPTY_LOG_LOOK_S)
        return rewritten

    def _aside(self) -> JobThread:
        """For scans: nobody else waits for them."""
        if self._searcher is None:
            self._searcher = JobThread("journal-search", self._reads(self._folder.journal), read_each, self._breakage, 1)
        return self._searcher

    # --- the end --------------------------------------------------------------------------------------------------------------------

    async def wait_failed(self) -> JournalFailed:
        await self._breakage.known.wait()
        assert self._breakage.failure is not None
        return anew(self._breakage.failure)

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        for thread in filter(None, (self._searcher, self._reader)):
            await thread.close()
        await self._writer.close()  # the last connection: it empties the log into the database
        self._folder.close()

    def _commit(self, db: apsw.Connection, jobs: Sequence[Job[Any]]) -> None:
        if self._folder.is_gone():  # SQLite would go on writing to a file without a name
            raise apsw.CantOpenError("the file, or the lock beside it, was deleted or replaced while it was in use")
        began = time.monotonic()
        commit_together(db, jobs)
        self.committed(len(jobs), time.monotonic() - began)

    def _explain(self, db: apsw.Connection, error: apsw.Error) -> JournalFailed:
        failure = failed(self._folder.journal, db, error)
        if isinstance(failure, JournalFull):
            self._folder.drop_ballast()
        return failure

    def _logged(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self, db: apsw.Connection) -> None:
        if self._log_pages >= CHECKPOINT_PAGES:
            self._log_pages = 0
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


def _readable(body: Fact | Intention | Question) -> str:
    """The body as it stands on disk. Raises `ValueError`, a bug of whoever made it, if nobody could read it there: it would be unreadable for ever."""
    text = encode(body)
    decode(text)
    return text


def _ingested(_: object) -> Sequence[str]:
    return ("ingest.after_commit",)


def _claimed(leases: tuple[Lease, ...]) -> Sequence[str]:
    return ("claim.after_commit",) if leases else ()


def _appended(done: Appended) -> Sequence[str]:
    return ("append.after_commit", "release.after_commit") if done.released else ("append.after_commit",)
