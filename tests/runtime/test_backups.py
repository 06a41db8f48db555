"""Backups that are made by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from holdfast.core.entries import Note
from holdfast.errors import Temporary
from holdfast.ports import Accepted, Arrival, Backup
from holdfast.runtime.backups import Backups
from holdfast.runtime.owner import Owner
from holdfast.testing.clock import ManualClock

DAY_S = 86_400.0
FULL = Temporary("The backup can't be made: No space left on device.")


class Keeper:
    """Writes empty backups; or fails."""

    def __init__(self) -> None:
        self.failure: Temporary | None = None
        self.damaged: tuple[str, ...] = ()
        self.made = 0

    async def back_up(self, file: Path) -> Backup:
        if self.failure:
            raise self.failure
        file.write_bytes(b"")  # noqa: ASYNC240 - what a thread does in earnest
        self.made += 1
        return Backup(str(file), 0.0, 1, 1, 1, self.damaged)


class Rig:
    def __init__(self, folder: Path, keep: int = 3) -> None:
        self.folder, self.keeper, self.clock = folder, Keeper(), ManualClock()
        self.told: dict[str, str] = {}
        self.ready, self._became = 0, asyncio.Event()
        owner = Owner([("notes", "web", "notes")], self.accept, self.clock)
        self.backups = Backups(folder, DAY_S, keep, self.keeper.back_up, owner, self.clock)

    async def accept(self, arrivals: Sequence[Arrival]) -> tuple[Accepted, ...]:
        for arrival in arrivals:
            assert isinstance(arrival.body, Note)
            self.told.setdefault(arrival.dedupe, arrival.body.text)
        return ()

    def become_ready(self) -> None:
        self.ready += 1
        self._became.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.backups.run(self.become_ready))
        yield
        task.cancel()
        await asyncio.wait({task})

    async def until_ready(self, times: int) -> None:
        async with asyncio.timeout(20):
            while self.ready < times:
                self._became.clear()
                await self._became.wait()

    async def fails(self) -> Temporary:
        with pytest.raises(Temporary) as failure:
            await self.backups.run(self.become_ready)
        return failure.value

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "backups")


async def test_the_first_is_made_at_the_start_and_then_one_a_day_of_which_the_newest_are_kept(rig: Rig) -> None:
    async with rig.running():
        await rig.until_ready(1)
        (first,) = rig.files
        looks = 1
        while rig.keeper.made < 5:
            rig.clock.advance(600)
            looks += 1
            await rig.until_ready(looks)
    assert len(rig.files) == 3
    assert first not in rig.files
    assert rig.clock.now() - ManualClock().now() == pytest.approx(4 * DAY_S, abs=600)
    assert rig.told == {}


async def test_one_that_is_new_enough_is_not_made_again_after_a_restart(rig: Rig) -> None:
    async with rig.running():
        await rig.until_ready(1)
    rig.clock.advance(DAY_S / 2)
    async with rig.running():
        await rig.until_ready(2)
    assert rig.keeper.made == 1
    state = rig.backups.state()
    assert state["next"] == state["newest"] + DAY_S
    rig.clock.advance(DAY_S / 2)
    async with rig.running():
        await rig.until_ready(3)
    assert rig.keeper.made == 2


async def test_one_that_fails_is_told_once_a_day_and_tried_again_every_hour_and_deletes_nothing(rig: Rig) -> None:
    for _ in range(4):
        async with rig.running():
            await rig.until_ready(rig.ready + 1)
        rig.clock.advance(DAY_S)
    kept = rig.files
    rig.keeper.failure = FULL
    for _ in range(30):
        assert (await rig.fails()).retry_after_s == 3600
        rig.clock.advance(3600)
    assert rig.files == kept
    assert len(rig.told) == 2
    assert "The newest one is 24 h old." in next(iter(rig.told.values()))


async def test_where_there_was_none_yet_it_says_so(rig: Rig) -> None:
    rig.keeper.failure = FULL
    await rig.fails()
    (said,) = rig.told.values()
    assert said == (
        "The backup could not be made. The backup can't be made: No space left on device. There is none yet. I try again every hour; nothing else "
        "is held up by it."
    )


async def test_a_folder_that_is_away_is_told_and_not_made_in_its_place(tmp_path: Path) -> None:
    """An unplugged disk must not become a folder on the wrong one."""
    rig = Rig(tmp_path / "disk" / "backups")
    assert "No such file or directory" in str(await rig.fails())
    assert len(rig.told) == 1
    assert not (tmp_path / "disk").exists()


async def test_what_a_kill_left_behind_is_deleted_and_what_is_not_ours_is_left_alone(rig: Rig) -> None:
    rig.folder.mkdir()
    ours = [f"holdfast-20260101T000000Z.tar.partial{end}" for end in ("", "-journal")]
    others = ["holdfast-mine.tar", "notes.txt", "holdfast-mine.tar.partial"]
    for name in ours + others:
        (rig.folder / name).touch()
    async with rig.running():
        await rig.until_ready(1)
    assert set(others) < set(rig.files)
    assert not set(ours) & set(rig.files)


async def test_a_backup_from_the_future_hides_no_need_for_one(rig: Rig) -> None:
    rig.folder.mkdir()
    (rig.folder / "holdfast-29990101T000000Z.tar").touch()
    async with rig.running():
        await rig.until_ready(1)
    assert rig.keeper.made == 1


async def test_files_that_are_damaged_are_told_to_the_owner(rig: Rig) -> None:
    rig.keeper.damaged = ("abc", "def", "0", "1")
    async with rig.running():
        await rig.until_ready(1)
    (said,) = rig.told.values()
    assert "are damaged on this disk: abc, def, 0 and 1 more." in said


async def test_a_folder_that_hangs_is_told_and_tried_again_later(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.runtime.backups.ANSWERS_S_MAX", 0.1)
    monkeypatch.setattr(rig.backups, "_sweep", lambda: threading.Event().wait())
    async with asyncio.timeout(20):
        assert (await rig.fails()).retry_after_s == 3_600.0
    assert f"The folder {rig.folder} has not answered for 0.1 s." in "".join(rig.told.values())
