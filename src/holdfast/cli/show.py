"""`holdfast show`: the conversations, or one of them as a story. Asks the gateway; while that is stopped, reads the journal itself."""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from holdfast import cli, config
from holdfast.cli.client import Away, Client, key_of
from holdfast.cli.output import columns, print_json, when
from holdfast.cli.save import save
from holdfast.cli.story import story
from holdfast.core.entries import Entry
from holdfast.errors import AlreadyRunning, Request
from holdfast.invoked import command
from holdfast.ports import Journal, Standing
from holdfast.web.wire import Listed, door_path
from holdfast.web.words import listed

ROWS_MAX: Final = 200

T = TypeVar("T")


def run(arguments: argparse.Namespace) -> int:
    settings = config.load(getattr(arguments, "config", None), os.environ)
    client = Client(door_path(settings.data_dir, os.environ.get("XDG_RUNTIME_DIR")))
    if arguments.conversation is None:
        if arguments.save is not None:
            raise Request(f"Say which conversation the entry is of: `{command('show')} CONVERSATION --save {arguments.save}`.")
        _show_rows(_rows(client, settings.data_dir), arguments.json)
        return cli.ANSWERED
    entries = _entries(client, settings.data_dir, key_of(arguments.conversation))
    if arguments.save is None:
        _show_story(entries, arguments.json)
    else:
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


def _rows(client: Client, data_dir: Path) -> Sequence[Listed]:
    try:
        return client.conversations()
    except Away as away:
        return _from_journal(data_dir, away, _rows_of) or ()


async def _rows_of(journal: Journal) -> Sequence[Listed]:
    now, gates = time.time(), await journal.gates()
    return [listed(Standing(row, gates), now) for row in await journal.conversations(ROWS_MAX)]


def _entries(client: Client, data_dir: Path, key: str) -> Sequence[Entry]:
    try:
        return client.entries(key)
    except Away as away:
        snapshot = _from_journal(data_dir, away, lambda journal: journal.read(key, 0))
    if snapshot is None or not snapshot.entries:
        raise Request(f"There is no conversation {key!r}. `{command('show')}` lists them.")
    return snapshot.entries


def _from_journal(data_dir: Path, away: Away, read: Callable[[Journal], Awaitable[T]]) -> T | None:
    """What the journal has while no gateway runs; None if there is none yet. Raises `Away` if one does run, and does not answer."""
    if not data_dir.is_dir():
        return None
    from holdfast.store.sqlite import SqliteJournal  # noqa: PLC0415 needed only while the gateway is stopped

    async def once() -> T:
        journal = SqliteJournal.open(data_dir)
        try:
            return await read(journal)
        finally:
            await journal.close()

    try:
        return asyncio.run(once())
    except AlreadyRunning:
        raise Away(f"A gateway runs on {data_dir}, but its door does not answer. Wait a moment, or restart it.") from away
