"""`holdfast login`: a link that logs one browser in; with `--forget`, every browser is logged out."""

from __future__ import annotations

import argparse

from holdfast import cli
from holdfast.cli.client import Client
from holdfast.cli.place import data_dir_of, door_of
from holdfast.errors import Request
from holdfast.invoked import command
from holdfast.web.login import KeyFile


def run(arguments: argparse.Namespace) -> int:
    data_dir = data_dir_of(arguments)
    if arguments.forget:
        if not data_dir.is_dir():
            raise Request(f"There is nothing to forget: no gateway has run on {data_dir} yet.")
        KeyFile(data_dir).replace()
        print(f"All browsers are logged out, and links that were not opened yet are void. `{command('login')}` prints a new one.")
        return cli.ANSWERED
    link = Client(door_of(data_dir)).login_link()
    print(f"Open this within {link.valid_s / 60:.0f} minutes. It logs one browser in, once:\n{link.link}")
    return cli.ANSWERED
