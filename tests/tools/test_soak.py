"""Hundreds of calls while servers crash: nothing grows (LEDGER H-49, part I rows 20 and 26). HOLDFAST_LONG=1: ten thousand."""

from __future__ import annotations

import asyncio
import collections
import gc
import json
import os
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from holdfast.core.entries import Call
from holdfast.ports import ToolList
from holdfast.testing.tool_rig import HttpServer, SystemClock, children, demo_server, eventually, supervised
from holdfast.tools.mcp import McpHost
from holdfast.tools.processes import memory_bytes

CALLS: Final = 10_000 if os.environ.get("HOLDFAST_LONG") == "1" else 200
AT_ONCE: Final = 10
LOOKS: Final = 5
GROWTH_BYTES_MAX: Final = 3_000_000
"""Of what the pieces of memory that the process uses take up, from the second look to the last."""


@dataclass(frozen=True)
class Look:
    files: int
    tasks: int
    children: int
    memory: int


def look() -> Look:
    gc.collect()
    pid = os.getpid()
    size = memory_bytes(pid) or 0
    below = sum(memory_bytes(one) or 0 for one in children(pid))
    return Look(len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), len(children(pid)), size - below)  # noqa: PTH208 - names will do


def effects(journal: Path) -> collections.Counter[str]:
    lines = map(json.loads, journal.read_text().splitlines())
    return collections.Counter(line["arguments"]["key"] for line in lines if line["effect"] == "count")


@pytest.mark.timeout(60 + CALLS // 5)
async def test_hundreds_of_calls_while_servers_crash_leave_nothing_behind(tmp_path: Path) -> None:
    async def keep(_tool_list: ToolList) -> None: ...

    async def made(server: str, tool: str, **arguments: str) -> str:
        return (await host.call(Call(id="call_1_0", tool=f"{server}__{tool}", arguments=json.dumps(arguments)))).outcome

    async def crashed(server: str) -> None:
        await made(server, "crash", process="self")
        if server == "far":
            await elsewhere.ended()
            await elsewhere.start()

    async def ready() -> None:
        await eventually(lambda: all(state.state == "ready" for state in host.servers()), 20)

    near, far = tmp_path / "near", tmp_path / "far"
    outcomes: dict[str, str] = {}
    looks: list[Look] = []
    begun, before = time.monotonic(), children(os.getpid())
    async with HttpServer(far, "--dangerous") as elsewhere:
        host = McpHost([demo_server(near, "--dangerous", name="near"), elsewhere.settings(name="far")], keep, {}, SystemClock())
        async with supervised(host):
            await ready()
            for first in range(0, CALLS, AT_ONCE):
                keys = [f"{'near' if number % 2 else 'far'}-{number}" for number in range(first, first + AT_ONCE)]
                counting = [asyncio.create_task(made(key.partition("-")[0], "count", key=key)) for key in keys]
                await crashed("near" if first // AT_ONCE % 2 else "far")
                outcomes |= dict(zip(keys, await asyncio.gather(*counting), strict=True))
                if first // AT_ONCE % (CALLS // AT_ONCE // LOOKS) == 0:
                    await ready()
                    looks.append(look())
            await ready()
            await eventually(lambda: look().tasks == looks[1].tasks)
            looks.append(look())
            crashes = sum(state.restarts for state in host.servers())
    print(f"{CALLS} calls, {crashes} restarts, {time.monotonic() - begun:.1f} s", collections.Counter(outcomes.values()), *looks, sep="\n")
    assert children(os.getpid()) == before
    for one, other in pairwise(looks[1:]):
        assert abs(other.files - one.files) <= 2 and other.children == one.children, "a connection may be open just now"
    assert looks[-1].tasks <= looks[1].tasks
    assert looks[-1].memory - looks[1].memory < GROWTH_BYTES_MAX
    times = effects(near) + effects(far)
    assert all(times[key] == 1 for key, outcome in outcomes.items() if outcome == "ok")
    assert all(times[key] == 0 for key, outcome in outcomes.items() if outcome == "error")
    assert max(times.values()) == 1
    assert collections.Counter(outcomes.values())["ok"] > CALLS // 4
