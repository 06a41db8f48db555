"""How commands print what they found: in columns, or as JSON."""

from __future__ import annotations

import difflib
import errno
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from holdfast.cli.screen import plain
from holdfast.errors import OutputFailed, Request
from holdfast.web.wire import Listed

T = TypeVar("T")

SETTLED_S_MAX: Final = 15.0
"""So long it is looked what comes of a try."""
LOOK_S: Final = 0.1
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Each row as a line, its cells below those of the row before; a cell is made plain."""
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def unwritten(error: OSError, sentence: str) -> OutputFailed | Request:
    """What to raise of a file that can't be written: another one has to be named, or there is no room."""
    return OutputFailed(sentence) if error.errno in NO_ROOM else Request(sentence)


def print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=1).decode() + "\n")


def count(number: int, one: str, many: str = "") -> str:
    """`1 file`, `3 files`, `1,203 entries`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def when(at: float) -> str:
    """An instant, with its day."""
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}"


def clock(at: float, now: float) -> str:
    """An instant, with its day only where that is another one than today."""
    day, _, hour = when(at).partition(" ")
    return hour if day == when(now).partition(" ")[0] else f"{day} {hour}"


def standing(row: Listed) -> str:
    """How a conversation stands: the words, with the instant that belongs to them."""
    if not row.until:
        return row.words
    return f"{row.words} {'Until' if row.state == 'asking' else 'Next try:'} {when(row.until)}."


def unknown(what: str, name: str, names: Iterable[str], who_has: str) -> Request:
    """There is none of that name; which was meant, perhaps, and which there are."""
    known = list(names)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return Request(f"There is no {what} {name!r}.{meant} {who_has}: {', '.join(known) or 'none'}.")


def settled(look: Callable[[], T], has: Callable[[T], bool]) -> T:
    """What is found when a try has come to something, or has taken its time."""
    until = time.monotonic() + SETTLED_S_MAX
    while not has(found := look()) and time.monotonic() < until:
        time.sleep(LOOK_S)
    return found
