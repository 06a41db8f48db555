"""The data folder: one process at a time (or several that only read), private, with a ballast to throw off when the disk is full."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
from pathlib import Path
from typing import Final

from holdfast.errors import AlreadyRunning, Config

BALLAST_BYTES: Final = 1 << 20
BALLAST_NEEDS_FREE_BYTES: Final = 16 << 20
"""With less free than this, room is better left to the journal: else a full disk would be filled again at each start."""

FREE_BYTES_LEAST: Final = 256_000_000
"""With less, whoever runs this is told."""

READERS_S_MAX: Final = 10.0
"""So long a gateway that begins waits for those who only read: their command is nearly done, and theirs is no reason to be away."""
READERS_LOOK_S: Final = 0.02

log = logging.getLogger(__name__)


class DataFolder:
    """The folder, as long as this process holds its lock. The lock goes with the process: there is no stale one, and no PID to read."""

    def __init__(self, path: Path, *, begin: bool = True, reads: bool = False) -> None:
        """Take the folder, making it if there is none, and (unless `begin` is false) an empty journal in it. Who only `reads` has it together with others who
        do. Raises `AlreadyRunning`, or `Config` if it can't be used."""
        self.path = path
        self.journal = path / "journal.db"
        self._files: dict[Path, int] = {}
        self._ballast = path / "ballast"
        try:
            self._make()
            used_before = (path / "lock").exists()
            self._lock = os.open(path / "lock", (os.O_RDONLY if reads else os.O_RDWR) | os.O_CREAT, 0o600)
            self._take(fcntl.LOCK_SH if reads else fcntl.LOCK_EX)
        except AlreadyRunning:
            os.close(self._lock)
            raise
        except OSError as error:
            raise Config(
                f"The data folder {path} can't be used: {error.strerror}. Make it a folder that this user may write to, or set data_dir to another one."
            ) from error
        if reads or not begin:
            return
        if used_before and not (self.journal.exists() and self.journal.stat().st_size):
            log.warning("%s is gone or empty. A new journal is begun; put a copy in its place if you have one.", self.journal)
        if not self.journal.exists():
            os.close(make_private(self.journal))
            sync_folder(path)
        self._files = {file: file.stat().st_ino for file in (self.journal, path / "lock")}
        self._load_ballast()

    def _take(self, lock: int) -> None:
        """Whoever waits for readers stands in a gate through which all come: so no others go in meanwhile."""
        until = time.monotonic() + READERS_S_MAX
        gate = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            while not _locked(gate, fcntl.LOCK_EX) and time.monotonic() < until:
                time.sleep(READERS_LOOK_S)
            while not _locked(self._lock, lock):
                if not _locked(self._lock, fcntl.LOCK_SH):
                    raise AlreadyRunning(
                        f"Another Holdfast is running on the data folder {self.path}. Use that one (`holdfast login` prints a link to it), stop it, or set data_dir to another folder."
                    )
                fcntl.flock(self._lock, fcntl.LOCK_UN)
                if time.monotonic() > until:
                    raise AlreadyRunning(
                        f"A command still reads the data folder {self.path}, a check or a backup perhaps. Try again when it has ended."
                    )
                time.sleep(READERS_LOOK_S)
        finally:
            os.close(gate)

    def _make(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file", str(self.path))
        if not self.path.is_dir():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700)
            sync_folder(self.path.parent)

    def _load_ballast(self) -> None:
        """Best effort: it is a comfort, and the disk may be full now."""
        room = os.statvfs(self.path)
        if self._ballast.exists() or room.f_bavail * room.f_frsize < BALLAST_NEEDS_FREE_BYTES:
            return
        try:
            with self._ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
        except OSError:
            self.drop_ballast()

    def drop_ballast(self) -> bool:
        """Make room to end, and to write at the next start. False if that was done before."""
        try:
            self._ballast.unlink()
        except FileNotFoundError:
            return False
        return True

    def is_gone(self) -> bool:
        """Was the journal or the lock deleted or replaced? Without the lock's name another process could take the folder."""
        try:
            return any(file.stat().st_ino != inode for file, inode in self._files.items())
        except FileNotFoundError:
            return True

    def close(self) -> None:
        """Give the folder to the next process."""
        os.close(self._lock)


def _locked(handle: int, lock: int) -> bool:
    try:
        fcntl.flock(handle, lock | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def make_private(path: Path) -> int:
    """Open a file, making it one that only this user may read if there is none. (SQLite gives its log the same rights.)"""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
