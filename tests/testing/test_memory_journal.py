from __future__ import annotations

import asyncio

import pytest

from holdfast import failpoints
from holdfast.errors import JournalFailed
from holdfast.testing.contracts.journal_kit import claim_one, ingest, let_go
from holdfast.testing.memory_journal import MemoryJournal


async def test_what_was_acknowledged_survives_a_crash_and_the_old_journal_is_dead() -> None:
    journal = MemoryJournal()
    await ingest(journal, "a")
    journal.crash()
    assert str(await journal.wait_failed()) == "The process was killed."
    with pytest.raises(JournalFailed):
        await ingest(journal, "b")
    again = MemoryJournal(journal.disk)
    assert [row.key for row in await again.conversations(10)] == ["a"]


async def test_a_crash_between_commit_and_return_keeps_what_nobody_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = MemoryJournal()
    monkeypatch.setattr(failpoints, "failpoint", lambda name: journal.crash() if name == "ingest.after_commit" else None)
    with pytest.raises(JournalFailed):
        await ingest(journal, "a")
    assert (await MemoryJournal(journal.disk).read("a", 0)).entries


async def test_a_crash_before_the_commit_keeps_nothing() -> None:
    journal = MemoryJournal()
    asked = asyncio.ensure_future(ingest(journal, "a"))
    journal.crash()
    with pytest.raises(JournalFailed):
        await asked
    assert not journal.disk.conversations


async def test_it_passes_the_points_of_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(failpoints, "failpoint", passed.append)
    journal = MemoryJournal()
    await let_go(journal, await claim_one(journal))
    assert passed == [
        "ingest.before_commit",
        "ingest.after_commit",
        "claim.after_commit",
        "append.before_commit",
        "append.after_commit",
        "release.after_commit",
    ]
