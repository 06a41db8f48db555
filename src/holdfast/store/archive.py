"""A backup is one file: a plain tar of the journal, of the files that came with messages, and of what accounts keep to stay signed in.

    backup.json       of which instant it is, and what made it
    journal.db        of one moment, without what was erased
    files/SHA256      as in the data folder; with `.dropped` behind it, that its bytes were dropped
    platforms/...     the same; but no databases: keys of encrypted rooms must not be used twice
    SHA256SUMS        of all of these: the last one, so that a backup without it is not whole

A tar, so that one file can be carried anywhere, and be opened without us: `tar -xf FILE; sha256sum -c SHA256SUMS`. Not compressed: pictures don't get smaller,
and for the rest there are programs that people choose themselves.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import apsw
import msgspec

from holdfast.errors import Request, Temporary
from holdfast.failpoints import failpoint
from holdfast.ports import Backup
from holdfast.store.connections import reads_what_is_left
from holdfast.store.files import DROPPED, FILE_NAME
from holdfast.store.folder import make_private, sync_folder

FORMAT: Final = 1
ABOUT: Final = "backup.json"
JOURNAL: Final = "journal.db"
SUMS: Final = "SHA256SUMS"
FILES: Final = "files/"
PLATFORMS: Final = "platforms/"
DATABASE: Final = b"SQLite format 3\0"
PACKED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd")
"""What gzip, bzip2, xz and zstd begin with."""

CHUNK_BYTES: Final = 1 << 20
UNSYNCED_BYTES_MAX: Final = 8 << 20
"""So much may wait for the disk: with more, commits of the journal would wait behind it."""
STEPS_BETWEEN_LOOKS: Final = 20_000
"""Of SQLite's machine: some 20 ms."""
ABOUT_BYTES_MAX: Final = 10_000
SUMS_BYTES_MAX: Final = 1 << 30

