"""`holdfast reload`: the gateway takes the configuration as it stands now, by starting again in place; or says why not, and goes on with the old one."""

from __future__ import annotations

import argparse
import os
import time
from typing import Final

from holdfast import cli, config
from holdfast.cli.client import Away, Client
from holdfast.cli.place import door_of
from holdfast.cli.screen import plain
from holdfast.errors import Config
from holdfast.invoked import command

BACK_S_MAX: Final = 60.0
LOOK_S: Final = 0.05


def run(arguments: argparse.Namespace) -> int:
    data_dir = config.data_dir_of(getattr(arguments, "config", None), os.environ)
    client = Client(door_of(data_dir))  # what is wrong with the configuration, the gateway says
    if not client.is_there():
        raise Away(f"No gateway runs on {data_dir}. The next start takes the configuration as it is then: `{command('run')}`.")
    try:
        before = client.status()["started"]
        other = client.reload()
    except Config as bad:
        raise Config(f"{bad} The gateway goes on with the one it has.") from bad
    if not other:
        print("Nothing has changed: the gateway has all that the configuration says, and goes on.")
        return cli.ANSWERED
    for line in other:
        print(plain(line))
    until = time.monotonic() + BACK_S_MAX
    while not _started_again(client, before):
        if time.monotonic() > until:
            raise Away(f"The gateway did not come back within {BACK_S_MAX:g} s. Nothing is lost; its log says why.")
        time.sleep(LOOK_S)
    print("The gateway has started again with it. What was being worked on goes on.")
    return cli.ANSWERED


def _started_again(client: Client, before: float) -> bool:
    try:
        return bool(client.status()["started"] != before)
    except Away:
        return False
