"""`holdfast show`: the conversations, or one of them as a story. Asks the gateway; while that is stopped, reads the journal itself."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from holdfast import cli
from holdfast.cli.client import Client, key_of
from holdfast.cli.kept import Nothing, kept
from holdfast.cli.output import columns, print_json, standing, when
from holdfast.cli.place import accounts_of, data_dir_of, door_of
from holdfast.cli.save import save
from holdfast.cli.story import story
from holdfast.core.entries import Entry
from holdfast.errors import Request
from holdfast.invoked import command
from holdfast.web.wire import Listed

ROWS_MAX: Final = 200


def run(arguments: argparse.Namespace) -> int:
    data_dir = data_dir_of(arguments)
    if arguments.conversation is None:
        if arguments.save is not None:
            raise Request(f"Say which conversation the entry is of: `{command('show')} CONVERSATION --save {arguments.save}`.")
        _show_rows(_rows(data_dir, accounts_of(arguments)), arguments.json)
        return cli.ANSWERED
    entries = _entries(data_dir, key_of(arguments.conversation))
    if arguments.save is None:
        _show_story(entries, arguments.json)
    else:
        client = Client(door_of(data_dir))
        save(entries, arguments.save, client, data_dir / "files")
    return cli.ANSWERED


def _show_rows(rows: Sequence[Listed], as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    if not rows:
        print(f'There are no conversations yet. Begin one: {command("chat")} -q "Hello"')
        return
    for line in columns([("CONVERSATION", "LAST ACTIVITY", "STATE"), *((row.name, when(row.last_at), standing(row)) for row in rows)]):
        print(line)


def _show_story(entries: Sequence[Entry], as_json: bool) -> None:
    if as_json:
        print_json(entries)
        return
    for line in story(entries, when):
        print(line)


# --- where it comes from --------------------------------------------------------------------------------------------------------------


def _rows(data_dir: Path, accounts: Collection[str] | None) -> Sequence[Listed]:
    try:
        with kept(data_dir, accounts=accounts) as conversations:
            return tuple(islice(conversations.rows(), ROWS_MAX))
    except Nothing:
        return ()


def _entries(data_dir: Path, key: str) -> Sequence[Entry]:
    with kept(data_dir) as conversations:
        entries = tuple(conversations.entries(key))
    if not entries:
        raise Request(f"There is no conversation {key!r}. `{command('show')}` lists them.")
    return entries
