"""Hundreds of turns with tools, while their servers crash, hang, babble and are stopped: `python -m bench.soak [--turns 500]`. Is nothing lost, does nothing
grow? Exit code 1 if something is."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from typing import Final

from bench.figures import Figure
from bench.world import folder
from holdfast.testing.tool_soak import TALKERS_MAX, Soaked, soak

ROUNDS: Final = 5
GROWTH_MB_MAX: Final = 8.0


def figures(soaked: Soaked) -> list[Figure]:
    warm, last = soaked.looks[0], soaked.looks[-1]
    turns = last.turns - warm.turns
    after = f"from turn {warm.turns} to {last.turns}"
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in Counter(soaked.outcomes.values()).most_common())
    return [
        Figure("messages that were not answered", soaked.asked - soaked.answered, "", f"of {soaked.asked}; calls: {outcomes}", 0),
        Figure("files, more than when it was warm", last.files - warm.files, "", f"{after}; {last.files} at the end", TALKERS_MAX + 2),
        Figure("tasks, more than when it was warm", last.tasks - warm.tasks, "", f"{after}; {last.tasks} at the end", 0),
        Figure("children, more than when it was warm", last.children - warm.children, "", f"{after}; {last.children} at the end", 0),
        Figure("zombies", max(look.zombies for look in soaked.looks), "", f"at {len(soaked.looks)} looks", 0),
        Figure(
            "memory, more than when it was warm",
            last.memory_mb - warm.memory_mb,
            "MB",
            f"{after}; {last.memory_mb:.0f} MB at the end",
            GROWTH_MB_MAX,
        ),
        Figure("restarts of tool servers", soaked.restarts, "", f"two servers, {turns} turns and more in {soaked.took_s:.0f} s"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Turns with tools whose servers misbehave.")
    parser.add_argument("--turns", type=int, default=500)
    arguments = parser.parse_args()
    with folder() as place:
        soaked = asyncio.run(soak(place, arguments.turns, ROUNDS))
    for line in (*figures(soaked), *(flaws := soaked.flaws(GROWTH_MB_MAX))):
        print(line, flush=True)
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main())
