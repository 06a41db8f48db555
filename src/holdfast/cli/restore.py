"""`holdfast restore FILE`: put a backup into the data folder, or into another one. What is there is set aside. Only while no gateway runs."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast import cli, config, secrets
from holdfast.cli.output import count, when
from holdfast.errors import AlreadyRunning, Request
from holdfast.invoked import command

if TYPE_CHECKING:
    from holdfast.store.archive import About

SHOWN_MAX: Final = 10


def run(arguments: argparse.Namespace) -> int:
    from holdfast.store.restoring import restore  # noqa: PLC0415 - opens databases

    settings = config.load(getattr(arguments, "config", None), os.environ)
    if arguments.file is None:
        raise _which(settings)
    data_dir: Path = arguments.to.absolute() if arguments.to else settings.data_dir

    def say(about: About, aside: Path | None) -> None:
        print(f"{arguments.file} is whole: {count(about.conversations, 'conversation')}, as of {when(about.at)}. It goes into {data_dir}.")
        if aside is not None:
            print(f"The journal that is there is not lost: it is called {aside} from now on.")

    try:
        restored = restore(arguments.file, data_dir, say)
    except AlreadyRunning as running:
        raise Request(
            f"A gateway runs on {data_dir}. Stop it first, or choose another folder: `{command('restore')} {shlex.quote(str(arguments.file))} --to FOLDER`."
        ) from running
    print(
        f"Restored. What was said after {when(restored.about.at)} is not in it. What was being done then goes on when the gateway starts, "
        "so an answer may come a second time."
    )
    if data_dir != settings.data_dir:
        print(f'To use it, write into {settings.file}: data_dir = "{data_dir}"')
    print(f"Start the gateway: {command('run')}")
    return cli.ANSWERED


def _which(settings: config.Config) -> Request:
    """Those that were made by themselves, the newest first."""
    folder = secrets.expanded(settings.backup.dir, settings.file.parent, os.environ) if settings.backup.dir else None
    found = sorted(folder.glob("holdfast-*.tar"), reverse=True) if folder else []
    there = "".join(f"\n  {path}" for path in found[:SHOWN_MAX]) or " There is none in [backup] dir."
    return Request(f"Say which backup: `{command('restore')} FILE`.{there}")
