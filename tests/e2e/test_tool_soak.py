"""Turns with tools whose servers crash, hang, babble and are stopped, in a real gateway (LEDGER H-49, H-52, part I rows 19, 20 and 26).

The long edition is `python -m bench.soak`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.testing.tool_soak import FAULTS, Look, Soaked, soak

TURNS = 40
GROWTH_MB_MAX = 8.0


@pytest.mark.timeout(300)
async def test_every_message_is_answered_while_tool_servers_crash_and_nothing_grows(tmp_path: Path) -> None:
    soaked = await soak(tmp_path, TURNS, rounds=2)
    print(*soaked.looks, f"{soaked.took_s:.1f} s", sep="\n")
    assert soaked.flaws(GROWTH_MB_MAX) == []
    assert soaked.asked >= TURNS and len(soaked.outcomes) >= TURNS - len(FAULTS) * 2
    assert soaked.restarts >= 3, "there was something to outlive"
    assert "ok" in soaked.outcomes.values()


def test_what_grows_or_is_lost_or_happens_twice_is_found() -> None:
    look = Look(turns=20, files=30, tasks=70, children=2, zombies=0, memory_mb=100.0)
    well = Soaked([look, replace(look, turns=40)], {"a": "ok", "b": "error", "c": "unknown"}, Counter(a=1, c=1), asked=2, answered=2)
    assert well.flaws(GROWTH_MB_MAX) == []
    for last in ({"files": 43}, {"tasks": 71}, {"children": 3}, {"zombies": 1}, {"memory_mb": 109.0}):
        assert len(replace(well, looks=[look, replace(look, **last)]).flaws(GROWTH_MB_MAX)) == 1
    assert replace(well, answered=1).flaws(GROWTH_MB_MAX) == ["1 of 2 messages were answered"]
    for effects in ({"a": 2, "c": 1}, {"c": 1}, {"a": 1, "b": 1}, {"a": 1, "c": 2}):
        assert len(replace(well, effects=Counter(effects)).flaws(GROWTH_MB_MAX)) == 1
