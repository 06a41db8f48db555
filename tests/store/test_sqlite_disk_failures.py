"""The disk fails, or is full: nothing more is acknowledged, what was is kept, and the next start goes on."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from holdfast.errors import Config, JournalFailed, JournalFull
from holdfast.store import sqlite
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import ingest
from holdfast.testing.faulty_disk import FaultyDisk, Touch, faulty_disk


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    with faulty_disk() as disk:
        yield disk


def break_down(disk: FaultyDisk, suffix: str, touch: Touch, error: type[apsw.Error]) -> None:
    disk.fault = lambda path, what: error("injected") if path.endswith(suffix) and what == touch else None


@pytest.mark.parametrize("touch", ["write", "sync"])
@pytest.mark.parametrize(
    ("error", "failure"), [(apsw.IOError, JournalFailed), (apsw.ReadOnlyError, JournalFailed), (apsw.FullError, JournalFull)]
)
async def test_a_commit_that_fails_ends_the_journal_and_loses_nothing_acknowledged(
    tmp_path: Path, disk: FaultyDisk, touch: Touch, error: type[apsw.Error], failure: type[JournalFailed]
) -> None:
    journal = SqliteJournal.open(tmp_path)
    await ingest(journal, "a")
    break_down(disk, "-wal", touch, error)
    outcomes = await asyncio.gather(*(ingest(journal, "a", message=f"m{n}") for n in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [failure] * 5
    assert len({id(outcome) for outcome in outcomes}) == 5
    assert type(await asyncio.wait_for(journal.wait_failed(), 20)) is failure
    disk.fault = lambda _path, _touch: None
    for late in (ingest(journal, "b"), journal.read("a", 0), journal.gates()):
        with pytest.raises(failure):
            await late
    assert (tmp_path / "ballast").exists() == (failure is JournalFailed)
    await journal.close()

    journal = SqliteJournal.open(tmp_path)
    assert (await journal.read("a", 0)).entries
    await ingest(journal, "a", message="later")
    await journal.close()


async def test_a_checkpoint_that_fails_ends_the_journal_after_what_was_acknowledged(
    tmp_path: Path, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 1)
    journal = SqliteJournal.open(tmp_path)
    break_down(disk, "journal.db", "sync", apsw.IOError)
    await ingest(journal, "a")
    await asyncio.wait_for(journal.wait_failed(), 20)
    with pytest.raises(JournalFailed):
        await ingest(journal, "b")
    await journal.close()
    disk.fault = lambda _path, _touch: None
    journal = SqliteJournal.open(tmp_path)
    assert len((await journal.read("a", 0)).entries) == 1
    await journal.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what fails while it gets its log SQLite does not pass on
@pytest.mark.parametrize("nth", range(1, 20))
async def test_a_disk_that_fails_while_the_journal_is_made_says_so_and_the_next_start_makes_it(
    tmp_path: Path, disk: FaultyDisk, nth: int
) -> None:
    touches = iter(range(1, 1000))
    disk.fault = lambda _path, _touch: apsw.IOError("injected") if next(touches) == nth else None
    try:
        journal = SqliteJournal.open(tmp_path)
    except JournalFailed as error:
        disk.fault = lambda _path, _touch: None
        assert "journal.db" in str(error)  # noqa: PT017 - not every one of these touches belongs to the opening
    else:
        disk.fault = lambda _path, _touch: None
        await journal.close()
    journal = SqliteJournal.open(tmp_path)
    await ingest(journal, "a")
    await journal.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 24 MB."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(path)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


async def test_on_a_disk_that_is_really_full_the_ballast_lets_the_journal_end_and_start_again(small_disk: Path) -> None:
    journal = SqliteJournal.open(small_disk)
    fill(small_disk)
    kept = await ingest_until_full(journal)
    await journal.close()
    assert not (small_disk / "ballast").exists()

    journal = SqliteJournal.open(small_disk)
    assert len((await journal.read("a", 0)).entries) == kept
    await ingest(journal, "a", message="there is room for a while")
    await journal.close()
    assert not (small_disk / "ballast").exists()


def fill(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "somebody else's").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


async def ingest_until_full(journal: SqliteJournal) -> int:
    """How many were acknowledged."""
    for n in range(1000):
        try:
            await ingest(journal, "a", message=str(n))
        except JournalFull as error:
            assert "Free some space" in str(error)  # noqa: PT017 - how many came before it is the result
            return n
    raise AssertionError("the disk never became full")


def remount_read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


async def test_a_folder_on_a_read_only_disk_is_refused_with_a_sentence(small_disk: Path) -> None:
    await SqliteJournal.open(small_disk).close()
    remount_read_only(small_disk)
    with pytest.raises(Config, match=r"can't be used: Read-only file system"):
        SqliteJournal.open(small_disk)
