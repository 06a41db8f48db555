"""`holdfast vacuum`: give back the room that nothing is in any more. A gateway that runs does it a little at a time; else the whole journal is written anew."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import cli, config
from holdfast.cli.backup import there_is_a_journal
from holdfast.cli.client import Away, Client
from holdfast.cli.interrupted import saying
from holdfast.core.words import size
from holdfast.errors import AlreadyRunning
from holdfast.web.wire import door_path

if TYPE_CHECKING:
    from holdfast.ports import Freed


def run(arguments: argparse.Namespace) -> int:
    data_dir = config.load(getattr(arguments, "config", None), os.environ).data_dir
    client = Client(door_path(data_dir, os.environ.get("XDG_RUNTIME_DIR")))
    if client.is_there():
        with saying("The gateway goes on with it."):
            freed = client.vacuum()
    else:
        with saying("The journal is whole, and nothing is lost. The same command begins again."):
            freed = _rewritten(data_dir)
    print("\n".join([*told(freed), *_copies(data_dir)]))
    return cli.ANSWERED


def _rewritten(data_dir: Path) -> Freed:
    """By ourselves, while no gateway runs."""
    there_is_a_journal(data_dir)
    from holdfast.store.folder import DataFolder  # noqa: PLC0415 needed only while the gateway is stopped
    from holdfast.store.space import rewrite  # noqa: PLC0415 as above

    try:
        folder = DataFolder(data_dir, begin=False)
    except AlreadyRunning as running:
        raise Away(f"A gateway runs on {data_dir}, but its door does not answer. Wait a moment, or restart it.") from running
    try:
        return rewrite(folder)
    finally:
        folder.close()


def told(freed: Freed) -> Iterator[str]:
    yield f"The journal takes {size(freed.after)}; {size(freed.before - freed.after) if freed.after < freed.before else 'nothing'} was given back."
    if freed.unused:
        yield (
            f"{size(freed.unused)} of it are unused, and can't be given back while the gateway runs: the journal was begun by an older version. "
            "Do this once while the gateway is stopped; after that it can."
        )


def _copies(data_dir: Path) -> Iterator[str]:
    """Older journals beside it: made before an upgrade, or set aside by a restore."""
    copies = sorted(data_dir.glob("journal-*.db"))
    if copies:
        yield "Copies of older journals, which you may delete when you are sure that you don't need them:"
        yield from (f"  {copy} ({size(copy.stat().st_size)})" for copy in copies)
