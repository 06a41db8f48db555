"""`holdfast why`: what a conversation waits for, in a sentence or two; without a name, one line for each that waits or asks."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path

from holdfast import cli
from holdfast.cli.client import Client, key_of
from holdfast.cli.kept import Nothing, kept
from holdfast.cli.output import standing
from holdfast.cli.place import accounts_of, data_dir_of, door_of
from holdfast.cli.screen import plain
from holdfast.core.words import RESTING, TRYING
from holdfast.errors import Request
from holdfast.invoked import command

STOPPED = "The gateway is stopped. Nothing is lost; it goes on when it is started: `{}`."
ROWS_MAX = 200


def run(arguments: argparse.Namespace) -> int:
    data_dir = data_dir_of(arguments)
    client = Client(door_of(data_dir))
    if not client.is_there():
        return _stopped(data_dir, arguments.conversation, accounts_of(arguments))
    if arguments.conversation is not None:
        print(plain(client.why(key_of(arguments.conversation))))
        return cli.ANSWERED
    rows = [row for row in client.owing(ROWS_MAX) if row.state in {"waiting", "asking"}]
    for row in rows:
        print(plain(f"{row.name}: {' '.join(client.why(row.key).split())}"))
    if not rows:
        print("No conversation waits, and none asks.")
        if safe := client.status().get("safe mode"):
            print(TRYING if safe["trying"] else RESTING)
    return cli.ANSWERED


def _stopped(data_dir: Path, name: str | None, accounts: Collection[str] | None) -> int:
    """What the journal says: how each was left."""
    print(STOPPED.format(command("run")))
    try:
        with kept(data_dir, accounts=accounts) as conversations:
            if name is None:
                for row in conversations.owing(ROWS_MAX):
                    print(plain(f"{row.name}: {standing(row)}"))
                return cli.ANSWERED
            found = next((row for row in conversations.rows() if row.key == key_of(name)), None)
    except Nothing:
        found = None
    if name is not None and found is None:
        raise Request(f"There is no conversation {key_of(name)!r}. `{command('show')}` lists them.")
    if found is not None:
        print(plain(standing(found)))
    return cli.ANSWERED
