"""The gateway, watched from within its own process: `python -m bench.launcher REPORT CONFIG [--no-pause]`.

Two things are changed: the event loop is watched, and the practice model may speak without pauses. When the gateway has stopped, the report says
how long the loop was held up at most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

from holdfast import app
from holdfast.models.practice import PracticeModel

TICK_S: Final = 0.005


class Watch:
    """How long others wait for the loop.

    `late`: how late a tick was that was to come every 5 ms, by the wall clock: whatever holds the loop up counts, also threads that keep the
    interpreter to themselves, and other programs. `block`: the longest single callback, in CPU time of the loop's thread: our own part in it.
    """

    def __init__(self) -> None:
        self.late_s = 0.0
        self.block_s = 0.0

    def install(self) -> None:
        run, serve = asyncio.Handle._run, app._serve

        def timed(handle: asyncio.Handle) -> None:
            began = time.thread_time()
            run(handle)
            self.block_s = max(self.block_s, time.thread_time() - began)

        async def ticked(*arguments: Any) -> None:
            ticking = asyncio.create_task(self._tick())
            try:
                await serve(*arguments)
            finally:
                ticking.cancel()

        setattr(asyncio.Handle, "_run", timed)  # noqa: B010 - there is no public place to stand in
        setattr(app, "_serve", ticked)  # noqa: B010

    async def _tick(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(TICK_S)
            self.late_s = max(self.late_s, time.monotonic() - began - TICK_S)

    def report(self) -> dict[str, float]:
        return {"late_s": self.late_s, "block_s": self.block_s}


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
