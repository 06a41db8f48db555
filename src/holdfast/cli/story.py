"""A conversation's entries as a story that its owner can read. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from textwrap import indent
from typing import assert_never

from holdfast.cli.screen import plain
from holdfast.cli.watch import file_and_size, outcome
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Attachment,
    Choice,
    Command,
    Correction,
    Delivered,
    DeliveryFailed,
    DeliveryStarted,
    Entry,
    Failed,
    Fetched,
    Forgotten,
    Note,
    Notice,
    Question,
    SetAside,
    Summary,
    ToolResult,
    ToolStarted,
    UserMessage,
    outgoing_name,
)
from holdfast.core.words import choices

INDENT = "    "


def story(entries: Sequence[Entry], when: Callable[[float], str]) -> Iterator[str]:
    """The lines of the story. Each entry has a line with its time, who or what it was, and its seq; its words follow, indented."""
    for entry, who, words in told(entries):
        yield f"{when(entry.at)}  {plain(who)}  [{entry.seq}]"
        if words:
            yield indent(plain(words), INDENT)


def told(entries: Sequence[Entry]) -> Iterator[tuple[Entry, str, str]]:
    """The entries that are told of, each with who or what it was, and its words."""
    teller = _Teller(entries)
    for entry in entries:
        if (one := teller.tell(entry.seq, entry.body)) is not None:
            yield entry, *one


class _Teller:
    """Knows what became of each call, question and outgoing entry before it tells of it."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._tools: dict[str, str] = {}
        self._started: set[str] = set()
        self._delivery: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._asked: dict[int, Question] = {}
        for entry in entries:
            match entry.body:
                case AssistantMessage() as body:
                    self._tools |= {call.id: call.tool for call in body.calls}
                case Question() as body:
                    self._asked[entry.seq] = body
                case UserMessage() as body:
                    self._files |= {attachment.id: attachment.name for attachment in body.attachments}
                case DeliveryStarted(of=of, preview=False):
                    self._delivery[of] = "sending"
                case Delivered(of=of, preview=False):
                    self._delivery[of] = "delivered"
                case DeliveryFailed() as body:
                    self._delivery[body.of] = _undelivered(body)
                case _:
                    pass

    def tell(self, seq: int, body: AnyBody) -> tuple[str, str] | None:  # noqa: C901, PLR0912 one line for each kind of entry
        """Who or what, and the words; None for an entry that is told with another one."""
        match body:
            case UserMessage(scheduled=True):
                return "the time had come for", _with_files(body.text, body.attachments)
            case UserMessage():
                return f"{body.author} wrote", _with_files(body.text, body.attachments)
            case Correction(text=None):
                return f"{body.author} deleted the message {body.of}", ""
            case Correction():
                return f"{body.author} changed the message {body.of}", body.text or ""
            case Command():
                return f"{body.author} gave the command /{body.name} {body.args}".rstrip(), ""
            case Choice(question=seq_asked) if (asked := self._asked.get(seq_asked)) and body.option not in asked.options and asked.free:
                return f"{body.author} answered question {seq_asked}", body.option
            case Choice():
                return f"{body.author} chose {body.option!r} for question {body.question}", ""
            case AssistantMessage():
                return self._answer(seq, body)
            case Question():
                return f"holdfast asks{self._word(seq, body)}", f"{body.text}\nChoices: {choices(body)}"
            case Notice():
                place = (
                    f" in place of [{body.edits}]" if body.edits else f" of question [{body.about}]" if body.about in self._asked else ""
                )
                return f"holdfast says{place}{self._word(seq, body)}", body.text
            case Note():
                return f"holdfast tells its owner{self._word(seq, body)}", body.text
            case ToolStarted():
                return self._tool_started(body)
            case ToolResult():
                return self._result(body)
            case Failed():
                return f"the call of the model failed on {body.route}; it is tried again", body.why or body.failure
            case Fetched():
                name = self._files.get(body.attachment, body.attachment)
                return (f"the file {name} could not be fetched", body.why) if body.why else (f"the file {name} was fetched", "")
            case Summary():
                return f"what was said up to {body.upto} was summed up for the model", body.text
            case SetAside(why="crashed") if body.since > body.upto:  # no turn is to blame
                return "what was being sent was given up: Holdfast crashed on it again and again", ""
            case SetAside(why="crashed"):
                return f"the turn from {body.since} to {body.upto} was set aside: Holdfast crashed on it again and again", ""
            case SetAside(why="gone"):
                return f"the turn from {body.since} to {body.upto} was set aside: whoever began it may not talk here any more", ""
            case SetAside():
                return f"the turn from {body.since} to {body.upto} was set aside: the model would not answer it", ""
            case DeliveryFailed(refusal="retry" | "absent"):
                return "a send failed and is tried again", body.why
            case Forgotten():
                return "everything before this was erased, by order of whoever runs this", ""
            case DeliveryStarted() | Delivered() | DeliveryFailed():
                return None
            case _:
                assert_never(body)

    def _answer(self, seq: int, body: AssistantMessage) -> tuple[str, str]:
        words = [body.text] if body.text else []
        words += [f"calls {call.tool} {call.arguments}" for call in body.calls]
        route = f" through {body.route}" if body.route else ""
        return f"the agent answered{route}{self._word(seq, body)}", "\n".join(words)

    def _word(self, seq: int, body: AssistantMessage | Question | Notice | Note) -> str:
        word = self._delivery.get(outgoing_name(seq, body))
        return f" ({word})" if word else ""

    def _tool_started(self, body: ToolStarted) -> tuple[str, str]:
        tool = self._tools.get(body.call, body.call)
        if body.call in self._started:
            return f"{tool} was interrupted; it is safe to repeat and was started again", ""
        self._started.add(body.call)
        return f"{tool} was started", ""

    def _result(self, body: ToolResult) -> tuple[str, str]:
        tool = self._tools.get(body.call, body.call)
        words = "\n".join((body.text, *(f"with the file {file_and_size(file)}" for file in body.files)))
        match body.outcome:
            case "ok":
                return f"{tool} is done", words
            case "error":
                return f"{tool} failed", words
            case "declined":
                return f"{tool} was not called", words
            case "unknown":
                return f"{tool} {outcome(body)}", words
            case _:
                assert_never(body.outcome)


def _undelivered(body: DeliveryFailed) -> str:
    match body.refusal:
        case "retry" | "absent":
            return "not yet delivered"
        case "unknown":
            return "perhaps delivered"
        case "refused" | "blocked":
            return "refused by the chat"
        case "gone":
            return "deleted by somebody while it was written, and sent anew"
        case "dropped":
            return "not delivered"


def _with_files(text: str, attachments: Sequence[Attachment]) -> str:
    return "\n".join([text, *(f"with the file {attachment.name}" for attachment in attachments)])
