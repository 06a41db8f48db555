"""What the kernel tells of a tool server's processes, its own and those it started: how much memory they take, whether they are stopped. (Linux does.)"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROCESSES_MAX: Final = 64


def memory_bytes(pid: int) -> int | None:
    """Resident memory, all together; what processes share counts for each. None where the kernel does not tell."""
    own = _resident(pid)
    return None if own is None else own + sum(_resident(one) or 0 for one in _family(pid) if one != pid)


def is_stopped(pid: int) -> bool:
    """Has a signal stopped one of them?"""
    return any(_is_stopped(one) for one in _family(pid))


def _family(pid: int) -> Iterator[int]:
    found, to_look_at = {pid}, [pid]
    yield pid
    while to_look_at and len(found) < PROCESSES_MAX:
        new = [child for child in _children(to_look_at.pop()) if child not in found]
        found.update(new)
        to_look_at += new
        yield from new


def _resident(pid: int) -> int | None:
    """None for one that ended just now."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def _is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                children += map(int, (thread / "children").read_text().split())
    return children
