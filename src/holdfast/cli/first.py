"""The gateway as process 1 of a container."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Final

_PASSED_ON: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def go_on_in_a_child() -> None:
    """Return in a child; and do here, until it ends, what process 1 has to: pass signals on, and see every orphan off.

    What tool servers leave behind becomes a child of process 1, and would fill the table of processes when it ends.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # none is lost before there is somebody to take it
    child = os.fork()
    if child:
        for number in _PASSED_ON:
            signal.signal(number, lambda number, _frame: _pass_on(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    while child:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _pass_on(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended just now
        os.kill(child, number)
