"""`holdfast login`: a link that logs one browser in; with `--forget`, every browser is logged out."""

from __future__ import annotations

import argparse
import os

from holdfast import cli, config
from holdfast.cli.client import Client
from holdfast.errors import Request
from holdfast.invoked import command
from holdfast.web.login import KeyFile
from holdfast.web.wire import door_path


def run(arguments: argparse.Namespace) -> int:
    settings = config.load(getattr(arguments, "config", None), os.environ)
    if arguments.forget:
        if not settings.data_dir.is_dir():
            raise Request(f"There is nothing to forget: no gateway has run on {settings.data_dir} yet.")
        KeyFile(settings.data_dir).replace()
        print(f"All browsers are logged out, and links that were not opened yet are void. `{command('login')}` prints a new one.")
        return cli.ANSWERED
    link = Client(door_path(settings.data_dir, os.environ.get("XDG_RUNTIME_DIR"))).login_link()
    print(f"Open this within {link.valid_s / 60:.0f} minutes. It logs one browser in, once:\n{link.link}")
    return cli.ANSWERED
