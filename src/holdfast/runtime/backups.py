"""Backups that are made by themselves: one whenever the newest is old enough, so one that was missed is made at the start; the oldest ones are deleted."""

from __future__ import annotations

import asyncio
import calendar
import contextlib
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from holdfast.aside import aside
from holdfast.core import words
from holdfast.errors import Request, Temporary
from holdfast.ports import Backup, Clock
from holdfast.runtime.owner import Owner

NAME: Final = re.compile(r"holdfast-(\d{8}T\d{6})Z\.tar")
PARTIAL: Final = re.compile(NAME.pattern + r"\.partial(-journal)?")
INSTANT: Final = "%Y%m%dT%H%M%S"
RETRY_S: Final = 3_600.0
LOOK_S_MAX: Final = 600.0
"""However far away the next one is: the clock is looked at this often, for it may be set."""
ANSWERS_S_MAX: Final = 60.0
HOUR_S: Final = 3_600.0
DAY_S: Final = 86_400.0

BackUp = Callable[[Path], Awaitable[Backup]]
"""Makes one (`ports.Keeper.back_up`)."""


class Backups:
    """Those in one folder: every `every_s`, the newest `keep` of them."""

    def __init__(self, folder: Path, every_s: float, keep: int, back_up: BackUp, told: Owner, clock: Clock) -> None:
        self._folder, self._every_s, self._keep = folder, every_s, keep
        self._back_up, self._told, self._clock = back_up, told, clock
        self._newest: float | None = None

    def state(self) -> dict[str, Any]:
        """When the newest was made, and when the next one is due (None: now)."""
        return {
            "folder": str(self._folder),
            "newest": self._newest,
            "next": None if self._newest is None else self._newest + self._every_s,
        }

    async def run(self, ready: Callable[[], None]) -> None:
        """Until cancelled. Raises `Temporary` if one can't be made: then it is tried again."""
        await self._in_folder(self._sweep)
        while True:
            now = self._clock.now()
            self._newest = await self._in_folder(self._find_newest)
            if self._newest is None or now - self._newest >= self._every_s:
                await self._make(now)
            else:
                ready()
                await self._clock.sleep(min(self._newest + self._every_s - now, LOOK_S_MAX))

    async def _make(self, now: float) -> None:
        file = self._folder / f"holdfast-{time.strftime(INSTANT, time.gmtime(now))}Z.tar"
        try:
            made = await self._back_up(file)
        except (Temporary, Request) as failure:
            await self._failed(str(failure))
        if made.damaged:
            await self._tell("damaged", words.files_damaged(made.damaged))
        await self._in_folder(self._prune)

    async def _failed(self, why: str) -> None:
        await self._tell("failed", words.backup_failed(why, None if self._newest is None else self._clock.now() - self._newest))
        raise Temporary(why, RETRY_S)

    async def _tell(self, what: str, text: str) -> None:
        """Once a day, however often it is tried."""
        await self._told.tell(f"backup {what} {self._clock.now() // DAY_S:.0f}", text)

    async def _in_folder(self, look: Callable[[], Any]) -> Any:
        """The folder may be far away, and take its time, or for ever."""
        try:
            return await asyncio.wait_for(aside(look), ANSWERS_S_MAX)
        except TimeoutError:
            await self._failed(f"The folder {self._folder} has not answered for {ANSWERS_S_MAX:g} s.")
        except OSError as error:
            await self._failed(f"The folder {self._folder} can't be used: {error.strerror or error}.")

    def _sweep(self) -> None:
        """Make the folder, and delete what backups that were cut off left behind."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for path in self._folder.iterdir():
            if PARTIAL.fullmatch(path.name):
                path.unlink()

    def _find_newest(self) -> float | None:
        """When the newest backup was made. One from the future says nothing: the clock was wrong then."""
        now = self._clock.now()
        return max((at for at, _ in made_in(self._folder) if at <= now), default=None)

    def _prune(self) -> None:
        for _, path in made_in(self._folder)[: -self._keep]:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def made_in(folder: Path) -> list[tuple[float, Path]]:
    """When each of those in the folder was made, and where it is, the oldest first."""
    found = ((NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((_instant(match[1]), path) for match, path in found if match)


def _instant(written: str) -> float:
    return float(calendar.timegm(time.strptime(written, INSTANT)))
