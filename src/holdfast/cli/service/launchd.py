"""launchd, of macOS: an agent of the person who installs it. Untried: none of us has such a machine. (The property list is checked by tests.)"""

from __future__ import annotations

import os
import plistlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from holdfast import cli
from holdfast.cli.service import unit
from holdfast.cli.service.steps import Remove, Run, Step, Write, ran, said
from holdfast.config import Config
from holdfast.errors import Config as NeedsPerson

LOG: Final = "Library/Logs/holdfast.log"


class Launchd:
    """The service as launchd knows it."""

    def __init__(self) -> None:
        self.file = Path.home() / f"Library/LaunchAgents/{unit.LABEL}.plist"
        self.log = Path.home() / LOG
        self.path = os.environ.get("PATH", os.defpath)
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{unit.LABEL}"

    def text(self, settings: Config, *, linger: bool = False) -> str:  # noqa: ARG002 - there is no lingering here
        """The property list. Raises `errors.Config` for what launchd can't do."""
        if names := unit.named(settings, "credential"):
            raise NeedsPerson(f"The configuration names credential:{names[0]}, but launchd passes no credentials. Use file: instead.")
        return unit.launchd_agent(settings, path=self.path, log=self.log)

    def install(self, settings: Config, *, linger: bool) -> list[Step]:  # noqa: ARG002 - an agent runs while its person is logged in
        steps: list[Step] = [Write(self.file, self.text(settings))]
        if self.runs:
            steps.insert(0, Run(("launchctl", "bootout", self._target)))
        return [*steps, Run(("launchctl", "bootstrap", self._domain, str(self.file)))]

    def uninstall(self) -> list[Step]:
        return [Run(("launchctl", "bootout", self._target), "It did not run."), Remove(self.file)]

    @property
    def config(self) -> Path | None:
        """What the installed agent is configured by."""
        return Path(plistlib.loads(self.file.read_bytes())["ProgramArguments"][-1]) if self.file.exists() else None

    @property
    def left(self) -> str:
        return f"Its log stays in {self.log}."

    @property
    def runs(self) -> bool:
        return ran(("launchctl", "print", self._target)).returncode == 0

    def status(self) -> tuple[list[str], int]:
        """How it is, in a few lines; and the exit code that says so."""
        done = ran(("launchctl", "print", self._target))
        if done.returncode:
            return [f"Holdfast is down: launchd does not know it ({said(done)})."], cli.AWAY
        if pid := re.search(r"^\s*pid = (\d+)$", done.stdout, re.MULTILINE):
            return [f"Holdfast is up as a service (process {pid[1]}).", "It starts when you log in."], cli.ANSWERED
        code = re.search(r"^\s*last exit code = (.+)$", done.stdout, re.MULTILINE)
        again = "launchd starts it again within half a minute."
        return [f"Holdfast is down{f': last it ended with exit code {code[1]}' if code else ''}. {again}"], cli.AWAY

    def logs(self, options: Sequence[str]) -> None:
        """Become the program that shows them. Does not return."""
        if not self.log.exists():
            raise NeedsPerson(f"There is no log yet: {self.log}")
        if any(option.startswith("--since") for option in options):
            raise NeedsPerson(f"The log is a file here, {self.log}: --since can't be told to it.")
        os.execvp("tail", ["tail", *("-F" if option == "--follow" else option for option in options), str(self.log)])  # noqa: S606, S607 - what was asked for
