"""What a journal owes, as plain functions of a connection: who waits, since when; and what it takes on its disk."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from holdfast.ports import COUNTED_MAX, ConversationRow, Counts, Room
from holdfast.store import operations
from holdfast.store.queries import SQL


def owing(db: apsw.Connection, most: int) -> tuple[ConversationRow, ...]:
    rows: Any = db.execute(SQL["owing"], (most,))
    return tuple(row for (key,) in rows.fetchall() if (row := operations.conversation(db, key)))


def counts(db: apsw.Connection, now: float, accounts: Sequence[str] | None) -> Counts:
    named = None if accounts is None else json.dumps(accounts)
    found: Any = db.execute(SQL["counts"], (now, COUNTED_MAX, named)).fetchone()
    return Counts(*found)


def room(journal: Path) -> Room:
    """See `Journal.room`. The log of an idle journal is empty: it has not been written then, but opened."""
    files = [file.stat() for file in (journal, journal.with_name(f"{journal.name}-wal")) if file.exists()]
    disk = os.statvfs(journal.parent)
    return Room(
        size=sum(file.st_size for file in files),
        free=disk.f_bavail * disk.f_frsize,
        written=max((file.st_mtime for file in files if file.st_size), default=0.0),
    )
