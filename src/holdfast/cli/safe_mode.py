"""`holdfast safe-mode`: out of it, if it lives."""

from __future__ import annotations

import argparse
import os

from holdfast import cli, config
from holdfast.cli.client import Away, Client
from holdfast.invoked import command
from holdfast.web.wire import door_path


def run(arguments: argparse.Namespace) -> int:
    settings = config.load(getattr(arguments, "config", None), os.environ)
    client = Client(door_path(settings.data_dir, os.environ.get("XDG_RUNTIME_DIR")))
    try:
        client.leave_safe_mode()
    except Away as away:
        raise Away(f"{away} Safe mode is a state of the running gateway; stopped in order and started again, it has left it.") from away
    print(
        f"It works on one conversation at a time now. If it lives for two minutes, everything goes on; `{command('platforms')}` and `show` say how it is."
    )
    return cli.ANSWERED
