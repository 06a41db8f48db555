"""`holdfast forget CONVERSATION`: erase a conversation, by the order of whoever runs this. The gateway does it; while that is stopped, this command does."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
from typing import TYPE_CHECKING, Final

from holdfast import cli, config, secrets
from holdfast.cli.backup import there_is_a_journal
from holdfast.cli.chat import HISTORY
from holdfast.cli.client import Away, Client, key_of
from holdfast.cli.interrupted import finishing, saying
from holdfast.cli.output import count
from holdfast.cli.questions import somebody_is_there
from holdfast.cli.screen import plain
from holdfast.errors import AlreadyRunning, Request
from holdfast.invoked import command
from holdfast.web.wire import ACCOUNT, conversation_name, door_path

if TYPE_CHECKING:
    from holdfast.ports import Forgot

NOTHING: Final = "Nothing was erased."
COPIES_SHOWN_MAX: Final = 12


def run(arguments: argparse.Namespace) -> int:
    if arguments.conversation is None:
        raise Request(f"Say which: `{command('forget')} CONVERSATION`. `{command('show')}` lists them.")
    settings = config.load(getattr(arguments, "config", None), os.environ)
    key = key_of(arguments.conversation)
    if not arguments.yes:
        with saying(NOTHING):
            _confirm(key)
    client = Client(door_path(settings.data_dir, os.environ.get("XDG_RUNTIME_DIR")))
    if client.is_there():
        with saying(f"The gateway goes on with it. `{command('show')} {shlex.quote(arguments.conversation)}` says whether it is done."):
            forgot = client.forget(key)
    else:
        with finishing("It is being erased, and that is finished first."):
            forgot = _forgotten_here(settings, key)
    typed = settings.data_dir / HISTORY
    if key.startswith(f"{ACCOUNT}:") and typed.exists():
        typed.unlink()
        print("What was typed in terminals, in whatever conversation, is erased as well: the key Up brings none of it back.")
    print("\n".join(_told(key, forgot)))
    return cli.ANSWERED


def _confirm(key: str) -> None:
    if not somebody_is_there():
        raise Request(f"{NOTHING} Without a terminal to ask on, say --yes.")
    print(f"This erases {plain(key)} for good: all that was said, its files and its reminders. What is being done in it ends.")
    try:
        typed = input("Type its name to go on: ")
    except EOFError:
        typed = ""
    if typed.strip() not in {key, conversation_name(key)}:
        raise Request(NOTHING)


def _forgotten_here(settings: config.Config, key: str) -> Forgot:
    """By ourselves, while no gateway runs."""
    there_is_a_journal(settings.data_dir)
    from holdfast.app import version  # noqa: PLC0415 needed only while the gateway is stopped
    from holdfast.runtime.clock import SystemClock  # noqa: PLC0415 as above
    from holdfast.store.keeper import LocalKeeper  # noqa: PLC0415 as above
    from holdfast.store.sqlite import SqliteJournal  # noqa: PLC0415 as above

    folder = settings.backup.dir
    backups = secrets.expanded(folder, settings.file.parent, os.environ) if folder else None

    async def forget() -> Forgot:
        journal = SqliteJournal.open(settings.data_dir)
        try:
            return await LocalKeeper(settings.data_dir, journal, SystemClock(), version, backups).forget(key)
        finally:
            await journal.close()

    try:
        return asyncio.run(forget())
    except AlreadyRunning as running:
        raise Away(f"A gateway runs on {settings.data_dir}, but its door does not answer. Wait a moment, or restart it.") from running


def _told(key: str, forgot: Forgot) -> list[str]:
    lines = [
        f"Forgotten: {plain(key)}. {count(forgot.entries, 'entry', 'entries')} and {count(forgot.files, 'file')} are erased; one line stays that says when.",
        "What the chat was sent is there still, and models and tools have seen what they were shown.",
    ]
    if not forgot.rewritten:
        lines.append(
            "The journal is too large to be rewritten for this: scraps of old text may be left in its unused corners. "
            f"`{command('vacuum')}` erases them too, while the gateway is stopped."
        )
    if forgot.copies:
        shown = [f"  {plain(copy)}" for copy in forgot.copies[:COPIES_SHOWN_MAX]]
        more = len(forgot.copies) - COPIES_SHOWN_MAX
        lines += [
            "These copies are older. Those of a time when it was there have it still; delete them if they must not:",
            *shown,
            *([f"  and {more} more"] if more > 0 else []),
        ]
    else:
        lines.append("Backups of a time when it was there have it still. Delete them if they must not.")
    return lines
