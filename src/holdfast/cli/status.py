"""`holdfast status`: everything on one screen. Asks the gateway; while that is stopped, reads the journal, and says how to start it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast import cli, config
from holdfast.cli.client import Away, Client, Missing
from holdfast.cli.kept import Nothing, stopped
from holdfast.cli.output import print_json, when
from holdfast.cli.overview import Overview, lines, problems
from holdfast.cli.place import door_of
from holdfast.errors import Config
from holdfast.web.wire import ACCOUNT, Listed

if TYPE_CHECKING:
    from holdfast.core.lives import Life

EVERY_S: Final = 2.0
COLUMNS_MAX: Final = 100
AGAIN: Final = "\x1b[H\x1b[J"
"""For a terminal: begin at the top, with nothing on it."""


def run(arguments: argparse.Namespace) -> int:
    path: Path | None = getattr(arguments, "config", None)
    data_dir = config.data_dir_of(path, os.environ)
    if arguments.watch:
        return _watch(lambda: _look(path, data_dir, take=False), as_json=arguments.json)
    over = _look(path, data_dir, take=True)
    if arguments.json:
        print_json(_as_json(over))
    else:
        print(_screen(over))
    return _code(over)


def _code(over: Overview) -> int:
    if not over.running:
        return cli.AWAY
    return cli.NEEDS_YOU if over.needs_you else cli.ANSWERED


def _screen(over: Overview) -> str:
    return "\n".join(lines(over, min(shutil.get_terminal_size().columns, COLUMNS_MAX)))


def _as_json(over: Overview) -> dict[str, object]:
    return {
        "running": over.running,
        "needs you": over.needs_you,
        "problems": [asdict(one) for one in over.problems],
        "longest": over.longest,
        **over.status,
    }


def _watch(look: Callable[[], Overview], *, as_json: bool) -> int:
    """Until Ctrl-C: on a terminal drawn anew, elsewhere told again whenever something has changed."""
    told: object = None
    while True:
        over = look()
        if not as_json and sys.stdout.isatty():
            sys.stdout.write(f"{AGAIN}{_screen(over)}\n")
        elif over.essence != told:
            told = over.essence
            print(msgspec.json.encode(_as_json(over)).decode() if as_json else f"{when(over.now)}  {_screen(over)}\n")
        sys.stdout.flush()
        time.sleep(EVERY_S)


def _look(path: Path | None, data_dir: Path, *, take: bool) -> Overview:
    """`take`: read the journal if the gateway is stopped. (Not again and again: whoever starts it needs it then.)"""
    client, (wrong, changed_at, accounts) = Client(door_of(data_dir)), _configuration(path)
    if client.is_there():
        try:
            status = client.status()
            longest = _longest(client)
        except Away as away:
            if take:
                raise Away(
                    f"{away} Its door is open, but nobody comes. What was saved is safe: start it again, and look into its log."
                ) from away
        else:
            same = status.get("configuration") == str(config.file_of(path, os.environ))
            newer = same and changed_at > status.get("configuration read", changed_at)
            if newer and not status.get("configuration refused") and not wrong:
                wrong, newer = _compared(client)
            return Overview(True, time.time(), status, longest, tuple(problems(status, wrong, changed_at if newer else 0.0)))
    return _stopped(data_dir, wrong, accounts) if take else Overview(False, time.time(), problems=tuple(problems({}, wrong)))


def _compared(client: Client) -> tuple[str, bool]:
    """A file that is newer may say the same: the gateway looks. What is wrong with it, and does it say otherwise?"""
    try:
        return "", bool(client.compared())
    except Config as wrong:
        return str(wrong), True
    except Missing:  # a gateway of an older version
        return "", True


def _longest(client: Client) -> Listed | None:
    try:
        return next(iter(client.owing(1)), None)
    except Missing:  # a gateway of an older version
        return None


def _configuration(path: Path | None) -> tuple[str, float, Collection[str] | None]:
    """What is wrong with it, when it was changed, and the accounts in it (None: nobody can tell)."""
    try:
        settings = config.load(path, os.environ)
        return "", settings.file.stat().st_mtime if settings.file.exists() else 0.0, {ACCOUNT, *settings.accounts}
    except Config as wrong:
        return str(wrong), 0.0, None


def _stopped(data_dir: Path, wrong: str, accounts: Collection[str] | None) -> Overview:
    now = time.time()
    try:
        with stopped(data_dir, accounts) as conversations:
            left = conversations.left(now)
            status = {"journal": asdict(left.room), "conversations": asdict(left.counts)}
            longest = next(iter(conversations.owing(1)), None)
            return Overview(False, now, status, longest, tuple(problems(status, wrong)), _ended(left.lives, data_dir))
    except Nothing:
        return Overview(False, now, problems=tuple(problems({}, wrong)), ended=_ended((), data_dir))


def _ended(lives: Sequence[Life], data_dir: Path) -> str:
    if not lives:
        return f"It has not run on {data_dir} yet."
    life = lives[0]
    if life.ended:
        return "It was stopped in order."
    return f"It did not end in order, some time after {when(life.alive)}: it was killed, it crashed, its disk failed, or this journal is a copy made while it ran."
