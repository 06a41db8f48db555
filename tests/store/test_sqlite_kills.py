"""The process is killed for real; what it had acknowledged on its standard output must be there at the next start (LEDGER H-05, H-29)."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from holdfast.ports import Cursor
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import claim

WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import answer, claim, ingest, let_go

async def main(data_dir, life):
    journal = SqliteJournal.open(Path(data_dir))
    await journal.disown(1e9, 1000)
    await asyncio.gather(*(talk(journal, name, life) for name in "abcd"))

async def talk(journal, name, life):
    for n in itertools.count():
        for accepted in await ingest(journal, name, message=f"{life} {n}"):
            print(f'["{accepted.conversation}", {accepted.seq}]', flush=True)
        for lease in await claim(journal, now=1e9, most=1, owner=life):
            for entry in (await journal.append(lease, 11.0, 0, facts=[answer()])).entries:
                print(f'["{lease.conversation}", {entry.seq}]', flush=True)
            await let_go(journal, lease)

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def start(data_dir: Path, life: str, **environment: str) -> subprocess.Popen[str]:
    return run(WRITER, data_dir, life, **environment)


def run(program: str, data_dir: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, str(data_dir), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment)


def kill_at_work(process: subprocess.Popen[str], after_s: float) -> None:
    """Let it say something, then kill it at a moment that is the random part of this test."""
    assert process.stdout
    process.stdout.readline()
    time.sleep(after_s)
    process.kill()


def acknowledged(process: subprocess.Popen[str]) -> set[tuple[str, int]]:
    """What it said until it died, without a last line that was cut."""
    assert process.stdout
    said = process.stdout.read()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    lines: list[Any] = [json.loads(line) for line in said.splitlines(keepends=True) if line.endswith("\n")]
    return {(name, seq) for name, seq in lines}


async def found(data_dir: Path) -> set[tuple[str, int]]:
    journal = SqliteJournal.open(data_dir)
    entries = set()
    for row in await journal.conversations(100):
        seqs = [entry.seq for entry in (await journal.read(row.key, 0)).entries]
        assert seqs == list(range(1, row.last_seq + 1))
        entries |= {(row.key, seq) for seq in seqs}
    await journal.close()
    return entries


async def test_no_kill_loses_what_was_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(1)
    said: set[tuple[str, int]] = set()
    for life in range(12):
        process = start(tmp_path, f"life {life}")
        kill_at_work(process, after_s=rng.uniform(0.0, 0.1))
        said |= acknowledged(process)
        assert not said - await found(tmp_path)
    assert len(said) > 100


POINTS = ["migrate", "ingest.before_commit", "ingest.after_commit", "claim.after_commit"]
POINTS += ["append.before_commit", "append.after_commit", "release.after_commit"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_at_each_point_of_a_commit_loses_nothing_and_the_next_start_goes_on(tmp_path: Path, point: str) -> None:
    said = acknowledged(start(tmp_path, "first", HOLDFAST_FAILPOINT=point))
    kept = await found(tmp_path)
    assert not said - kept
    match point:
        case "migrate" | "ingest.before_commit":
            assert not kept
        case "ingest.after_commit":
            assert kept
            assert not said
        case "append.before_commit":
            assert {seq for _, seq in kept} == {1}
        case "append.after_commit":
            assert {seq for _, seq in kept - said} == {2}
    process = start(tmp_path, "second", HOLDFAST_FAILPOINT="release.after_commit:5")
    said |= acknowledged(process)
    assert not said - await found(tmp_path)


RECEIVER = """
import asyncio, sys
from pathlib import Path
from holdfast.ports import Cursor, Move
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import arrival

async def main(data_dir):
    journal = SqliteJournal.open(Path(data_dir))
    await journal.ingest([arrival(address="-5 7")], Cursor("web", "bot", "1"))
    moves = [Move("web", "-5", "-100")]
    await journal.ingest([arrival("b", message="2", address="-100 7")], Cursor("web", "bot", "2"), moves, ["{"])

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize(("point", "kept"), [("ingest.before_commit:2", False), ("ingest.after_commit:2", True)])
async def test_a_kill_leaves_all_of_what_a_platform_brought_at_once_or_nothing(tmp_path: Path, point: str, kept: bool) -> None:
    acknowledged(run(RECEIVER, tmp_path, HOLDFAST_FAILPOINT=point))
    journal = SqliteJournal.open(tmp_path)
    (lease,) = await claim(journal)
    assert lease.address == ("-100 7" if kept else "-5 7")
    assert len((await journal.read("a", 0)).entries) == 1 + kept
    assert [raw for *_, raw in await journal.unread(9)] == ["{"] * kept
    assert await journal.cursor("web") == Cursor("web", "bot", str(1 + kept))
    await journal.close()
