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
Permission = Literal["allow", "ask", "deny"]

INHERITED: Final = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
"""All that a tool server sees of the gateway's environment: the gateway's secrets are not its business."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments: started with the gateway, and spoken to over stdio. `env` holds what the configuration names."""

    words: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def environment(self) -> dict[str, str]:
        """The whole environment of the server's process. Programs installed beside the gateway are found without a path."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        beside = str(Path(sys.executable).parent)
        return {**inherited, "PATH": f"{inherited.get('PATH', os.defpath)}{os.pathsep}{beside}", **self.env}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server that runs already is: spoken to over streamable HTTP. `headers` go with every request, are secrets, and never shown."""

    url: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One tool server, as configured. `replay` and `tool_policy` go by the server's own tool names; `sampling`: it may ask the model.

    `connect_timeout_s` bounds the way from the start of the process, or the first connection, to its list of tools, and how long a call waits
    for a server that is starting. `timeout_s` bounds a call's silence: without an answer or a report of progress for so long, it is given up.
    """

    name: str
    where: Command | Address
    trust_annotations: bool = False
    replay: Mapping[str, Replay] = field(default_factory=lambda: MappingProxyType({}))
    connect_timeout_s: float = 10.0
    timeout_s: float = 600.0
    policy: Permission | None = None
    tool_policy: Mapping[str, Permission] = field(default_factory=lambda: MappingProxyType({}))
    sampling: bool = False
    fingerprint: str = ""
