"""The exhaustive walk of the weather, and its negative controls.

The short edition walks each slice as far as its bound of states; `HOLDFAST_LONG=1 pytest -n 2 tests/machine/test_weather_walk.py
--timeout 3600` walks further.
"""

from __future__ import annotations

import os

import pytest
from weather_bugs import BUGS
from weather_parts import Scenario
from weather_walk import Walker

STATES_MAX = 30_000 if os.environ.get("HOLDFAST_LONG") == "1" else 400
BUG_STATES_MAX = 4000

MAIN, CHAIN = ("main",), ("main", "fallback")
"""In the order of their names the gates of this chain stand the other way round."""

SCENARIOS = {
    "one person": Scenario({"ann": MAIN}, ("transient", "cut"), deaths=2),
    "one route": Scenario({"ann": MAIN, "bob": MAIN}, ("transient",)),
    "one place": Scenario({"ann": MAIN, "bob": MAIN, "cid": MAIN}, places=1, writes=0, deaths=0, tools=True),
    "people stop it": Scenario({"ann": MAIN, "bob": MAIN}, writes=0, stops=2),
    "a chain": Scenario({"ann": CHAIN, "bob": CHAIN}, ("transient",), writes=0),
    "who wants the fallback alone": Scenario({"ann": CHAIN, "bob": ("fallback",)}, writes=0, tools=True),
    "limits": Scenario({"ann": CHAIN, "bob": MAIN}, ("rate-limit 0", "rate-limit 77", "quota"), writes=0, deaths=1),
    "a mistake": Scenario({"ann": MAIN, "bob": MAIN}, ("config", "unknown"), writes=2, deaths=0, orders=1),
    "one person, slowly": Scenario({"ann": MAIN}, writes=1, deaths=1, stops=1, slow=True),
    "a mistake, slowly": Scenario({"ann": MAIN}, ("config",), writes=1, deaths=0, slow=True),
    "never tried": Scenario({"ann": MAIN, "bob": MAIN, "cid": MAIN}, ("config",), proven=False),
    "the clock is set back": Scenario({"ann": MAIN, "bob": MAIN}, ("transient", "rate-limit 77"), writes=0, deaths=0, set_back=1),
    "slowly": Scenario({"ann": MAIN, "bob": MAIN}, writes=0, deaths=0, slow=True),
    "a chain, slowly": Scenario({"ann": CHAIN, "bob": CHAIN}, writes=0, deaths=0, slow=True),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_wait_without_an_end_no_retry_without_growth_no_closed_route_used_and_switch_back_always_reached(name: str) -> None:
    found = Walker(SCENARIOS[name], STATES_MAX).walk()
    assert not found.flaw, str(found)
    assert found.whole or found.depth >= 3, "the walk was too short to prove anything"


@pytest.mark.parametrize("name", BUGS)
def test_each_rule_taken_away_gives_a_counterexample(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, bug = BUGS[name]
    bug(monkeypatch)
    found = Walker(SCENARIOS[scenario], BUG_STATES_MAX).walk()
    assert found.flaw, f"the walk did not notice that {name}"
