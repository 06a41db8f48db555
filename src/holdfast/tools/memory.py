"""How much memory a tool server takes: its process and those it started."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

PROCESSES_MAX: Final = 64


def memory_bytes(pid: int) -> int | None:
    """Resident memory, all together; what processes share counts for each. None where the kernel does not tell (it does on Linux)."""
    found, to_look_at = {pid: _resident(pid)}, [pid]
    while to_look_at and len(found) < PROCESSES_MAX:
        new = [child for child in _children(to_look_at.pop()) if child not in found]
        found.update({child: _resident(child) for child in new})
        to_look_at += new
    return None if found[pid] is None else sum(size or 0 for size in found.values())


def _resident(pid: int) -> int | None:
    """None for one that ended just now."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                children += map(int, (thread / "children").read_text().split())
    return children
