"""Backups: what is in one, that it is whole or not there, and that whatever is done to it is noticed."""

from __future__ import annotations

import asyncio
import hashlib
import stat
import subprocess
import tarfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest

from holdfast.core.entries import Attachment, Fetched, UserMessage
from holdfast.errors import Request, Temporary
from holdfast.runtime.clock import SystemClock
from holdfast.store import archive, keeper
from holdfast.store.archive import NotWhole
from holdfast.store.checking import check_backup
from holdfast.store.files import FolderFiles
from holdfast.store.keeper import LocalKeeper
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import claim, claim_one, ingest

NOTE = b"What is kept is kept."
SHA256 = hashlib.sha256(NOTE).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def bytes_of(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.fixture
async def data_dir(tmp_path: Path) -> AsyncIterator[Path]:
    """A data folder in use: a conversation with a file, one with a turn under way, and an account that is signed in."""
    folder = tmp_path / "data"
    journal = SqliteJournal.open(folder)
    await ingest(journal, "a", body=UserMessage(author="ann", id="1", text="look", attachments=(Attachment(id="1/0", name="note.txt"),)))
    await FolderFiles(folder / "files").put(bytes_of(NOTE))
    (lease,) = await claim(journal)
    await journal.append(lease, 60.0, 1, facts=[Fetched(attachment="1/0", sha256=SHA256)])
    await claim_one(journal, "b", at=70.0)
    (folder / "files" / "partial-x").write_bytes(b"half")
    login = folder / "platforms" / "wechat" / "me" / "login.json"
    login.parent.mkdir(parents=True)
    login.write_text("{}")
    login.with_name("keys.db").write_bytes(b"not to be used twice")
    yield folder
    await journal.close()


@pytest.fixture
def backup(data_dir: Path, tmp_path: Path) -> Path:
    archive.write(data_dir, tmp_path / "b.tar", 100.0, "1.2.3")
    return tmp_path / "b.tar"


def test_a_backup_has_all_that_must_be_kept_and_any_tar_can_open_it(data_dir: Path, tmp_path: Path) -> None:
    made = archive.write(data_dir, tmp_path / "b.tar", 100.0, "1.2.3")
    assert (made.conversations, made.files, made.damaged) == (2, 1, ())
    assert made.size == (tmp_path / "b.tar").stat().st_size
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600
    assert names(tmp_path) == ["b.tar", "data"]
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "b.tar", "-C", tmp_path / "out"], check=True)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "out", check=True)
    unpacked = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert unpacked == ["SHA256SUMS", "backup.json", f"files/{SHA256}", "journal.db", "platforms/wechat/me/login.json"]


def test_a_good_backup_is_opened_compared_and_replayed(backup: Path) -> None:
    about, checked = check_backup(backup)
    assert (about.at, about.holdfast) == (100.0, "1.2.3")
    assert (checked.conversations, checked.entries, checked.files, checked.problems) == (2, 3, 1, [])


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 1024, 0.3, 0.6, -10_000, -1024, -1])
def test_a_backup_that_was_cut_off_anywhere_is_refused_or_still_whole(backup: Path, keep: float) -> None:
    whole = backup.read_bytes()
    backup.write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    if keep in {-1, -1024}:  # of the empty blocks at the end
        assert check_backup(backup)[1].problems == []
    else:
        with pytest.raises(NotWhole, match="backup"):
            check_backup(backup)


def test_every_byte_that_changes_is_noticed(backup: Path) -> None:
    """In any member; of the headers, where it matters to anybody."""
    whole = backup.read_bytes()
    with tarfile.open(backup) as tar:
        members = [(info.name, info.offset_data, info.size) for info in tar]
    for name, offset, size in members:
        at = offset + size // 2
        backup.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        if name == archive.ABOUT:
            continue  # what it says of itself decides nothing
        assert check_backup(backup)[1].problems, name


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("not a tar")
    with tarfile.open(tmp_path / "y", "w") as tar:
        tar.add(tmp_path / "x", "../../etc/passwd")
    for name in ("x", "y"):
        with pytest.raises(NotWhole, match="no backup"):
            archive.about(tmp_path / name)
    with pytest.raises(Request, match="No such file"):
        archive.about(tmp_path / "z")


@pytest.mark.parametrize("name", ["../x", "files/../../x", "/etc/x", "platforms/../x", "platforms//x", "platforms/a/..", "files/x", "x"])
def test_nothing_in_a_backup_gets_out_of_its_folder(backup: Path, name: str) -> None:
    data = backup.read_bytes()
    info = tarfile.TarInfo(name)
    info.size = 1
    with tarfile.open(backup) as tar:
        at = tar.getmember(archive.SUMS).offset
    backup.write_bytes(data[:at] + info.tobuf() + bytes(512) + data[at:])
    with pytest.raises(NotWhole, match="that no backup has"):
        archive.read(backup, lambda _: None)


def test_a_backup_of_a_newer_version_is_refused_with_a_sentence(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes().replace(b'{"format":1', b'{"format":2'))
    with pytest.raises(Request, match="newer Holdfast"):
        archive.about(backup)


