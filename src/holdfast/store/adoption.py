"""Conversations that begin with a past: what `Journal.adopt` does, inside a transaction that somebody else begins and commits."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from holdfast.core.entries import Entry
from holdfast.store.queries import SQL


def adopt(db: apsw.Connection, conversation: str, account: str, address: str, entries: Sequence[tuple[Entry, str]]) -> bool:
    """Begin a conversation with these entries, each with its encoded body. False if there is one of that key or at that address."""
    epoch, last_at = max(entry.epoch for entry, _ in entries), max(entry.at for entry, _ in entries)
    db.execute(SQL["adopt_conversation"], (conversation, account, address, epoch, entries[-1][0].seq + 1, last_at))
    if not db.changes():
        return False
    db.executemany(SQL["add_entry"], ((conversation, entry.seq, entry.epoch, entry.at, None, body) for entry, body in entries))
    return True
