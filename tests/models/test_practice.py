from __future__ import annotations

import json
import tomllib

import pytest

from holdfast.core import words
from holdfast.core.entries import Call
from holdfast.core.request import Assistant, Message, Request, Result, Tool, User
from holdfast.models.practice import PracticeModel, reply
from holdfast.models.practice_words import CONNECT, LONG_STORY
from holdfast.ports import Answer

ZONED = {"type": "object", "properties": {"timezone": {"type": "string"}}, "required": ["timezone"]}
CONVERT = {"type": "object", "properties": {"source": {"type": "string"}}, "required": ["source"]}
FREE = {"type": "object", "properties": {}}
TOOLS = (
    Tool("time_convert_time", "", CONVERT),
    Tool("time_get_current_time", "", ZONED),
    Tool("demo_count", "", FREE),
    Tool("demo_slow", "", FREE),
)


def answered(*messages: Message | str, tools: tuple[Tool, ...] = TOOLS) -> Answer:
    said = tuple(User(message) if isinstance(message, str) else message for message in messages)
    return reply(Request("Be helpful.", said, tools))


def test_it_says_what_it_is_what_it_can_do_and_how_to_connect_a_real_model() -> None:
    text = answered("Please write a poem about the sea").text
    assert "practice model" in text and "not an AI" in text
    assert "[routes.main]" in text and 'dialect = "openai-chat"' in text


def test_the_configuration_it_shows_is_valid() -> None:
    shown = tomllib.loads("\n".join(line.strip() for line in CONNECT.splitlines() if line.startswith("    ")))
    assert shown["routes"]["main"].keys() == {"dialect", "base_url", "model"}
    assert shown["agent"]["chain"] == ["main"]


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ("What is Holdfast?", "never lost"),
        ("what do you keep of this?", "SQLite"),
        ("How do I connect a real model?", "[routes.main]"),
        ("Which commands are there?", "/stop"),
        ("What do you promise?", "Accepted means kept"),
        ("What happens when you crash?", "goes on by itself"),
        ("How do I add a tool?", "[tools.clock]"),
        ("Who are you?", "not an AI"),
        ("Hello", "Hello!"),
        ("Thank you", "welcome"),
    ],
)
def test_it_answers_questions_about_holdfast(asked: str, word: str) -> None:
    answer = answered(asked)
    assert word in answer.text and not answer.calls


@pytest.mark.parametrize("asked", ["What time is it?", "what's the time", "hey, tell me the time please"])
def test_asked_for_the_time_it_looks_at_a_clock(asked: str) -> None:
    assert answered(asked).calls == (("time_get_current_time", '{"timezone": "UTC"}'),)


def test_without_a_clock_it_says_how_to_get_one() -> None:
    assert "mcp-server-time" in answered("What time is it?", tools=()).text
    assert "mcp-server-time" in answered("What time is it?", tools=TOOLS[:1]).text


@pytest.mark.parametrize(
    ("asked", "calls"),
    [
        ('use demo_count {"by": 2}', [("demo_count", {"by": 2})]),
        ('use count {"by": {"a": [1]}}', [("demo_count", {"by": {"a": [1]}})]),
        ('Please use demo_count {"by": 1}, then stop.', [("demo_count", {"by": 1})]),
        ('use count {"key": "a"} and slow {"seconds": 2}', [("demo_count", {"key": "a"}), ("demo_slow", {"seconds": 2})]),
        ("use count {} and use count {}", [("demo_count", {}), ("demo_count", {})]),
        ("use demo_count", [("demo_count", {})]),
        ('first line\nuse count {"text": "use slow {}"}', [("demo_count", {"text": "use slow {}"})]),
    ],
)
def test_it_calls_any_tool_it_is_told_to(asked: str, calls: list[tuple[str, object]]) -> None:
    assert [(tool, json.loads(arguments)) for tool, arguments in answered(asked).calls] == calls


def test_a_tool_it_does_not_have_is_named_with_those_it_has() -> None:
    answer = answered("use hammer {}")
    assert "no tool called hammer" in answer.text and "demo_count" in answer.text and not answer.calls


