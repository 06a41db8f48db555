"""Whoever looks after the journal and the files of a running gateway as such: makes backups."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from holdfast.ports import Backup, Clock
from holdfast.store import archive


class LocalKeeper:
    """`ports.Keeper` of this data folder."""

    def __init__(self, data_dir: Path, clock: Clock, version: Callable[[], str]) -> None:
        self._data_dir, self._clock, self._version = data_dir, clock, version
        self._one_at_a_time = asyncio.Lock()

    async def back_up(self, file: Path) -> Backup:
        async with self._one_at_a_time:
            return await _in_a_thread(lambda stops: archive.write(self._data_dir, file, self._clock.now(), self._version(), stops))


async def _in_a_thread(work: Callable[[Callable[[], bool]], Backup]) -> Backup:
    """Its result; whoever cancels it waits until it has cleared up."""
    stops = threading.Event()
    task = asyncio.create_task(asyncio.to_thread(work, stops.is_set))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stops.set()
        await asyncio.wait({task})
        raise
