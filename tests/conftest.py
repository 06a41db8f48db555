"""What all tests share: what a test may need, and that nothing is skipped where everything is required.

Campaigns (walks, days, kills, soaks) are short here, and seeded. `HOLDFAST_LONG=1` makes them long, each for itself: `HOLDFAST_LONG=1 .venv/bin/pytest
-n 2 --timeout 7200 tests/sim`, or tests/core/test_text.py, tests/machine, tests/kill, tests/tools/test_soak.py, tests/tools/test_real_servers.py,
tests/e2e/test_failover.py. All together take many hours.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Final, TypeVar

import pytest

DEBIAN: Final = (Path(__file__).parent.parent / "requirements/debian.txt").read_text().split()
ALL: Final = os.environ.get("HOLDFAST_TEST_ALL") == "1"
"""Is every test required, so that a skipped one has failed? `.ci/run` says so."""

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_configure() -> None:
    """What tests start heeds Ctrl-C, also where a shell started them in its background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is there before the first test stays: whoever collects garbage in a test need not look through ten thousand tests for it."""
    gc.collect()
    gc.freeze()


def _absent(item: pytest.Item) -> list[str]:
    """The programs that this test needs and this machine does not have."""
    return [program for marker in item.iter_markers("needs") for program in marker.args if shutil.which(program) is None]


def pytest_runtest_setup(item: pytest.Item) -> None:
    absent = _absent(item)
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed. On Debian: apt-get install {' '.join(DEBIAN)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _required((yield))


def _required(report: Report) -> Report:
    """The report; of a skipped test or module a failure, where all are required."""
    if ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and HOLDFAST_TEST_ALL=1 requires every test. {reason}"
    return report