@pytest.mark.parametrize("asked", ['use count {"by": ', "use count {by: 2}", 'use count {} and slow {"x}'])
def test_arguments_that_are_not_an_object_call_nothing_at_all(asked: str) -> None:
    answer = answered(asked)
    assert "not a JSON object" in answer.text and not answer.calls


@pytest.mark.parametrize("asked", ["What can I use you for?", "use it or lose it", "Is it of use?"])
def test_other_uses_of_the_word_are_no_calls(asked: str) -> None:
    assert not answered(asked).calls and "no tool called" not in answered(asked).text


def test_the_tool_it_is_told_to_use_is_called_with_the_examples_of_its_own_schema() -> None:
    shown = {"type": "object", "properties": {"key": {"type": "string", "examples": ["visitors"]}, "more": {"type": "string"}}}
    assert answered("Use the count tool", tools=(Tool("demo__count", "", shown),)).calls == (("demo__count", '{"key": "visitors"}'),)
    assert not answered("Use the right tool").calls


def test_what_may_safely_be_called_again_is() -> None:
    calls = (Call(id="call_1_0", tool="demo_count", arguments="{}"), Call(id="call_1_1", tool="demo_slow", arguments='{"seconds": 2}'))
    results = (Result("call_1_0", "demo_count", "3"), Result("call_1_1", "demo_slow", "it was lost; it may safely be called again"))
    assert answered("use count {} and slow {}", Assistant("", calls), *results).calls == (("demo_slow", '{"seconds": 2}'),)


def test_what_may_have_happened_is_not_claimed() -> None:
    call = Call(id="call_1_0", tool="demo_count", arguments="{}")
    for why in (words.interrupted_call(), words.closed_by_cut(started=True)):
        assert "can't know" in answered("use count {}", Assistant("", (call,)), Result("call_1_0", "demo_count", why)).text


@pytest.mark.parametrize(
    ("choice", "calls", "word"),
    [
        ("retry", (("demo_count", '{"key": "a"}'),), ""),
        ("check", (("demo_counted", '{"key": "a"}'),), ""),
        ("done", (), "take it as done"),
        ("skip", (), "leave it"),
    ],
)
def test_the_users_choice_about_an_interrupted_call_is_done(choice: str, calls: object, word: str) -> None:
    answer = answered(words.order(choice, 'demo_count {"key": "a"}'), tools=(*TOOLS, Tool("demo_counted", "", FREE)))
    assert answer.calls == calls
    assert word in answer.text


def test_what_it_can_not_check_it_says() -> None:
    answer = answered(words.order("check", 'demo_count {"key": "a"}'))
    assert "no tool to check" in answer.text and not answer.calls


def test_it_tells_the_results_of_its_calls_in_their_order() -> None:
    calls = (Call(id="call_1_0", tool="demo_count", arguments="{}"), Call(id="call_1_1", tool="demo_slow", arguments="{}"))
    results = (Result("call_1_0", "demo_count", "3 now\n"), Result("call_1_1", "demo_slow", ""))
    answer = answered("use count {} and slow {}", Assistant("", calls), *results)
    assert answer.text == "The tool demo_count says: 3 now\nThe tool demo_slow is done and said nothing."
    assert not answer.calls


def test_a_long_result_is_cut() -> None:
    call = Call(id="call_1_0", tool="demo_count", arguments="{}")
    answer = answered("use count {}", Assistant("", (call,)), Result("call_1_0", "demo_count", "x" * 100_000))
    assert len(answer.text) < 2000


def test_it_says_the_same_to_the_same() -> None:
    assert answered("Hello") == answered("Hello")


async def test_it_speaks_word_by_word() -> None:
    shown: list[str] = []
    answer = await PracticeModel(pause_s=0.0001).call(Request("", (User("Tell me a long story"),)), shown.append)
    assert answer.text == LONG_STORY == shown[-1]
    assert len(shown) == len(LONG_STORY.split()) + 1
    assert shown[:3] == ["", "There ", "There was "]


async def test_without_a_pause_it_says_all_at_once() -> None:
    shown: list[str] = []
    await PracticeModel(pause_s=0).call(Request("", (User("Tell me a long story"),)), shown.append)
    assert shown == ["", LONG_STORY]
