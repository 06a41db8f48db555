"""Backups and what is done with them, killed at each of their failpoints: there is the old or the new, whole, and doing it again does it (part I row 10)."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from holdfast import failpoints
from holdfast.core.entries import Forgotten, UserMessage
from holdfast.runtime.clock import SystemClock
from holdfast.store import archive
from holdfast.store.checking import check_backup, check_folder
from holdfast.store.keeper import LocalKeeper
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import arrival, ingest
from holdfast.testing.process import COMMAND

BACKUP = [name for name in failpoints.NAMES if name.startswith("backup.")]
FORGET = [name for name in failpoints.IN_COMMANDS if name.startswith("forget.")]
VACUUM = [name for name in failpoints.IN_COMMANDS if name.startswith("vacuum.")]
SHA256 = hashlib.sha256(b"x").hexdigest()
RESTORE = [name for name in failpoints.IN_COMMANDS if name.startswith("restore.")]


def holdfast(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    command = [*COMMAND, *words, "--config", str(folder / "c.toml")]
    return subprocess.run(command, env={**ours, **environ}, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def killed_at(folder: Path, name: str, *words: str) -> None:
    done = holdfast(folder, *words, HOLDFAST_FAILPOINT=name)
    assert done.returncode == -9, done.stdout + done.stderr


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """With a data folder in which two messages are."""
    (tmp_path / "c.toml").write_text(f'data_dir = "{tmp_path}/data"\n')
    journal = SqliteJournal.open(tmp_path / "data")
    await ingest(journal, "a", message="1")
    await ingest(journal, "a", message="2")
    await journal.close()
    return tmp_path


@pytest.mark.parametrize("name", BACKUP)
def test_a_backup_killed_here_is_whole_or_not_there(folder: Path, name: str) -> None:
    killed_at(folder, name, "backup", "b.tar")
    assert (folder / "b.tar").exists() == (name == "backup.renamed")
    if not (folder / "b.tar").exists():
        assert holdfast(folder, "backup", "b.tar").returncode == 0
    assert check_backup(folder / "b.tar")[1].problems == []
    assert sorted(path.name for path in folder.iterdir()) == ["b.tar", "c.toml", "data"]


@pytest.mark.parametrize("name", RESTORE)
async def test_a_restore_killed_here_leaves_the_old_journal_or_the_new_one(folder: Path, name: str) -> None:
    assert holdfast(folder, "backup", "b.tar").returncode == 0
    journal = SqliteJournal.open(folder / "data")
    await ingest(journal, "a", message="3")
    await journal.close()
    killed_at(folder, name, "restore", "b.tar", "--yes")
    assert check_folder(folder / "data").problems == []
    assert await messages(folder / "data") == (2 if name == "restore.replaced" else 3)

    assert holdfast(folder, "restore", "b.tar", "--yes").returncode == 0
    assert await messages(folder / "data") == 2
    assert not (folder / "data" / "restoring").exists()


@pytest.mark.parametrize("name", FORGET)
async def test_forgetting_killed_here_is_done_to_its_end_by_whoever_comes_next(folder: Path, name: str) -> None:
    """What was said is gone at once; its files and its traces, when the command is done again, or by the next gateway."""
    journal = SqliteJournal.open(folder / "data")
    for n in range(300):  # more than are erased together
        await ingest(journal, "web:local:b", message=str(n), body=UserMessage(author="ann", id="1", text=f"SECRET {SHA256}"))
    await journal.close()
    file = folder / "data" / "files" / SHA256
    file.parent.mkdir()
    file.write_bytes(b"x")
    killed_at(folder, name, "forget", "b", "--yes")
    assert file.exists() == (name != "forget.files")
    assert check_folder(folder / "data").problems == []

    journal = SqliteJournal.open(folder / "data")
    assert [entry.body for entry in (await journal.read("web:local:b", 0)).entries] == [Forgotten(n=0)]
    assert await journal.page("web:local:b", 999, 99) == (await journal.read("web:local:b", 0)).entries
    assert (await journal.search("SECRET", 9), len((await journal.read("a", 0)).entries)) == ((), 2)
    assert not (await ingest(journal, "web:local:b", message="7"))[0].new
    edit = arrival("web:local:b", message="edit", only_after="web web:local:b 299")
    assert (await journal.ingest([edit]))[0].seq == 0
    await LocalKeeper(folder / "data", journal, SystemClock(), lambda: "1").finish()
    await journal.close()
    assert not file.exists()
    assert b"SECRET" not in (folder / "data" / "journal.db").read_bytes()


@pytest.mark.parametrize("name", VACUUM)
async def test_a_journal_whose_rewriting_is_killed_here_is_whole(folder: Path, name: str) -> None:
    killed_at(folder, name, "vacuum")
    assert check_folder(folder / "data").problems == []
    assert await messages(folder / "data") == 2
    assert holdfast(folder, "vacuum").returncode == 0
    assert await messages(folder / "data") == 2


async def messages(data_dir: Path) -> int:
    journal = SqliteJournal.open(data_dir)
    try:
        return len((await journal.read("a", 0)).entries)
    finally:
        await journal.close()


@pytest.mark.parametrize("name", failpoints.IN_COMMANDS)
async def test_a_command_that_is_told_to_end_here_does_nothing_by_halves_and_says_so(folder: Path, name: str) -> None:
    """As by Ctrl-C."""
    command = name.partition(".")[0]
    archive.write(folder / "data", folder / "b.tar", 100.0, "1")
    journal = SqliteJournal.open(folder / "data")
    await ingest(journal, "a", message="3")
    await ingest(journal, "web:local:b")
    await journal.close()
    words = {"restore": ("restore", "b.tar", "--yes"), "forget": ("forget", "b", "--yes"), "vacuum": ("vacuum",)}[command]
    done = holdfast(folder, *words, HOLDFAST_FAILPOINT=f"{name}:1:{signal.SIGTERM:d}")
    finished = command == "forget" or name.removeprefix("restore.") in {"files", "set_aside", "replaced"}
    assert done.returncode == (0 if finished else 130)
    assert done.stderr.startswith("holdfast: ") and done.stderr.count("\n") == 1
    assert ("is finished first" in done.stderr) == finished
    assert check_folder(folder / "data").problems == []
    assert await messages(folder / "data") == (2 if command == "restore" and finished else 3)
    left = {path.name.partition("-until-")[0] for path in (folder / "data").iterdir()}
    assert left <= {"journal.db", "journal", "lock", "ballast"}


@pytest.mark.parametrize("name", ["backup.copied", "backup.before_rename"])
def test_a_backup_that_is_told_to_end_leaves_nothing(folder: Path, name: str) -> None:
    done = holdfast(folder, "backup", "b.tar", HOLDFAST_FAILPOINT=f"{name}:1:{signal.SIGINT:d}")
    assert (done.returncode, done.stderr) == (130, "holdfast: No backup was made, and nothing is left of it.\n")
    assert sorted(path.name for path in folder.iterdir()) == ["c.toml", "data"]


async def test_an_import_that_is_told_to_end_keeps_what_came_whole(folder: Path) -> None:
    line = '{"conversation": "%d", "role": "user", "text": "Hello"}\n'
    (folder / "many.jsonl").write_text("".join(line % n for n in range(50)))
    words = ("import", "jsonl", str(folder / "many.jsonl"), "--yes")
    done = holdfast(folder, *words, HOLDFAST_FAILPOINT=f"ingest.before_commit:30:{signal.SIGINT:d}")
    assert (done.returncode, done.stderr) == (130, "holdfast: What came so far is whole, and stays. The same command brings the others.\n")
    assert check_folder(folder / "data").problems == []
    again = holdfast(folder, *words)
    assert again.returncode == 0 and " conversations came here." in again.stdout and not again.stdout.startswith("50 ")
    assert holdfast(folder, *words).stdout.startswith("Nothing new would come here.\n50 conversations are here already")
