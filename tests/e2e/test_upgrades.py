"""An older version's journal, with everything in mid-turn: this version's gateway goes on with it (DESIGN.md section 1; part I row 10).

A journal of each version is made by applying the migrations up to it. Here the first and the last but one are gone on with by a real gateway;
`HOLDFAST_LONG=1` does it with all of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import apsw
import pytest

from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Call,
    Delivered,
    DeliveryStarted,
    Entry,
    Question,
    ToolResult,
    ToolStarted,
    UserMessage,
    encode,
)
from holdfast.store.checking import check_folder
from holdfast.store.migrations import MIGRATIONS, migrate
from holdfast.testing.process import GatewayProcess, effects_in, practice

LAST: Final = len(MIGRATIONS)
WITH_A_GATEWAY: Final = range(1, LAST + 1) if os.environ.get("HOLDFAST_LONG") == "1" else (1, LAST - 1)

ASKED: Final = UserMessage(author="local", id="m1", text="Thanks")
CALLS: Final = AssistantMessage(n=1, seen=1, calls=(Call(id="call_1_0", tool="t__count", arguments='{"key": "k"}'),), route="main")
TALKS: Final[dict[str, tuple[AnyBody, ...]]] = {
    "claimed": (ASKED,),
    "started": (ASKED, CALLS, ToolStarted(call="call_1_0")),
    "sending": (ASKED, AssistantMessage(n=1, seen=1, text="You're welcome.", route="main"), DeliveryStarted(of="a1", part=0, key="a1/0")),
    "asking": (
        ASKED,
        CALLS,
        Question(question="approval", about="call_1_0", text="May I?", options=("once", "deny"), to="local", expires=4e9, overtakable=True),
        DeliveryStarted(of="q3", part=0, key="q3/0"),
        Delivered(of="q3", part=0, id="1"),
    ),
}


def journal_of(version: int, data_dir: Path) -> None:
    """What a gateway of that version leaves when it is killed while each of these is under way."""
    data_dir.mkdir(parents=True)
    file = data_dir / "journal.db"
    db = apsw.Connection(str(file))
    db.execute("PRAGMA journal_mode = WAL")
    migrate(db, file, MIGRATIONS[:version])
    at = time.time() - 60
    for name, bodies in TALKS.items():
        key = f"web:local:{name}"
        columns = "key, account, address, owner, epoch, wakes, next_seq, last_at, due, attempts, floor"
        rests = name == "asking"
        row = (key, "web:local", name, None if rests else "a life before", 1, 1, len(bodies) + 1, at, at + 1e5 if rests else None, 1, 1)
        db.execute(f"INSERT INTO conversation ({columns}) VALUES ({', '.join('?' * len(row))})", row)
        for seq, body in enumerate(bodies, 1):
            epoch = 0 if isinstance(body, UserMessage) else 1
            event = f"{key}:m1" if isinstance(body, UserMessage) else None
            db.execute(
                "INSERT INTO entry (conversation, seq, epoch, at, dedupe, body) VALUES (?, ?, ?, ?, ?, ?)",
                (key, seq, epoch, at, event, encode(body)),
            )
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # as a kill does
    db.close()


def copies(data_dir: Path) -> list[str]:
    return [path.name for path in data_dir.glob("journal-before-*")]


@pytest.mark.parametrize("version", range(1, LAST + 1))
def test_a_journal_of_each_version_can_be_verified_before_anything_is_changed(tmp_path: Path, version: int) -> None:
    journal_of(version, tmp_path / "data")
    checked = check_folder(tmp_path / "data")
    assert (checked.conversations, checked.problems) == (len(TALKS), [])
    assert copies(tmp_path / "data") == []


@pytest.mark.parametrize("version", WITH_A_GATEWAY)
async def test_a_gateway_goes_on_with_whatever_was_under_way(tmp_path: Path, version: int) -> None:
    config = practice(tmp_path / "effects").replace('policy = "allow"', 'policy = "ask"')
    gateway = GatewayProcess(tmp_path / "gateway", config)
    journal_of(version, gateway.data_dir)
    async with gateway:
        await gateway.ready()
        claimed = await gateway.told("claimed", delivered("a1"))
        assert answers(claimed) == 1

        started = await gateway.told("started", delivered("a2"))
        (result,) = [entry.body for entry in started if isinstance(entry.body, ToolResult)]
        assert result.outcome == "unknown"
        assert any(isinstance(entry.body, Question) and entry.body.question == "unknown" for entry in started)

        sending = await gateway.told("sending", delivered("a1"))
        assert answers(sending) == 1

        assert [entry.body for entry in await gateway.door.entries("asking")] == list(TALKS["asking"])
        await gateway.door.send("asking", "m2", "/choose 3 once")
        asking = await gateway.told("asking", delivered("a2"))
        (result,) = [entry.body for entry in asking if isinstance(entry.body, ToolResult)]
        assert result.outcome == "ok"
        assert effects_in(tmp_path / "effects")["count", "k"] == 1

        for name in TALKS:  # what the platform tells again is known
            assert not (await gateway.door.send(name, "m1", "Thanks")).new
        assert await gateway.stop() == 0
    assert check_folder(gateway.data_dir).problems == []
    assert copies(gateway.data_dir) == ([] if version == LAST else [f"journal-before-{version + 1:04}.db"])


def answers(entries: Sequence[Entry]) -> int:
    return sum(isinstance(entry.body, AssistantMessage) for entry in entries)


def delivered(name: str) -> Callable[[Sequence[Entry]], bool]:
    """Has the answer of this name arrived?"""

    def look(entries: Sequence[Entry]) -> bool:
        return any(isinstance(entry.body, Delivered) and entry.body.of == name and not entry.body.preview for entry in entries)

    return look
