"""`holdfast safe-mode`: out of it, if it lives."""

from __future__ import annotations

import argparse

from holdfast import cli
from holdfast.cli.client import Away
from holdfast.cli.place import client_of
from holdfast.invoked import command


def run(arguments: argparse.Namespace) -> int:
    client = client_of(arguments)
    try:
        client.leave_safe_mode()
    except Away as away:
        raise Away(f"{away} Safe mode is a state of the running gateway; stopped in order and started again, it has left it.") from away
    print(
        f"It works on one conversation at a time now. If it lives for two minutes, everything goes on; `{command('status')}` says how it is."
    )
    return cli.ANSWERED
