"""What SQLite's errors mean for the person who reads them."""

from __future__ import annotations

import errno
from pathlib import Path

import apsw

from holdfast.errors import Config, HoldfastError, JournalFailed, JournalFull


def failed(file: Path, db: apsw.Connection, error: apsw.Error) -> JournalFailed:
    """The journal was in use, and can be used no more."""
    if is_full(db, error):
        return full(file)
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return JournalFailed(
            f"The journal {file} is damaged ({_words(error)}). Holdfast ends now. Look at the disk (`dmesg`), then at the journal: `holdfast verify`; "
            "`holdfast restore FILE` puts a backup in its place, and sets this one aside."
        )
    return JournalFailed(
        f"The journal {file} can't be used any more ({_words(error)}). Whatever was acknowledged is kept. Holdfast ends now and goes on when it is "
        "started again; if this comes back, look at the disk (`dmesg`)."
    )


def is_full(db: apsw.Connection, error: Exception) -> bool:
    """Was it the room that was missing? SQLite has more than one word for that."""
    return isinstance(error, apsw.FullError) or db.system_errno in {errno.ENOSPC, errno.EDQUOT}


def unusable(file: Path, error: apsw.Error) -> HoldfastError:
    """The journal can't be opened."""
    match error:
        case apsw.FullError():
            return full(file)
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError() | apsw.AuthError():
            return unwritable(file)
        case apsw.NotADBError():
            return Config(f"{file} is not a journal of Holdfast. Move it away, or set data_dir to another folder.")
        case apsw.CorruptError():
            return Config(
                f"The journal {file} is damaged ({_words(error)}). Put a backup in its place: `holdfast restore FILE` sets this one aside, and loses nothing of it."
            )
        case _:
            return JournalFailed(
                f"The journal {file} can't be opened ({_words(error)}). Start again; if this comes back, look at the disk (`dmesg`)."
            )


def unwritable(file: Path) -> Config:
    return Config(
        f"The journal {file} can't be written. Give this user the right to write to it and its folder, on a local disk, or set data_dir to another folder."
    )


def full(file: Path) -> JournalFull:
    """There is no room for the journal."""
    return JournalFull(
        f"The disk that holds {file} is full: nothing more can be saved. Whatever was acknowledged is kept. Free some space, then start Holdfast again."
    )


def _words(error: apsw.Error) -> str:
    return f"{type(error).__name__}: {error}"
