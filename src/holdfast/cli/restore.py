"""`holdfast restore FILE`: put a backup into the data folder, or into another one. What is there is set aside, after a yes. Only while no gateway runs."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast import cli, config, secrets
from holdfast.cli.interrupted import finishing, saying
from holdfast.cli.output import count, when
from holdfast.cli.questions import agree
from holdfast.errors import AlreadyRunning, Request
from holdfast.invoked import command
from holdfast.values import quoted

if TYPE_CHECKING:
    from holdfast.store.archive import About

SHOWN_MAX: Final = 10
NOTHING: Final = "Nothing was restored, and what is there is as it was."


def run(arguments: argparse.Namespace) -> int:
    from holdfast.store.restoring import restore  # noqa: PLC0415 - opens databases

    settings = config.load(getattr(arguments, "config", None), os.environ)
    if arguments.file is None:
        raise _which(settings)
    data_dir: Path = arguments.to.absolute() if arguments.to else settings.data_dir

    def ask(about: About, aside: Path | None) -> None:
        print(f"{arguments.file}: {count(about.conversations, 'conversation')}, as of {when(about.at)}. It goes into {data_dir}.")
        if aside is not None:
            print(f"The journal that is there is not lost: it will be called {aside}.")
            agree("Restore it? (yes or no)", NOTHING, yes=arguments.yes)

    try:
        with saying(NOTHING):
            restored = restore(
                arguments.file, data_dir, ask, lambda: finishing("The backup is being put in its place: that is finished first.")
            )
    except AlreadyRunning as running:
        raise Request(
            f"A gateway runs on {data_dir}. Stop it first, or choose another folder: `{command('restore')} {shlex.quote(str(arguments.file))} --to FOLDER`."
        ) from running
    print(
        f"Restored. What was said after {when(restored.about.at)} is not in it. What was being done then goes on when the gateway starts, "
        "so an answer may come a second time."
    )
    if data_dir != settings.data_dir:
        print(f"To look at it, whatever runs beside: {_look(data_dir)}")
        print(f"To use it, write into {settings.file}: data_dir = {quoted(str(data_dir))}")
    print(f"Start the gateway: {command('run')}")
    return cli.ANSWERED


def _look(data_dir: Path) -> str:
    """What can be typed: a configuration for that folder and for nothing else, and the list of its conversations."""
    file = data_dir / "look.toml"
    return f"echo {shlex.quote(f'data_dir = {quoted(str(data_dir))}')} > {shlex.quote(str(file))} && {command('show', file)}"


def _which(settings: config.Config) -> Request:
    """Those that were made by themselves, the newest first."""
    folder = secrets.expanded(settings.backup.dir, settings.file.parent, os.environ) if settings.backup.dir else None
    found = sorted(folder.glob("holdfast-*.tar"), reverse=True) if folder else []
    there = "".join(f"\n  {path}" for path in found[:SHOWN_MAX]) or " There is none in [backup] dir."
    return Request(f"Say which backup: `{command('restore')} FILE`.{there}")
