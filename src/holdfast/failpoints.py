"""Named points where a test may kill the process. Free when off.

`HOLDFAST_FAILPOINT=deliver.after_send:2` kills the process, as SIGKILL does, the second time that point is passed;
`HOLDFAST_FAILPOINT_LOG=FILE` writes the name of every point that is passed, so that a test can show that it was reached.
`NAMES` is the whole list: a point that is not in it is a bug, and a sweep kills at each.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

NAMES: Final = (
    "start.before_ready",
    "ingest.before_commit",
    "ingest.after_commit",
    "acknowledge",
    "claim.after_commit",
    "append.before_commit",
    "append.after_commit",
    "release.after_commit",
    "model.before_request",
    "model.first_event",
    "model.complete",
    "tool.started",
    "tool.after_effect",
    "deliver.before_send",
    "deliver.after_send",
    "file.before_rename",
    "migrate",
    "stop",
)

_target, _, _count = os.environ.get("HOLDFAST_FAILPOINT", "").partition(":")
_log = os.environ.get("HOLDFAST_FAILPOINT_LOG", "")
_lock = threading.Lock()
_left = int(_count or "1")


def _armed(name: str) -> None:
    global _left
    assert name in NAMES, f"failpoint {name!r} is not in failpoints.NAMES"
    with _lock:
        if _log:
            with open(_log, "a") as log:
                log.write(name + "\n")
        if name == _target:
            _left -= 1
            if _left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _off(name: str) -> None:
    """Nothing: the usual case."""


failpoint = _armed if _target or _log else _off
