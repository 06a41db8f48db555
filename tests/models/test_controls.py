"""Negative controls: each rule of strictness, taken away, lets through what the tests of broken answers send. So they can fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from holdfast.models import anthropic, library, responses
from holdfast.models.wire import Exchange
from holdfast.ports import Answer
from holdfast.testing.dialects import STREAMS, Say, Stream, Use
from holdfast.testing.model_rig import Open
from holdfast.testing.stub_provider import Reply, event, http

MODULES = (anthropic, library, responses)
Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(params=sorted(STREAMS))
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def no_terminal_marker(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Exchange, "complete", property(lambda _: True, lambda _, __: None), raising=False)


def arguments_are_believed(patch: pytest.MonkeyPatch) -> None:
    for module in MODULES:
        patch.setattr(module, "object_text", lambda tool, text, *, cut: '{"half": 1}')


def an_empty_answer_is_one(patch: pytest.MonkeyPatch) -> None:
    for module in MODULES:
        patch.setattr(module, "answer", lambda text, calls, usage, kept, ended, *, cut: Answer(text, calls, usage, kept))


def errors_are_events(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Exchange, "_decoded", lambda self, kind, data: msgspec.json.decode(data) if b"overloaded" not in data else {"type": "ping"}
    )


def _half_a_text(stream: Callable[..., Stream]) -> Stream:
    return stream(Say("Half an ", "answer."))[:-1]


def _with_an_error(stream: Callable[..., Stream]) -> Stream:
    *half, end = stream(Say("Half an "))
    return [*half, event({"type": "error", "error": {"message": "overloaded"}}), end]


CONTROLS: dict[str, tuple[Plant, Callable[[Any], Stream]]] = {
    "an answer is complete only with its terminal marker": (no_terminal_marker, _half_a_text),
    "arguments are parsed": (arguments_are_believed, lambda stream: stream(Use("t", '{"a": '))),
    "an empty answer is none": (an_empty_answer_is_one, lambda stream: stream(Say(" "))),
    "an error event is a failure": (errors_are_events, _with_an_error),
}


@pytest.mark.parametrize("rule", CONTROLS)
async def test_without_the_rule_a_broken_answer_gets_through(to: Open, dialect: str, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, broken = CONTROLS[rule]
    route = await to(Reply(http(b"".join(broken(STREAMS[dialect])))), dialect)
    await route.fails()
    plant(monkeypatch)
    assert await route.ask()
