"""`holdfast backup FILE`: everything that has to be kept, in one file. The gateway makes it; while that is stopped, this command does."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import cli, config
from holdfast.cli.client import Away, Client
from holdfast.cli.interrupted import saying
from holdfast.cli.output import count, when
from holdfast.cli.place import data_dir_of, door_of
from holdfast.core.words import size
from holdfast.errors import AlreadyRunning, Request
from holdfast.invoked import command

if TYPE_CHECKING:
    from holdfast.ports import Backup


def run(arguments: argparse.Namespace) -> int:
    data_dir = data_dir_of(arguments)
    file = (arguments.file or Path(f"holdfast-{time.strftime('%Y-%m-%dT%H%M%S')}.tar")).absolute()
    made: Backup | None
    try:
        with saying(f"The gateway goes on with it: when it is whole, it is {file}."):
            made = Client(door_of(data_dir)).back_up(file)
    except Away as away:
        with saying("No backup was made, and nothing is left of it."):
            made = _made_here(data_dir, file, away)
    if made is None:
        return cli.DAMAGED
    print(
        f"{made.file}: {count(made.conversations, 'conversation')} and {count(made.files, 'file')}, {size(made.size)}, as of {when(made.at)}."
    )
    print(
        f"It holds all that was said: keep it where only you can read it. The configuration, {config.file_of(getattr(arguments, 'config', None), os.environ)}, is not in it."
    )
    print(f"See that it is good: {command('verify')} {shlex.quote(made.file)}")
    for name in made.damaged:
        print(f"The file {name} is damaged in {data_dir}: its bytes are not those that came. An older backup may have it whole.")
    return cli.ANSWERED


def _made_here(data_dir: Path, file: Path, away: Away) -> Backup | None:
    """By ourselves, while no gateway runs; None if the journal is damaged, which is said. Raises `away` if one does."""
    there_is_a_journal(data_dir)
    from holdfast.app import version  # noqa: PLC0415 needed only while the gateway is stopped
    from holdfast.store import archive  # noqa: PLC0415 as above
    from holdfast.store.folder import DataFolder  # noqa: PLC0415 as above

    try:
        folder = DataFolder(data_dir, reads=True)
    except AlreadyRunning:
        raise away from None
    try:
        return archive.write(data_dir, file, time.time(), version())
    except archive.NotWhole as damaged:
        print(f"holdfast: {damaged}", file=sys.stderr)
        return None
    finally:
        folder.close()


def there_is_a_journal(data_dir: Path) -> None:
    """Raises `Request` if there is none."""
    if not (data_dir / "journal.db").is_file():
        raise Request(f"There is no journal in {data_dir}. Is data_dir in the configuration another folder?")
