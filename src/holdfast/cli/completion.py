"""What a command may go on with while it is typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from holdfast.cli.screen import plain
from holdfast.core.commands import COMMANDS
from holdfast.core.entries import Question


class Commands(Completer):
    """The commands, and after `/choose` the open questions (`questions`: seq and question) with their options."""

    def __init__(self, questions: Callable[[], Iterable[tuple[int, Question]]]) -> None:
        self._questions = questions

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002 the base class names it
        typed = document.text_before_cursor
        if not typed.startswith("/") or "\n" in typed or document.text_after_cursor:
            return
        for text, what in (*self._choices(), *self._commands()):
            if text.startswith(typed) and text != typed:
                yield Completion(text, start_position=-len(typed), display_meta=what)

    def _commands(self) -> Iterator[tuple[str, str]]:
        for known in COMMANDS:
            yield f"/{known.name}" + (" " if known.args else ""), known.does

    def _choices(self) -> Iterator[tuple[str, str]]:
        for seq, question in self._questions():
            for option in question.options:
                yield f"/choose {seq} {plain(option)}", " ".join(plain(question.text).split())
