"""Giving room back: while the journal is in use a little at a time, and whole while it is not."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from holdfast.core.entries import UserMessage
from holdfast.errors import Temporary
from holdfast.store import space
from holdfast.store.folder import DataFolder
from holdfast.store.space import rewrite
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import arrival, ingest

MB = 1_000_000


async def filled(journal: SqliteJournal) -> None:
    """Several megabytes, of which most are then freed."""
    for key in ("a", "b"):
        text = f"message in {key} " * (5_000 if key == "a" else 10)
        await journal.ingest([arrival(key, str(n), body=UserMessage(author="ann", id=str(n), text=text)) for n in range(60)])
    await journal.forget("a", 99.0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("journal*"))


def unused(file: Path) -> object:
    db = apsw.Connection(str(file))
    try:
        return db.execute("PRAGMA freelist_count").get
    finally:
        db.close()


async def test_a_large_journal_in_use_gives_room_back_a_little_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "SMALL_BYTES", 0)
    monkeypatch.setattr(space, "PAGES_AT_ONCE", 50)
    journal = SqliteJournal.open(tmp_path)
    await filled(journal)
    freed = await journal.shrink()
    assert freed.before > 4 * MB
    assert (freed.after < MB, freed.unused) == (True, 0)
    assert (tmp_path / "journal.db").stat().st_size == freed.after
    assert len((await journal.read("b", 0)).entries) == 60
    await journal.close()


async def test_a_small_one_is_written_anew_at_once(tmp_path: Path) -> None:
    journal = SqliteJournal.open(tmp_path)
    await filled(journal)
    freed = await journal.shrink()
    assert freed.after < MB < freed.before
    await ingest(journal, "a", message="later")
    await journal.close()


async def test_one_that_an_older_version_began_says_so_and_is_like_the_others_once_it_was_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "SMALL_BYTES", 0)
    db = apsw.Connection(str(tmp_path / "journal.db"))
    db.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY, checksum TEXT NOT NULL, at REAL NOT NULL) STRICT")
    db.close()
    journal = SqliteJournal.open(tmp_path)
    await filled(journal)
    freed = await journal.shrink()
    await journal.close()
    assert freed.after == freed.before
    assert freed.unused > 3 * MB

    folder = DataFolder(tmp_path)
    done = rewrite(folder)
    folder.close()
    assert done.after < MB < done.before
    assert unused(tmp_path / "journal.db") == 0
    assert names(tmp_path) == ["journal.db"]
    journal = SqliteJournal.open(tmp_path)
    assert len((await journal.read("b", 0)).entries) == 60
    await filled(journal)
    assert (await journal.shrink()).unused == 0
    await journal.close()


async def test_without_room_for_it_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = SqliteJournal.open(tmp_path)
    await filled(journal)
    await journal.close()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    folder = DataFolder(tmp_path)
    with pytest.raises(Temporary, match=r"no room beside.*nothing was changed"):
        rewrite(folder)
    folder.close()
    monkeypatch.undo()
    journal = SqliteJournal.open(tmp_path)
    assert len((await journal.read("b", 0)).entries) == 60
    await journal.close()
    assert names(tmp_path) == ["journal.db"]
