"""`python -m bench [NAME ...]`: take the figures, all or those named, and say which targets are reached. Exit code 1 if one is not."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from bench import durable, large, platforms, starts, turns, waiting
from bench.figures import Figure

MEASUREMENTS: Final[dict[str, Callable[[], Awaitable[list[Figure]]]]] = {
    "overhead": turns.overhead,
    "throughput": turns.throughput,
    "log": turns.logged,
    "accept": durable.accept,
    "start": starts.accepting,
    "memory": starts.memory,
    "platforms": platforms.memory,
    "large": large.start,
    "resumed": starts.resumed,
    "gate": waiting.gate,
    "step": waiting.step,
    "help": starts.help_,
}


async def _take(names: list[str]) -> list[Figure]:
    figures: list[Figure] = []
    for name in names:
        for figure in await MEASUREMENTS[name]():
            print(figure, flush=True)
            figures.append(figure)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="How fast, how small, how soon.")
    parser.add_argument("names", nargs="*", choices=[*MEASUREMENTS, []], help="which measurements (default: all)")
    names = parser.parse_args().names or list(MEASUREMENTS)
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.2f} at the start (over 0.5: others use this machine)\n")
    figures = asyncio.run(_take(names))
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
