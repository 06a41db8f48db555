"""C1: what is set aside after crash upon crash, and what is not to blame."""

from __future__ import annotations

from holdfast.core import turn, words
from holdfast.core.entries import AnyBody, Command, DeliveryStarted, Entry, Notice, Question, SetAside, UserMessage
from holdfast.core.steps import Deliver, Step, Write
from holdfast.core.transcript import Transcript
from holdfast.core.world import Route, World

WORLD = World(routes=(Route("main", "route:main"),), attempts=turn.ATTEMPTS_MAX + 1)
ASKED = UserMessage(author="ann", id="1", text="Hello")
STOP = Command(author="ann", id="2", name="stop")


def wanted(*bodies: AnyBody) -> list[Step]:
    transcript = Transcript([Entry(seq, 50.0, 1, body) for seq, body in enumerate(bodies, 1)])
    return turn.steps(transcript, 5, WORLD, 60.0).wanted


def test_a_turn_that_crashes_again_and_again_is_set_aside_and_asked_about() -> None:
    (step,) = wanted(ASKED)
    assert isinstance(step, Write)
    aside, question = step.first
    assert (aside, type(question)) == (SetAside(since=1, upto=1, why="crashed"), Question)


def test_one_that_was_stopped_is_not_its_stop_is_obeyed_and_said() -> None:
    (step,) = wanted(ASKED, STOP)
    assert isinstance(step, Write)
    (stopped,) = step.first
    assert (step.row, isinstance(stopped, Notice)) == ("C2", True)
    assert [type(one) for one in wanted(ASKED, STOP, stopped)] == [Deliver]


def test_a_command_alone_is_answered() -> None:
    (step,) = wanted(Command(author="ann", id="2", name="status"))
    assert isinstance(step, Write)
    assert step.row == "C2"


def test_what_crashes_when_it_is_sent_is_given_up_and_nothing_is_asked() -> None:
    (step,) = wanted(ASKED, STOP, Notice(text="Stopped.", replies_to=2), DeliveryStarted(of="n3", part=0, key="k"))
    assert isinstance(step, Write)
    assert step.first == (SetAside(since=3, upto=2, why="crashed"), Notice(text=words.given_up()))
