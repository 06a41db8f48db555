"""`holdfast run --dry`: what a start would do, connect to and go on with, without any of it. Nothing is received, sent, called or changed."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast import cli
from holdfast.cli.client import Client
from holdfast.cli.kept import stopped
from holdfast.cli.output import NO_ROOM, columns, count, standing
from holdfast.cli.place import door_of
from holdfast.cli.screen import plain
from holdfast.config import Config
from holdfast.core.lives import needs_rest
from holdfast.core.words import size
from holdfast.errors import AlreadyRunning
from holdfast.invoked import command
from holdfast.web.wire import ACCOUNT

OWING_MAX: Final = 20
ROOM_BYTES: Final = 256 << 10
"""So much a start may write at once."""


def run(path: Path | None) -> int:
    """As a start: raises what that would."""
    from holdfast.reload import rehearsed  # noqa: PLC0415 the platforms take longer than the rest of the start

    settings = rehearsed(path, os.environ)
    if Client(door_of(settings.data_dir)).is_there():
        raise AlreadyRunning(
            f"A gateway runs on {settings.data_dir} already. `{command('status')}` says how it is, `{command('config')} check` what it would take."
        )
    _try_to_write(settings.data_dir)
    print("This is what a start would do now. It is not done: nothing is received, sent, called or changed.\n")
    for warning in settings.warnings:
        print(plain(f"Beware: {warning}"))
    print(plain(f"The configuration, {settings.file}, is good."))
    for line in (*_journal(settings), "", *_connections(settings)):
        print(plain(line))
    print(f"\nWhether all of these answer: {command('check')}")
    return cli.ANSWERED


def _try_to_write(data_dir: Path) -> None:
    """As much as a start writes, into a file that is gone at once. Raises what a start would if that can't be done."""
    from holdfast.store.failures import full, unwritable  # noqa: PLC0415 as above

    there = next(folder for folder in (data_dir, *data_dir.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(ROOM_BYTES))
            file.flush()
    except OSError as error:
        journal = data_dir / "journal.db"
        if error.errno not in NO_ROOM:
            raise unwritable(journal) from error
        if not (data_dir / "ballast").exists():  # a start would throw that off, and have room
            raise full(journal) from error


def _journal(settings: Config) -> Iterator[str]:
    from holdfast.store.connections import schema  # noqa: PLC0415 opens databases
    from holdfast.store.migrations import NEWEST  # noqa: PLC0415 as above

    data_dir = settings.data_dir
    journal = data_dir / "journal.db"
    if not journal.exists():
        yield f"A journal would be begun: {journal}."
        return
    if (has := schema(data_dir)) < NEWEST:
        yield f"The journal, {journal}, would be brought to this version first, after a copy of it (schema {has} to {NEWEST})."
        return
    with stopped(data_dir, {ACCOUNT, *settings.accounts}) as conversations:
        left, owing = conversations.left(time.time()), conversations.owing(OWING_MAX)
    yield f"The journal, {journal}, is there: {size(left.room.size)}."
    if needs_rest(left.lives, time.time()):
        yield "It would begin in safe mode, in which no turn runs: it ended several times soon after its start."
    counts = left.counts
    owed = sum((counts.running, counts.due, counts.waiting, counts.asking))
    yield (
        f"{count(owed, 'conversation has', 'conversations have')} something to be done or said:"
        if owed
        else "Nothing is owed: no conversation has anything to be done or said."
    )
    yield from (f"  {row.name}: {standing(row)}" for row in owing)
    if owed > len(owing):
        yield f"  ... and {owed - len(owing):,} more."


def _connections(settings: Config) -> Iterator[str]:
    from holdfast.reload import called  # noqa: PLC0415 as above

    yield "It would connect to:"
    places = [
        (f"route {name}", f"{route.model} at {route.base_url}" if route.base_url else "built in") for name, route in settings.routes.items()
    ]
    places += [(name, "") for name in settings.accounts]
    places += [(f"tool server {name}", server.url or " ".join(server.command or ())) for name, server in settings.tools.items()]
    yield from (f"  {line}" for line in columns(places))
    web, hooks = settings.web, settings.webhooks
    yield f"It would listen on {_place(web.host, web.port)} for the page."
    if accounts := called(settings):
        yield f"Platforms would call it on {_place(hooks.host, hooks.port)}, for {', '.join(accounts)}."


def _place(host: str, port: int) -> str:
    return f"{host}:{port}" if port else f"a free port of {host}"
