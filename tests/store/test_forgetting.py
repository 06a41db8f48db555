"""Forgetting, down to the bytes: no word of it is in the journal, its log, or the files."""

from __future__ import annotations

import asyncio
import hashlib
import random
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest

from holdfast.core.entries import Attachment, Fetched, UserMessage
from holdfast.errors import Request
from holdfast.ports import Arrival
from holdfast.store import space
from holdfast.store.files import FolderFiles
from holdfast.store.keeper import LocalKeeper
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.clock import ManualClock
from holdfast.testing.contracts.journal_kit import arrival, claim, ingest, let_go

NOW = 4e9
"""Later than whatever is put on the disk in this test."""
CONVERSATIONS = 20


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal.open(tmp_path)
    yield journal
    await journal.close()


@pytest.fixture
def keeper(tmp_path: Path, journal: SqliteJournal) -> LocalKeeper:
    return LocalKeeper(tmp_path, journal, ManualClock(NOW), lambda: "1", tmp_path / "backups")


async def talk(journal: SqliteJournal) -> None:
    """Many conversations at once, of short and long messages: pages are split, and long texts have pages of their own."""
    rng = random.Random(1)
    for n in range(100):
        arrivals: list[Arrival] = []
        for key in rng.choices([f"c{number}" for number in range(CONVERSATIONS)], k=30):
            text = f"SECRET<{key}> " * rng.choice((1, 3, 30, 400))
            arrivals.append(arrival(key, str(len(arrivals) + 100 * n), body=UserMessage(author="ann", id="1", text=text)))
        await journal.ingest(arrivals)


def left_of(folder: Path, key: str) -> int:
    """How often a word of it is anywhere on the disk."""
    return sum(path.read_bytes().count(f"SECRET<{key}>".encode()) for path in folder.glob("journal.db*"))


async def test_not_a_word_is_left_anywhere_on_the_disk(tmp_path: Path, journal: SqliteJournal, keeper: LocalKeeper) -> None:
    await talk(journal)
    assert left_of(tmp_path, "c7") > 100
    assert (await keeper.forget("c7")).rewritten
    assert left_of(tmp_path, "c7") == 0
    assert left_of(tmp_path, "c8") > 100
    assert (tmp_path / "journal.db-wal").stat().st_size == 0


async def test_of_a_large_journal_what_is_freed_is_overwritten_at_once_and_it_says_that_scraps_may_be_left(
    tmp_path: Path, journal: SqliteJournal, keeper: LocalKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "SMALL_BYTES", 0)
    await talk(journal)
    before = left_of(tmp_path, "c7")
    assert not (await keeper.forget("c7")).rewritten
    assert left_of(tmp_path, "c7") < before / 50
    assert (tmp_path / "journal.db-wal").stat().st_size == 0


