"""The room that the journal takes, and giving it back: as functions of the connection that writes, outside of any transaction."""

from __future__ import annotations

from typing import Any, Final

import apsw

SMALL_BYTES: Final = 32 << 20
"""A journal up to here is rewritten in a fraction of a second, for which commits wait."""


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


def _number(db: apsw.Connection, pragma: str) -> int:
    value: Any = db.execute(f"PRAGMA {pragma}").get
    return int(value)
