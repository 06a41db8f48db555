"""Which SQLite is inside."""

from __future__ import annotations

from typing import Final

import apsw

SOUND: Final = (3, 51, 3)
"""Earlier ones may, rarely, damage a database when a checkpoint meets a write (https://sqlite.org/wal.html#walresetbug)."""


def sqlite_version() -> tuple[int, ...]:
    return tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
