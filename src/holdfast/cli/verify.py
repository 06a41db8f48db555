"""`holdfast verify FILE`: is the backup good? Without FILE, the same of the journal and the files in the data folder, or in FOLDER, while no gateway runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from holdfast import cli
from holdfast.cli.backup import there_is_a_journal
from holdfast.cli.output import count, when
from holdfast.cli.place import data_dir_of
from holdfast.errors import AlreadyRunning, Request
from holdfast.invoked import command


def run(arguments: argparse.Namespace) -> int:
    from holdfast.store.archive import NotWhole  # noqa: PLC0415 - opens databases
    from holdfast.store.checking import check_backup, check_folder  # noqa: PLC0415 - as above

    if arguments.file is not None and not arguments.file.is_dir():
        try:
            about, checked = check_backup(arguments.file)
        except NotWhole as cut:
            print(cut)
            return cli.DAMAGED
        what = f"{arguments.file}, of {when(about.at)},"
    else:
        data_dir = _data_dir(arguments.file, arguments)
        try:
            checked = check_folder(data_dir)
        except AlreadyRunning as running:
            raise Request(
                f"A gateway uses {data_dir}. Make a backup, and look at that: `{command('backup')} FILE`, `{command('verify')} FILE`."
            ) from running
        what = f"The journal in {data_dir}"
    entries, conversations = count(checked.entries, "entry", "entries"), count(checked.conversations, "conversation")
    if not checked.problems:
        print(f"{what} is good: {entries} of {conversations} were read and replayed, and {count(checked.files, 'file')} compared.")
        return cli.ANSWERED
    print(f"{what} is not as it should be:")
    for problem in checked.problems:
        print(f"  {problem}")
    return cli.DAMAGED


def _data_dir(named: Path | None, arguments: argparse.Namespace) -> Path:
    """The folder that was named, else that of the configuration. Raises `Request` if there is no journal."""
    if named is None:
        data_dir = data_dir_of(arguments)
        there_is_a_journal(data_dir)
        return data_dir
    if not (named / "journal.db").is_file():
        raise Request(f"{named} is a folder without a journal. Name a backup, or a data folder: there is a journal.db in it.")
    return named.absolute()
