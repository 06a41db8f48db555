"""What a committed entry means to somebody who waits for the answer to one message. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from holdfast.cli import TERMINAL
from holdfast.core import entries
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Choice,
    Command,
    Correction,
    Entry,
    Failed,
    Notice,
    Produced,
    Question,
    SetAside,
    ToolResult,
    ToolStarted,
    UserMessage,
)
from holdfast.core.transcript import STOPS, Transcript
from holdfast.core.words import size
from holdfast.invoked import command

SHORT_CHARS_MAX: Final = 200
HOLD_NOTHING_UP: Final = ("unknown", "send")
"""The questions that no turn waits for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer `name`, as it is for good. `late`: it answers what was there before."""

    name: str
    text: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The gateway's answer to the command."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing that is no answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was being written will never be an answer."""


@dataclass(frozen=True, slots=True)
class Replied:
    """The gateway obeyed; whether an answer follows, the whole transcript says."""


@dataclass(frozen=True, slots=True)
class End:
    """The turn is over: answered, asking, or stopped."""

    how: Literal["answered", "asks", "stopped"]


Action = Answer | Reply | Note | Dropped | Replied | End


class Watch:
    """Follows the entries after `mine`, the seq of `body`: what this person sent to the conversation called `name`."""

    def __init__(self, mine: int, body: UserMessage | Command | Choice, name: str) -> None:
        self.last = mine
        self._mine = mine
        self._name = name
        self._is_message = isinstance(body, UserMessage)
        self._may_be_input = isinstance(body, Choice) or (isinstance(body, Command) and body.name == "retry")
        self._ends_from: int | None = mine if self._is_message else None
        self._stopped_by = 0
        self._aside = False
        self._activity = Activity()

    def see(self, entry: Entry) -> Iterator[Action]:
        """What to do about the next entry."""
        self.last = entry.seq
        match entry.body:
            case AssistantMessage() as body:
                yield from self._answer(body)
            case ToolStarted() | ToolResult() | Failed() as body:
                yield from map(Note, self._activity.told(body))
                yield from map(Note, made(entry, self._name))
            case Command() as body if self._is_message and body.name in STOPS:
                self._stopped_by = entry.seq
                yield Dropped()
            case Correction():
                yield Dropped()
            case SetAside() as body if self._is_message and body.upto >= self._mine:
                self._aside = True
            case Question() as body:
                yield from self._question(entry.seq, body)
            case Notice() as body:
                yield from self._notice(body)
            case entries.Note() as body:
                yield Note(body.text)
            case _:
                pass

    @property
    def expects_answers(self) -> bool:
        """A plain command has a reply only; answers that come meanwhile are to somebody else's message."""
        return self._is_message or self._may_be_input

    def after_reply(self, entries: Iterable[Entry]) -> Iterator[Note | End]:
        """Asked after `Replied`, with the whole conversation: is this the end, or does an answer follow, which will bring it (nothing)?"""
        transcript = Transcript(entry for entry in entries if entry.seq <= self.last)
        taken = any(spoken.entry.seq == self._mine for spoken in transcript.spoken) or any(
            asked.by == self._mine for asked in transcript.questions.values()
        )
        if not taken or not (transcript.inputs or transcript.turn_is_open):
            yield End("answered")
            return
        if open_ones := [asked for asked in transcript.open_questions() if asked.question.question not in HOLD_NOTHING_UP]:
            yield from (self._put(asked.seq, asked.question) for asked in open_ones)
            yield End("asks")
            return
        self._ends_from = self._mine if self._mine in transcript.inputs else 0

    def _answer(self, body: AssistantMessage) -> Iterator[Action]:
        if not self.expects_answers:
            return
        if body.text:
            yield Answer(body.name, body.text, late=self._is_message and body.seen < self._mine)
        yield from map(Note, self._activity.told(body))
        if self._ends_from is not None and not body.calls and body.seen >= self._ends_from:
            yield End("answered")

    def _question(self, seq: int, body: Question) -> Iterator[Action]:
        yield self._put(seq, body)
        if body.question not in HOLD_NOTHING_UP:
            yield End("asks")

    def _put(self, seq: int, question: Question) -> Note:
        conversation = "" if self._name == TERMINAL else f" --conversation {shlex.quote(self._name)}"
        return Note(asked(seq, question, lambda choice: f'{command("chat")}{conversation} -q "{choice}"'))

    def _notice(self, body: Notice) -> Iterator[Action]:
        if body.edits:
            return  # it takes the place of one that said that the turn waits; here the answer says so
        if body.replies_to == self._mine and self._is_message:
            yield Note(body.text)  # a question is open that it does not answer
            yield End("asks")
            return
        if body.replies_to == self._mine:
            yield Reply(body.text)
            yield Replied() if self._may_be_input else End("answered")
            return
        yield Note(body.text)
        if self._aside or (self._stopped_by and body.replies_to == self._stopped_by):
            yield End("stopped")


class Activity:
    """What is done beside the answers, each on a line."""

    def __init__(self) -> None:
        self._tools: dict[str, str] = {}
        self._started: set[str] = set()

    def told(self, body: AnyBody) -> Iterator[str]:
        """The lines about an entry."""
        match body:
            case AssistantMessage(calls=calls):
                self._tools |= {call.id: call.tool for call in calls}
                yield from (f"calls {call.tool} {shortened(call.arguments)}" for call in calls)
            case ToolStarted(call=call) if call in self._started:
                yield f"{self._tools.get(call, 'a tool')}: was interrupted; it is safe to repeat and is called again"
            case ToolStarted(call=call):
                self._started.add(call)
            case ToolResult() if body.call in self._tools:
                yield f"{self._tools[body.call]}: {outcome(body)}"
            case Failed():
                yield f"The call of the model failed ({body.why or body.failure}); it is tried again."
            case _:
                pass


def asked(seq: int, body: Question, way: Callable[[str], str]) -> str:
    """A question, and for each option the way to give it."""
    options = ("YOUR ANSWER", *body.options) if body.free else body.options
    return "\n".join((body.text, "To answer:", *(f"  {way(f'/choose {seq} {option}')}" for option in options)))


def made(entry: Entry, name: str) -> Iterator[str]:
    """The files that a call in the conversation called `name` brought, and the way to get them."""
    files = [file for file in entry.body.files if not file.whole] if isinstance(entry.body, ToolResult) else []
    if files:
        yield f"{', '.join(map(file_and_size, files))}: `{command('show')} {shlex.quote(name)} --save {entry.seq}` writes {'it' if len(files) == 1 else 'them'} here"


def file_and_size(file: Produced) -> str:
    return f"{file.name} ({size(file.size)})" if file.size else file.name


def outcome(body: ToolResult) -> str:
    """How a call ended, on one line."""
    match body.outcome:
        case "ok":
            return shortened(body.text) or "done"
        case "error":
            return f"failed: {shortened(body.text)}"
        case "declined":
            return f"was not called: {shortened(body.text)}"
        case "unknown":
            return "was interrupted; whether it happened is not known"


def shortened(text: str) -> str:
    """On one line, and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= SHORT_CHARS_MAX else line[: SHORT_CHARS_MAX - 1] + "…"
