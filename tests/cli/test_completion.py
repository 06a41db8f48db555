from __future__ import annotations

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from holdfast.cli.completion import Commands, models
from holdfast.core.entries import Question
from holdfast.core.weather import GateRow
from holdfast.ports import RouteState, Used

ASKED = Question(question="budget", about="1", text="Shall I\ngo on?", options=("go on", "stop"))


def _offered(typed: str, after: str = "") -> list[tuple[str, str]]:
    commands = Commands(lambda: [(41, ASKED)], lambda: [("fast", "a chain of 2 routes"), ("main", "qwen3:8b")])
    offered = commands.get_completions(Document(typed + after, len(typed)), CompleteEvent())
    return [(completion.text, completion.display_meta_text) for completion in offered]


def test_a_slash_offers_every_command_with_what_it_does() -> None:
    offered = dict(_offered("/"))
    assert offered["/stop"] == "stops what is being done and what is not answered yet"
    assert {"/new", "/retry", "/status", "/title ", "/choose ", "/help"} <= set(offered)


def test_open_questions_are_offered_with_their_options() -> None:
    assert _offered("/choose 41 s") == [("/choose 41 stop", "Shall I go on?")]
    assert [text for text, _ in _offered("/cho")] == ["/choose 41 go on", "/choose 41 stop", "/choose "]


def test_an_answer_in_ones_own_words_is_offered_first() -> None:
    asked = Question(question="elicitation", about="c", text="Which one?", options=("decline",), free=True)
    commands = Commands(lambda: [(41, asked)], list)
    offered = commands.get_completions(Document("/choose 4", 9), CompleteEvent())
    assert [(one.text, one.display_meta_text) for one in offered] == [
        ("/choose 41 ", "write an answer to: Which one?"),
        ("/choose 41 decline", "Which one?"),
    ]


def test_models_are_offered_with_what_they_are() -> None:
    assert _offered("/model f") == [("/model fast", "a chain of 2 routes")]
    assert [text for text, _ in _offered("/mod")] == ["/model fast", "/model main", "/model "]


def test_a_model_is_a_named_chain_a_route_or_the_way_back() -> None:
    def route(name: str, *chains: str) -> RouteState:
        return RouteState(name, "qwen3:8b", GateRow(f"route:{name}"), "open", 0, 4, chains, Used(name), 0.0)

    routes = [route("main", "the agent", "web:local", "fast", "summaries", "scheduled work"), route("small", "fast", "cheap")]
    assert models(routes) == [
        ("fast", "a chain of 2 routes"),
        ("cheap", "a chain of one route"),
        ("main", "qwen3:8b"),
        ("small", "qwen3:8b"),
        ("default", "what is used without a choice"),
    ]


def test_nothing_is_offered_where_no_command_can_be() -> None:
    assert _offered("stop") == _offered("/etc/hosts") == _offered("/stop") == _offered("/st\n") == _offered("/st", "op") == []
