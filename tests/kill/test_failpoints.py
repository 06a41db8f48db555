"""The process is killed at every failpoint, for real (LEDGER H-05, H-29, H-31, H-33, H-34; part I rows 3, 10, 23, 35).

Here at the middle one of its passings; `HOLDFAST_LONG=1` kills at the first and the last too, and
`python -m holdfast.testing.sweep failpoints` at every single one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest

from holdfast import failpoints
from holdfast.testing.sweep import KILLED, Fault, Outcome, Run, Script, at_failpoint, passes

pytestmark = pytest.mark.timeout(180)

LONG = os.environ.get("HOLDFAST_LONG") == "1"


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, int]:
    """How often each is passed when nothing disturbs."""
    return asyncio.run(passes(tmp_path_factory.mktemp("undisturbed")))


def test_every_failpoint_is_passed(counts: Mapping[str, int]) -> None:
    assert set(failpoints.NAMES) == set(counts)


@pytest.mark.parametrize("which", ["first", "middle", "last"] if LONG else ["middle"])
@pytest.mark.parametrize("name", failpoints.NAMES)
async def test_a_kill_at_this_failpoint_loses_and_doubles_nothing(
    tmp_path: Path, counts: Mapping[str, int], name: str, which: Literal["first", "middle", "last"]
) -> None:
    last = counts[name]
    passing = {"first": 1, "middle": (last + 1) // 2, "last": last}[which]
    if LONG and passing == 1 and which != "first":
        return  # it is passed once: that is the first
    outcome = await killed(tmp_path, name, passing)
    assert outcome.exits == (KILLED, 0), outcome.said
    assert not outcome.flaws, f"replay: HOLDFAST_FAILPOINT={name}:{passing}\n{outcome.said}"


async def killed(folder: Path, name: str, passing: int) -> Outcome:
    """Killed there; or, since messages may be taken up together, one passing earlier."""
    while True:
        outcome = await Run(folder / str(passing), backs_up=True).through(at_failpoint(name, passing))
        if outcome.hit or passing == 1:
            return outcome
        passing -= 1


async def test_three_kills_in_a_row_lose_and_double_nothing(tmp_path: Path) -> None:
    """In the fourth life of one turn: its first tool call is unknown, its second model call was paid for three times."""
    alone = Script("a", ('use count {"key": "a1"}',))
    faults = at_failpoint("tool.after_effect"), at_failpoint("model.complete"), at_failpoint("append.after_commit")
    outcome = await Run(tmp_path, scripts=(alone,)).through(*faults)
    assert outcome.exits == (KILLED, KILLED, KILLED, 0)
    assert not outcome.flaws, outcome.said


async def test_being_asked_to_go_in_the_middle_of_every_turn_loses_and_doubles_nothing(tmp_path: Path) -> None:
    outcome = await Run(tmp_path).through(Fault(stop=True), Fault(stop=True))
    assert outcome.exits == (0, 0, 0)
    assert not outcome.flaws, outcome.said
