from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from holdfast.core.entries import AssistantMessage, Usage, UserMessage
from holdfast.errors import AlreadyRunning, Config, JournalFailed
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import claim_one, ingest


@asynccontextmanager
async def opened(data_dir: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal.open(data_dir)
    try:
        yield journal
    finally:
        await journal.close()


async def test_a_second_holdfast_on_the_same_folder_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(AlreadyRunning, match=str(tmp_path)):
            SqliteJournal.open(tmp_path)
    async with opened(tmp_path):
        pass


async def test_after_an_orderly_end_everything_is_in_one_file_and_calls_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await ingest(journal, "a")
    assert not (tmp_path / "journal.db-wal").exists()
    with pytest.raises(JournalFailed, match="closed"):
        await ingest(journal, "a", message="2")
    await journal.close()


async def test_a_file_that_is_no_journal_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"not a database, " * 1000)
    with pytest.raises(Config, match="is not a journal of Holdfast"):
        SqliteJournal.open(tmp_path)
    (tmp_path / "journal.db").unlink()
    async with opened(tmp_path):
        pass


async def test_a_page_that_is_damaged_ends_the_journal_when_it_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for n in range(100):
            await ingest(journal, "a", message=str(n), body=UserMessage(author="ann", id=str(n), text="x" * 2000))
    damage(tmp_path / "journal.db")
    async with opened(tmp_path) as journal:
        with pytest.raises(JournalFailed, match=r"is damaged.*`holdfast restore FILE`"):
            await journal.read("a", 0)


def damage(file: Path) -> None:
    """All pages but the first ones, which hold the schema."""
    content = file.read_bytes()
    for page in range(30, len(content) // 4096):
        content = content[: page * 4096] + b"\xff" * 64 + content[page * 4096 + 64 :]
    file.write_bytes(content)


async def test_a_journal_deleted_while_in_use_acknowledges_nothing_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await ingest(journal, "a")
        (tmp_path / "journal.db").unlink()
        with pytest.raises(JournalFailed, match="deleted"):
            await ingest(journal, "b")


async def test_what_nobody_could_read_is_not_appended(tmp_path: Path) -> None:
    """An odd count of a provider once stood in the journal as `true`, where a number is read: the conversation was unreadable for good."""
    journal = SqliteJournal.open(tmp_path)
    lease = await claim_one(journal)
    odd = AssistantMessage(n=1, seen=1, text="Yes.", usage=Usage(input_tokens=True))
    with pytest.raises(ValueError, match="input_tokens"):
        await journal.append(lease, 20.0, 1, facts=[odd])
    assert len((await journal.read("a", 0)).entries) == 1
    await journal.close()
