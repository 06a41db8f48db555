"""What a service manager is told: systemd's sd_notify(3), a datagram to the socket that NOTIFY_SOCKET names."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

HEARD_S_MAX: Final = 5.0
"""So long we wait where few datagrams fit and others stand in line (ten, on most machines). Said once and not heard, it would be waited for in vain."""


class ServiceManager:
    """Whoever started us and wants to know how we are. Without one nothing is said."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        ours = environ.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        self.watchdog_s: float = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 if ours else 0.0
        """After so long without a sign of life it kills us (0: it does not)."""

    def ready(self, status: str) -> None:
        self._tell("READY=1", f"STATUS={status}", within_s=HEARD_S_MAX)

    def alive(self, status: str) -> None:
        self._tell("WATCHDOG=1", f"STATUS={status}")

    def reloading(self) -> None:
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._tell("STOPPING=1", "STATUS=Stopping. What is unfinished goes on at the next start.")

    def _tell(self, *lines: str, within_s: float = 0.0) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(within_s)
            out.sendto("\n".join(lines).encode(), self._address)
