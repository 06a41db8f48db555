"""Bytes of old files are dropped, and it is known that they were; nothing that anybody may need is."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.core.entries import Attachment, Fetched, UserMessage
from holdfast.errors import Request
from holdfast.ports import Release
from holdfast.store import archive
from holdfast.store.checking import check_backup
from holdfast.store.files import DROPPED, FolderFiles
from holdfast.store.keeper import LocalKeeper
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.clock import ManualClock
from holdfast.testing.contracts.journal_kit import arrival

DAY_S = 86_400.0
NOW = 2e9
CUTOFF = NOW - 30 * DAY_S


class Rig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = SqliteJournal.open(folder)
        self.files = FolderFiles(folder / "files")
        self.keeper = LocalKeeper(folder, self.journal, ManualClock(NOW), lambda: "1")

    async def put(self, data: bytes, days_ago: float) -> Path:
        async def once() -> AsyncIterator[bytes]:
            yield data

        path = self.folder / "files" / await self.files.put(once())
        os.utime(path, (NOW - days_ago * DAY_S,) * 2)
        return path

    async def message(self, key: str, data: bytes, days_ago: float, **release: object) -> Path:
        """With a file, which came so long ago; the conversation is at rest, or waits as `release` says."""
        path, at = await self.put(data, days_ago), NOW - days_ago * DAY_S
        body = UserMessage(author="ann", id=path.name, text="look", attachments=(Attachment(id=path.name, name="x"),))
        await self.journal.ingest([arrival(key, f"{path.name} {days_ago}", at, body=body)])
        (lease,) = await self.journal.claim("us", NOW, ("web",), {}, 9)
        wakes = (await self.journal.read(key, 0)).wakes
        fetched = Fetched(attachment=path.name, sha256=path.name)
        await self.journal.append(lease, at, wakes, facts=[fetched], release=Release(**release))  # type: ignore[arg-type] # what it takes
        return path

    async def drop(self) -> int:
        return await self.keeper.drop_files(CUTOFF)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    await rig.journal.close()


async def test_old_bytes_are_dropped_and_whoever_asks_for_them_is_told(rig: Rig) -> None:
    old, new = await rig.message("a", b"old", 31), await rig.message("a", b"new", 29)
    before = await rig.journal.read("a", 0)
    assert await rig.drop() == 1
    assert (old.exists(), new.exists()) == (False, True)
    assert await rig.journal.read("a", 0) == before
    for ask in (rig.files.read, rig.files.head):
        with pytest.raises(Request, match=r"dropped, to save space.*attachments_days.*What was said stays"):
            await ask(old.name)
    assert await rig.drop() == 0


async def test_of_a_turn_that_is_open_nothing_is_dropped(rig: Rig) -> None:
    """A turn that has waited for a model for five weeks may still show the picture to it."""
    waits = await rig.message("a", b"1", 40, turn_gate="main")
    asks = await rig.message("b", b"2", 40, asks=True)
    speaks = await rig.message("c", b"3", 40, speech_gate="web")
    assert await rig.drop() == 0
    assert all(path.exists() for path in (waits, asks, speaks))


async def test_what_was_spoken_of_again_since_stays(rig: Rig) -> None:
    old = await rig.message("a", b"1", 40)
    await rig.message("b", b"1", 5)
    os.utime(old, (NOW - 40 * DAY_S,) * 2)
    assert await rig.drop() == 0


async def test_what_nobody_ever_spoke_of_goes_too(rig: Rig) -> None:
    """An upload that was never sent with a message."""
    path = await rig.put(b"1", 31)
    assert await rig.drop() == 1
    assert not path.exists()


async def test_a_file_that_comes_again_is_there_again(rig: Rig) -> None:
    old = await rig.message("a", b"1", 40)
    await rig.drop()
    await rig.put(b"1", 0)
    assert await rig.files.read(old.name) == b"1"
    assert not old.with_name(old.name + DROPPED).exists()


async def test_a_backup_knows_what_was_dropped_and_misses_nothing(rig: Rig, tmp_path: Path) -> None:
    await rig.message("a", b"1", 40)
    await rig.drop()
    made = archive.write(tmp_path, tmp_path / "b.tar", NOW, "1")
    assert made.files == 0
    assert check_backup(tmp_path / "b.tar")[1].problems == []


async def test_forgetting_leaves_not_even_its_name(rig: Rig) -> None:
    old = await rig.message("a", b"1", 40)
    await rig.drop()
    await rig.keeper.forget("a")
    assert not list(old.parent.iterdir())


async def test_where_there_are_no_files_nothing_is_dropped(rig: Rig) -> None:
    assert await rig.drop() == 0
