"""systemd: a unit of the person who installs it, or of the whole machine under a user of its own."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from holdfast import cli
from holdfast.cli.output import when
from holdfast.cli.service import unit
from holdfast.cli.service.steps import Remove, Run, Step, Write, environment, ran, said
from holdfast.config import Config
from holdfast.errors import Config as NeedsPerson
from holdfast.errors import Temporary

UNIT: Final = "holdfast.service"
SYSTEM_CONFIG: Final = Path("/etc/holdfast/config.toml")
SYSTEM_UNIT: Final = Path("/etc/systemd/system", UNIT)
SYSTEM_USER: Final = "holdfast"
LAST_LINES: Final = 5
QUERY_S_MAX: Final = 30.0

_SHOWN: Final = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "ExecMainCode",
    "ExecMainStatus",
    "ActiveEnterTimestampMonotonic",
    "StatusText",
    "NRestarts",
    "UnitFileState",
)
_KILLED: Final = ("2", "3")
_ENDS: Final = {
    70: "the journal can't commit",
    75: "another Holdfast runs on its data folder, or it has to be tried again",
    78: "its configuration has to be changed first",
    200: "systemd can't enter the home folder of its user",
    203: "systemd can't run the program as its user, which has to be able to read it: install Holdfast outside of other people's homes",
    217: "its user does not exist",
    243: "systemd can't pass it a credential",
}
"""What exit codes mean: our own, and those of systemd where it comes to no start."""


def runs_here() -> bool:
    """Is systemd what runs this machine?"""
    return Path("/run/systemd/system").is_dir()


def installed(*, system: bool) -> bool:
    """Is there such a unit of ours?"""
    return unit_file(system=system).exists()


def unit_file(*, system: bool) -> Path:
    return SYSTEM_UNIT if system else Path.home() / ".config/systemd/user" / UNIT


class Systemd:
    """The service as systemd knows it. `system`: of the whole machine; `user` is whose it is then."""

    def __init__(self, *, system: bool, user: str = SYSTEM_USER) -> None:
        self.system = system
        self.file = unit_file(system=system)
        self._user = user if system else ""
        self._systemctl = ("systemctl",) if system else ("systemctl", "--user")

    @classmethod
    def there(cls, *, system: bool) -> Systemd:
        """The one that is installed. Raises `errors.Config` if the unit is somebody else's."""
        service = cls(system=system)
        user = re.search(r"^User=(.+)$", service._what_is_there(), re.MULTILINE)
        return cls(system=system, user=user[1]) if user else service

    # --- installing ---------------------------------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """Where the service looks for programs."""
        return unit.SYSTEM_PATH if self.system else os.environ.get("PATH", os.defpath)

    def text(self, settings: Config, *, linger: bool = False) -> str:
        """The unit."""
        return unit.systemd_unit(settings, user=self._user, path=self.path, lingers=linger)

    def install(self, settings: Config, *, linger: bool) -> list[Step]:
        """What is to be done. Raises `errors.Config` for what a person has to do first."""
        before = self._what_is_there()
        self.state()  # can systemd be asked at all?
        for name in unit.named(settings, "credential"):
            if not _exists(file := unit.credential(settings, name)):
                raise NeedsPerson(
                    f"The configuration names credential:{name}, but there is no {file}. Write the key there, alone on one line: "
                    f"install -D -m 600 /dev/stdin {file}"
                )
        steps: list[Step] = self._for_its_user(settings) if self.system else []
        lingers = linger and not self.system and (unit.LINGERS in before or not _lingers())
        steps += [
            Write(self.file, self.text(settings, linger=lingers)),
            Run((*self._systemctl, "daemon-reload")),
            Run((*self._systemctl, "enable", UNIT)),
        ]
        if lingers:
            steps.append(
                Run(
                    ("loginctl", "enable-linger", _me()),
                    "It ends when you log out, since you may not change that. Whoever administers this machine can: "
                    f"sudo loginctl enable-linger {_me()}",
                )
            )
        return [*steps, Run((*self._systemctl, "restart", UNIT), "It is not up yet.")]

    def _for_its_user(self, settings: Config) -> list[Step]:
        """The user of a service of the whole machine, and its folder."""
        folder = settings.data_dir
        if folder.is_relative_to(Path.home()):
            raise NeedsPerson(
                f"Holdfast would keep everything in {folder}, which is yours. For a service of the whole machine write "
                f'data_dir = "/var/lib/holdfast" at the top of {settings.file}.'
            )
        if any(folder.is_relative_to(place) for place in ("/tmp", "/var/tmp")):  # noqa: S108 - it is refused
            raise NeedsPerson(
                f"The data folder {folder} is no place to keep anything. Set data_dir to another one, such as /var/lib/holdfast."
            )
        make = Run(("install", "--directory", f"--owner={self._user}", "--mode=700", str(folder)))
        try:
            uid = pwd.getpwnam(self._user).pw_uid
        except KeyError:
            if self._user != SYSTEM_USER:
                raise NeedsPerson(f"There is no user {self._user!r} on this machine.") from None
            home = ("--home-dir", str(folder), "--no-create-home", "--shell", "/usr/sbin/nologin")
            return [Run(("useradd", "--system", "--user-group", *home, self._user)), make]
        if folder.exists() and folder.stat().st_uid != uid:
            raise NeedsPerson(
                f"The data folder {folder} belongs to another user than {self._user}. Stop what uses it, and give it to {self._user} "
                f"(chown -R {self._user}: {folder}); or name its owner: --user NAME."
            )
        return [make]

    def _what_is_there(self) -> str:
        """The unit that will be replaced; "" if there is none. Raises `errors.Config` if it is somebody else's."""
        try:
            before = self.file.read_text() if self.file.exists() else ""
        except OSError as error:
            raise NeedsPerson(f"{self.file} can't be read: {error.strerror}.") from error
        if before and not unit.OURS.match(before):
            raise NeedsPerson(f"{self.file} was not written by `holdfast service install`. Move it away first, if it is not needed.")
        return before

    def uninstall(self) -> list[Step]:
        """What is to be done. Raises `errors.Config` if the unit is somebody else's."""
        before = self._what_is_there()
        self.state()  # can systemd be asked at all?
        steps: list[Step] = [
            Run((*self._systemctl, "disable", "--now", UNIT)),
            Remove(self.file),
            Run((*self._systemctl, "daemon-reload")),
        ]
        if unit.LINGERS in before:
            steps.append(Run(("loginctl", "disable-linger", _me()), "Lingering stays on."))
        return steps

    @property
    def config(self) -> Path | None:
        """What the installed unit is configured by."""
        ours = unit.OURS.match(self._what_is_there())
        return Path(ours[1]) if ours else None

    @property
    def left(self) -> str:
        """What of the service is left after it was uninstalled, besides what Holdfast itself keeps."""
        changes = self.file.with_name(f"{UNIT}.d")
        changed = f"Your own changes of the unit stay in {changes}." if changes.is_dir() else ""
        whose = f"The user {self._user}, whose they are, stays." if self._user == SYSTEM_USER else ""
        return f"{whose} {changed}".strip()

    # --- looking ------------------------------------------------------------------------------------------------------------------------

    def state(self) -> Mapping[str, str]:
        """The unit's properties. Raises `Temporary` if systemd can't be asked."""
        done = ran((*self._systemctl, "show", f"--property={','.join(_SHOWN)}", UNIT), within_s=QUERY_S_MAX)
        if done.returncode:
            whose = "" if self.system else f" Log in as {_me()} (with su, write su - {_me()}), or: sudo loginctl enable-linger {_me()}"
            raise Temporary(f"The systemd of {'this machine' if self.system else 'your services'} can't be asked: {said(done)}.{whose}")
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    @property
    def runs(self) -> bool:
        return self.state()["ActiveState"] in {"active", "reloading"}

    def status(self) -> tuple[list[str], int]:
        """How it is, in a few lines; and the exit code that says so."""
        state = self.state()
        if state["ActiveState"] in {"active", "reloading"}:
            return [*self._up(state), self._starts(state)], cli.ANSWERED
        lines = [f"Holdfast is down. {self._down(state)}"]
        if last := self._last_lines():
            lines += ["It said last:", *(f"    {line}" for line in last)]
        needs_person = state["ActiveState"] == "failed" and state["ExecMainStatus"] == str(cli.CONFIG)
        return lines, cli.CONFIG if needs_person else cli.AWAY

    def _up(self, state: Mapping[str, str]) -> list[str]:
        ago_s = time.monotonic() - int(state["ActiveEnterTimestampMonotonic"]) / 1e6
        doing = f": {state['StatusText']}" if state["StatusText"] else "."
        lines = [f"Holdfast is up as a service since {when(time.time() - ago_s)}{doing}"]
        if state["NRestarts"] not in {"", "0"}:
            times = "once" if state["NRestarts"] == "1" else f"{state['NRestarts']} times"
            lines.append(f"systemd has started it again {times}.")
        return lines

    def _starts(self, state: Mapping[str, str]) -> str:
        if state["UnitFileState"] != "enabled":
            return f"It will not start by itself: {' '.join((*self._systemctl, 'enable', UNIT))}"
        if self.system or _lingers():
            return "It starts with this machine."
        return f"It starts when you log in, and ends when you log out: sudo loginctl enable-linger {_me()} changes that."

    def _down(self, state: Mapping[str, str]) -> str:
        again = " ".join((*self._systemctl, "start", UNIT))
        match state["ActiveState"], state["SubState"]:
            case "activating", "auto-restart":
                return f"{_ended(state)} systemd starts it again, every second."
            case "activating", _:
                return "It is starting."
            case "deactivating", _:
                return "It is stopping."
            case "failed", _:
                then = "Then start it" if state["ExecMainStatus"] == str(cli.CONFIG) else "This starts it"
                return f"{_ended(state)} {then}: {again}"
            case _:
                return f"It was stopped. This starts it: {again}"

    def _last_lines(self) -> list[str]:
        shown = ran((*self._journalctl, "--quiet", "--output=cat", f"--lines={LAST_LINES}", "--identifier=holdfast"), within_s=QUERY_S_MAX)
        return shown.stdout.splitlines() if shown.returncode == 0 else []

    @property
    def _journalctl(self) -> tuple[str, ...]:
        return ("journalctl", "--unit" if self.system else "--user-unit", UNIT)

    def logs(self, options: Sequence[str]) -> None:
        """Become the program that shows them. Does not return. Raises `errors.Config` if there is none."""
        if (program := shutil.which("journalctl")) is None:
            raise NeedsPerson("There is no journalctl on this machine, so systemd keeps no log here.")
        os.execve(program, [*self._journalctl, *options], environment())  # noqa: S606 - what was asked for


def _ended(state: Mapping[str, str]) -> str:
    """Why it is down, as a sentence."""
    status = int(state["ExecMainStatus"] or 0)
    match state["Result"]:
        case "oom-kill":
            return "It was killed, since the machine's memory was used up."
        case "watchdog":
            return "It hung, and was killed."
    if state["ExecMainCode"] in _KILLED:
        return f"It was ended by {signal.Signals(status).name}."
    return f"It ended with exit code {status}: {_ENDS[status]}." if status in _ENDS else f"It ended with exit code {status}."


def _me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _lingers() -> bool:
    return Path("/var/lib/systemd/linger", _me()).exists()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise NeedsPerson(f"{path} can't be looked at: {error.strerror}.") from error
