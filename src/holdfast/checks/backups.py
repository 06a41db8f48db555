"""The folder for backups that are made by themselves: is it there, can it be written, is there room, and how old is the newest?"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from holdfast.aside import aside
from holdfast.checks.findings import Finding
from holdfast.checks.running import part_of
from holdfast.core.words import size, span
from holdfast.runtime.backups import HOUR_S, RETRY_S, made_in
from holdfast.settings import Backup

ABOUT: Final = "backup"
ANSWERS_S_MAX: Final = 10.0
MEND: Final = 'Mount its disk; or dir = "..."    (in [backup]: another folder)'


async def check_backups(settings: Backup, data_dir: Path, now: float, status: Mapping[str, Any] | None) -> list[Finding]:
    """What is to be said of it; nothing if none are to be made. `settings` with the whole path."""
    if settings.dir is None:
        return []
    folder = Path(settings.dir)
    try:
        return await asyncio.wait_for(aside(lambda: [*_checked(folder, settings.every_h, data_dir, now), *_there(status)]), ANSWERS_S_MAX)
    except TimeoutError:
        why = f"It has not answered for {ANSWERS_S_MAX:g} s. Is it on another machine's disk?"
        return [Finding("error", "backup.folder", ABOUT, f"The folder {folder} can't be used.", why, MEND, away=True)]
    except OSError as error:
        return [Finding("error", "backup.folder", ABOUT, f"The folder {folder} can't be used.", f"{error.strerror}.", MEND, away=True)]


def _checked(folder: Path, every_h: float, data_dir: Path, now: float) -> Iterator[Finding]:
    there = (
        folder if folder.exists() else folder.parent
    )  # the gateway makes the folder, but nothing above it: that may be a disk that is not mounted
    if not there.is_dir():
        yield Finding("error", "backup.folder", ABOUT, f"There is no folder {there}.", "So no backups are made.", MEND, away=True)
        return
    if not os.access(there, os.W_OK | os.X_OK):
        mend = f"sudo chown {os.geteuid()} {shlex.quote(str(there))}"
        yield Finding(
            "error", "backup.folder", ABOUT, f"The folder {there} can't be written by this user.", "So no backups are made.", mend
        )
        return
    yield Finding("ok", "backup.folder", ABOUT, f"{folder} can be written{'' if there == folder else ' (it will be made)'}.")
    made = made_in(folder) if there == folder else []
    yield _room(there, made[-1][1] if made else data_dir / "journal.db")
    if not made:
        yield Finding("ok", "backup.newest", ABOUT, "None was made yet: a gateway that runs makes the first one at once.")
    elif (old_s := now - made[-1][0]) > every_h * HOUR_S + 2 * RETRY_S:
        what = f"The newest is {span(old_s)} old."
        yield Finding("warning", "backup.newest", ABOUT, what, f"One is made every {every_h:g} h, by a gateway that runs.")
    else:
        yield Finding("ok", "backup.newest", ABOUT, f"The newest is {span(max(old_s, 0.0))} old.")


def _room(folder: Path, like: Path) -> Finding:
    """Is there room for another one like this?"""
    room = os.statvfs(folder)
    free, needs = room.f_bavail * room.f_frsize, like.stat().st_size if like.exists() else 0
    if free < needs:
        what = f"Only {size(free)} are free there, and the next one needs about {size(needs)}."
        return Finding("warning", "backup.room", ABOUT, what, mend="Free some; or keep = ...    (in [backup]: fewer of them)")
    return Finding("ok", "backup.room", ABOUT, f"{size(free)} are free there.")


def _there(status: Mapping[str, Any] | None) -> Iterator[Finding]:
    """What the running gateway says of it."""
    part = part_of(status, "backup")
    if part is not None and part["state"] not in {"ready", "starting"}:
        yield Finding("error", "backup.made", ABOUT, "The running gateway could not make the last one.", part["why"], away=True)
