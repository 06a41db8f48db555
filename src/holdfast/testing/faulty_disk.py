"""A disk for SQLite that can lose power, fail and be full.

It is a VFS: SQLite's files are real ones in a real folder, and beside them it knows what of each would survive a power cut now. Of what was
written since the last sync, each write may be kept, lost, or torn into sectors that are kept and sectors that are lost, in any order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import apsw

SECTOR_BYTES: Final = 512

Touch = Literal["write", "sync"]


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at an offset; or, without bytes, the file cut off there."""

    offset: int
    data: bytes | None


@dataclass(slots=True)
class FileState:
    """What is certain of a file, and what is not."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write] = field(default_factory=list)

    def sync(self) -> None:
        for write in self.pending:
            _apply(self.durable, write)
        self.pending.clear()

    def after_power_cut(self, rng: random.Random) -> bytes:
        content = bytearray(self.durable)
        for write in rng.sample(self.pending, len(self.pending)):
            for part in _survives(write, rng):
                _apply(content, part)
        return bytes(content)


def _survives(write: Write, rng: random.Random) -> list[Write]:
    fate = rng.choice(("kept", "lost", "torn"))
    if fate == "lost":
        return []
    if fate == "kept" or write.data is None:
        return [write]
    sectors = range(0, len(write.data), SECTOR_BYTES)
    return [Write(write.offset + at, write.data[at : at + SECTOR_BYTES]) for at in sectors if rng.random() < 0.5]


def _apply(content: bytearray, write: Write) -> None:
    if write.data is None:
        del content[write.offset :]
        return
    content.extend(bytes(max(0, write.offset - len(content))))
    content[write.offset : write.offset + len(write.data)] = write.data


class FaultyDisk(apsw.VFS):
    """Every database that is opened while it is `installed` lies on this disk."""

    def __init__(self) -> None:
        self._name = f"faulty-{id(self)}"
        self.files: dict[str, FileState] = {}
        self.touched: Callable[[], None] = lambda: None
        """Called before each write and sync, in the thread that makes it: the moment for a power cut."""
        self.fault: Callable[[str, Touch], Exception | None] = lambda _path, _touch: None
        """What a write or sync of this file raises instead of being done."""
        super().__init__(self._name, "", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        file = _File(self, path, name, flags)
        content = Path(path).read_bytes() if path else b""
        self.files.setdefault(path, FileState(bytearray(content)))
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - apsw's name
        super().xDelete(filename, syncdir)
        self.files.pop(filename, None)

    def touch(self, path: str, touch: Touch) -> FileState:
        self.touched()
        if fault := self.fault(path, touch):
            raise fault
        return self.files[path]

    def after_power_cut(self, rng: random.Random) -> Mapping[str, bytes]:
        """The files, by name, as the next start could find them if the power went off now."""
        return {Path(path).name: state.after_power_cut(rng) for path, state in self.files.items()}


class _File(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, path: str, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._path = path

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
        state = self._disk.touch(self._path, "write")
        super().xWrite(data, offset)
        state.pending.append(Write(offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - apsw's name
        state = self._disk.touch(self._path, "write")
        super().xTruncate(newsize)
        state.pending.append(Write(newsize, None))

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        state = self._disk.touch(self._path, "sync")
        super().xSync(flags)
        state.sync()


@contextmanager
def faulty_disk() -> Iterator[FaultyDisk]:
    """Installed for as long as the context lasts."""
    disk = FaultyDisk()
    try:
        yield disk
    finally:
        disk.unregister()
