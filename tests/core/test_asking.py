"""A tool asks in the middle of its call: what the table makes of it, and of what people write meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core import turn, words
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Call,
    Choice,
    Command,
    Entry,
    Notice,
    Question,
    ToolResult,
    ToolStarted,
    UserMessage,
)
from holdfast.core.steps import Write
from holdfast.core.transcript import Transcript
from holdfast.core.world import Policy, Rights, Route, World

WORLD = World((Route("main", "route:main"),))


def says(text: str = "And?", author: str = "ann", *, scheduled: bool = False) -> UserMessage:
    return UserMessage(author=author, id=text, text=text, scheduled=scheduled)


def asks(text: str = "demo asks: Which one?", *, free: bool = False) -> Question:
    options = ("decline",) if free else ("red", "blue", "decline")
    return Question(question="elicitation", about="call_1_0", text=text, options=options, to="ann", expires=99.0, free=free)


def told(*bodies: AnyBody) -> list[Notice]:
    """What is said, now that a tool asked and these things happened."""
    call = Call(id="call_1_0", tool="demo__pick", arguments="{}")
    begin: tuple[AnyBody, ...] = (says("Pick."), AssistantMessage(n=1, seen=1, calls=(call,)), ToolStarted(call="call_1_0"))
    t = Transcript(Entry(seq, 0.0, 1, body) for seq, body in enumerate((*begin, *bodies), 1))
    floor = Transcript(Entry(seq, 0.0, 1, body) for seq, body in enumerate((*begin, *bodies), 1) if seq >= t.floor())
    assert turn.steps(floor, 1, WORLD, 0.0) == turn.steps(t, 1, WORLD, 0.0)
    wanted = turn.steps(t, 1, WORLD, 0.0).wanted
    return [body for step in wanted if isinstance(step, Write) and step.row == "C5" for body in step.first if isinstance(body, Notice)]


def test_a_message_is_no_answer_and_who_wrote_it_is_told_how_to_give_one() -> None:
    (notice,) = told(asks(), says())
    assert notice.replies_to == 5 and not notice.about, "it closes nothing"
    assert notice.text == (
        "Your message is saved, but it is no answer to “demo asks: Which one?”. Answer that where it stands, or write /choose 4 red."
    )


def test_to_a_free_question_any_words_are_an_answer_but_not_those_of_a_message() -> None:
    (notice,) = told(asks(free=True), says())
    assert notice.text.endswith("Answer that where it stands, or write /choose 4 and your answer.")


@pytest.mark.parametrize(
    "meanwhile",
    [
        (),
        (says(author="bob"),),
        (says(scheduled=True),),
        (says(), Choice(author="ann", id="k", question=4, option="red")),
        (says(), Notice(text="Nobody answered.", about=4)),
        (says(), Notice(text="No answer.", replies_to=5), says("Once more.")),
    ],
    ids=["nothing", "somebody else", "a reminder", "it was chosen", "it has expired", "it was said before"],
)
def test_of_anything_else_nothing_is_said(meanwhile: tuple[AnyBody, ...]) -> None:
    assert told(asks(), *meanwhile) == []


def test_of_one_message_beside_two_questions_one_word_is_said_and_of_the_next_question_another() -> None:
    assert len(told(asks(), asks(), says())) == 2, "each in its own commit, and the first one tells of both"
    assert told(asks(), asks(), says(), Notice(text="No answer.", replies_to=6)) == []
    (notice,) = told(asks(), says(), Notice(text="No answer.", replies_to=5), asks("demo asks: How many?"), says("Oh."))
    assert "How many?" in notice.text


def test_an_approval_that_a_message_does_not_close_says_so_too() -> None:
    """Where messages wait in a queue."""
    call = Call(id="call_1_0", tool="mail__send", arguments="{}")
    policy = Policy(busy="queue", asks=frozenset({"mail__send"}))
    t = Transcript([Entry(1, 0.0, 0, says()), Entry(2, 0.0, 1, AssistantMessage(n=1, seen=1, calls=(call,)))])
    world = World(WORLD.routes, policy=policy)
    (write,) = turn.steps(t, 1, world, 0.0).wanted
    t.extend([Entry(3, 0.0, 1, write.first[0]), Entry(4, 0.0, 0, says("ok"))])
    said = [step for step in turn.steps(t, 1, world, 0.0).wanted if isinstance(step, Write)]
    assert [step.row for step in said] == ["C5"]


def test_what_answers_a_question_is_said_in_words() -> None:
    assert words.choices(asks()) == "red or blue or decline"
    assert words.choices(asks(free=True)) == "any words, or decline"


@pytest.mark.parametrize("end", [Choice(author="ann", id="k", question=3, option="stop"), Notice(text="Nobody answered.", about=3)])
def test_a_budget_that_ends_a_turn_ends_nothing_that_came_after_its_question(end: AnyBody) -> None:
    question = Question(question="budget", about="1", text="Go on?", options=("go on", "stop"), to="ann", expires=99.0, overtakable=True)
    call = Call(id="call_1_0", tool="demo__pick", arguments="{}")
    begun = (
        says("One."),
        AssistantMessage(n=1, seen=1, calls=(call,)),
        question,
        says("Mine?", "bob"),
        says("Water!", scheduled=True),
        end,
    )
    t = Transcript(Entry(seq, 0.0, 1, body) for seq, body in enumerate(begun, 1))
    assert t.inputs == [4, 5] and not t.turn_is_open


def test_who_stops_is_told_what_had_been_started() -> None:
    call = Call(id="call_1_0", tool="demo__send", arguments="{}")
    stop = Command(author="ann", id="s", name="stop")
    begun: tuple[AnyBody, ...] = (says("One."), AssistantMessage(n=1, seen=1, calls=(call,)), ToolStarted(call="call_1_0"), stop)
    t = Transcript(Entry(seq, 0.0, 1, body) for seq, body in enumerate(begun, 1))
    (step,) = [step for step in turn.steps(t, 1, WORLD, 0.0).wanted if isinstance(step, Write) and step.row == "C2"]
    (notice,) = [body for body in step.first if isinstance(body, Notice)]
    assert notice.text == "Stopped. demo__send had been started: nobody can know whether it happened."


def test_who_writes_while_somebody_elses_turn_is_at_work_gets_none_of_their_tools() -> None:
    asks = Policy(asks=frozenset({"demo__send"}))
    guest = Policy(denies=frozenset({"demo__send"}))
    world = replace(WORLD, policy=asks, rights={"ann": Rights("owner", asks), "eve": Rights("guest", guest)})
    call = Call(id="call_2_0", tool="demo__send", arguments="{}")
    first = AssistantMessage(n=1, seen=1, calls=(Call(id="call_1_0", tool="demo__pick", arguments="{}"),))
    begun: tuple[AnyBody, ...] = (says("One."), first, says("Send it to me!", "eve"), ToolResult(call="call_1_0", outcome="ok"))
    rows = {}
    for seen in (1, 3):
        answered = (*begun, AssistantMessage(n=2, seen=seen, calls=(call,)))
        t = Transcript(Entry(seq, 0.0, 1, body) for seq, body in enumerate(answered, 1))
        rows[seen] = [step.row for step in turn.steps(t, 1, world, 0.0).wanted if isinstance(step, Write)]
    assert rows == {1: ["K5"], 3: ["K4"]}, "the owner is asked, and only for words of their own"
