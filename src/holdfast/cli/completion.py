"""What a command may go on with while it is typed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from holdfast.cli.screen import plain
from holdfast.core.commands import COMMANDS
from holdfast.core.entries import DEFAULT_CHAIN, Question
from holdfast.ports import RouteState

_NAMED: Final = re.compile(r"(?!summaries$)[\w-]+")
"""A chain that has a name. What else a route is used for (summaries, say) is no chain that can be chosen."""


class Commands(Completer):
    """The commands, after `/model` the names that it takes (`models`: name, and what that is), and after `/choose` the open questions (`questions`: seq
    and question) with their options."""

    def __init__(self, questions: Callable[[], Iterable[tuple[int, Question]]], models: Callable[[], Iterable[tuple[str, str]]]) -> None:
        self._questions = questions
        self._models = models

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002 the base class names it
        typed = document.text_before_cursor
        if not typed.startswith("/") or "\n" in typed or document.text_after_cursor:
            return
        models = ((f"/model {name}", what) for name, what in self._models())
        for text, what in (*self._choices(), *models, *self._commands()):
            if text.startswith(typed) and text != typed:
                yield Completion(text, start_position=-len(typed), display_meta=what)

    def _commands(self) -> Iterator[tuple[str, str]]:
        for known in COMMANDS:
            yield f"/{known.name}" + (" " if known.args else ""), known.does

    def _choices(self) -> Iterator[tuple[str, str]]:
        for seq, question in self._questions():
            about = " ".join(plain(question.text).split())
            if question.free:
                yield f"/choose {seq} ", f"write an answer to: {about}"
            for option in question.options:
                yield f"/choose {seq} {plain(option)}", about


def models(routes: Iterable[RouteState]) -> list[tuple[str, str]]:
    """What `/model` takes, and what each is: chains, routes, and the way back."""
    known = list(routes)
    chains = Counter(chain for route in known for chain in route.chains if _NAMED.fullmatch(chain))
    return [
        *((name, f"a chain of {count} routes" if count > 1 else "a chain of one route") for name, count in chains.items()),
        *((route.name, route.model) for route in known),
        (DEFAULT_CHAIN, "what is used without a choice"),
    ]