def test_something_that_is_there_is_not_replaced(data_dir: Path, backup: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(Request, match="is there already"):
        archive.write(data_dir, backup, 100.0, "1")
    assert backup.read_bytes() == before


def test_a_file_that_is_damaged_on_disk_is_named_when_it_is_backed_up(data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "files" / SHA256).write_bytes(NOTE + b"!")
    assert archive.write(data_dir, tmp_path / "b.tar", 100.0, "1").damaged == (SHA256,)
    (problem,) = check_backup(tmp_path / "b.tar")[1].problems
    assert "damaged already" in problem


def test_a_lost_file_and_a_damaged_entry_are_found(data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "files" / SHA256).unlink()
    archive.write(data_dir, tmp_path / "lost.tar", 100.0, "1")
    assert check_backup(tmp_path / "lost.tar")[1].problems == [f"The conversation a has lost the file {SHA256}."]
    db = apsw.Connection(str(data_dir / "journal.db"))
    db.execute("UPDATE entry SET body = json_set(body, '$.text', 7) WHERE conversation = 'b'")
    db.execute("DELETE FROM entry WHERE conversation = 'a' AND seq = 1")
    db.close()
    archive.write(data_dir, tmp_path / "damaged.tar", 100.0, "1")
    problems = "\n".join(check_backup(tmp_path / "damaged.tar")[1].problems)
    assert "The conversation a has not all of its entries." in problems
    assert "The conversation b can't be replayed (ValidationError" in problems


# --- trouble while one is made ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(path)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_disk_that_is_full_in_the_middle_of_it_harms_nothing(data_dir: Path, small_disk: Path) -> None:
    """LEDGER H-59. While the journal is copied, and while the archive is written."""
    for other_bytes in (250_000, 150_000):
        (small_disk / "other").write_bytes(bytes(other_bytes))
        with pytest.raises(Temporary, match=r"can't be made.*(No space|full).*Nothing else is touched"):
            archive.write(data_dir, small_disk / "b.tar", 100.0, "1")
        assert names(small_disk) == ["other"]


def test_a_folder_that_is_not_there_is_a_sentence(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(Request, match="There is no folder"):
        archive.write(data_dir, tmp_path / "nowhere" / "b.tar", 100.0, "1")


@pytest.mark.parametrize("looks", [0, 1, 2, 5])
def test_whoever_stops_it_leaves_nothing_behind(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    monkeypatch.setattr(archive, "STEPS_BETWEEN_LOOKS", 500)
    left = iter([False] * looks)
    with pytest.raises(Temporary, match="The gateway stops"):
        archive.write(data_dir, tmp_path / "b.tar", 100.0, "1", lambda: next(left, True))
    assert names(tmp_path) == ["data"]


async def test_a_gateway_that_stops_waits_until_it_is_cleared_up(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = threading.Event()

    def write(*arguments: object) -> None:
        began.set()
        stops = arguments[-1]
        assert callable(stops)
        while not stops():
            pass
        (tmp_path / "cleared up").touch()

    monkeypatch.setattr(archive, "write", write)
    journal = SqliteJournal.open(tmp_path / "other")
    making = asyncio.create_task(LocalKeeper(data_dir, journal, SystemClock(), lambda: "1").back_up(tmp_path / "b.tar"))
    await asyncio.to_thread(began.wait, 20)
    making.cancel()
    await asyncio.wait({making})
    assert making.cancelled()
    assert (tmp_path / "cleared up").exists()
    await journal.close()


async def hung(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Task[object], SqliteJournal]:
    """A backup on a disk that answers no more."""
    began = threading.Event()

    def write(*_: object) -> None:
        began.set()
        threading.Event().wait()

    monkeypatch.setattr(archive, "write", write)
    journal = SqliteJournal.open(tmp_path / "other")
    making = asyncio.create_task(LocalKeeper(data_dir, journal, SystemClock(), lambda: "1").back_up(tmp_path / "b.tar"))
    assert await asyncio.to_thread(began.wait, 20)
    return making, journal


async def test_a_gateway_that_stops_does_not_wait_for_a_disk_that_hangs(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, journal = await hung(data_dir, tmp_path, monkeypatch)
    making.cancel()
    await asyncio.wait({making}, timeout=20)
    assert making.cancelled()
    await journal.close()


async def test_a_disk_that_hangs_is_given_up(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_S", "HANGS_S", "CLEARS_UP_S_MAX"):
        monkeypatch.setattr(keeper, name, 0.1)
    making, journal = await hung(data_dir, tmp_path, monkeypatch)
    with pytest.raises(Temporary, match=r"b\.tar can't be made: the disk has taken nothing for 0\.1 s"):
        async with asyncio.timeout(20):
            await making
    await journal.close()


async def test_messages_go_on_being_saved_while_one_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is of one moment, and whoever writes does not wait for it."""
    monkeypatch.setattr(archive, "STEPS_BETWEEN_LOOKS", 2_000)
    journal = SqliteJournal.open(tmp_path / "data")
    for n in range(300):
        await ingest(journal, "a", message=str(n), body=UserMessage(author="ann", id=str(n), text="word " * 500))
    looked, go_on = threading.Event(), threading.Event()

    def stops() -> bool:
        looked.set()
        go_on.wait(20)
        return False

    making = asyncio.create_task(asyncio.to_thread(archive.write, tmp_path / "data", tmp_path / "b.tar", 1.0, "1", stops))
    await asyncio.to_thread(looked.wait, 20)
    for n in range(300, 320):
        await asyncio.wait_for(ingest(journal, "a", message=str(n)), 20)
    go_on.set()
    await making
    await journal.close()
    assert check_backup(tmp_path / "b.tar")[1].entries == 300
