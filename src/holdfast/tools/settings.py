"""How a tool server is configured."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

Replay = Literal["always", "never", "ask"]

INHERITED: Final = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
"""All that a tool server sees of the gateway's environment: the gateway's secrets are not its business."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One tool server over stdio, as configured. `env` and `replay` (by the server's own tool names) hold what the configuration names.

    `connect_timeout_s` bounds the way from the start of the process to its list of tools, and how long a call waits for a server that is
    starting. `quiet_timeout_s` bounds a call's silence: without an answer or a report of progress for so long, it is given up.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    trust_annotations: bool = False
    replay: Mapping[str, Replay] = field(default_factory=lambda: MappingProxyType({}))
    connect_timeout_s: float = 10.0
    quiet_timeout_s: float = 600.0
    fingerprint: str = ""

    def environment(self) -> dict[str, str]:
        """The whole environment of the server's process. Programs installed beside the gateway are found without a path."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        beside = str(Path(sys.executable).parent)
        return {**inherited, "PATH": f"{inherited.get('PATH', os.defpath)}{os.pathsep}{beside}", **self.env}
