"""Two threads with one connection each: jobs go in from the loop, and their callers are woken when they are durable.

Jobs that wait are done together, and their callers woken together, in one wake-up of the loop: that is the group commit. Nobody waits for
company: a lone job is committed at once, and whatever arrives during its fsync shares the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar, cast

import apsw

from holdfast.errors import JournalFailed
from holdfast.failpoints import failpoint

JOBS_WAITING_MAX: Final = 4096
"""Who would be the next one waits at the door."""
COMMITTED_TOGETHER_MAX: Final = 256
READ_TOGETHER_MAX: Final = 8
"""Fewer, since there is no fsync to share: the first reader need not wait for the last."""

R = TypeVar("R")

BROKEN: Final = (
    apsw.IOError,
    apsw.FullError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.NoMemError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.ProtocolError,
)
"""Errors of the disk, or of somebody else at our files: the transaction may be gone, and the connection is not to be trusted."""


def no_points(_: object) -> Sequence[str]:
    return ()


class Job(Generic[R]):
    """Work for a connection, and who waits for it. `before` and `after` name the failpoints around its commit. `alone`: it is done outside of any transaction."""

    __slots__ = ("after", "alone", "before", "error", "future", "result", "work")

    def __init__(
        self,
        work: Callable[[apsw.Connection], R],
        future: asyncio.Future[R],
        before: Sequence[str] = (),
        after: Callable[[R], Sequence[str]] = no_points,
        *,
        alone: bool = False,
    ) -> None:
        self.work = work
        self.alone = alone
        self.future = future
        self.before = before
        self.after = after
        self.result: R | None = None
        self.error: Exception | None = None

    def run(self, db: apsw.Connection) -> bool:
        """Do the work. False if it was refused or has a bug; its caller gets the error. Raises the errors of a broken connection."""
        try:
            self.result = self.work(db)
        except BROKEN:
            raise
        except Exception as error:  # noqa: BLE001 - not handled here: handed to the caller, whose it is, across the thread
            self.error = error
        return self.error is None

    def resolve(self, failure: JournalFailed | None) -> None:
        error = anew(failure) if failure else self.error
        if self.future.done():  # its caller was cancelled, and does not learn that it is durable
            return
        if error:
            self.future.set_exception(error)
        else:
            self.future.set_result(cast("R", self.result))


def commit_together(db: apsw.Connection, jobs: Sequence[Job[Any]]) -> None:
    """One transaction for all that come together, in order; what is done alone, between them."""
    for alone, some in groupby(jobs, lambda job: job.alone):
        if alone:
            for job in some:
                job.run(db)
        else:
            _commit(db, list(some))


def _commit(db: apsw.Connection, jobs: Sequence[Job[Any]]) -> None:
    """One transaction for all; a job that is refused takes back only what it did itself."""
    db.execute("BEGIN IMMEDIATE")
    for job in jobs:
        db.execute("SAVEPOINT job")
        if not job.run(db):
            db.execute("ROLLBACK TO job")
        db.execute("RELEASE job")
    accepted = [job for job in jobs if job.error is None]
    for job in accepted:
        for name in job.before:
            failpoint(name)
    db.execute("COMMIT")
    for job in accepted:
        for name in job.after(job.result):
            failpoint(name)


def read_each(db: apsw.Connection, jobs: Sequence[Job[Any]]) -> None:
    """Each job reads in one statement, or needs no more than what each of its statements says."""
    for job in jobs:
        job.run(db)


class Breakage:
    """What both threads and the loop know of the end: the first failure, for ever."""

    def __init__(self, explain: Callable[[apsw.Connection, apsw.Error], JournalFailed]) -> None:
        self.failure: JournalFailed | None = None
        self.known = asyncio.Event()
        self._explain = explain

    def happened(self, db: apsw.Connection, error: apsw.Error) -> JournalFailed:
        """Called in the thread where it happened."""
        if self.failure is None:
            self.failure = self._explain(db, error)
        return self.failure


def anew(failure: JournalFailed) -> JournalFailed:
    """The same failure for one more caller (an exception that is raised twice mixes up two tracebacks)."""
    return type(failure)(*failure.args)


class JobThread:
    """A connection in a thread of its own. Ends with `close`, or with the process."""

    def __init__(
        self,
        name: str,
        db: apsw.Connection,
        run: Callable[[apsw.Connection, Sequence[Job[Any]]], None],
        breakage: Breakage,
        together_max: int,
        afterwards: Callable[[apsw.Connection], None] = lambda _: None,
    ) -> None:
        self._db = db
        self._run = run
        self._together_max = together_max
        self._afterwards = afterwards
        self._breakage = breakage
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._room = asyncio.Semaphore(JOBS_WAITING_MAX)
        self._closed = False
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    async def do(
        self,
        work: Callable[[apsw.Connection], R],
        before: Sequence[str] = (),
        after: Callable[[R], Sequence[str]] = no_points,
        *,
        alone: bool = False,
    ) -> R:
        """Have `work` done, and return when it is durable. Being cancelled does not take it back. Raises what it raises, or `JournalFailed`."""
        async with self._room:
            self._check()
            job: Job[R] = Job(work, asyncio.get_running_loop().create_future(), before, after, alone=alone)
            self._jobs.put(job)
            result: R = await job.future
            return result

    def _check(self) -> None:
        if self._breakage.failure:
            raise anew(self._breakage.failure)
        if self._closed:
            raise JournalFailed("The journal is closed, since Holdfast is ending; what was asked for last was not saved.")

    async def close(self) -> None:
        """Finish the jobs that wait, then close the connection."""
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        last = False
        while not last:
            batch, last = self._take()
            if batch:
                self._do_together(batch)
        if self._breakage.failure:
            self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # a connection whose fsync failed writes nothing any more
        self._db.close()

    def _take(self) -> tuple[list[Job[Any]], bool]:
        """The jobs that wait, at least one; and whether nothing comes after them."""
        batch: list[Job[Any]] = []
        while not batch or (not self._jobs.empty() and len(batch) < self._together_max):
            job = self._jobs.get()
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False

    def _do_together(self, batch: list[Job[Any]]) -> None:
        failure = self._breakage.failure
        if failure is None:
            try:
                self._run(self._db, batch)
            except apsw.Error as error:
                failure = self._breakage.happened(self._db, error)
        self._wake(batch, failure)
        if failure is None:
            try:
                self._afterwards(self._db)
            except apsw.Error as error:
                self._wake(batch, self._breakage.happened(self._db, error))

    def _wake(self, batch: list[Job[Any]], failure: JournalFailed | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody is left to be told
            batch[0].future.get_loop().call_soon_threadsafe(self._resolve, batch, failure)

    def _resolve(self, batch: list[Job[Any]], failure: JournalFailed | None) -> None:
        for job in batch:
            job.resolve(failure)
        if failure:
            self._breakage.known.set()
