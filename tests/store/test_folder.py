from __future__ import annotations

import os
import select
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.errors import AlreadyRunning, Config
from holdfast.store import folder
from holdfast.store.folder import DataFolder
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import ingest


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    DataFolder(tmp_path / "new" / "data").close()
    assert stat.S_IMODE((tmp_path / "new" / "data").stat().st_mode) == 0o700


def rights(folder: Path) -> set[int]:
    """Of the journal's files."""
    return {stat.S_IMODE(file.stat().st_mode) for file in folder.glob("journal.db*")}


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """One that others may look into."""
    tmp_path.chmod(0o755)
    return tmp_path


async def test_nobody_else_may_read_the_journal_even_in_a_folder_that_was_there(open_folder: Path) -> None:
    journal = SqliteJournal.open(open_folder)
    await ingest(journal, "a")
    assert rights(open_folder) == {0o600}
    await journal.close()


HOLDS = """
import sys
from pathlib import Path
from holdfast.store.folder import DataFolder
DataFolder(Path(sys.argv[1]), reads=sys.argv[2] == "reads")
print("has it")
input()
"""


@contextmanager
def held(path: Path, how: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process has it."""
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"has it\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_only_one_holds_it_and_a_kill_gives_it_free(tmp_path: Path) -> None:
    with held(tmp_path, "alone"), pytest.raises(AlreadyRunning, match="stop it, or set data_dir"):
        DataFolder(tmp_path)
    DataFolder(tmp_path).close()


def test_who_reads_has_it_together_with_others_who_do(tmp_path: Path) -> None:
    with held(tmp_path, "reads"), held(tmp_path, "reads"):
        DataFolder(tmp_path, reads=True).close()
    with held(tmp_path, "alone"), pytest.raises(AlreadyRunning, match="stop it, or set data_dir"):
        DataFolder(tmp_path, reads=True)


def test_who_begins_waits_for_those_who_only_read(tmp_path: Path) -> None:
    with held(tmp_path, "reads") as reader, held(tmp_path, "reads") as other:
        begins = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path), "alone"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with begins:
            reader.kill()
            assert begins.stdout
            assert not select.select([begins.stdout], [], [], 0.5)[0], "one reads still"
            late = subprocess.Popen(
                [sys.executable, "-c", HOLDS, str(tmp_path), "reads"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert late.stdout
            assert not select.select([late.stdout], [], [], 0.5)[0], "nobody goes in before who waits"
            other.kill()
            with late:
                assert late.stdout.read() == b""
            assert begins.stdout.readline() == b"has it\n"
            begins.kill()


def test_who_reads_for_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "READERS_S_MAX", 0.1)
    with (
        held(tmp_path, "reads"),
        pytest.raises(AlreadyRunning, match=r"A command still reads the data folder .*Try again when it has ended\."),
    ):
        DataFolder(tmp_path)


def test_a_folder_that_may_not_be_written_to_is_refused_with_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code = """
import os, sys
from pathlib import Path
from holdfast.errors import Config
from holdfast.store.folder import DataFolder
if os.getuid() == 0:
    os.chdir(sys.argv[1])
    os.setuid(65534)
try:
    DataFolder(Path("data") if os.getuid() == 65534 else Path(sys.argv[1], "data"))
except Config as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True).stdout
    tmp_path.chmod(0o700)
    assert "can't be used: Permission denied" in said
    assert "set data_dir to another one" in said


def test_a_file_in_its_place_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(Config, match="can't be used"):
        DataFolder(tmp_path / "data")


def test_the_ballast_takes_room_until_it_is_dropped(tmp_path: Path) -> None:
    held = DataFolder(tmp_path)
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= folder.BALLAST_BYTES
    held.drop_ballast()
    held.drop_ballast()
    assert not (tmp_path / "ballast").exists()
    held.close()


def test_on_a_disk_that_is_nearly_full_there_is_no_ballast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "BALLAST_NEEDS_FREE_BYTES", 1 << 62)
    DataFolder(tmp_path).close()
    assert not (tmp_path / "ballast").exists()


def test_a_ballast_that_finds_no_room_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    DataFolder(tmp_path).close()
    assert not (tmp_path / "ballast").exists()


@pytest.mark.parametrize("name", ["journal.db", "lock"])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_deleted_or_replaced_while_it_is_in_use_is_missed(tmp_path: Path, name: str, replaced: bool) -> None:
    """Without the journal's name commits would go nowhere; without the lock's, a second gateway could take the folder."""
    folder = DataFolder(tmp_path)
    assert not folder.is_gone()
    (tmp_path / name).rename(tmp_path / "elsewhere")
    if replaced:
        (tmp_path / name).touch()
    assert folder.is_gone()
    folder.close()


@pytest.mark.parametrize("harm", [Path.unlink, lambda journal: journal.write_bytes(b"")])
def test_a_journal_that_is_gone_from_a_used_folder_is_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], object]
) -> None:
    DataFolder(tmp_path).close()
    (tmp_path / "journal.db").write_bytes(b"something")
    DataFolder(tmp_path).close()
    assert not caplog.records
    harm(tmp_path / "journal.db")
    DataFolder(tmp_path).close()
    assert "journal.db is gone or empty" in caplog.text
