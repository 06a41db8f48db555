"""Forgetting a conversation: what `Journal.forget` does, inside transactions that somebody else begins and commits; and which files go with it.

The first makes it so; those after it erase what nobody sees any more, a little at a time. Whoever is killed between them leaves the rest to the next start.

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

ERASED_TOGETHER: Final = 200
"""So few that nobody else's commit waits for long."""
SHA256: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def event(dedupe: str) -> bytes:
    """By what an erased event is known again."""
    return hashlib.sha256(dedupe.encode()).digest()


def forget(db: apsw.Connection, key: str, now: float) -> int | None:
    """From now on nobody sees anything of a conversation but the one line that is left, which has this seq; the rest is to be erased. None if there is none."""
    found: Any = db.execute(SQL["to_forget"], (key,)).fetchone()
    if found is None:
        return None
    seq, account, address, n = found
    db.execute(SQL["erase_timers"], (key,))
    db.execute(SQL["erase_unread"], (account, address.partition(" ")[0]))
    db.execute(SQL["add_entry"], (key, seq, 0, now, None, encode(Forgotten(n=n))))
    db.execute(SQL["begin_anew"], (key, seq, now))
    return int(seq)


def erase_some(db: apsw.Connection) -> Erased | None:
    """Erase some of what is to be erased. None if there is nothing."""
    found: Any = db.execute(SQL["next_to_erase"]).fetchone()
    if found is None:
        return None
    key, begins = found
    rows: Any = db.execute(SQL["some_to_erase"], (key, begins, ERASED_TOGETHER)).fetchall()
    events = sorted(event(dedupe) for _, dedupe, _ in rows if dedupe is not None)
    files = {name for _, _, body in rows for name in SHA256.findall(body)}
    db.executemany(SQL["remember_event"], ((one, key, begins) for one in events))
    db.executemany(SQL["doom"], ((name,) for name in sorted(files)))
    if rows:
        db.execute(SQL["erase_entries"], (key, rows[-1][0]))
    if len(rows) < ERASED_TOGETHER:
        db.execute(SQL["erased"], (key,))
    return Erased(len(rows), tuple(sorted(files)))


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
