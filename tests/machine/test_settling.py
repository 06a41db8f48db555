"""Wherever a conversation stands when it is taken elsewhere, it can be brought to rest there, and be gone on with."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

import judges
import pytest
from scenarios import SCENARIOS
from walk import State, Walker

from holdfast.core import request, turn
from holdfast.core.entries import AnyBody, Entry, UserMessage
from holdfast.core.exported import Head, check
from holdfast.core.settling import settled
from holdfast.core.steps import Step
from holdfast.core.transcript import Transcript
from holdfast.core.world import Account, Policy, Route, World

STATES_MAX = 100_000 if os.environ.get("HOLDFAST_LONG") == "1" else 250
HEALTHY = World((Route("main", "route:main", images=True),), account=Account("account:x"), policy=Policy())
"""Where it is brought to: everything is open, and would be done at once."""


def owed(t: Transcript) -> list[Step]:
    return turn.steps(t, 1_000, HEALTHY, 1e9).wanted


@dataclass
class Mover(Walker):
    """Takes the conversation elsewhere in each state of the walk."""

    moved: set[tuple[Entry, ...]] = field(default_factory=set)

    def judge(self, s: State) -> None:
        if s.entries in self.moved:
            return
        self.moved.add(s.entries)
        for read_here in (True, False):
            there = settled(s.entries, "ann", read_here=read_here)
            self.judge_rest_there(s.entries, there)
            self.judge_next_message(there)

    def judge_rest_there(self, here: tuple[Entry, ...], there: tuple[Entry, ...]) -> None:
        t = Transcript(there)
        if there[: len(here)] != here or [entry.seq for entry in there] != list(range(1, len(there) + 1)):
            raise judges.Flaw("it is not the same conversation")
        if t.owes or list(t.open_questions()) or owed(t):
            raise judges.Flaw(f"it is not at rest: {owed(t)}")
        if settled(there, "ann", read_here=True) != there:
            raise judges.Flaw("what is at rest is settled again")
        check(Head(holdfast=1, conversation="a:b:c", account="a:b", address="c", entries=len(there)), there)

    def judge_next_message(self, there: tuple[Entry, ...]) -> None:
        t = Transcript([*there, next_entry(there, UserMessage(author="ann", id="new", text="Go on."))])
        wanted = owed(t)
        if [step.subject for step in wanted] != [("model",)]:
            raise judges.Flaw(f"the next message is not simply answered: {wanted}")
        messages = request.build(t, t.last_outside, "").messages
        judges.request(messages)
        if not messages[-1].text.endswith("Go on."):
            raise judges.Flaw("the next message is not what is asked")


def next_entry(entries: tuple[Entry, ...], body: AnyBody) -> Entry:
    return Entry(len(entries) + 1, entries[-1].at, 0, body)


@pytest.mark.parametrize("name", SCENARIOS)
def test_from_wherever_it_stands_a_conversation_comes_to_rest_elsewhere(name: str) -> None:
    mover = Mover(replace(SCENARIOS[name], states_max=STATES_MAX))
    found = mover.walk()
    assert found.flaw is None, f"{found.flaw}\n" + "\n".join(found.path)
    assert len(mover.moved) > 10