_NAMES: Final = re.compile(
    rf"{re.escape(JOURNAL)}|{FILES}{FILE_NAME.pattern}({re.escape(DROPPED)})?|{PLATFORMS}(?!(.*/)?\.{{0,2}}(/|$))[^\x00]+"
)


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself."""

    format: int = FORMAT
    holdfast: str
    at: float
    conversations: int


class NotWhole(Request):
    """The file is no backup, or not all of one; or the journal is not, of which one was to be made."""


class Interrupted(Temporary):
    """The gateway stops."""


# --- writing --------------------------------------------------------------------------------------------------------------------------


def write(data_dir: Path, target: Path, now: float, version: str, stops: Callable[[], bool] = lambda: False) -> Backup:
    """Make a backup. Blocks; reads through a connection of its own, and holds nobody up. Looks again and again whether it `stops`.

    There is nothing under `target` before it is whole and durable. Raises `Request` if something is there already or its folder is not, `NotWhole` if the journal is
    damaged, `Temporary` if it can't be made now.
    """
    target = target.absolute()
    if target.exists():
        raise Request(f"{target} is there already. Give the backup another name, or remove that file first.")
    if not target.parent.is_dir():
        raise Request(f"There is no folder {target.parent} for the backup. Make it, or name another one.")
    partial, copy = target.with_name(f"{target.name}.partial"), target.with_name(f"{target.name}.partial-journal")
    try:
        copy.unlink(missing_ok=True)
        os.close(make_private(copy))
        with os.fdopen(make_private(partial), "r+b", buffering=0) as file:
            file.truncate()
            writer = _Writer(file, stops)
            conversations = _copy_journal(data_dir / JOURNAL, copy, stops)
            failpoint("backup.copied")
            _fill(writer, data_dir, copy, About(holdfast=version, at=now, conversations=conversations))
            os.fsync(file.fileno())
            size = file.tell()
        copy.unlink()
        failpoint("backup.before_rename")
        partial.replace(target)
        _sync(target.parent)
        failpoint("backup.renamed")
    except OSError as error:
        raise Temporary(f"The backup {target} can't be made: {error.strerror or error}. Nothing else is touched.") from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise NotWhole(
            f"No backup can be made: the journal in {data_dir} is damaged ({error}). `holdfast verify` says more; `holdfast restore FILE` puts an older backup in "
            "its place, and sets this one aside."
        ) from error
    except apsw.Error as error:
        raise Temporary(f"The backup {target} can't be made ({type(error).__name__}: {error}). Nothing else is touched.") from error
    finally:
        copy.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    return Backup(str(target), now, conversations, len(writer.files), size, tuple(writer.damaged))


def _copy_journal(journal: Path, copy: Path, stops: Callable[[], bool]) -> int:
    """The journal as it is now, in one file. Returns how many conversations it has."""
    unsynced = os.open(copy, os.O_RDWR)  # closed before anybody reads the copy
    synced = 0

    def look() -> bool:
        nonlocal synced
        size = os.fstat(unsynced).st_size
        if size - synced >= UNSYNCED_BYTES_MAX:
            os.fdatasync(unsynced)
            synced = size
        return stops()

    db = apsw.Connection(str(journal), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        db.set_progress_handler(look, STEPS_BETWEEN_LOOKS)
        db.execute("VACUUM INTO ?", (str(copy),))
    except apsw.InterruptError as error:
        raise _interrupted() from error
    finally:
        db.close()
        os.close(unsynced)
    return _conversations(copy)


def _fill(writer: _Writer, data_dir: Path, copy: Path, about: About) -> None:
    writer.add_bytes(ABOUT, msgspec.json.encode(about))
    writer.add_file(JOURNAL, copy)
    for path in sorted((data_dir / "files").glob("*")):
        if FILE_NAME.fullmatch(path.name.removesuffix(DROPPED)):
            writer.add_file(FILES + path.name, path)
    for path in sorted((data_dir / "platforms").rglob("*")):
        if path.is_file() and ".db" not in path.name:
            writer.add_file(path.relative_to(data_dir).as_posix(), path)
    writer.add_bytes(SUMS, "".join(f"{digest}  {name}\n" for name, digest in writer.sums.items()).encode())
    writer.end()


class _Writer:
    """Writes a tar, piece by piece, and knows the sums of its members. `damaged`: files that are not what their names say."""

    def __init__(self, file: IO[bytes], stops: Callable[[], bool]) -> None:
        self._file, self._stops, self._unsynced = file, stops, 0
        self.sums: dict[str, str] = {}
        self.files: list[str] = []
        self.damaged: list[str] = []

    def add_bytes(self, name: str, data: bytes) -> None:
        self._add(name, len(data), 0.0, iter((data,)))

    def add_file(self, name: str, path: Path) -> None:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return  # an account has just put another one in its place, or none
        with file:
            status = os.fstat(file.fileno())
            digest = self._add(name, status.st_size, status.st_mtime, _pieces(file, status.st_size))
        if name.startswith(FILES) and not name.endswith(DROPPED):
            self.files.append(name)
            if digest != path.name:
                self.damaged.append(path.name)

    def end(self) -> None:
        """Two empty blocks, as tar has it."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))

    def _add(self, name: str, size: int, changed: float, pieces: Iterator[bytes]) -> str:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, int(changed), 0o600
        self._write(info.tobuf(tarfile.PAX_FORMAT))
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
            self._write(piece)
        self._write(bytes(-size % tarfile.BLOCKSIZE))
        self.sums[name] = digest.hexdigest()
        return digest.hexdigest()

    def _write(self, data: bytes) -> None:
        if self._stops():
            raise _interrupted()
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._unsynced += len(data)
        if self._unsynced >= UNSYNCED_BYTES_MAX:
            os.fdatasync(self._file.fileno())
            self._unsynced = 0


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    """So many bytes of it, whatever is appended meanwhile."""
    while size:
        piece = file.read(min(size, CHUNK_BYTES))
        if not piece:
            raise OSError(errno.EIO, "a file became shorter while it was read")
        size -= len(piece)
        yield piece


def _interrupted() -> Interrupted:
    return Interrupted("The gateway stops, so the backup was not made. Make it again.")


def _sync(folder: Path) -> None:
    """Make the name durable, where the file system knows how: a backup may lie on any."""
    try:
        sync_folder(folder)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF}:
            raise


def heed_signals(db: apsw.Connection) -> None:
    """Have Ctrl-C end what it does in the middle: Python learns of signals only when something of its own is called."""
    db.set_progress_handler(lambda: False, STEPS_BETWEEN_LOOKS)


def sum_of(path: Path) -> str:
    """The sha256 of a file. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- reading --------------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Contents:
    """A backup that was read to its end. `sums`: the members with their sums as they are; `problems`: what is not as it should be, a sentence each."""

    about: About
    sums: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """The names of the files that came with messages, or were dropped."""
        return [name.removeprefix(FILES).removesuffix(DROPPED) for name in self.sums if name.startswith(FILES)]


def about(file: Path) -> About:
    """What a backup says of itself, or can be said of a copy of a journal. Raises `NotWhole`, or `Request` if it can't be read."""
    if is_journal(file):
        return About(holdfast="", at=file.stat().st_mtime, conversations=_conversations(file))
    with _opened(file) as tar:
        return _about(tar, file)


