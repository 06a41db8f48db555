"""The power goes off at hundreds of moments; what was acknowledged until then must be there at the next start."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from holdfast.core.entries import ToolResult, UserMessage
from holdfast.ports import Accepted, Cursor, Journal, Move
from holdfast.store import connections, sqlite
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import arrival, claim
from holdfast.testing.faulty_disk import FaultyDisk, faulty_disk

CONVERSATIONS = "abcd"
SEEDS = range(6)


@dataclass(frozen=True)
class Cut:
    """What was acknowledged when the power went off, and what the disk holds then."""

    acknowledged: frozenset[tuple[str, int]]
    files: Mapping[str, bytes]


@dataclass
class PowerCuts:
    """Takes some of the moments at which the power could go off: before any write and any sync."""

    disk: FaultyDisk
    rng: random.Random
    acknowledged: set[tuple[str, int]] = field(default_factory=set)
    taken: list[Cut] = field(default_factory=list)

    def maybe(self) -> None:
        if self.rng.random() < 0.1:
            self.taken.append(Cut(frozenset(self.acknowledged.copy()), self.disk.after_power_cut(self.rng)))


async def talk(journal: Journal, name: str, cuts: PowerCuts, rng: random.Random) -> None:
    """Conversations grow by arrivals and facts, some larger than a page."""
    (accepted,) = await receive(journal, name, 0)
    cuts.acknowledged.add((name, accepted.seq))
    (lease,) = await claim(journal, most=1)
    for n in range(8):
        text = "x" * rng.choice((50, 300, 6000))
        done = await journal.append(lease, 11.0, 0, facts=[ToolResult(call=str(n), outcome="ok", text=text)])
        cuts.acknowledged.update((lease.conversation, entry.seq) for entry in done.entries)
        (accepted,) = await receive(journal, name, n + 1)
        cuts.acknowledged.add((name, accepted.seq))


async def receive(journal: Journal, name: str, n: int) -> tuple[Accepted, ...]:
    """All that a platform can bring, at once: a message, after its chat has moved, and something that can't be read."""
    moves = [Move("web", f"{name}{n - 1}", f"{name}{n}")]
    return await journal.ingest([arrival(name, str(n), address=f"{name}{n}")], Cursor(name, "bot", str(n)), moves, [f"{name} {n}"])


async def check_whole(journal: Journal, names: Collection[str]) -> None:
    """What came at once is there as a whole, or not at all."""
    await journal.disown(1e9, 100)
    addresses = {lease.conversation: lease.address for lease in await claim(journal, now=1e9)}
    unread = [raw for *_, raw in await journal.unread(1000)]
    for name in names:
        last = sum(isinstance(entry.body, UserMessage) for entry in (await journal.read(name, 0)).entries) - 1
        assert await journal.cursor(name) == (Cursor(name, "bot", str(last)) if last >= 0 else None)
        assert [raw for raw in unread if raw.startswith(name)] == [f"{name} {n}" for n in range(last, -1, -1)]
        assert addresses.get(name) == (f"{name}{last}" if last >= 0 else None)


def restore(data_dir: Path, files: Mapping[str, bytes]) -> None:
    data_dir.mkdir()
    for name, content in files.items():
        (data_dir / name).write_bytes(content)


async def missing(data_dir: Path, cut: Cut) -> int:
    """How many acknowledged entries the next start does not find. It starts, and finds a whole database without holes, in any case."""
    restore(data_dir, cut.files)
    journal = SqliteJournal.open(data_dir)
    found = set()
    for name in CONVERSATIONS:
        seqs = [entry.seq for entry in (await journal.read(name, 0)).entries]
        assert seqs == list(range(1, len(seqs) + 1))
        found |= {(name, seq) for seq in seqs}
    await check_whole(journal, CONVERSATIONS)
    await journal.close()
    check = apsw.Connection(str(data_dir / "journal.db"))
    assert check.execute("PRAGMA integrity_check").get == "ok"
    check.close()
    return len(cut.acknowledged - found)


async def run_through_power_cuts(tmp_path: Path, seed: int) -> list[int]:
    """For each cut, how many acknowledged entries are missing after it."""
    rng = random.Random(seed)
    with faulty_disk() as disk:
        cuts = PowerCuts(disk, rng)
        disk.touched = cuts.maybe
        journal = SqliteJournal.open(tmp_path / f"running{seed}")
        await asyncio.gather(*(talk(journal, name, cuts, rng) for name in CONVERSATIONS))
        await journal.close()
    return [await missing(tmp_path / f"seed{seed} cut{n}", cut) for n, cut in enumerate(cuts.taken)]


@pytest.fixture(autouse=True)
def checkpoints_are_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 30)


async def test_no_power_cut_loses_what_was_acknowledged(tmp_path: Path) -> None:
    losses = [lost for seed in SEEDS for lost in await run_through_power_cuts(tmp_path, seed)]
    assert len(losses) > 150
    assert sum(losses) == 0


async def test_the_planted_bug_normal_instead_of_full_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PRAGMAS", tuple(pragma.replace("FULL", "NORMAL") for pragma in connections.PRAGMAS))
    losses = [lost for seed in SEEDS[:3] for lost in await run_through_power_cuts(tmp_path, seed)]
    assert sum(lost > 0 for lost in losses) > len(losses) / 4
