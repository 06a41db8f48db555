"""`holdfast show`: the conversations, or one of them as a story. Asks the gateway; while that is stopped, reads the journal itself."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from holdfast import cli, config
from holdfast.cli.client import Client, key_of
from holdfast.cli.kept import Nothing, kept
from holdfast.cli.output import columns, print_json, when
from holdfast.cli.save import save
from holdfast.cli.story import story
from holdfast.core.entries import Entry
from holdfast.errors import Request
from holdfast.invoked import command
from holdfast.web.wire import Listed, door_path

ROWS_MAX: Final = 200


def run(arguments: argparse.Namespace) -> int:
    settings = config.load(getattr(arguments, "config", None), os.environ)
    if arguments.conversation is None:
        if arguments.save is not None:
            raise Request(f"Say which conversation the entry is of: `{command('show')} CONVERSATION --save {arguments.save}`.")
        _show_rows(_rows(settings.data_dir), arguments.json)
        return cli.ANSWERED
    entries = _entries(settings.data_dir, key_of(arguments.conversation))
    if arguments.save is None:
        _show_story(entries, arguments.json)
    else:
        client = Client(door_path(settings.data_dir, os.environ.get("XDG_RUNTIME_DIR")))
        save(entries, arguments.save, client, settings.data_dir / "files")
    return cli.ANSWERED


def _show_rows(rows: Sequence[Listed], as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    if not rows:
        print(f'There are no conversations yet. Begin one: {command("chat")} -q "Hello"')
        return
    for line in columns([("CONVERSATION", "LAST ACTIVITY", "STATE"), *((row.name, when(row.last_at), _how(row)) for row in rows)]):
        print(line)


def _show_story(entries: Sequence[Entry], as_json: bool) -> None:
    if as_json:
        print_json(entries)
        return
    for line in story(entries, when):
        print(line)


def _how(row: Listed) -> str:
    """The words, with the instant that belongs to them."""
    if not row.until:
        return row.words
    return f"{row.words} {'Until' if row.state == 'asking' else 'Next try:'} {when(row.until)}."


# --- where it comes from --------------------------------------------------------------------------------------------------------------


def _rows(data_dir: Path) -> Sequence[Listed]:
    try:
        with kept(data_dir) as conversations:
            return tuple(islice(conversations.rows(), ROWS_MAX))
    except Nothing:
        return ()


def _entries(data_dir: Path, key: str) -> Sequence[Entry]:
    with kept(data_dir) as conversations:
        entries = tuple(conversations.entries(key))
    if not entries:
        raise Request(f"There is no conversation {key!r}. `{command('show')}` lists them.")
    return entries
