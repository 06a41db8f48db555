"""A contract that can't fail proves nothing: each bug that is planted here must be caught by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from holdfast.store import operations
from holdfast.store.operations import Append
from holdfast.store.queries import SQL
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal import JournalAppendContract, JournalArrivalsContract, JournalAttemptsContract
from holdfast.testing.contracts.journal_claims import JournalClaimsContract
from holdfast.testing.contracts.journal_kit import Rig
from holdfast.testing.contracts.journal_platforms import JournalPlatformsContract

CAUGHT = (AssertionError, pytest.fail.Exception)

append = operations.append


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async def reopen(journal: Any) -> SqliteJournal:
        await journal.close()
        return SqliteJournal.open(tmp_path)

    rig = Rig(SqliteJournal.open(tmp_path), reopen)
    yield rig
    await rig.journal.close()


async def test_no_deduplication_is_caught(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SQL, "find_arrival", "SELECT 1, 2 WHERE ?1 IS NULL")
    await rig.journal.close()
    db = apsw.Connection(str(tmp_path / "journal.db"))
    db.execute("DROP INDEX entry_dedupe")
    db.close()
    rig.journal = SqliteJournal.open(tmp_path)
    with pytest.raises(CAUGHT):
        await JournalArrivalsContract().test_an_arrival_that_comes_again_gets_its_first_seq_and_wakes_nobody(rig)


async def test_no_epoch_check_is_caught(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def whoever_asks(db: apsw.Connection, asked: Append) -> Any:
        owner, epoch, *_ = operations._row(db, "lease", asked.lease.conversation)
        return append(db, replace(asked, lease=replace(asked.lease, owner=owner, epoch=epoch)))

    monkeypatch.setattr(operations, "append", whoever_asks)
    with pytest.raises(CAUGHT):
        await JournalAppendContract().test_a_stale_epoch_appends_nothing(rig)


async def test_an_intention_on_a_stale_reading_is_caught(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def always_fresh(db: apsw.Connection, asked: Append) -> Any:
        return append(db, replace(asked, wakes=operations._row(db, "lease", asked.lease.conversation)[2]))

    monkeypatch.setattr(operations, "append", always_fresh)
    with pytest.raises(CAUGHT):
        await JournalAppendContract().test_on_a_stale_reading_the_fact_is_kept_and_the_intention_refused(rig.journal)


async def test_attempts_that_count_every_death_are_caught(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "ends_an_attempt", lambda _: False)
    with pytest.raises(CAUGHT):
        await JournalAttemptsContract().test_a_closing_result_counts_as_a_fact_only_if_it_was_taken(rig)


async def test_suspects_that_run_together_are_caught(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SQL, "suspects_running", "SELECT 0")
    with pytest.raises(CAUGHT):
        await JournalClaimsContract().test_suspects_run_one_at_a_time_and_all_others_as_ever(rig)


async def test_a_chat_that_loses_its_conversation_when_it_moves_is_caught(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SQL, "move_chat", "UPDATE conversation SET address = ?3 WHERE account = ?1 AND address = ?2")
    with pytest.raises(CAUGHT):
        await JournalPlatformsContract().test_a_chat_that_moves_takes_its_conversations_with_it(rig)


async def test_corrections_of_what_was_never_kept_are_caught(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = operations._accept
    monkeypatch.setattr(operations, "_accept", lambda db, arrival, body: accept(db, replace(arrival, only_after=""), body))
    with pytest.raises(CAUGHT):
        await JournalPlatformsContract().test_what_corrects_is_kept_only_after_what_it_corrects(rig)
