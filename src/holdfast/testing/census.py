"""The gateway, which tells on SIGUSR1 what is alive in it: `python -m holdfast.testing.census REPORT run --config FILE`.

The number of the loop's tasks, after what is garbage was collected, is written to the file REPORT. All else can be seen from outside.
"""

from __future__ import annotations

import asyncio
import gc
import runpy
import signal
import sys
from pathlib import Path
from types import FrameType


def census(report: Path) -> None:
    """From now on tell."""

    def tell(_number: int, _frame: FrameType | None) -> None:
        gc.collect()
        partial = report.with_suffix(".partial")
        partial.write_text(str(len(asyncio.all_tasks())))
        partial.rename(report)

    signal.signal(signal.SIGUSR1, tell)


if __name__ == "__main__":
    census(Path(sys.argv.pop(1)))
    runpy.run_module("holdfast.cli", run_name="__main__", alter_sys=True)
