"""The long editions of tests/e2e/test_outages.py: `python -m bench.outage [gone | waiting]`. Exit code 1 if something is not as it should be."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from bench.figures import Figure
from bench.world import folder
from holdfast.testing.crowd import Crowd, Turnstile, cpu_s, memory_mb
from holdfast.testing.gateway_rig import to
from holdfast.testing.outages import KINDS, LATE_S_MAX, Kind, Provider, Seen, gate, through
from holdfast.testing.process import GatewayProcess

GONE_S: Final = 150.0
PLACES: Final = 4
WATCHED_S: Final = 120.0
"""As long as the longest wait: one try at least is among it."""

Found = tuple[Sequence[Figure], Sequence[str]]


async def gone(gone_s: float) -> Found:
    """A real llama.cpp, killed in mid-answer and gone for so long, with each of the things that may stand in its place; and once more with a gateway that is
    killed and started again in the middle of it. All side by side: they wait."""
    with folder() as place:
        runs = [_gone(place, kind, gone_s, restarts=False) for kind in KINDS]
        found = await asyncio.gather(*runs, _gone(place, "nothing", gone_s, restarts=True))
    return [figure for figures, _ in found for figure in figures], [flaw for _, flaws in found for flaw in flaws]


async def _gone(place: Path, kind: Kind, gone_s: float, *, restarts: bool) -> Found:
    name = f"{kind}, gateway killed too" if restarts else kind
    root = place / name.replace(" ", "-")
    root.mkdir()
    async with Provider(root / "provider", kind) as provider, GatewayProcess(root / "gateway", to(provider.base_url)) as gateway:
        await gateway.ready()
        tries = 0

        async def away() -> None:
            nonlocal tries
            await asyncio.sleep(gone_s / 2)
            if restarts:
                await gateway.restart()
            await asyncio.sleep(gone_s / 2)
            tries = (await gate(gateway))["streak"]

        seen = await through(provider, gateway, away)
    return _figures(name, gone_s, tries, seen), [f"{name}: {flaw}" for flaw in seen.flaws()]


def _figures(name: str, gone_s: float, tries: int, seen: Seen) -> list[Figure]:
    conditions = f"llama.cpp gone for {gone_s:g} s; {tries} tries in vain; the answer came {seen.after_return_s:.1f} s after the return"
    return [Figure(f"after the next try was due, {name}", seen.late_s, "s", conditions, LATE_S_MAX)]


async def waiting(count: int) -> Found:
    """So many conversations with two messages each, at a gate with the back-off of an outage; what they cost, and how they are let go."""
    with folder() as place:
        async with (
            Turnstile(PLACES) as provider,
            GatewayProcess(place / "gateway", to(provider.base_url, f"calls_at_once_max = {PLACES}")) as gateway,
        ):
            await gateway.ready()
            await gateway.door.send("first", "k", "Hello")
            await provider.wait_for_hits(1)  # the model library is there now
            pid = gateway.process.pid
            before_mb = memory_mb(pid)
            crowd = Crowd(gateway, count)
            await crowd.write(2)
            await asyncio.sleep(30)  # until each was told that it waits (20 s)
            before_s, before_tries = cpu_s(pid), len(provider.refused)
            await asyncio.sleep(WATCHED_S)
            share, tries = (cpu_s(pid) - before_s) / WATCHED_S * 100, len(provider.refused) - before_tries
            more_mb = memory_mb(pid) - before_mb
            streak = (await gate(gateway))["streak"]
            provider.open()
            opened = time.monotonic()
            await provider.wait_for_hits(len(provider.refused) + 1)
            first = time.monotonic()
            await crowd.answered()
            answered_s = time.monotonic() - first
            flaws = await crowd.flaws(provider)
    if streak != len(provider.refused):
        flaws.append(f"it was tried {len(provider.refused)} times in {streak} intervals")
    conditions = f"{count} conversations with two messages each"
    return [
        Figure(f"CPU, {count} waiting", share, "%", f"{conditions}, over {WATCHED_S:g} s with {tries} tries", 1.0),
        Figure(f"memory for {count} waiting", more_mb, "MB", f"{conditions}, more than with one that waits", 60.0),
        Figure("calls at once on the return, at most", provider.at_once_max, "", f"{len(provider.too_many)} above the ramp", PLACES),
        Figure(f"until {count} are answered", answered_s, "s", f"from the try that got through, {first - opened:.1f} s after the return"),
    ], flaws


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description="Outages as long as real ones.")
    parser.add_argument("names", nargs="*", choices=["gone", "waiting", []], help="which (default: both)")
    parser.add_argument("--gone-s", type=float, default=GONE_S, help="how long the model server is away")
    parser.add_argument("--count", type=int, default=1000, help="how many conversations wait")
    args = parser.parse_args()
    editions: dict[str, Callable[[], Coroutine[Any, Any, Found]]] = {
        "gone": lambda: gone(args.gone_s),
        "waiting": lambda: waiting(args.count),
    }
    fine = True
    for name in args.names or editions:
        figures, flaws = asyncio.run(editions[name]())
        for line in (*figures, *flaws):
            print(line, flush=True)
        fine = fine and not flaws and all(figure.reached for figure in figures)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
