"""The room that the journal takes, and giving it back: as functions of the connection that writes; and with the journal stopped, all of it at once."""

from __future__ import annotations

import os
from typing import Any, Final

import apsw

from holdfast.errors import Temporary
from holdfast.failpoints import failpoint
from holdfast.ports import Freed
from holdfast.store.archive import heed_signals
from holdfast.store.failures import unusable
from holdfast.store.folder import DataFolder, make_private, sync_folder
from holdfast.store.migrations import version_of

SMALL_BYTES: Final = 32 << 20
"""A journal up to here is rewritten in a fraction of a second, for which commits wait."""
PAGES_AT_ONCE: Final = 256
"""So few that nobody else's commit waits for long."""


def size_of(db: apsw.Connection) -> int:
    """The bytes of the database, without its log."""
    return _number(db, "page_count") * _number(db, "page_size")


def rewrite_if_small(db: apsw.Connection) -> bool:
    """Write the whole journal anew, unless that would take long, or there is no room for it. Says whether it was done."""
    if size_of(db) > SMALL_BYTES:
        return False
    try:
        db.execute("VACUUM")
    except apsw.FullError:
        return False
    return True


def empty_log(db: apsw.Connection) -> bool:
    """Put the whole log into the database, and leave nothing of it. False if somebody still reads what was before."""
    try:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        return False
    return True


def give_back_some(db: apsw.Connection) -> bool:
    """Give some of the room back that nothing is in. False if there is none left; or if it can't be, since the journal was begun by an older version."""
    before = unused(db)
    db.execute(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})").fetchall()
    return 0 < unused(db) < before


def unused(db: apsw.Connection) -> int:
    """The bytes of the database that nothing is in."""
    return _number(db, "freelist_count") * _number(db, "page_size")


def rewrite(folder: DataFolder) -> Freed:
    """Write the whole journal anew, beside the old one, while nobody else uses it. Whoever is killed in the middle leaves the old one or the new one. Raises
    `Temporary` if there is no room for that."""
    journal, new = folder.journal, folder.journal.with_name(f"{folder.journal.name}.new")
    before = journal.stat().st_size
    db = apsw.Connection(str(journal))
    try:
        new.unlink(missing_ok=True)
        os.close(make_private(new))
        version_of(db, journal)  # it is read: before that, nothing is known of its log
        empty_log(db)
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        heed_signals(db)
        db.execute("VACUUM INTO ?", (str(new),))
        db.close()
        with new.open("rb") as file:
            os.fsync(file.fileno())
        failpoint("vacuum.before_rename")
        new.replace(journal)
        sync_folder(folder.path)
        failpoint("vacuum.renamed")
    except (apsw.FullError, OSError) as error:
        raise Temporary(
            f"There is no room beside {journal} to write it anew ({error}). Free as much as it takes itself; nothing was changed."
        ) from error
    except apsw.Error as error:
        raise unusable(journal, error) from error
    finally:
        db.close()
        new.unlink(missing_ok=True)
    return Freed(before, journal.stat().st_size, 0)


def _number(db: apsw.Connection, pragma: str) -> int:
    value: Any = db.execute(f"PRAGMA {pragma}").get
    return int(value)
