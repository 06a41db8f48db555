"""`holdfast why`: what a conversation waits for, in a sentence or two; without a name, one line for each that waits or asks."""

from __future__ import annotations

import argparse
import os

from holdfast import cli, config
from holdfast.cli.client import Away, Client, key_of
from holdfast.cli.screen import plain
from holdfast.invoked import command
from holdfast.web.wire import door_path


def run(arguments: argparse.Namespace) -> int:
    settings = config.load(getattr(arguments, "config", None), os.environ)
    client = Client(door_path(settings.data_dir, os.environ.get("XDG_RUNTIME_DIR")))
    try:
        if arguments.conversation is None:
            _say_all(client)
        else:
            print(plain(client.why(key_of(arguments.conversation))))
    except Away as away:
        raise Away(
            f"{away} Without it nothing goes on, and nothing is lost: `{command('show')}` tells how each conversation stands."
        ) from away
    return cli.ANSWERED


def _say_all(client: Client) -> None:
    rows = [row for row in client.conversations() if row.state in {"waiting", "asking"}]
    for row in rows:
        print(plain(f"{row.name}: {' '.join(client.why(row.key).split())}"))
    if not rows:
        print("No conversation waits, and none asks.")
