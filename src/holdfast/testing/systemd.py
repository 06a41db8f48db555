"""A real systemd, in a container whose files are this machine's own: what is changed there is kept in memory, and forgotten at the end.

    with Machine(folder) as machine:
        machine.run("systemctl", "is-system-running")
        machine.cut_power()
        machine.boot()

Needs root, and `systemd-container` from Debian. It boots in half a second, shares the network of this machine (servers on the loopback are reachable from
there), and sees its processes. Everything here waits in the calling thread: whoever has an event loop to keep alive uses `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

PROGRAMS: Final = ("systemd-nspawn", "dbus-daemon", "nsenter", "pkill", "unshare", "su")
SCRIPT: Final = Path(__file__).with_suffix(".sh")
UP_S_MAX: Final = 60.0
DOWN_S_MAX: Final = 90.0
COMMAND_S_MAX: Final = 90.0
LOOK_S: Final = 0.05


def unavailable() -> str:
    """What is missing, as a sentence; "" if nothing is."""
    if os.getuid():
        return "A systemd of its own needs root"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"{', '.join(missing)} not installed. On Debian: apt-get install dbus libpam-systemd systemd-container" if missing else ""


class Machine:
    """The container. `folder`: an empty one, where mounts may be made."""

    def __init__(self, folder: Path) -> None:
        self._log = folder.with_suffix(".log")
        folder.mkdir(parents=True, exist_ok=True)
        needed = [Path(path).resolve() for path in (sys.prefix, sys.base_prefix, __file__)]
        elsewhere = [path for path in needed if path.stat().st_dev != Path("/").stat().st_dev]
        under_tmp = {Path(*path.parts[:3]) for path in needed if path.parts[1] == "tmp"}
        elsewhere += under_tmp  # a container has an empty /tmp
        opened = {str(parent) for path in needed for parent in path.parents if parent != Path("/")} - {str(path) for path in elsewhere}
        with self._log.open("ab") as log:
            self._holder = subprocess.Popen(  # noqa: S603 - our own script
                ("/usr/bin/unshare", "--mount", "sh", str(SCRIPT), str(folder), *(f"--bind-ro={path}" for path in elsewhere)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "OPENED": " ".join(sorted(opened)), "UNDER_TMP": "yes" if under_tmp else ""},
                start_new_session=True,
            )
        self.leader = 0

    # --- up and down --------------------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Return when it is up."""
        assert not self.leader, "it is up"
        self._order("up")
        end = time.monotonic() + UP_S_MAX
        while not self._up():
            if self._holder.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"it does not come up:\n{self._log.read_text()}")
            time.sleep(LOOK_S)

    def _order(self, order: str) -> None:
        assert self._holder.stdin is not None
        self._holder.stdin.write(f"{order}\n".encode())
        self._holder.stdin.flush()

    def _up(self) -> bool:
        nspawn = next(iter(_children(self._holder.pid, "systemd-nspawn")), 0)
        self.leader = next(iter(_children(nspawn, "systemd")), 0) if nspawn else 0
        return bool(self.leader) and self.run("systemctl", "is-system-running", check=False).stdout.strip() in {"running", "degraded"}

    def power_off(self) -> None:
        """Ask it to go down, and wait until it is."""
        os.kill(self.leader, signal.SIGRTMIN + 4)
        self._down()

    def cut_power(self) -> None:
        """All its processes are gone at once."""
        os.kill(self.leader, signal.SIGKILL)
        self._down()

    def _down(self) -> None:
        assert self._holder.stdout is not None
        end = time.monotonic() + DOWN_S_MAX
        while Path(f"/proc/{self.leader}").exists():
            assert time.monotonic() < end, f"it does not go down:\n{self._log.read_text()}"
            time.sleep(LOOK_S)
        self._order("down")
        assert self._holder.stdout.readline() == b"down\n"
        self.leader = 0

    def __enter__(self) -> Self:
        self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()  # as it would be if we were killed
        self._holder.wait(DOWN_S_MAX)
        self._holder.stdout.close()

    # --- inside -------------------------------------------------------------------------------------------------------------------------

    def command(self, *words: str, user: str = "") -> tuple[str, ...]:
        """These words, to be run in there: as root, or as one of its users who has logged in."""
        entered = ("nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--")
        if user:
            return (*entered, "su", "-", user, "-c", shlex.join(words))
        return (*entered, "env", "--ignore-environment", "--chdir=/", "HOME=/root", "TERM=xterm", f"PATH={os.environ['PATH']}", *words)

    def run(self, *words: str, user: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command there. Raises `AssertionError` if it fails."""
        command = self.command(*words, user=user)
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=COMMAND_S_MAX, check=False)  # noqa: S603 - in a container
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def path(self, there: str) -> Path:
        """A path in there, as it is seen from here while it is up."""
        return Path(f"/proc/{self.leader}/root{there}")

    def write(self, there: str, text: str) -> None:
        """Put a file there, and folders on the way."""
        self.path(there).parent.mkdir(parents=True, exist_ok=True)
        self.path(there).write_text(text)

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit."""
        shown = self.run("systemctl", "show", unit, f"--property={','.join(properties)}").stdout
        return dict(line.split("=", 1) for line in shown.splitlines())


def _children(pid: int, name: str) -> list[int]:
    """The children of a process that have this name."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return [child for child in children if Path(f"/proc/{child}/comm").read_text().strip() == name]
    return []
