"""What was said elsewhere, as a transcript of ours.

Whoever reads a foreign history makes `Line`s of it; here they become entries that a worker of ours could have written: each answer has seen what came before
it, each call has its result, whatever has a text was delivered. Nothing of it is owed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Final, assert_never

import msgspec

from holdfast.core import words
from holdfast.core.entries import (
    OUTSIDE,
    AnyBody,
    AssistantMessage,
    Call,
    Command,
    Delivered,
    DeliveryStarted,
    Entry,
    Notice,
    Summary,
    ToolResult,
    ToolStarted,
    UserMessage,
    call_id,
)
from holdfast.core.settling import delivered, settled
from holdfast.core.text import well_formed

EPOCH: Final = 1
"""Of the worker that never was: any claim here has a later one."""
LATEST: Final = 253_402_300_799.0
"""The end of the year 9999: no calendar goes further."""

_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")
TOOL_CHARS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Wrote:
    """A person did. `name`: who, where that is known."""

    text: str
    at: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class Called:
    """A call of an answer, under the id that it had there; the arguments are an object, or a text of one."""

    id: str
    tool: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class Answered:
    """The agent did."""

    text: str
    at: float
    calls: tuple[Called, ...] = ()


@dataclass(frozen=True, slots=True)
class CameBack:
    """The result of a call: of the one with this id, or where that is not known, of this tool."""

    text: str
    at: float
    call: str = ""
    tool: str = ""


@dataclass(frozen=True, slots=True)
class SummedUp:
    """The model was no longer shown the first `lines` lines, but this."""

    text: str
    at: float
    lines: int


Line = Wrote | Answered | CameBack | SummedUp

NO_CALL: Final = "results without a call"
FILES: Final = "pictures and other files"
NO_TEXT: Final = "messages without a text"


@dataclass(frozen=True, slots=True)
class History:
    """A conversation from elsewhere. `source`: where it was, in words; `left_out`: what of it is not in the lines, and how often."""

    title: str
    source: str
    lines: Sequence[Line]
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What became of a history: entries, so many messages in them, and what could not become one."""

    entries: tuple[Entry, ...]
    messages: int
    left_out: Counter[str]


def transcribed(history: History, author: str) -> Transcribed:
    """The history as entries, with nothing owed. `author` is the person whose words they are here."""
    writer = _Writer(author)
    for line in history.lines:
        writer.write(line)
    left_out = Counter(history.left_out) + writer.left_out
    if writer.messages:
        writer.end(history, left_out)
    return Transcribed(settled(writer.entries, author, read_here=True), writer.messages, left_out)


def told(left_out: Mapping[str, int]) -> list[str]:
    """`pictures (3)`, the most frequent first."""
    return [f"{what} ({count:,})" for what, count in sorted(left_out.items(), key=lambda one: (-one[1], one[0])) if count]


