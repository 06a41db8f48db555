"""A start with 54,000 conversations and 2 million entries, of which some were being worked on when the last life ended."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import Final

import apsw

from bench.figures import Figure
from bench.history import fill
from bench.world import Door, Talk, configure, folder, gateway

MADE: Final = 54
COPIES: Final = 1000
MESSAGES: Final = 24
"""Half of them the user's: with what was sent, 48 entries less what they share."""
OWNED: Final = 2_000
"""So many a life that was killed still had."""
TIMES: Final = 5

PRACTICE: Final = '[routes.main]\ndialect = "practice"\n'


async def start() -> list[Figure]:
    with folder() as place:
        await fill(place / "data", [f"c{n}" for n in range(MADE)], MESSAGES)
        conversations, entries = await asyncio.to_thread(_multiply, place / "data" / "journal.db")
        large, empty = configure(place / "data", PRACTICE), configure(place / "empty", PRACTICE)
        taken = [(await _start(large), await _start(empty)) for _ in range(TIMES)]
        (accepted, answered, memory), (bare, *_) = (zip(*column, strict=True) for column in zip(*taken, strict=True))
        size_mb = (place / "data" / "journal.db").stat().st_size / 2**20
    about = f"{conversations:,} conversations, {entries:,} entries, {size_mb:.0f} MB; {OWNED:,} were claimed by a life that was killed; median of {TIMES}"
    return [
        Figure("start to accepting, large journal", statistics.median(accepted), "s", about, 1.0),
        Figure(
            "start with it over one with an empty journal", statistics.median(accepted) / statistics.median(bare), "x", "taking turns", 1.3
        ),
        Figure(
            "start to the first answer, large journal",
            statistics.median(answered),
            "s",
            "of the practice model, in a new conversation",
            3.0,
        ),
        Figure("memory then, large journal", statistics.median(memory), "MB", "resident", 60.0),
    ]


def _multiply(file: Path) -> tuple[int, int]:
    """Each conversation a thousand times."""
    db = apsw.Connection(str(file))
    db.execute("pragma synchronous = off; begin")
    for table, key in (("conversation", "key"), ("entry", "conversation")):
        columns = [name for _, name, *_ in db.execute(f"pragma table_info({table})")]
        changed = {key: "{key} || '-' || copy.n", "address": "address || '-' || copy.n", "dedupe": "dedupe || '-' || copy.n"}
        chosen = ", ".join(changed.get(name, name).format(key=key) for name in columns)
        copies = f"with recursive copy(n) as (select 1 union all select n + 1 from copy where n < {COPIES - 1})"
        db.execute(f"{copies} insert into {table} ({', '.join(columns)}) select {chosen} from {table}, copy")
    _own(db)
    db.execute("commit")
    counts = [next(iter(db.execute(f"select count(*) from {table}")))[0] for table in ("conversation", "entry")]
    db.close()
    return counts[0], counts[1]


def _own(db: apsw.Connection) -> None:
    """What a SIGKILL leaves behind."""
    some = f"select key from conversation order by key limit {OWNED}"
    db.execute(f"update conversation set owner = 'gone', attempts = 1 where key in ({some})")


async def _start(config: Path) -> tuple[float, float, float]:
    """Seconds until a message is accepted, and until it was replied to; memory then. The process is killed, and leaves behind what the first had found."""
    with gateway(config) as running:
        async with await Door.open(running) as door:
            await door.send("start", "/help")
            accepted = time.monotonic() - running.started
        async with Talk(running, "first") as talk:
            await talk.turn("Thanks")
            replied = time.monotonic() - running.started
        memory = running.memory_mb()
    db = apsw.Connection(str(config.with_suffix("") / "journal.db"))
    _own(db)
    db.close()
    return accepted, replied, memory
