"""The exhaustive walk of the table and a worker, and its negative controls.

The short edition walks each slice as far as its bound of states; `HOLDFAST_LONG=1 pytest tests/machine --timeout 7200` walks further.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from bugs import BUGS
from scenarios import SCENARIOS
from walk import Walker

STATES_MAX = 1_000_000 if os.environ.get("HOLDFAST_LONG") == "1" else 6000
DEPTH_MIN = 8
BUG_STATES_MAX = 60_000


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_move_of_the_world_leads_to_a_flaw(name: str) -> None:
    for states_max in (STATES_MAX, 2 * STATES_MAX):  # where there is much to choose from, the way to rest is longer
        found = Walker(replace(SCENARIOS[name], states_max=states_max)).walk()
        if found.flaw or (found.quiescent and (found.whole or found.depth >= DEPTH_MIN)):
            break
    assert found.flaw is None, f"{found.flaw}\n" + "\n".join(found.path)
    assert found.quiescent, "the walk never came to rest: it judged nothing"
    assert found.whole or found.depth >= DEPTH_MIN, "the walk was too short to prove anything"


@pytest.mark.parametrize("name", BUGS)
def test_each_rule_taken_away_gives_a_counterexample(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = BUGS[name]
    settings = bug.patch(monkeypatch) or {}
    found = Walker(replace(SCENARIOS[bug.scenario], states_max=BUG_STATES_MAX), **settings).walk()
    assert found.flaw is not None, f"the walk did not notice: {name}"
