"""Putting a backup back, or a copy of a journal. A journal that is there is set aside, never lost: whoever is killed in the middle leaves the old one whole, or the new one."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from holdfast.errors import Config, Request
from holdfast.failpoints import failpoint
from holdfast.store import archive
from holdfast.store.checking import PROBLEMS_MAX
from holdfast.store.failures import unusable
from holdfast.store.folder import DataFolder, make_private, sync_folder
from holdfast.store.migrations import version_of

UNPACKED: Final = "restoring"
"""The folder in the data folder where a backup is unpacked. What is in it was never in use."""
LOGS: Final = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a backup was put in place of: where the journal is now that was there (None: there was none)."""

    about: archive.About
    aside: Path | None


def restore(
    file: Path,
    data_dir: Path,
    ask: Callable[[archive.About, Path | None], None] = lambda _about, _aside: None,
    finishing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Restored:
    """Put a backup into a data folder. `ask` is told first what it is and where the journal that is there will go, and raises if that is not wanted; what
    changes anything there is done within `finishing`. Raises `AlreadyRunning` while a gateway uses the folder, `Request` if the backup is not whole, `Config`
    if it can't be put there."""
    about = archive.about(file)
    folder = DataFolder(data_dir, begin=False)
    unpacked = data_dir / UNPACKED
    try:
        aside = _free_name(data_dir) if _is_used(folder.journal) else None
        ask(about, aside)
        shutil.rmtree(unpacked, ignore_errors=True)
        _unpack(file, unpacked)
        failpoint("restore.unpacked")
        with finishing():
            _put(unpacked, folder, aside)
    except OSError as error:
        raise Config(
            f"The backup can't be put into {data_dir}: {error.strerror or error}. What was there is there still, or set aside beside it."
        ) from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
        folder.close()
    return Restored(about, aside)


def _put(unpacked: Path, folder: DataFolder, aside: Path | None) -> None:
    """Have what was unpacked take its place."""
    _add_files(unpacked, folder.path)
    failpoint("restore.files")
    _set_aside(folder.journal, aside)
    failpoint("restore.set_aside")
    (unpacked / archive.JOURNAL).replace(folder.journal)
    sync_folder(folder.path)
    failpoint("restore.replaced")


def _unpack(file: Path, unpacked: Path) -> None:
    """Everything, durably; and looked at, before anything is done with it."""
    journal = unpacked / archive.JOURNAL
    contents = _copied(file, journal) if archive.is_journal(file) else archive.read(file, lambda name: unpacked / name)
    problems = contents.problems or ([] if journal.exists() else ["journal.db is missing."])
    if not problems:
        db = apsw.Connection(str(journal))
        try:
            version_of(db, journal)
            archive.heed_signals(db)
            problems = [f"journal.db: {line}" for (line,) in db.execute("PRAGMA integrity_check(10)") if line != "ok"]
        except apsw.Error as error:
            raise unusable(journal, error) from error
        finally:
            db.close()
    if problems:
        told = "\n".join(f"  {problem}" for problem in problems[:PROBLEMS_MAX])
        raise Request(
            f"{file} is damaged, so nothing was changed:\n{told}\nTake another backup. This one is a tar: `tar -xf` gets at what is in it."
        )
    for folder in [unpacked, *(path for path in unpacked.rglob("*") if path.is_dir())]:
        sync_folder(folder)


def _copied(file: Path, journal: Path) -> archive.Contents:
    """A journal alone, with its log if it has one."""
    journal.parent.mkdir(mode=0o700)
    for end in ("", LOGS[0]):
        source, target = file.with_name(file.name + end), journal.with_name(journal.name + end)
        if source.exists():
            os.close(make_private(target))
            shutil.copyfile(source, target)
    _settle(journal)
    with journal.open("rb") as copy:
        os.fsync(copy.fileno())
    for end in LOGS:
        journal.with_name(journal.name + end).unlink(missing_ok=True)
    return archive.Contents(archive.about(file))


def _is_used(journal: Path) -> bool:
    return any(path.exists() and path.stat().st_size for path in (journal, journal.with_name(f"{journal.name}-wal")))


def _free_name(data_dir: Path) -> Path:
    """Where the journal that is there goes."""
    stem = f"journal-until-{time.strftime('%Y-%m-%dT%H%M%S')}"
    names = (data_dir / f"{stem}{f'-{number}' if number else ''}.db" for number in range(1000))
    return next(path for path in names if not path.exists())


def _add_files(unpacked: Path, data_dir: Path) -> None:
    """Files that came with messages are what their names say: one that is there is the same. What an account keeps is left as it is: it is newer."""
    changed = set[Path]()
    for path in sorted(path for path in unpacked.rglob("*") if path.is_file() and path != unpacked / archive.JOURNAL):
        target = data_dir / path.relative_to(unpacked)
        if target.exists() and not target.is_relative_to(data_dir / "files"):
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.replace(target)
        changed |= {target.parent, target.parent.parent}
    for folder in changed:
        sync_folder(folder)


def _set_aside(journal: Path, aside: Path | None) -> None:
    """The old journal, whole, gets another name as well. (The log of a sound one goes into it; that of one that can't be opened goes with it.)"""
    if aside is not None:
        _settle(journal)
        os.link(journal, aside)
    for end in LOGS:
        log = journal.with_name(journal.name + end)
        if log.exists() and aside is not None:
            log.replace(aside.with_name(aside.name + end))
        log.unlink(missing_ok=True)
    sync_folder(journal.parent)


def _settle(journal: Path) -> None:
    """Have all of it in one file, if it is one that can be opened."""
    try:
        db = apsw.Connection(str(journal))
    except apsw.Error:
        return
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # before it was read, nothing is known of its log
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error:
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    finally:
        db.close()