class _Writer:
    def __init__(self, author: str) -> None:
        self.entries: list[Entry] = []
        self.messages = 0
        self.left_out = Counter[str]()
        self._author = author
        self._at = 0.0
        self._n = 0
        self._seen = 0
        self._lines = 0
        self._last: Answered | None = None  # it may go on in the next line: nobody is shown two answers in a row
        self._answers: list[tuple[int, int]] = []  # after so many lines, at that seq
        self._open: dict[str, tuple[Call, str]] = {}  # by our id: the call, and the id that it had there

    def write(self, line: Line) -> None:
        before = self._last.at if self._last is not None else self._at
        at = line.at if isfinite(line.at) and 0 < line.at <= LATEST else before
        if isinstance(line, Wrote | Answered) and not line.text.strip() and not (isinstance(line, Answered) and line.calls):
            self._lines += 1
            self.left_out[NO_TEXT] += 1
            return
        match line:
            case Answered():
                self._answer(replace(line, at=at))
            case Wrote():
                self._end_answer()
                self._at = at
                self._message(line)
            case CameBack():
                self._at = at
                self._result(line)
            case SummedUp():
                self._at = at
                self._summary(line)
            case _:
                assert_never(line)

    def end(self, history: History, left_out: Mapping[str, int]) -> None:
        """Its name, and a word about where it came from."""
        self._end_answer()
        self._close_calls()
        if name := words.title(history.title):
            self._add(Command(author=self._author, id="brought title", name="title", args=name))
            self._notice(Notice(text=words.named(name), replies_to=len(self.entries)))
        self._notice(Notice(text=words.brought(history.source, self.messages, told(left_out))))

    def _add(self, *bodies: AnyBody) -> None:
        for body in bodies:
            self.entries.append(Entry(len(self.entries) + 1, self._at, 0 if isinstance(body, OUTSIDE) else EPOCH, body))

    def _notice(self, notice: Notice) -> None:
        self._add(notice)
        self._add(*delivered(len(self.entries), notice))

    def _message(self, line: Wrote) -> None:
        self._close_calls()
        self._lines += 1
        self._says(line.text, line.name)
        self.messages += 1

    def _says(self, text: str, name: str = "") -> None:
        self._add(UserMessage(author=self._author, id=f"brought {self._lines}", text=well_formed(text), name=well_formed(name)))
        self._seen = len(self.entries)

    def _answer(self, line: Answered) -> None:
        self._lines += 1
        self.messages += 1
        if self._last is not None:
            line = replace(line, text="\n\n".join(filter(str.strip, (self._last.text, line.text))))
        self._last = line
        if line.calls:
            self._end_answer()

    def _end_answer(self) -> None:
        line, self._last = self._last, None
        if line is None:
            return
        self._close_calls()
        self._at = line.at
        if not self._seen:  # a request begins with the user
            self._says(words.nothing_before())
        self._n += 1
        calls = tuple(
            Call(id=call_id(self._n, number), tool=tool_name(call.tool), arguments=arguments(call.arguments))
            for number, call in enumerate(line.calls)
        )
        self._open = {ours.id: (ours, call.id) for ours, call in zip(calls, line.calls, strict=True)}
        body = AssistantMessage(n=self._n, seen=self._seen, text=well_formed(line.text.strip() and line.text), calls=calls)
        self._add(body)
        self._answers.append((self._lines, len(self.entries)))
        if body.text:
            self._add(DeliveryStarted(of=body.name, part=0), Delivered(of=body.name, part=0))
        self._add(*(ToolStarted(call=call.id) for call in calls))

    def _result(self, line: CameBack) -> None:
        self._lines += 1
        by_id = [id_ for id_, (_, there) in self._open.items() if line.call and line.call == there]
        by_tool = [id_ for id_, (call, _) in self._open.items() if not line.call and line.tool in {"", call.tool}]
        found = next(iter(by_id or by_tool), "")
        if not found:
            self.left_out[NO_CALL] += 1
            return
        del self._open[found]
        self._add(ToolResult(call=found, outcome="ok", text=well_formed(line.text)))
        self.messages += 1

    def _summary(self, line: SummedUp) -> None:
        self._close_calls()
        upto = max((seq for lines, seq in self._answers if lines <= line.lines), default=0)
        if not line.text.strip():
            return
        if upto:
            self._add(Summary(upto=upto, text=well_formed(line.text)))
        else:  # what it stands for is not here
            self._says(words.summary(line.text))

    def _close_calls(self) -> None:
        """What came of these calls is nowhere told."""
        for id_ in self._open:
            self._add(ToolResult(call=id_, outcome="unknown", text=words.result_not_known()))
        self._open.clear()


def text_of(parts: object, left_out: Counter[str]) -> str:
    """The text of a message that has several parts, as the chat dialects write them. Of what is no text a word stays."""
    return "\n".join(_part(part, left_out) for part in (parts if isinstance(parts, list) else [parts]))


def _part(part: object, left_out: Counter[str]) -> str:
    match part:
        case {"text": str(text)} | str(text):
            return text
        case {"type": str(kind)}:
            left_out[FILES] += 1
            return "[picture]" if "image" in kind else f"[{kind.removeprefix('input_')}]"
        case _:
            return msgspec.json.encode(part).decode()


def tool_name(name: str) -> str:
    """The tool's name as every dialect takes it."""
    name = _NO_NAME.sub("_", name)[:TOOL_CHARS_MAX] or "tool"
    return name if name[0].isalpha() or name[0] == "_" else f"_{name}"[:TOOL_CHARS_MAX]


def arguments(given: Any) -> str:
    """The arguments as the text of a JSON object, whatever they were."""
    if given is None or given == "":
        return "{}"
    try:
        value = msgspec.json.decode(given) if isinstance(given, str) else given
        if isinstance(value, dict):
            return given if isinstance(given, str) else msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, RecursionError, TypeError, ValueError, OverflowError):
        value = str(given)
    return msgspec.json.encode({"arguments": well_formed(value if isinstance(value, str) else str(value))}).decode()
