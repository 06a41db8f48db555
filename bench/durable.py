"""From a message's arrival at the door to its being durable, over what the disk itself takes."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from bench.figures import Figure, median_ms, percentile
from bench.world import PRACTICE, Door, configure, folder, gateway

WRITE_BYTES = 3 * 4096
"""About what one commit writes to the log."""
TIMES = 400


async def accept() -> list[Figure]:
    with folder() as place, gateway(configure(place / "data", PRACTICE)) as running:
        async with await Door.open(running) as door:
            accepted_s, disk_s = await _both(door, place)
    conditions = f"door's POST, alone, practice model answering meanwhile; fdatasync of {WRITE_BYTES} appended bytes between: "
    conditions += f"p50 {median_ms(disk_s):.2f} ms, p99 {percentile(disk_s, 0.99) * 1000:.2f} ms"
    over = [percentile(accepted_s, share) - percentile(disk_s, share) for share in (0.5, 0.99)]
    return [
        Figure("accept to durable over the disk, p50", over[0] * 1000, "ms", conditions),
        Figure("accept to durable over the disk, p99", over[1] * 1000, "ms", conditions, 5.0),
    ]


async def _both(door: Door, place: Path) -> tuple[list[float], list[float]]:
    accepted_s: list[float] = []
    disk_s: list[float] = []
    with (place / "disk").open("wb", buffering=0) as file:
        for n in range(TIMES):
            began = time.perf_counter()
            await door.send(f"c{n % 16}", "Hello")
            accepted_s.append(time.perf_counter() - began)
            began = time.perf_counter()
            file.write(b"x" * WRITE_BYTES)
            os.fdatasync(file.fileno())
            disk_s.append(time.perf_counter() - began)
            await asyncio.sleep(0.01)
    return accepted_s, disk_s
