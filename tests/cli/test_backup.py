"""`holdfast backup`, `verify` and `restore`: with the gateway running, and with it stopped."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import ingest


def said(home: Any, *words: str, code: int = 0) -> str:
    done = home.holdfast(*words)
    assert done.returncode == code, done
    text: str = (done.stderr if code and not done.stdout else done.stdout).decode()
    return text


@pytest.fixture
def stopped(home: Any) -> Any:
    """No gateway runs, and there is a conversation."""

    async def begin() -> None:
        journal = SqliteJournal.open(home.data_dir)
        await ingest(journal, "web:local:kitchen")
        await journal.close()

    asyncio.run(begin())
    return home


def test_a_gateway_that_runs_makes_the_backup_and_a_restored_one_is_the_same_conversation(home: Any) -> None:
    """LEDGER H-35, H-59: one process alone has the journal, so while it runs nobody replaces or opens it."""
    gateway = home.start_real()
    said(home, "chat", "-q", "Hello", "--conversation", "kitchen")
    file, other = home.folder / "my backup.tar", home.folder / "other"
    text = said(home, "backup", str(file))
    assert text.startswith(f"{file}: 1 conversation and 0 files, ")
    assert f"holdfast verify '{file}'" in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert " is good: 4 entries of 1 conversation were read and replayed, and 0 files compared." in said(home, "verify", str(file))

    story = said(home, "show", "kitchen")
    said(home, "chat", "-q", "Thanks", "--conversation", "kitchen")
    assert "is there already" in said(home, "backup", str(file), code=2)
    assert "Stop it first, or choose another folder" in said(home, "restore", str(file), code=2)
    assert "holdfast verify FILE" in said(home, "verify", code=2)
    text = said(home, "restore", str(file), "--to", str(other))
    assert f'data_dir = "{other}"' in text
    home.kill(gateway)
    configuration = home.folder / "config.toml"
    configuration.write_text(configuration.read_text().replace(str(home.data_dir), str(other)))
    assert said(home, "show", "kitchen") == story


def test_a_gateway_that_is_stopped_is_backed_up_looked_at_and_restored_all_the_same(stopped: Any) -> None:
    story = said(stopped, "show", "kitchen")
    said(stopped, "backup", str(stopped.folder / "b.tar"))
    assert "The journal in" in said(stopped, "verify")
    text = said(stopped, "restore", str(stopped.folder / "b.tar"))
    assert "The journal that is there is not lost: it is called" in text
    assert "so an answer may come a second time" in text
    assert said(stopped, "show", "kitchen") == story


def test_a_backup_need_have_no_name_and_without_one_restore_says_which_there_are(stopped: Any) -> None:
    assert "There is none in [backup] dir." in said(stopped, "restore", code=2)
    (stopped.folder / "b").mkdir()
    configuration = stopped.folder / "config.toml"
    configuration.write_text(f'{configuration.read_text()}[backup]\ndir = "b"\n')
    made = stopped.folder / "b" / "holdfast-20261121T210740Z.tar"
    said(stopped, "backup", str(made))
    assert f"Say which backup: `holdfast restore FILE`.\n  {made}\n" in said(stopped, "restore", code=2)


def test_what_is_wrong_with_a_backup_is_said_line_by_line(stopped: Any) -> None:
    file: Path = stopped.folder / "b.tar"
    said(stopped, "backup", str(file))
    data = file.read_bytes()
    file.write_bytes(data[:50_000] + bytes([data[50_000] ^ 1]) + data[50_001:])
    text = said(stopped, "verify", str(file), code=5)
    assert "is not as it should be:\n  journal.db is damaged" in text


def test_without_a_journal_it_says_where_it_looked(home: Any) -> None:
    assert f"There is no journal in {home.data_dir}" in said(home, "backup", str(home.folder / "b.tar"), code=2)
    assert f"There is no journal in {home.data_dir}" in said(home, "verify", code=2)
    assert not (home.data_dir / "lock").exists()