async def test_without_overwriting_much_would_be_left(
    tmp_path: Path, journal: SqliteJournal, keeper: LocalKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the test above can fail."""
    monkeypatch.setattr(space, "SMALL_BYTES", 0)
    await journal._writer.do(lambda db: db.execute("PRAGMA secure_delete = OFF").fetchall(), alone=True)
    await talk(journal)
    await keeper.forget("c7")
    assert left_of(tmp_path, "c7") > 100


async def test_whoever_reads_what_was_before_is_waited_for(tmp_path: Path, journal: SqliteJournal) -> None:
    await ingest(journal, "a")
    reader = apsw.Connection(str(tmp_path / "journal.db"))
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM entry").fetchall() == [(1,)]
    erased = asyncio.Event()
    keeper = LocalKeeper(tmp_path, journal, ManualClock(NOW), lambda: "1", changed=lambda _: erased.set())
    forgetting = asyncio.create_task(keeper.forget("a"))
    await asyncio.wait_for(erased.wait(), 20)
    assert len(await ingest(journal, "b")) == 1
    assert not forgetting.done()
    reader.execute("COMMIT")
    reader.close()
    await asyncio.wait_for(forgetting, 20)
    assert (tmp_path / "journal.db-wal").stat().st_size == 0


# --- files --------------------------------------------------------------------------------------------------------------------------


async def add_file(folder: Path, journal: SqliteJournal, data: bytes, *conversations: str) -> Path:
    """A file that came in each of these conversations."""

    async def once() -> AsyncIterator[bytes]:
        yield data

    sha256 = await FolderFiles(folder / "files").put(once())
    for key in conversations:
        body = UserMessage(author="ann", id="1", text="", attachments=(Attachment(id="1/0", name="x"),))
        await ingest(journal, key, message=sha256, body=body)
        (lease,) = await claim(journal)
        await journal.append(lease, 20.0, (await journal.read(key, 0)).wakes, facts=[Fetched(attachment="1/0", sha256=sha256)])
        await let_go(journal, lease)
    return folder / "files" / sha256


async def test_files_go_with_it_unless_others_have_them(tmp_path: Path, journal: SqliteJournal, keeper: LocalKeeper) -> None:
    only, both, other = [await add_file(tmp_path, journal, data, *keys) for data, keys in ((b"1", "a"), (b"2", "ab"), (b"3", "b"))]
    assert (await keeper.forget("a")).files == 1
    assert (only.exists(), both.exists(), other.exists()) == (False, True, True)
    assert (await keeper.forget("b")).files == 2
    assert (both.exists(), other.exists()) == (False, False)


async def test_a_file_that_was_put_there_again_meanwhile_stays(tmp_path: Path, journal: SqliteJournal) -> None:
    """Somebody has uploaded the same bytes, and is about to send them."""
    file = await add_file(tmp_path, journal, b"1", "a")
    keeper = LocalKeeper(tmp_path, journal, ManualClock(file.stat().st_mtime - 1), lambda: "1")
    assert (await keeper.forget("a")).files == 0
    assert file.exists()


async def test_what_a_kill_left_undone_is_done_at_the_next_start(tmp_path: Path, journal: SqliteJournal, keeper: LocalKeeper) -> None:
    file = await add_file(tmp_path, journal, b"1", "a")
    await journal.forget("a", NOW)
    assert file.exists()
    await keeper.finish()
    assert not file.exists()
    assert await journal.doomed() == ()
    await keeper.finish()


async def test_a_name_that_was_only_written_takes_no_file_away(tmp_path: Path, journal: SqliteJournal, keeper: LocalKeeper) -> None:
    """Whoever writes the sha256 of a file of others, and is forgotten, harms nobody."""
    file = await add_file(tmp_path, journal, b"1", "b")
    await ingest(journal, "a", body=UserMessage(author="eve", id="9", text=hashlib.sha256(b"1").hexdigest()))
    await keeper.forget("a")
    assert file.exists()


async def test_copies_that_were_made_before_are_named(tmp_path: Path, journal: SqliteJournal, keeper: LocalKeeper) -> None:
    await ingest(journal, "a")
    (tmp_path / "journal-before-0007.db").touch()
    (tmp_path / "backups").mkdir()
    await keeper.back_up(tmp_path / "backups" / "b.tar")
    assert (await keeper.forget("a")).copies == (str(tmp_path / "backups" / "b.tar"), str(tmp_path / "journal-before-0007.db"))


async def test_of_a_folder_that_hangs_it_names_whatever_may_be_there(
    tmp_path: Path, journal: SqliteJournal, keeper: LocalKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ingest(journal, "a")
    glob = Path.glob

    def hangs(folder: Path, pattern: str) -> Iterator[Path]:
        if folder.name == "backups":
            threading.Event().wait()
        return iter([*glob(folder, pattern)])

    monkeypatch.setattr(Path, "glob", hangs)
    monkeypatch.setattr("holdfast.store.keeper.ANSWERS_S_MAX", 0.1)
    assert (await keeper.forget("a")).copies == (str(tmp_path / "backups" / "*.tar"),)


async def test_a_backup_that_is_made_later_has_no_word_of_it(
    tmp_path: Path, journal: SqliteJournal, keeper: LocalKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "SMALL_BYTES", 0)
    await talk(journal)
    await keeper.forget("c7")
    await keeper.back_up(tmp_path / "b.tar")
    assert b"SECRET<c7>" not in (tmp_path / "b.tar").read_bytes()


async def test_what_there_is_not_is_a_sentence(keeper: LocalKeeper) -> None:
    with pytest.raises(Request, match="There is no conversation 'a'"):
        await keeper.forget("a")
