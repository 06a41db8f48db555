"""Memory is bounded by what is being worked on, not by how many conversations there ever were."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from holdfast.testing.process import GatewayProcess

WARM: Final = 40
MORE: Final = 160
GROWTH_MB_MAX: Final = 4.0
"""SQLite's pages and Python's arenas settle; the messages alone are 5 MB, and as much again as objects."""
LONG: Final = "A message as long as people's messages sometimes are. " * 600


async def test_many_conversations_leave_no_memory_behind(tmp_path: Path) -> None:
    """LEDGER H-58; part I row 19."""
    async with GatewayProcess(tmp_path / "gateway", '[routes.main]\ndialect = "practice"\n') as gateway:
        await gateway.ready()
        await _answered(gateway, 0, WARM)
        warm = _resident_mb(gateway)
        await _answered(gateway, WARM, WARM + MORE)
        grown = _resident_mb(gateway) - warm
    assert grown < GROWTH_MB_MAX, f"{grown:.1f} MB more after {MORE} more conversations"


async def _answered(gateway: GatewayProcess, first: int, last: int) -> None:
    """Each of these conversations has one long message and its answer, ten at a time."""
    for start in range(first, last, 10):
        names = [f"c{number}" for number in range(start, start + 10)]
        await asyncio.gather(*(gateway.door.send(name, "k1", f"Thanks. {LONG}") for name in names))
        await gateway.until(lambda rows: not any(row.running or row.due is not None for row in rows))


def _resident_mb(gateway: GatewayProcess) -> float:
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
