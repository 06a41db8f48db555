"""Restoring: the journal that is there stays somewhere, and what is not good changes nothing. (tests/kill kills it at each step.)"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from holdfast.errors import AlreadyRunning, Config, Request
from holdfast.store import archive
from holdfast.store.checking import check_backup
from holdfast.store.files import FolderFiles
from holdfast.store.restoring import Restored, restore
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import ingest

NOTE = b"What is kept is kept."
SHA256 = hashlib.sha256(NOTE).hexdigest()


async def bytes_of(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def messages(data_dir: Path) -> int:
    """How many there are of the conversation `a`."""
    journal = SqliteJournal.open(data_dir)
    try:
        return len((await journal.read("a", 0)).entries)
    finally:
        await journal.close()


async def add_message(data_dir: Path, name: str) -> None:
    journal = SqliteJournal.open(data_dir)
    await ingest(journal, "a", message=name)
    await journal.close()


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """With one message and one file."""
    await add_message(tmp_path / "data", "1")
    await FolderFiles(tmp_path / "data" / "files").put(bytes_of(NOTE))
    return tmp_path / "data"


@pytest.fixture
def backup(data_dir: Path, tmp_path: Path) -> Path:
    archive.write(data_dir, tmp_path / "b.tar", 100.0, "1")
    return tmp_path / "b.tar"


def put_back(backup: Path, data_dir: Path) -> tuple[Restored, list[Path | None]]:
    """And what was said before it was done."""
    said: list[Path | None] = []
    return restore(backup, data_dir, lambda _, aside: said.append(aside)), said


async def test_into_another_folder_it_is_the_same_again(backup: Path, tmp_path: Path) -> None:
    restored, said = put_back(backup, tmp_path / "new" / "data")
    assert (restored.aside, said) == (None, [None])
    assert await messages(tmp_path / "new" / "data") == 1
    assert (tmp_path / "new" / "data" / "files" / SHA256).read_bytes() == NOTE


async def test_a_journal_that_is_there_is_set_aside_whole(backup: Path, data_dir: Path, tmp_path: Path) -> None:
    await add_message(data_dir, "2")
    restored, said = put_back(backup, data_dir)
    assert said == [restored.aside]
    assert await messages(data_dir) == 1
    assert restored.aside is not None
    (tmp_path / "old").mkdir()
    restored.aside.replace(tmp_path / "old" / "journal.db")
    assert await messages(tmp_path / "old") == 2
    assert not (data_dir / "restoring").exists()


async def test_what_a_killed_gateway_left_in_its_log_is_set_aside_too(backup: Path, data_dir: Path, tmp_path: Path) -> None:
    db = apsw.Connection(str(data_dir / "journal.db"))
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    db.execute("UPDATE conversation SET account = 'only in the log'")
    db.close()
    assert (data_dir / "journal.db-wal").stat().st_size
    restored, _ = put_back(backup, data_dir)
    assert restored.aside is not None
    aside = apsw.Connection(str(restored.aside))
    assert aside.execute("SELECT account FROM conversation").fetchall() == [("only in the log",)]
    aside.close()
    assert await messages(data_dir) == 1


async def test_a_journal_that_is_damaged_is_set_aside_as_it_is_and_the_backup_takes_its_place(backup: Path, data_dir: Path) -> None:
    """LEDGER H-59: the way out that the sentence about a damaged journal names."""
    damaged = (data_dir / "journal.db").read_bytes()[:100] + b"nonsense" * 5_000
    (data_dir / "journal.db").write_bytes(damaged)
    with pytest.raises(Config, match="holdfast restore"):
        SqliteJournal.open(data_dir)
    (data_dir / "journal.db-wal").write_bytes(b"a log of who knows what")
    restored, _ = put_back(backup, data_dir)
    assert restored.aside is not None
    assert restored.aside.read_bytes() == damaged
    assert restored.aside.with_name(f"{restored.aside.name}-wal").read_bytes() == b"a log of who knows what"
    assert await messages(data_dir) == 1


def test_what_an_account_keeps_now_is_newer_than_the_backup(data_dir: Path, tmp_path: Path) -> None:
    login = data_dir / "platforms" / "wechat" / "me" / "login.json"
    login.parent.mkdir(parents=True)
    login.write_text("old")
    archive.write(data_dir, tmp_path / "b.tar", 100.0, "1")
    login.write_text("new")
    put_back(tmp_path / "b.tar", data_dir)
    assert login.read_text() == "new"
    put_back(tmp_path / "b.tar", tmp_path / "other")
    assert (tmp_path / "other" / "platforms" / "wechat" / "me" / "login.json").read_text() == "old"


async def test_the_copy_of_a_journal_that_an_upgrade_made_is_put_back_like_a_backup(data_dir: Path) -> None:
    """The way back to an older version; the newer journal is set aside, its log in it."""
    copy = data_dir / "journal-before-0009.db"
    copy.write_bytes((data_dir / "journal.db").read_bytes())
    await add_message(data_dir, "2")
    assert check_backup(copy)[1].problems == []
    restored, _ = put_back(copy, data_dir)
    assert restored.about.conversations == 1
    assert await messages(data_dir) == 1
    assert copy.exists()
    assert restored.aside is not None
    put_back(restored.aside, data_dir)
    assert await messages(data_dir) == 2


@pytest.mark.parametrize("content", [b"SQLite format 3\0 and then nonsense", b""])
def test_what_is_neither_a_backup_nor_a_journal_changes_nothing(data_dir: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(Request, match=r"no (journal|backup) of Holdfast"):
        put_back(tmp_path / "x.db", data_dir)


@pytest.mark.parametrize("harm", ["a byte", "its end"])
def test_a_backup_that_is_not_good_changes_nothing(backup: Path, data_dir: Path, harm: str) -> None:
    before = (data_dir / "journal.db").read_bytes()
    whole = backup.read_bytes()
    backup.write_bytes(whole[:30_000] + b"x" + whole[30_001:] if harm == "a byte" else whole[:-5_000])
    with pytest.raises(Request, match="nothing was changed" if harm == "a byte" else "not a whole backup"):
        put_back(backup, data_dir)
    assert (data_dir / "journal.db").read_bytes() == before
    assert not list(data_dir.glob("journal-until*"))
    assert not (data_dir / "restoring").exists()


async def test_a_backup_with_a_journal_of_a_newer_version_changes_nothing(data_dir: Path, tmp_path: Path) -> None:
    db = apsw.Connection(str(data_dir / "journal.db"))
    db.execute("INSERT INTO schema_version VALUES (9999, 'x', 0)")
    db.close()
    archive.write(data_dir, tmp_path / "b.tar", 100.0, "1")
    with pytest.raises(Config, match="newer Holdfast"):
        put_back(tmp_path / "b.tar", tmp_path / "new")
    assert not (tmp_path / "new" / "journal.db").exists()


async def test_while_a_gateway_runs_it_is_refused(backup: Path, data_dir: Path) -> None:
    journal = SqliteJournal.open(data_dir)
    with pytest.raises(AlreadyRunning):
        put_back(backup, data_dir)
    await journal.close()
    assert await messages(data_dir) == 1


async def test_twice_in_a_second_sets_two_journals_aside(backup: Path, data_dir: Path) -> None:
    first, _ = put_back(backup, data_dir)
    second, _ = put_back(backup, data_dir)
    assert first.aside != second.aside
    assert await messages(data_dir) == 1
