"""The process is killed, or the disk fails it, at every system call that writes (LEDGER H-35; part I rows 3, 10, 23).

Here every forty-fifth; `HOLDFAST_LONG=1`, or `python -m holdfast.testing.sweep journal`, is the long edition.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdfast.testing.sweep import CAMPAIGNS, Script, system_calls

LONG = os.environ.get("HOLDFAST_LONG") == "1"

pytestmark = [pytest.mark.needs("strace"), pytest.mark.timeout(7200 if LONG else 300)]

STEP = 1 if LONG else 45
SHARES = 8 if LONG else 1
"""So many tests share one sweep, to run side by side."""

SHORT = (Script("a", ('use lookup {"key": "a1"} and count {"key": "a1"}', 'use count {"key": "a2"}'), at_once=True),)


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", CAMPAIGNS)
async def test_harm_at_a_system_call_loses_and_doubles_nothing_that_was_acknowledged(tmp_path: Path, name: str, share: int) -> None:
    hits = 0
    async for number, outcome in system_calls(name, tmp_path, 1 + share * STEP, SHARES * STEP, SHORT):
        assert not outcome.flaws, f"at call {number}: {outcome.flaws}\n{outcome.said}"
        if outcome.hit:
            hits += 1
            assert outcome.exits == (CAMPAIGNS[name].exit, 0), f"at call {number}: {outcome.said}"
    assert hits > 1
