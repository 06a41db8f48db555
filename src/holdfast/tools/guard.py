"""Ends a tool server should we be killed: a shell beside it, which waits for the end of its own input. That comes with our end however we end.

A server that exits at the end of its input needs no such help. Some don't, some are stopped or stuck just then, and what `npx` and its like start is
no child of ours. So the server's whole group is ended. (Linux could signal a child when its parent dies: that child alone, not what it started.)
"""

from __future__ import annotations

import os
import subprocess
from typing import Final

_LAST_WILL: Final = 'trap "" HUP INT TERM; read -r gone; sleep "$2"; kill -s TERM -- "-$1" || exit; sleep "$3"; kill -s KILL -- "-$1"'  # as `Child.stop` does


class Guard:
    """Of one process group. Raises `OSError` if the machine has no room for it."""

    def __init__(self, group: int, end_of_input_s: float, terminate_s: float) -> None:
        self._shell = subprocess.Popen(  # noqa: S603 - a shell, and words of ours
            (
                "/bin/sh",
                "-c",
                _LAST_WILL,
                "holdfast-guard",
                str(group),
                *(str(int(pause_s)) for pause_s in (end_of_input_s, terminate_s)),
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,  # what ends us at a terminal, or with our group, does not end it
        )

    def end(self) -> None:
        """There is nothing more to guard. Blocks for as long as it takes to end a process: about a millisecond."""
        self._shell.kill()
        self._shell.communicate()
