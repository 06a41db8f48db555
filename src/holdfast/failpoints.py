"""Named points where a test may kill the process. Free when off.

`HOLDFAST_FAILPOINT=deliver.after_send:2` kills the process, as SIGKILL does, the second time that point is passed; `...:1:15` sends it SIGTERM instead;
`HOLDFAST_FAILPOINT_LOG=FILE` writes the name of every point that is passed, so that a test can show that it was reached.
`NAMES` and `IN_COMMANDS` are the whole list: a point that is not in it is a bug. A sweep kills at each of the first, and tests at each of the others.
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
    "backup.copied",
    "backup.before_rename",
    "backup.renamed",
    "migrate",
    "stop",
)

IN_COMMANDS: Final = (
    "restore.unpacked",
    "restore.files",
    "restore.set_aside",
    "restore.replaced",
    "forget.seen_no_more",
    "forget.erased",
    "forget.files",
    "vacuum.before_rename",
    "vacuum.renamed",
)
"""Those that a gateway at work does not pass."""

_target, _count, _signal = (os.environ.get("HOLDFAST_FAILPOINT", "") + "::").split(":")[:3]
_log = os.environ.get("HOLDFAST_FAILPOINT_LOG", "")
_lock = threading.Lock()
_left = int(_count or "1")


def _armed(name: str) -> None:
    global _left
    assert name in NAMES + IN_COMMANDS, f"failpoint {name!r} is not in failpoints.NAMES"
    with _lock:
        if _log:
            with open(_log, "a") as log:
                log.write(name + "\n")
        if name == _target:
            _left -= 1
            if _left == 0:
                os.kill(os.getpid(), int(_signal or signal.SIGKILL))


def _off(name: str) -> None:
    """Nothing: the usual case."""


failpoint = _armed if _target or _log else _off
