"""What is too large to walk whole: long random ways through everything at once. A failure prints its seed."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import judges
import pytest
from walk import Found, Scenario, Walker

from holdfast.core.turn import ATTEMPTS_MAX
from holdfast.core.world import Budget

SEEDS = 1000 if os.environ.get("HOLDFAST_LONG") == "1" else 12
MOVES_MAX = 120

EVERYTHING = Scenario(
    arrivals=10,
    alphabet=(
        *("message", "other's message", "stop", "new", "retry", "edit", "delete", "choice", "status", "model other", "model default"),
        *("queue queue", "queue steer", "queue interrupt", "quiet", "says stop"),
    ),
    answers=((), ("n",), ("r", "n"), ("p", "n")),
    text_with_calls=True,
    crashes=5,
    route_flips=3,
    account_flips=3,
    ticks=30,
    sends_fail=("retry", "refused", "blocked", "unknown"),
    refuses=True,
    own_failures=True,
    previews_fail=True,
    leaves=("bob",),
    summaries=True,
    chains=True,
    attachment=True,
    budget=Budget(steps=4),
    answers_max=20,
    depth=MOVES_MAX,
)
WORLDS = {
    "keyed, with previews": replace(EVERYTHING, previews=True),
    "keyed, queue": replace(EVERYTHING, busy="queue"),
    "keyed, interrupt": replace(EVERYTHING, busy="interrupt"),
    "unkeyed, resends": replace(EVERYTHING, keyed=False, previews=True),
    "unkeyed, asks": replace(EVERYTHING, keyed=False, unknown_send="ask"),
    "unkeyed, looks": replace(EVERYTHING, keyed=False, history=True),
}


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_long_random_way_meets_no_flaw(name: str, seed: int) -> None:
    walker, rng = Walker(WORLDS[name]), random.Random(f"{name} {seed}")
    state, path, found = walker.first(), list[str](), Found(None)
    for _ in range(MOVES_MAX):
        try:
            walker.judge(state)
            moves = list(walker.moves(state, found))
        except judges.Flaw as flaw:
            pytest.fail(f"{flaw}, seed {seed}\n" + "\n".join(path))
        moves = [move for move in moves if move[0] != "CRASH" or state.attempts < ATTEMPTS_MAX or rng.random() < 0.1]
        if not moves:
            break
        weights = [0.3 if move[0].startswith(("arrives", "CRASH", "time", "account", "route", "bob")) else 1.0 for move in moves]
        label, state = rng.choices(moves, weights)[0]
        path.append(label)
