"""The gateway, watched from within its own process: `python -m bench.launcher REPORT CONFIG [--no-pause]`.

Nothing is changed but two things: each callback of the event loop is timed, and the practice model may speak without pauses. When the gateway has
stopped, the report says how long the loop was held up at most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

from holdfast import app
from holdfast.models.practice import PracticeModel


class Watch:
    """How long callbacks of the loop take: by the wall clock, and in CPU time of the loop's thread (which other programs do not lengthen)."""

    def __init__(self) -> None:
        self.wall_s: list[float] = []
        self.cpu_s: list[float] = []
        self._run = asyncio.Handle._run  # type: ignore[attr-defined] # noqa: SLF001 - there is no public place to stand in

    def install(self) -> None:
        run, wall_s, cpu_s = self._run, self.wall_s, self.cpu_s

        def timed(handle: asyncio.Handle) -> None:
            wall, cpu = time.perf_counter(), time.thread_time()
            run(handle)
            taken = time.perf_counter() - wall
            if taken > 0.005:
                wall_s.append(taken)
                cpu_s.append(time.thread_time() - cpu)

        asyncio.Handle._run = timed  # type: ignore[attr-defined] # noqa: SLF001

    def report(self) -> dict[str, float]:
        cpu = time.process_time()
        return {"block_wall_s": max(self.wall_s, default=0.0), "block_cpu_s": max(self.cpu_s, default=0.0), "cpu_s": cpu}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("report", type=Path)
    parser.add_argument("config", type=Path)
    parser.add_argument("--no-pause", action="store_true")
    arguments = parser.parse_args()
    if arguments.no_pause:
        PracticeModel.__init__.__defaults__ = (0.0,)
    watch = Watch()
    watch.install()
    app.run(arguments.config)
    arguments.report.write_text(json.dumps(watch.report()))


if __name__ == "__main__":
    main()
