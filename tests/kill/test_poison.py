"""A turn that kills the process is set aside, and nobody else's is (DESIGN.md section 6)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from holdfast.core.entries import AssistantMessage, SetAside
from holdfast.testing.process import COMMAND, practice
from holdfast.testing.sweep import KILLED, Outcome, Run, Script

pytestmark = pytest.mark.timeout(180)

INNOCENT = Script("innocent", ('use slow {"seconds": 0.6, "key": "i"}',))
CULPRIT = Script("culprit", ('use slow {"seconds": 0.3, "key": "c"} and crash {"process": "parent"}', "Thanks"))


async def with_a_culprit(folder: Path, command: Sequence[str] = COMMAND) -> tuple[Run, Outcome]:
    """`crash` kills the gateway and may, so it is configured, be called again: only death comes of it."""
    config = practice(folder / "effects", "--dangerous", more='replay = { crash = "always" }')
    run = Run(folder, command, (INNOCENT, CULPRIT), config)
    return run, await run.through()


async def test_the_turn_that_kills_is_set_aside_at_its_fourth_claim_and_its_conversation_goes_on(tmp_path: Path) -> None:
    run, outcome = await with_a_culprit(tmp_path)
    assert [(flaw.name, flaw.what) for flaw in outcome.flaws] == [("a turn set aside", "culprit: up to 1")], outcome.said
    assert outcome.exits == (KILLED, KILLED, KILLED, 0)
    entries = run.told["culprit"].entries
    (aside,) = [entry for entry in entries if isinstance(entry.body, SetAside)]
    assert aside.epoch == 4
    assert isinstance(entries[-1].body, AssistantMessage) or any(
        isinstance(entry.body, AssistantMessage) and entry.seq > aside.seq for entry in entries
    )


async def test_counting_every_death_sets_an_innocent_aside_and_is_caught(tmp_path: Path) -> None:
    command = (sys.executable, str(Path(__file__).parent / "planted.py"), "every_death_counts")
    _, outcome = await with_a_culprit(tmp_path, command)
    assert ("a turn set aside", "innocent: up to 1") in [(flaw.name, flaw.what) for flaw in outcome.flaws], outcome.said
