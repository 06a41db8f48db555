"""What is going to be done to this machine: said first, then done. Each step can be done again."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast.errors import Config, Temporary

COMMAND_S_MAX: Final = 600.0
"""The longest is a start, which waits until a large journal is up to date."""


@dataclass(frozen=True, slots=True)
class Write:
    """Put this text there. Folders on the way are made."""

    path: Path
    text: str

    def __str__(self) -> str:
        return f"write   {self.path}"


@dataclass(frozen=True, slots=True)
class Remove:
    """Take this file away, if it is there."""

    path: Path

    def __str__(self) -> str:
        return f"remove  {self.path}"


@dataclass(frozen=True, slots=True)
class Run:
    """Run a command. `if_it_fails`: what is said then, and the rest is done; without it, that is the end."""

    command: tuple[str, ...]
    if_it_fails: str = ""

    def __str__(self) -> str:
        return f"run     {shlex.join(self.command)}"


Step = Write | Remove | Run


def do(step: Step) -> str:
    """Returns what is to be said of it, "" for nothing. Raises `Config` or `Temporary` if it fails, and says what is to be done."""
    match step:
        case Write():
            return _write(step)
        case Remove():
            return _remove(step)
        case Run():
            return _run(step)


def _write(step: Write) -> str:
    """Whole or not at all; everybody may read it, as the service manager wants it."""
    new = step.path.with_name(f"{step.path.name}.new")
    try:
        step.path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(step.text)
        new.chmod(0o644)
        new.replace(step.path)
    except OSError as error:
        raise Config(f"{step.path} can't be written: {error.strerror}.") from error
    return ""


def _remove(step: Remove) -> str:
    try:
        step.path.unlink(missing_ok=True)
    except OSError as error:
        raise Config(f"{step.path} can't be removed: {error.strerror}.") from error
    return ""


def _run(step: Run) -> str:
    done = ran(step.command)
    if done.returncode == 0:
        return ""
    if step.if_it_fails:
        return f"{step.if_it_fails} ({said(done)})" if said(done) else step.if_it_fails
    raise Temporary(f"`{shlex.join(step.command)}` failed: {said(done) or f'exit code {done.returncode}'}")


def ran(command: Sequence[str], *, within_s: float = COMMAND_S_MAX) -> subprocess.CompletedProcess[str]:
    """A command of the service manager's, when it has ended. Raises `Config` if there is no such program, `Temporary` if it takes too long."""
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=within_s, check=False, env=environment())  # noqa: S603 - words of ours
    except OSError as error:
        raise Config(f"`{command[0]}` can't be run: {error.strerror}. It belongs to the service manager of this machine.") from error
    except subprocess.TimeoutExpired as late:
        raise Temporary(f"`{shlex.join(command)}` has not ended within {within_s:g} s.") from late


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The words with which a command failed, on one line."""
    return " ".join((done.stderr.strip() or done.stdout.strip()).split())


def environment() -> dict[str, str]:
    """Ours; and where the manager of a person's own services is found, which `su` and `sudo` do not say."""
    return {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}", **os.environ}
