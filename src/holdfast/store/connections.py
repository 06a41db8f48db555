"""Connections to the journal's file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from holdfast.errors import HoldfastError
from holdfast.store.failures import is_full, unusable, unwritable
from holdfast.store.folder import DataFolder
from holdfast.store.migrations import migrate, version_of

PRAGMAS: Final = (
    "auto_vacuum = INCREMENTAL",  # of a new one, which has to be the first thing: room can be given back while it is in use
    "journal_mode = WAL",
    "secure_delete = ON",  # what is erased is overwritten, also where a page is split; it costs nothing that can be measured
    "synchronous = FULL",  # an fsync at every commit. NORMAL loses acknowledged commits in a power cut; a test shows that
    "wal_autocheckpoint = 0",  # done by our own hand after the callers were woken, and not silent if it fails
    "journal_size_limit = 33554432",
    "temp_store = MEMORY",
)


def writes(file: Path) -> apsw.Connection:
    """The one that writes, of a journal with the schema of this program. Raises `apsw.Error`, or `Config`."""
    writer = apsw.Connection(str(file))
    try:
        version_of(writer, file)  # one that is not ours is not touched
        said = [writer.execute(f"PRAGMA {pragma}").get for pragma in PRAGMAS]
        if writer.readonly("main") or "wal" not in said:  # whatever keeps it from having a log, SQLite says only that it has none
            raise unwritable(file)
        migrate(writer, file)
    except (apsw.Error, HoldfastError) as error:
        no_room = is_full(writer, error)
        writer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # what has failed writes nothing any more
        writer.close()
        if no_room:
            raise apsw.FullError(str(error)) from error
        raise
    return writer


def reads(file: Path) -> apsw.Connection:
    """One that reads beside the one that writes. Raises `apsw.Error`."""
    return apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)


def reads_what_is_left(file: Path) -> apsw.Connection:
    """One that reads while nobody writes, and needs no room: on a disk that is full or read-only, too. Raises `apsw.Error`."""
    log = file.with_name(f"{file.name}-wal")
    if log.exists() and log.stat().st_size:  # of one that was killed: what it shared with others is there as well
        return reads(file)
    return apsw.Connection(f"{file.absolute().as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def schema(data_dir: Path) -> int:
    """The version of the schema of the journal there; 0: it is not begun yet. Changes nothing. Raises `AlreadyRunning` while a gateway uses it, or `Config`."""
    folder = DataFolder(data_dir, reads=True)
    try:
        db = reads_what_is_left(folder.journal)
        try:
            return version_of(db, folder.journal)
        finally:
            db.close()
    except apsw.Error as error:
        raise unusable(folder.journal, error) from error
    finally:
        folder.close()
