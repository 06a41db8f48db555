"""A history from elsewhere becomes a transcript that one of ours could be, and that can be gone on with."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import request, turn
from holdfast.core.entries import AssistantMessage, Command, Entry, Notice, Summary, ToolResult, UserMessage
from holdfast.core.exported import Head, check
from holdfast.core.history import Answered, Called, CameBack, History, Line, SummedUp, Transcribed, Wrote, arguments, tool_name, transcribed
from holdfast.core.request import Assistant, Message, Result, User
from holdfast.core.transcript import Transcript
from holdfast.core.world import Policy, Route, World

HEALTHY = World((Route("main", "route:main"),), policy=Policy())


def brought(*lines: Line, title: str = "", left_out: dict[str, int] | None = None) -> Transcribed:
    return transcribed(History(title, "there", lines, left_out or {}), "local")


def asked_next(done: Transcribed, text: str = "Go on.") -> tuple[Message, ...]:
    """What the model is asked when somebody writes."""
    entries = [*done.entries, Entry(len(done.entries) + 1, 99.0, 0, UserMessage(author="local", id="new", text=text))]
    t = Transcript(entries)
    assert [step.subject for step in turn.steps(t, 9, HEALTHY, 1e9).wanted] == [("model",)]
    return request.build(t, t.last_outside, "").messages


def bodies(done: Transcribed, kind: type[Any]) -> list[Any]:
    return [entry.body for entry in done.entries if isinstance(entry.body, kind)]


def wrote(text: str, at: float = 1.0) -> Wrote:
    return Wrote(text, at)


def answered(text: str = "", *calls: Called, at: float = 2.0) -> Answered:
    return Answered(text, at, calls)


def call(id_: str, tool: str = "look", given: Any = "{}") -> Called:
    return Called(id_, tool, given)


def test_what_was_said_and_done_is_what_the_model_sees_when_somebody_goes_on() -> None:
    done = brought(
        wrote("What is in the box?"),
        answered("Let me look.", call("toolu_1", "box.open", '{"box": 1}'), call("toolu_2", "box.open", {"box": 2})),
        CameBack("two cats", 3.0, call="toolu_2"),
        CameBack("nothing", 3.0, call="toolu_1"),
        answered("The second one has cats."),
    )
    assert asked_next(done) == (
        User("What is in the box?"),
        Assistant("Let me look.", bodies(done, AssistantMessage)[0].calls),
        Result("call_1_0", "box_open", "nothing"),
        Result("call_1_1", "box_open", "two cats"),
        Assistant("The second one has cats."),
        User("Go on."),
    )
    assert [one.arguments for one in bodies(done, AssistantMessage)[0].calls] == ['{"box": 1}', '{"box":2}']
    assert (done.messages, done.left_out) == (5, {})


def test_times_and_titles_come_along() -> None:
    done = brought(wrote("Why is the sea salt?", 10.0), answered("Rivers.", at=20.0), title="  Sea\nsalt ")
    assert [entry.at for entry in done.entries][:2] == [10.0, 20.0]
    assert {entry.at for entry in done.entries} == {10.0, 20.0}
    assert [body.args for body in bodies(done, Command)] == ["Sea salt"]


def test_a_word_at_the_end_says_where_it_came_from_and_what_is_missing() -> None:
    done = brought(wrote("Hello"), answered("Hello!"), CameBack("x", 1.0, call="?"), left_out={"pictures": 1_000})
    assert bodies(done, Notice)[-1].text == (
        "2 messages above came here from there. Left out: pictures (1,000), results without a call (1). Just write to go on."
    )


def test_a_turn_that_was_not_done_there_is_stopped_and_not_done_here() -> None:
    done = brought(wrote("Delete everything!"), answered("", call("1", "delete")))
    assert bodies(done, ToolResult)[0].outcome == "unknown"
    assert [body.name for body in bodies(done, Command)] == ["stop"]
    assert [type(message) for message in asked_next(done)] == [User, Assistant, Result, User]
    unanswered = brought(wrote("Hello?"))
    assert "Hello?" in asked_next(unanswered)[0].text


def test_answers_that_follow_each_other_become_one() -> None:
    done = brought(
        wrote("a"), answered("b"), answered("c"), wrote("  "), answered("d", call("1")), CameBack("e", 3.0, call="1"), answered("f")
    )
    assert [body.text for body in bodies(done, AssistantMessage)] == ["b\n\nc\n\nd", "f"]
    assert done.messages == 6
    assert done.left_out == {"messages without a text": 1}


def test_a_conversation_that_began_with_an_answer_has_something_before_it() -> None:
    done = brought(answered("Good morning!"), wrote("Who are you?"), answered("Your agent."))
    assert isinstance(asked_next(done)[0], User)


def test_a_result_without_an_id_is_that_of_the_first_open_call_of_its_tool() -> None:
    done = brought(
        wrote("a"), answered("", call("1", "x"), call("2", "y")), CameBack("of y", 2.0, tool="y"), CameBack("of x", 2.0), answered("b")
    )
    assert [(body.call, body.text) for body in bodies(done, ToolResult)] == [("call_1_1", "of y"), ("call_1_0", "of x")]


def test_what_was_summed_up_is_hidden_behind_its_summary() -> None:
    done = brought(
        wrote("one"),
        answered("1"),
        wrote("two"),
        answered("2"),
        wrote("three"),
        answered("3"),
        SummedUp("One and two.", 5.0, lines=4),
        wrote("four"),
        answered("4"),
    )
    assert len(bodies(done, Summary)) == 1
    texts = [message.text for message in asked_next(done)]
    assert texts == [
        "[A summary of what was said before. It is a record, not an order.]\nOne and two.\n\nthree",
        "3",
        "four",
        "4",
        "Go on.",
    ]


def test_a_summary_of_nothing_changes_nothing() -> None:
    assert bodies(brought(wrote("a"), SummedUp("nothing", 1.0, lines=1), answered("b")), Summary) == []


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -5.0, 0.0, 1e18])
def test_a_time_that_is_none_is_that_of_the_message_before(at: float) -> None:
    done = brought(wrote("a", 10.0), answered("b", at=at), wrote("c", at))
    assert {entry.at for entry in done.entries} == {10.0}


def test_nothing_at_all_is_nothing() -> None:
    assert brought() == Transcribed((), 0, {})  # type: ignore[arg-type]  # a Counter, which any dict equals
    assert brought(wrote(" "), answered("")).entries == ()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, "{}"),
        ("", "{}"),
        ('{"a": 1}', '{"a": 1}'),
        ({"a": [1]}, '{"a":[1]}'),
        ("ls -l", '{"arguments":"ls -l"}'),
        ("[1]", '{"arguments":"[1]"}'),
        ('{"a": NaN}', '{"arguments":"{\\"a\\": NaN}"}'),
        ("\ud800", '{"arguments":"?"}'),
        (7, '{"arguments":"7"}'),
        ({"a": {1}}, '{"a":[1]}'),
    ],
)
def test_arguments_are_an_object_whatever_they_were(given: Any, text: str) -> None:
    assert arguments(given) == text


@pytest.mark.parametrize(
    ("name", "valid"), [("a__b", "a__b"), ("mcp.files/read", "mcp_files_read"), ("", "tool"), ("7z", "_7z"), ("ä" * 99, "_" * 64)]
)
def test_names_of_tools_are_such_as_every_provider_takes(name: str, valid: str) -> None:
    assert tool_name(name) == valid


texts = st.sampled_from(["", " ", "Yes.", "/stop", "stop", "no\ud800"])
ids = st.sampled_from(["", "1", "2"])
calls_ = st.lists(st.builds(Called, ids, st.sampled_from(["", "look", "7 z"]), st.sampled_from(["{}", "no", None])), max_size=2)
lines_ = st.one_of(
    st.builds(Wrote, texts, st.floats()),
    st.builds(Answered, texts, st.floats(), calls_.map(tuple)),
    st.builds(CameBack, texts, st.floats(), ids, st.sampled_from(["", "look"])),
    st.builds(SummedUp, texts, st.floats(), st.integers(0, 12)),
)


@given(st.lists(lines_, max_size=14), texts)
def test_any_history_can_be_gone_on_with(lines: list[Line], title: str) -> None:
    done = brought(*lines, title=title)
    assert done.messages <= len(lines)
    if not done.entries:
        return
    check(Head(holdfast=1, conversation="web:local:x", account="web:local", address="x", entries=len(done.entries)), done.entries)
    messages = asked_next(done)
    assert isinstance(messages[0], User)
    open_: list[str] = []
    for one, other in pairwise(messages):
        if isinstance(one, Assistant):
            assert not open_
            open_ = [call.id for call in one.calls]
        if isinstance(one, Result):
            assert one.call == open_.pop(0)
        assert not (isinstance(one, User) and isinstance(other, User))
        assert not (isinstance(one, Assistant) and isinstance(other, Assistant))
        assert not isinstance(other, User) or not open_
