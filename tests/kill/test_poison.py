"""A turn that kills the process is set aside, and nobody else's is (DESIGN.md section 6)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from holdfast.core.entries import AssistantMessage, Entry, SetAside
from holdfast.testing.process import COMMAND, GatewayProcess, practice
from holdfast.testing.sweep import KILLED, Outcome, Run, Script

pytestmark = pytest.mark.timeout(180)

INNOCENT = Script("innocent", ('use slow {"seconds": 1.5, "key": "i"}',))
CULPRIT = Script("culprit", ("Thanks", 'use crash {"process": "parent"}', "Thanks"))
"""Its second message kills, at a time when the innocent's tool has been started."""


MANY = 50 if os.environ.get("HOLDFAST_LONG") == "1" else 5
"""Who was killed over twice goes on one after the other: with fifty it takes two minutes."""


async def with_a_culprit(folder: Path, command: Sequence[str] = COMMAND) -> tuple[Run, Outcome]:
    """`crash` kills the gateway and may, so it is configured, be called again: only death comes of it."""
    config = practice(folder / "effects", "--dangerous", more='replay = { crash = "always" }')
    run = Run(folder, command, (INNOCENT, CULPRIT), config)
    return run, await run.through()


def set_aside(outcome: Outcome) -> set[str]:
    """The conversations of which a turn was set aside."""
    return {flaw.what.partition(":")[0] for flaw in outcome.flaws if flaw.name == "a turn set aside"}


async def test_the_turn_that_kills_is_set_aside_at_its_fourth_claim_and_its_conversation_goes_on(tmp_path: Path) -> None:
    run, outcome = await with_a_culprit(tmp_path)
    assert set_aside(outcome) == {"culprit"}, outcome.said
    assert len(outcome.flaws) == 1
    assert outcome.exits == (KILLED, KILLED, KILLED, 0)
    entries = run.told["culprit"].entries
    (aside,) = [entry for entry in entries if isinstance(entry.body, SetAside)]
    assert aside.epoch == 5  # the first was for its first message
    assert any(isinstance(entry.body, AssistantMessage) and entry.seq > aside.seq for entry in entries)


async def test_counting_every_death_sets_an_innocent_aside_and_is_caught(tmp_path: Path) -> None:
    command = (sys.executable, str(Path(__file__).parent / "planted.py"), "every_death_counts")
    _, outcome = await with_a_culprit(tmp_path, command)
    assert set_aside(outcome) == {"culprit", "innocent"}, outcome.said


@pytest.mark.timeout(900)
async def test_three_kills_from_outside_over_many_turns_set_at_most_one_aside_and_all_others_are_answered(tmp_path: Path) -> None:
    """LEDGER H-37: safe mode is entered over it, and left."""
    names = [f"c{number}" for number in range(MANY)]
    gateway = GatewayProcess(tmp_path / "gateway", '[routes.main]\ndialect = "practice"\n')
    environ = {"HOLDFAST_SAFE_MODE": ""}
    try:
        await gateway.start(environ=environ)
        await gateway.ready()
        for name in names:
            await gateway.door.send(name, "k1", "Hello")
        for _ in range(3):
            await gateway.until(lambda rows: any(row.running for row in rows))
            gateway.kill()
            await gateway.ended()
            await gateway.start(environ=environ)
            await gateway.ready()
        assert (await gateway.door.status())["safe mode"], "three short lives"
        assert (await gateway.run("safe-mode")).exit == 0
        aside = 0
        for name in names:
            entries = await gateway.told(name, _ended, 600)
            aside += any(isinstance(entry.body, SetAside) for entry in entries)
        assert aside <= 1
    finally:
        await gateway.end()


def _ended(entries: Sequence[Entry]) -> bool:
    return any(isinstance(entry.body, SetAside) or (isinstance(entry.body, AssistantMessage) and not entry.body.calls) for entry in entries)
