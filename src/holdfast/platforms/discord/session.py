"""A session of the gateway: what Discord would tell next, and where. It outlives the connection for some minutes, and our process too: it is kept in the
account's folder, so that whoever comes next goes on right behind what was made durable. Without it, histories are read.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec


class Session(msgspec.Struct):
    """`us`: who we are in it. `seq`: what was told up to here has been made durable, in a journal whose cursor is `cursor` or newer."""

    id: str
    url: str
    us: str
    seq: int
    cursor: int = 0


class Kept:
    """The session, and where it is kept."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "session.json"
        self.now: Session | None = None
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            self.now = msgspec.json.decode(self._file.read_bytes(), type=Session)

    def save(self) -> None:
        """After a power cut, or when the disk is full, it may be an older one, or none: then more comes again, or is read. (So nothing waits for it.)"""
        if self.now is None:
            return
        new = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new.write_bytes(msgspec.json.encode(self.now))
            new.replace(self._file)

    def drop(self) -> None:
        """It does not say where to go on, any more."""
        self._file.unlink(missing_ok=True)

    def end(self) -> None:
        """There is none."""
        self.now = None
        self.drop()
