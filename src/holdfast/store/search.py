"""Looking for words in all conversations: a scan, in a thread of its own, of bounded time.

No index: it would be a second copy of everything that was said, for something that happens a few times a day. 650 conversations of 350 messages
take about half a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import apsw

from holdfast.ports import ConversationRow, Found
from holdfast.store import operations
from holdfast.store.queries import SQL

SEARCH_S_MAX: Final = 3.0
ROWS_AT_ONCE: Final = 200
STEPS_BETWEEN_LOOKS: Final = 50_000
"""Of SQLite's machine: a few milliseconds."""

EXCERPT_BEFORE: Final = 30
EXCERPT_CHARS_MAX: Final = 120


def search(db: apsw.Connection, text: str, most: int) -> tuple[Found, ...]:
    """The conversations that contain `text`, the most recently changed first; those found within `SEARCH_S_MAX`."""
    stop = time.monotonic() + SEARCH_S_MAX
    found: list[Found] = []
    db.set_progress_handler(lambda: time.monotonic() > stop, STEPS_BETWEEN_LOOKS)
    try:
        for one in _matches(db, text):
            found.append(one)
            if len(found) == most:
                break
    except apsw.InterruptError:
        pass  # the time is over: this much was found
    finally:
        db.set_progress_handler(None)
    return tuple(found)


def _matches(db: apsw.Connection, text: str) -> Iterator[Found]:
    patterns = _patterns(text)
    for row in _rows(db):
        entry = db.execute(SQL["newest_with"], (row.key, *patterns)).fetchone()
        if entry is not None:
            yield Found(row, int(str(entry[0])), _excerpt(str(entry[1]), text))
        elif text.casefold() in row.title.casefold():
            yield Found(row, 0, row.title)


def _rows(db: apsw.Connection) -> Iterator[ConversationRow]:
    before: ConversationRow | None = None
    while rows := operations.conversations(db, ROWS_AT_ONCE, before):
        yield from rows
        before = rows[-1]


def _patterns(text: str) -> tuple[str, str, str]:
    """As it was written, in small letters, and as a word at the beginning of a sentence: SQLite knows only the cases of ASCII."""

    def pattern(words: str) -> str:
        escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"%{escaped}%"

    return pattern(text), pattern(text.lower()), pattern(text.capitalize())


def _excerpt(said: str, text: str) -> str:
    """The words around the first place where it stands, on one line."""
    line = " ".join(said.split())
    at = max(line.casefold().find(" ".join(text.casefold().split())) - EXCERPT_BEFORE, 0)
    cut = line[at : at + EXCERPT_CHARS_MAX]
    return f"{'…' if at else ''}{cut}{'…' if at + EXCERPT_CHARS_MAX < len(line) else ''}"
