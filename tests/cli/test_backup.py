"""`holdfast backup`, `verify` and `restore`: with the gateway running, and with it stopped."""

from __future__ import annotations

import asyncio
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import ingest

HOLDFAST = (sys.executable, "-c", "import sys; from holdfast.cli import main; sys.exit(main())")


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
    text = said(stopped, "restore", str(stopped.folder / "b.tar"), "--yes")
    assert f"The journal that is there is not lost: it will be called {stopped.data_dir}/journal-until-" in text
    assert "so an answer may come a second time" in text
    assert said(stopped, "show", "kitchen") == story


def test_a_journal_that_is_there_is_set_aside_only_after_a_yes(stopped: Any) -> None:
    file, nothing = str(stopped.folder / "b.tar"), "holdfast: Nothing was restored, and what is there is as it was."
    said(stopped, "backup", file)
    done = stopped.holdfast("restore", file)
    assert (done.returncode, done.stderr.decode()) == (2, f"{nothing} Without a terminal to ask on, say --yes.\n")
    for answer, code in (("no\r", 2), ("\r", 2), ("\x04", 2), ("", 130)):
        with stopped.terminal(file, command="restore", columns=200) as terminal:
            terminal.until("Restore it? (yes or no) [no]")
            if answer:
                terminal.type(answer)
                assert terminal.ended() == code
            else:
                assert terminal.ended_by(lambda: terminal.process.send_signal(signal.SIGTERM)) == code
            assert nothing in terminal.text
    assert not list(stopped.data_dir.glob("journal-*"))
    with stopped.terminal(file, command="restore", columns=200) as terminal:
        terminal.until("Restore it? (yes or no) [no]")
        terminal.type("yes\r")
        assert terminal.ended() == 0
    (aside,) = stopped.data_dir.glob("journal-*")
    assert f"it will be called {aside}." in terminal.text


def test_what_was_restored_elsewhere_can_be_looked_at_beside_the_one_that_runs_as_it_says(home: Any) -> None:
    home.start_real("[backup]\n")
    said(home, "chat", "-q", "Hello", "--conversation", "kitchen")
    said(home, "backup", str(home.folder / "b.tar"))
    other = home.folder / "yesterday's one"
    text = said(home, "restore", str(home.folder / "b.tar"), "--to", str(other))
    (line,) = (line for line in text.splitlines() if line.startswith("To look at it"))
    program = " ".join(map(shlex.quote, HOLDFAST))
    typed = line.partition(": ")[2].replace("holdfast show", f"{program} show")
    done = subprocess.run(typed, shell=True, capture_output=True, text=True, env=home.environ, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("kitchen ")


def test_a_folder_is_looked_at_too_and_one_without_a_journal_is_told(stopped: Any) -> None:
    assert said(stopped, "verify", str(stopped.data_dir)).startswith(f"The journal in {stopped.data_dir} is good: ")
    assert f"{stopped.folder} is a folder without a journal. Name a backup, or a data folder" in said(
        stopped, "verify", str(stopped.folder), code=2
    )


def test_half_a_backup_is_not_good(stopped: Any) -> None:
    said(stopped, "backup", str(stopped.folder / "b.tar"))
    (stopped.folder / "half.tar").write_bytes((stopped.folder / "b.tar").read_bytes()[:-20_000])
    assert "half.tar is not a whole backup: it ends in the middle" in said(stopped, "verify", str(stopped.folder / "half.tar"), code=5)


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
