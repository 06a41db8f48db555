"""Who waited over a restart of the gateway is told so once, if it took long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core import turn, words
from holdfast.core.entries import AnyBody, AssistantMessage, Command, Entry, Notice, UserMessage
from holdfast.core.transcript import Transcript
from holdfast.core.world import Route, World

WORLD = World(routes=(Route("main", "route:main"),), began=100.0)
ASKED = UserMessage(author="ann", id="1", text="Hello")


def said(*bodies: AnyBody, now: float, world: World = WORLD, at: float = 50.0) -> list[str]:
    transcript = Transcript([Entry(seq, at, 1, body) for seq, body in enumerate(bodies, 1)])
    steps = turn.steps(transcript, 2, world, now).wanted
    return [body.text for step in steps for body in step.first if isinstance(body, Notice)]


def test_who_waits_over_a_long_restart_is_told() -> None:
    assert said(ASKED, now=101.0) == [words.goes_on()]


@pytest.mark.parametrize(
    ("bodies", "now", "at"),
    [
        ((ASKED,), 150.0, 81.0),
        ((ASKED,), 300.0, 101.0),
        ((ASKED, AssistantMessage(n=1, seen=1, text="Hello!")), 101.0, 50.0),
        ((UserMessage(author="ann", id="1", text="Hello", scheduled=True),), 101.0, 50.0),
    ],
    ids=["it was short", "it came in this life", "nothing is owed", "a reminder says itself that it is late"],
)
def test_nobody_else_is(bodies: tuple[AnyBody, ...], now: float, at: float) -> None:
    assert words.goes_on() not in said(*bodies, now=now, at=at)


def test_who_wants_it_quiet_is_not() -> None:
    quiet = Notice(text="Quiet.", replies_to=1, ways=("quiet",))
    assert words.goes_on() not in said(Command(author="ann", id="0", name="quiet", args=""), quiet, ASKED, now=101.0)


def test_who_waits_for_a_route_that_is_closed_is_told_of_that() -> None:
    closed = replace(WORLD, routes=(Route("main", "route:main", open=False),))
    assert words.goes_on() not in said(ASKED, now=101.0, world=closed)
