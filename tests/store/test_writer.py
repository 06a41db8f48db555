from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from holdfast.errors import JournalFailed
from holdfast.store import writer
from holdfast.store.writer import Breakage, Job, JobThread, commit_together


class Counted:
    """A writer on a table of numbers, and how many jobs each of its commits had."""

    def __init__(self, file: Path) -> None:
        self.commits: list[int] = []
        self.may_commit = threading.Event()
        self.may_commit.set()
        db = apsw.Connection(str(file))
        db.execute("CREATE TABLE number (n INTEGER PRIMARY KEY)")
        self.breakage = Breakage(lambda _db, error: JournalFailed(f"broken: {error}"))
        self.thread = JobThread("test", db, self._commit, self.breakage, together_max=256)

    def _commit(self, db: apsw.Connection, jobs: Sequence[Job[Any]]) -> None:
        self.may_commit.wait()
        self.commits.append(len(jobs))
        commit_together(db, jobs)

    async def add(self, n: int) -> None:
        await self.thread.do(lambda db: db.execute("INSERT INTO number VALUES (?)", (n,)).fetchall())

    async def numbers(self) -> list[Any]:
        return await self.thread.do(lambda db: [n for (n,) in db.execute("SELECT n FROM number ORDER BY n")])


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[Counted]:
    counted = Counted(tmp_path / "test.db")
    yield counted
    counted.may_commit.set()
    await counted.thread.close()


async def all_at_once(counted: Counted, *jobs: Any) -> list[Any]:
    """The jobs, asked for while a commit is under way."""
    counted.may_commit.clear()
    asked = [asyncio.ensure_future(job) for job in jobs]
    await asyncio.sleep(0)
    counted.may_commit.set()
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_jobs_that_wait_share_a_commit(counted: Counted) -> None:
    await all_at_once(counted, *(counted.add(n) for n in range(100)))
    assert sum(counted.commits) == 100
    assert len(counted.commits) <= 2
    assert await counted.numbers() == list(range(100))


async def test_a_commit_takes_no_more_than_its_share(counted: Counted) -> None:
    await all_at_once(counted, *(counted.add(n) for n in range(600)))
    assert max(counted.commits) == 256


async def test_a_lone_job_waits_for_no_company(counted: Counted) -> None:
    for n in range(5):
        await counted.add(n)
    assert counted.commits == [1] * 5


async def test_a_job_that_is_refused_takes_back_only_its_own_work(counted: Counted) -> None:
    def half_done(db: apsw.Connection) -> None:
        db.execute("INSERT INTO number VALUES (7)")
        raise ZeroDivisionError

    outcomes = await all_at_once(counted, counted.add(1), counted.thread.do(half_done), counted.add(1), counted.add(2))
    assert [type(outcome) for outcome in outcomes] == [type(None), ZeroDivisionError, apsw.ConstraintError, type(None)]
    assert await counted.numbers() == [1, 2]


async def test_being_cancelled_takes_nothing_back_and_harms_nobody(counted: Counted) -> None:
    counted.may_commit.clear()
    cancelled, other = asyncio.ensure_future(counted.add(1)), asyncio.ensure_future(counted.add(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    counted.may_commit.set()
    await other
    assert await counted.numbers() == [1, 2]
    assert cancelled.cancelled()


async def test_who_comes_when_too_many_wait_waits_at_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "JOBS_WAITING_MAX", 3)
    counted = Counted(tmp_path / "test.db")
    await all_at_once(counted, *(counted.add(n) for n in range(10)))
    assert max(counted.commits) <= 3
    assert await counted.numbers() == list(range(10))
    await counted.thread.close()


async def test_jobs_asked_for_before_the_end_are_done_and_later_ones_refused(counted: Counted) -> None:
    counted.may_commit.clear()
    asked = [asyncio.ensure_future(counted.add(n)) for n in range(3)]
    await asyncio.sleep(0)
    counted.may_commit.set()
    await counted.thread.close()
    await asyncio.gather(*asked)
    with pytest.raises(JournalFailed, match="ending"):
        await counted.add(9)


async def test_after_the_first_failure_nothing_touches_the_connection(counted: Counted) -> None:
    def broken(_db: apsw.Connection) -> None:
        raise apsw.IOError("injected")

    outcomes = await all_at_once(counted, counted.add(1), counted.thread.do(broken), counted.add(2))
    assert [str(outcome) for outcome in outcomes] == ["broken: injected"] * 3
    commits = len(counted.commits)
    with pytest.raises(JournalFailed, match="injected"):
        await counted.add(3)
    assert len(counted.commits) == commits
    assert counted.breakage.known.is_set()
