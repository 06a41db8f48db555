"""Bugs, planted into the gateway before it starts: `python planted.py BUG run --config FILE`.

Each breaks one rule that the sweep is there to guard; a test shows that it is caught.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from holdfast.core import turn
from holdfast.core.steps import CallTool
from holdfast.ports import Accepted, Arrival, Cursor
from holdfast.runtime.gateway import LocalGateway
from holdfast.store import operations
from holdfast.web import server


def _plant(place: object, name: str, bug: object) -> None:
    setattr(place, name, bug)


def acknowledge_before_append() -> None:
    """ "Saved" is said, and a moment later it is."""
    append = LocalGateway.accept
    later: set[asyncio.Task[Any]] = set()

    async def accept(self: LocalGateway, arrivals: Sequence[Arrival], cursor: Cursor | None = None) -> tuple[Accepted, ...]:
        async def after_a_moment() -> None:
            await asyncio.sleep(0.05)
            await append(self, arrivals, cursor)

        later.add(asyncio.create_task(after_a_moment()))
        return tuple(Accepted(arrival.conversation, 1, new=True) for arrival in arrivals)

    _plant(LocalGateway, "accept", accept)


def no_tool_started() -> None:
    """A tool is called, and only its result is written down."""
    _plant(CallTool, "first", property(lambda _: ()))


def no_deduplication() -> None:
    """Each time a message comes it is another one."""
    append = LocalGateway.accept

    async def accept(self: LocalGateway, arrivals: Sequence[Arrival], cursor: Cursor | None = None) -> tuple[Accepted, ...]:
        return await append(self, [replace(arrival, dedupe=uuid.uuid4().hex) for arrival in arrivals], cursor)

    _plant(LocalGateway, "accept", accept)


def started_is_running() -> None:
    """Whatever was started runs still, whoever started it: the reader does not check the epoch."""
    call_rows = turn._call

    def without_epoch(t: Any, call: Any, epoch: int, *rest: Any) -> None:
        call_rows(t, call, call.started or epoch, *rest)

    _plant(turn, "_call", without_epoch)


def no_lock() -> None:
    """No bug of ours, but a file system whose locks do not hold: two processes have the same journal. And neither looks at whose the door is."""
    _plant(fcntl, "flock", lambda *_: None)
    _plant(server, "DOOR_LOOK_S", 3600.0)


def no_epoch_check() -> None:
    """On such a file system, whoever once had a conversation may go on writing to it."""
    no_lock()
    append, row = operations.append, operations._row

    def without_check(db: Any, asked: operations.Append) -> Any:
        def his(_: Any, query: str, *bindings: Any) -> Any:
            found = row(db, query, *bindings)
            return (asked.lease.owner, asked.lease.epoch, *found[2:]) if query == "lease" else found

        _plant(operations, "_row", his)
        return append(db, asked)

    _plant(operations, "append", without_check)


def every_death_counts() -> None:
    """Whoever was running when the process died is suspected, and nobody is tried alone."""
    candidates = operations._candidates

    def unsuspected(*args: Any) -> Iterator[Any]:
        return (replace(candidate, suspect=False) for candidate in candidates(*args))

    _plant(operations, "_candidates", unsuspected)
    _plant(operations, "_suspects", lambda _: (False, True))


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        acknowledge_before_append,
        no_tool_started,
        no_deduplication,
        started_is_running,
        no_lock,
        no_epoch_check,
        every_death_counts,
    )
}

if __name__ == "__main__":
    from holdfast.cli import main

    BUGS[sys.argv.pop(1)]()
    sys.exit(main())
