"""The folder for backups as a check sees it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from holdfast.checks import backups
from holdfast.checks.backups import check_backups
from holdfast.checks.findings import Finding
from holdfast.settings import Backup

NOW = 1_795_000_000.0
NAME = f"holdfast-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(NOW))}.tar"
"""Made at that instant."""


async def found(folder: Path, now: float = NOW, status: Any = None) -> dict[str, Finding]:
    return {one.check: one for one in await check_backups(Backup(dir=str(folder)), folder.parent / "data", now, status)}


async def test_where_none_are_to_be_made_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert await check_backups(Backup(), tmp_path, NOW, None) == []


async def test_a_folder_that_will_be_made_is_well_and_is_not_made(tmp_path: Path) -> None:
    told = await found(tmp_path / "b")
    assert {check: one.level for check, one in told.items()} == {"backup.folder": "ok", "backup.room": "ok", "backup.newest": "ok"}
    assert told["backup.folder"].what == f"{tmp_path}/b can be written (it will be made)."
    assert not (tmp_path / "b").exists()


async def test_a_disk_that_is_not_there_is_an_error_that_may_pass(tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    one = (await found(tmp_path / "usb" / "no disk" / "b"))["backup.folder"]
    assert (one.level, one.away, one.what) == ("error", True, f"There is no folder {tmp_path}/usb/no disk.")


async def test_a_folder_that_can_not_be_written_is_an_error_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    one = (await found(tmp_path / "b"))["backup.folder"]
    assert (one.level, one.away, one.mend) == ("error", False, f"sudo chown {os.geteuid()} {tmp_path}")


@pytest.mark.parametrize(
    ("later_h", "level", "says"), [(3, "ok", "The newest is 3 h old."), (25.5, "ok", "The newest is"), (80, "warning", "The newest is")]
)
async def test_the_newest_is_as_old_as_it_may_be(tmp_path: Path, later_h: float, level: str, says: str) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / NAME).touch()
    (tmp_path / "b" / "something else.tar").touch()
    one = (await found(tmp_path / "b", NOW + later_h * 3_600))["backup.newest"]
    assert one.level == level and one.what.startswith(says)


async def test_whether_another_one_has_room_is_told(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with (tmp_path / "b" / NAME).open("wb") as large:
        large.truncate(1 << 42)  # without taking room
    one = (await found(tmp_path / "b"))["backup.room"]
    assert one.level == "warning" and "the next one needs about 4398.0 GB." in one.what


async def test_a_folder_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "ANSWERS_S_MAX", 0.1)
    monkeypatch.setattr(backups, "made_in", lambda _: threading.Event().wait())
    (tmp_path / "b").mkdir()
    one = (await found(tmp_path / "b"))["backup.folder"]
    assert (one.level, one.away, one.cause) == ("error", True, "It has not answered for 0.1 s. Is it on another machine's disk?")


async def test_what_the_running_gateway_could_not_make_is_told_with_its_words(tmp_path: Path) -> None:
    part = {"name": "backup", "state": "waiting", "why": "No space left on device."}
    one = (await found(tmp_path / "b", status={"parts": [part]}))["backup.made"]
    assert (one.level, one.cause) == ("error", "No space left on device.")
    assert "backup.made" not in await found(tmp_path / "b", status={"parts": [part | {"state": "ready"}]})
