"""Whoever looks after the journal and the files as such: makes backups, and forgets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from holdfast.aside import aside
from holdfast.errors import Request, Temporary
from holdfast.failpoints import failpoint
from holdfast.ports import Backup, Clock, Forgot, Freed
from holdfast.store import archive
from holdfast.store.files import FolderFiles
from holdfast.store.sqlite import SqliteJournal

BACKUPS: Final = "*.tar"
LOOK_S: Final = 1.0
HANGS_S: Final = 600.0
"""A disk that takes nothing for so long is given up."""
CLEARS_UP_S_MAX: Final = 2.0
"""So long it is waited for what was cut short to delete what it has begun: the whole stop has ten seconds."""
ANSWERS_S_MAX: Final = 10.0


async def nobody_works(_conversation: str) -> None:
    """There are no workers to end: no gateway runs."""


class LocalKeeper:
    """`ports.Keeper` of this data folder. `end` ends a conversation's worker; `changed` is told of a conversation that has changed. `backups`: the folder where
    backups are made by themselves."""

    def __init__(
        self,
        data_dir: Path,
        journal: SqliteJournal,
        clock: Clock,
        version: Callable[[], str],
        backups: Path | None = None,
        end: Callable[[str], Awaitable[None]] = nobody_works,
        changed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._data_dir, self._journal, self._clock, self._version, self._backups = data_dir, journal, clock, version, backups
        self._end, self._changed = end, changed
        self._files = FolderFiles(data_dir / "files")
        self._one_at_a_time = asyncio.Lock()

    async def back_up(self, file: Path) -> Backup:
        async with self._one_at_a_time:
            return await _made(file, lambda stops: archive.write(self._data_dir, file, self._clock.now(), self._version(), stops))

    async def vacuum(self) -> Freed:
        async with self._one_at_a_time:
            return await self._journal.shrink()

    async def forget(self, conversation: str) -> Forgot:
        async with self._one_at_a_time:
            if await self._journal.conversation(conversation) is None:
                raise Request(f"There is no conversation {conversation!r}. `holdfast show` lists them.")
            await self._end(conversation)
            erased = await self._journal.forget(conversation, self._clock.now())
            assert erased is not None, "conversations stay"
            self._changed(conversation)
            failpoint("forget.erased")
            files = await self._delete_doomed()
            failpoint("forget.files")
            rewritten = await self._journal.scrub()
            return Forgot(erased.entries, files, await self._copies(), rewritten)

    async def drop_files(self, before: float) -> int:
        async with self._one_at_a_time:
            old = await asyncio.to_thread(self._files.older, before)
            needed = await self._journal.mentioned(old, before) if old else frozenset()
            return await asyncio.to_thread(self._files.drop, [name for name in old if name not in needed], before)

    async def finish(self) -> None:
        """Do what was left undone when somebody was killed while he forgot."""
        async with self._one_at_a_time:
            await self._journal.erase()
            await self._delete_doomed()

    async def _delete_doomed(self) -> int:
        """Delete the files of what was erased, unless others have them. Says how many."""
        doomed = await self._journal.doomed()
        if not doomed:
            return 0
        now = self._clock.now()
        others = await self._journal.mentioned(doomed)
        deleted = await asyncio.to_thread(self._files.delete, [name for name in doomed if name not in others], now)
        await self._journal.spare(doomed)
        return deleted

    async def _copies(self) -> tuple[str, ...]:
        """Where the journal, or an older one, may stand too. Of a folder that does not answer it is not known which: all that may be there."""
        kept = [*self._data_dir.glob("journal-*.db")]
        folder = self._backups
        if folder is not None:
            try:
                kept += await asyncio.wait_for(aside(lambda: [*folder.glob(BACKUPS)]), ANSWERS_S_MAX)
            except TimeoutError:
                kept.append(folder / BACKUPS)
        return tuple(map(str, sorted(kept)))


async def _made(file: Path, work: Callable[[Callable[[], bool]], Backup]) -> Backup:
    """What the work comes to, which looks again and again whether it is to stop. Whoever cancels it waits until it has cleared up; but for nobody who hangs."""
    ends, clock = threading.Event(), asyncio.get_running_loop().time
    looked = clock()

    def stops() -> bool:
        nonlocal looked
        looked = clock()
        return ends.is_set()

    done = aside(lambda: work(stops))
    try:
        while not (await asyncio.wait({done}, timeout=LOOK_S))[0]:
            if clock() - looked > HANGS_S:
                raise Temporary(f"The backup {file} can't be made: the disk has taken nothing for {HANGS_S:g} s.")
        return done.result()
    finally:
        ends.set()
        await asyncio.wait({done}, timeout=CLEARS_UP_S_MAX)
