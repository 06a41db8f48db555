from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.entries import UserMessage
from holdfast.store import search
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import arrival


async def test_the_words_around_what_was_found_are_shown(tmp_path: Path) -> None:
    journal = SqliteJournal.open(tmp_path)
    text = f"{'before ' * 20}the lighthouse{' after' * 40}"
    await journal.ingest([arrival(body=UserMessage(author="ann", id="1", text=text))])
    (found,) = await journal.search("LIGHTHOUSE", 9)
    assert found.excerpt.startswith("…")
    assert found.excerpt.endswith("…")
    assert "the lighthouse after" in found.excerpt
    assert len(found.excerpt) <= search.EXCERPT_CHARS_MAX + 2
    await journal.close()


async def test_a_search_ends_when_its_time_is_over_with_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "STEPS_BETWEEN_LOOKS", 10)
    monkeypatch.setattr(search, "SEARCH_S_MAX", 0.0)
    journal = SqliteJournal.open(tmp_path)
    await journal.ingest([arrival(str(number)) for number in range(300)])
    assert len(await journal.search("message", 300)) < 300
    monkeypatch.setattr(search, "SEARCH_S_MAX", 60.0)
    assert len(await journal.search("message", 300)) == 300
    await journal.close()


async def test_a_search_does_not_hold_up_who_writes(tmp_path: Path) -> None:
    """It has a thread and a connection of its own: its handler that ends it does not end others' queries."""
    journal = SqliteJournal.open(tmp_path)
    await journal.ingest([arrival()])
    await journal.search("message", 9)
    assert journal._searcher is not None
    assert journal._searcher not in {journal._reader, journal._writer}
    await journal.close()