def is_journal(file: Path) -> bool:
    """Is it a journal alone, such as the copy that is made before an upgrade?"""
    try:
        with file.open("rb") as begun:
            return begun.read(len(DATABASE)) == DATABASE
    except OSError as error:
        raise Request(f"{file} can't be read: {error.strerror}.") from error


def _conversations(journal: Path) -> int:
    """How many there are. Raises `Request` if it is the database of something else, or damaged."""
    db = reads_what_is_left(journal)
    try:
        return int(str(db.execute("SELECT count(*) FROM conversation").get))
    except apsw.Error as error:
        raise NotWhole(f"{journal} is no journal of Holdfast, or a damaged one ({error}).") from error
    finally:
        db.close()


def read(file: Path, place: Callable[[str], Path | None]) -> Contents:
    """Read a backup to its end, and put each member where `place` says (None: nowhere), durably. Raises as `about` does; `OSError` if it can't be put there."""
    with _opened(file) as tar:
        contents = Contents(_about(tar, file))
        said: Mapping[str, str] = {}
        while (member := _next(tar)) is not None:
            name, stream, changed = member
            if name == SUMS:
                said = _sums(stream.read(SUMS_BYTES_MAX))
                break
            if not _NAMES.fullmatch(name):
                raise NotWhole(f"{file} has something in it that no backup has: {name[:100]!r}. It is left alone.")
            contents.sums[name] = _take(stream, place(name), changed)
        else:
            raise _cut(file)
    contents.problems += _differences(contents.sums, said)
    return contents


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        tar = tarfile.open(file, "r:")  # noqa: SIM115 - closed below; what opening it raises means something else
    except tarfile.ReadError as error:
        packed = " It is compressed: unpack it first, then use what comes out." if _is_packed(file) else ""
        raise NotWhole(f"{file} is no backup of Holdfast.{packed}") from error
    except OSError as error:
        raise Request(f"{file} can't be read: {error.strerror}.") from error
    with tar:
        try:
            yield tar
        except tarfile.TarError as error:
            raise _cut(file) from error


def _is_packed(file: Path) -> bool:
    with file.open("rb") as begun:
        return begun.read(max(map(len, PACKED))).startswith(PACKED)


def _about(tar: tarfile.TarFile, file: Path) -> About:
    first = _next(tar)
    if first is None or first[0] != ABOUT:
        raise NotWhole(f"{file} is no backup of Holdfast.")
    try:
        found = msgspec.json.decode(first[1].read(ABOUT_BYTES_MAX), type=About)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotWhole(f"{file} is no backup of Holdfast, or a damaged one.") from error
    if found.format > FORMAT:
        raise Request(f"{file} was made by a newer Holdfast ({found.holdfast}). Use that version.")
    return found


def _next(tar: tarfile.TarFile) -> tuple[str, IO[bytes], float] | None:
    """The next member: its name, its bytes, and when it was last changed."""
    info = tar.next()
    stream = tar.extractfile(info) if info is not None else None
    return None if info is None or stream is None else (info.name, stream, float(info.mtime))


def _cut(file: Path) -> NotWhole:
    return NotWhole(f"{file} is not a whole backup: it ends in the middle, or is damaged there. Take another one.")


def _take(stream: IO[bytes], path: Path | None, changed: float) -> str:
    """Its sum; and its bytes are there."""
    digest = hashlib.sha256()
    if path is None:
        while piece := stream.read(CHUNK_BYTES):
            digest.update(piece)
        return digest.hexdigest()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(make_private(path), "wb") as file:
        while piece := stream.read(CHUNK_BYTES):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    os.utime(path, (changed, changed))
    return digest.hexdigest()


def _sums(text: bytes) -> Mapping[str, str]:
    lines = (line.partition("  ") for line in text.decode(errors="replace").splitlines())
    return {name: digest for digest, _, name in lines}


def _differences(are: Mapping[str, str], said: Mapping[str, str]) -> Iterator[str]:
    for name in sorted((are.keys() | said.keys()) - {ABOUT}):
        if name not in are:
            yield f"{name} is missing."
        elif name not in said:
            yield f"{name} is not in its list."
        elif are[name] != said[name]:
            yield f"{name} is damaged: its bytes are not those that were put there."
        elif name.startswith(FILES) and not name.endswith((are[name], DROPPED)):
            yield f"{name} was damaged already when the backup was made."
