"""The exhaustive walk of the table and a worker, and its negative controls.

The short edition walks each slice as far as its bound of states; `HOLDFAST_WALK_STATES=1000000 pytest tests/machine` walks further.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from bugs import BUGS
from scenarios import SCENARIOS
from walk import Walker

STATES_MAX = int(os.environ.get("HOLDFAST_WALK_STATES", "12000"))
BUG_STATES_MAX = 60_000


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_move_of_the_world_leads_to_a_flaw(name: str) -> None:
    found = Walker(replace(SCENARIOS[name], states_max=STATES_MAX)).walk()
    assert found.flaw is None, f"{found.flaw}\n" + "\n".join(found.path)
    assert found.quiescent, "the walk never came to rest: it judged nothing"
    assert found.whole or found.depth >= 8, "the walk was too short to prove anything"


@pytest.mark.parametrize("name", BUGS)
def test_each_rule_taken_away_gives_a_counterexample(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = BUGS[name]
    settings = bug.patch(monkeypatch) or {}
    found = Walker(replace(SCENARIOS[bug.scenario], states_max=BUG_STATES_MAX), **settings).walk()
    assert found.flaw is not None, f"the walk did not notice: {name}"
