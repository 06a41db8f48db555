"""Forgetting a conversation: what `Journal.forget` does, inside a transaction that somebody else begins and commits; and which files go with it.

The platform's events are known by their hashes from then on: what it tells again of what was erased stays forgotten.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import apsw

from holdfast.core.entries import Forgotten, encode
from holdfast.ports import Erased
from holdfast.store.queries import SQL

SHA256: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def event(dedupe: str) -> bytes:
    """By what an erased event is known again."""
    return hashlib.sha256(dedupe.encode()).digest()


def forget(db: apsw.Connection, key: str, now: float) -> Erased | None:
    """Erase everything of a conversation, and leave one line. None if there is none."""
    found: Any = db.execute(SQL["to_forget"], (key,)).fetchone()
    if found is None:
        return None
    seq, account, address, n = found
    files: set[str] = set()
    entries = 0
    rows: Any = db.execute(SQL["all_of"], (key,))
    for dedupe, body in rows:
        entries += 1
        files.update(SHA256.findall(body))
        if dedupe is not None:
            db.execute(SQL["remember_event"], (event(dedupe), key, seq))
    for query in ("erase_entries", "erase_timers"):
        db.execute(SQL[query], (key,))
    db.execute(SQL["erase_unread"], (account, address.partition(" ")[0]))
    db.execute(SQL["add_entry"], (key, seq, 0, now, None, encode(Forgotten(n=n))))
    db.execute(SQL["begin_anew"], (key, seq, now))
    db.executemany(SQL["doom"], ((name,) for name in sorted(files)))
    return Erased(entries, tuple(sorted(files)))


def doomed(db: apsw.Connection) -> tuple[str, ...]:
    rows: Any = db.execute(SQL["doomed"])
    return tuple(name for (name,) in rows)


def spare(db: apsw.Connection, names: Iterable[str]) -> None:
    """These files have been looked after."""
    db.executemany(SQL["spare"], ((name,) for name in names))


def mentioned(db: apsw.Connection, names: frozenset[str], since: float = 0.0) -> frozenset[str]:
    """Which of these files entries speak of that came `since` then, or that a worker may still need. A scan of the bodies that can name a file."""
    rest = set(names)
    rows: Any = db.execute(SQL["naming_files"], (since,))
    for found in _named(rows):
        rest.discard(found)
        if not rest:
            break
    return names - rest


def _named(rows: Iterable[tuple[str]]) -> Iterator[str]:
    for (body,) in rows:
        yield from SHA256.findall(body)
