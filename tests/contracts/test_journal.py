from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.ports import Journal
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal import JournalContract
from holdfast.testing.contracts.journal_kit import Rig
from holdfast.testing.memory_journal import MemoryJournal


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    async def rig(self, tmp_path: Path) -> AsyncIterator[Rig]:
        async def reopen(journal: Journal) -> Journal:
            await journal.close()
            return SqliteJournal.open(tmp_path)

        rig = Rig(SqliteJournal.open(tmp_path), reopen)
        yield rig
        await rig.journal.close()


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    async def rig(self) -> Rig:
        async def reopen(journal: Journal) -> Journal:
            assert isinstance(journal, MemoryJournal)
            journal.crash()
            return MemoryJournal(journal.disk)

        return Rig(MemoryJournal(), reopen)
