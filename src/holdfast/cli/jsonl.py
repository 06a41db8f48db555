"""Conversations in JSON Lines: those of `holdfast export`, and those of others with one line for each message (docs/jsonl.md)."""

from __future__ import annotations

import codecs
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.core.entries import AssistantMessage, Entry, ToolResult, UserMessage
from holdfast.core.exported import BYTES_MAX, LINE_BYTES_MAX, Head, Unusable, check, decoded
from holdfast.core.history import Answered, Called, CameBack, History, Line, Wrote, text_of, transcribed
from holdfast.core.settling import settled
from holdfast.errors import Request
from holdfast.web.wire import ACCOUNT, AUTHOR, NAME_CHARS_MAX, conversation_key


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation to be brought here, at rest: nothing, if there is nothing in it (`entries` is empty), or it can't be read, and `why`."""

    name: str
    head: Head | None = None
    entries: tuple[Entry, ...] = ()
    messages: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    why: str = ""


class _Function(msgspec.Struct):
    name: str
    arguments: Any = None


class _Call(msgspec.Struct):
    """`tool` and `arguments`, or a `function` with both, as others write it."""

    id: str = ""
    tool: str = ""
    arguments: Any = None
    function: _Function | None = None


class _Message(msgspec.Struct, forbid_unknown_fields=False):
    """A line of the simple format. Of two names for one thing, the second is what others use."""

    conversation: str
    role: str
    text: str | None = None
    content: Any = None
    at: float | str = 0.0
    name: str = ""
    title: str = ""
    calls: tuple[_Call, ...] = ()
    tool_calls: tuple[_Call, ...] = ()
    call: str = ""
    tool_call_id: str = ""
    tool: str = ""


NO_MESSAGES: Final = "lines of other roles than user, assistant and tool"


def conversations(file: Path) -> Iterator[Found]:
    """One after the other; the lines of each stand together. Raises `Request` if the file can't be read at all."""
    seen: set[str] = set()
    block: _Block | None = None
    for number, line in _lines(file):
        begins = _name(line)
        if block is None or (begins and begins != block.name):
            if block is not None:
                yield block.found()
            block = _Block(begins, again=begins in seen, source=file.name)
            seen.add(begins)
        block.add(line, number)
    if block is not None:
        yield block.found()


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with file.open("rb") as lines:
            number = 0
            while line := lines.readline(LINE_BYTES_MAX + 1):
                number += 1
                if len(line) > LINE_BYTES_MAX:
                    raise Request(
                        f"Line {number} of {file} is longer than {LINE_BYTES_MAX // 1024 // 1024} MB. Is it a file of JSON Lines?"
                    )
                if line.removeprefix(codecs.BOM_UTF8).strip():
                    yield number, line.removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise Request(f"{file} can't be read: {error.strerror}.") from error


class _Names(msgspec.Struct):
    holdfast: int = 0
    conversation: str = ""


def _name(line: bytes) -> str:
    """The conversation that this line is of; "" if it does not say so, as entries don't."""
    try:
        names = msgspec.json.decode(line, type=_Names)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return f"{'whole ' if names.holdfast else ''}{names.conversation}" if names.conversation else ""


class _Block:
    """The lines of one conversation, as they come."""

    def __init__(self, name: str, *, again: bool, source: str) -> None:
        self.name = name
        self._source = source
        self._why = "its lines do not stand together" if again else "" if name else "line 1 does not say which conversation it is of"
        self._head: Head | None = None
        self._entries: list[Entry] = []
        self._history: list[Line] = []
        self._title = ""
        self._at = 0.0
        self._left_out = Counter[str]()
        self._bytes = 0

    def add(self, line: bytes, number: int) -> None:
        self._bytes += len(line)
        if self._bytes > BYTES_MAX:
            self._why = self._why or f"it is larger than {BYTES_MAX // 1024 // 1024} MB"
        if self._why:
            return
        try:
            self._take(line)
        except Unusable as error:
            self._why = f"line {number}: {error}"

    def _take(self, line: bytes) -> None:
        if not self.name.startswith("whole "):
            self._message(decoded(line, _Message))
        elif self._head is None:
            self._head = decoded(line, Head)
        else:
            self._entries.append(decoded(line, Entry))

    def _message(self, message: _Message) -> None:
        text = message.text
        if text is None:
            text = text_of(message.content, self._left_out) if message.content is not None else ""
        self._at = _instant(message.at) or self._at
        self._title = message.title or self._title
        match message.role:
            case "user":
                self._history.append(Wrote(text, self._at, message.name))
            case "assistant":
                self._history.append(Answered(text, self._at, tuple(map(_called, message.calls or message.tool_calls))))
            case "tool":
                self._history.append(CameBack(text, self._at, message.call or message.tool_call_id, message.tool))
            case "title":
                self._title = text
            case _:
                self._left_out[NO_MESSAGES] += 1

    def found(self) -> Found:
        """What has come of it. Its lines are forgotten."""
        name = self.name.removeprefix("whole ") or "the first lines"
        if self._why:
            return Found(name, why=self._why)
        try:
            return self._whole(name, self._head) if self._head is not None else self._told(name)
        except Unusable as error:
            return Found(name, why=str(error))

    def _whole(self, name: str, head: Head) -> Found:
        if head.entries != len(self._entries):
            raise Unusable(f"{len(self._entries):,} of its {head.entries:,} entries are here; was the file cut off?")
        if not self._entries:
            return Found(name)
        messages = sum(isinstance(entry.body, UserMessage | AssistantMessage | ToolResult) for entry in self._entries)
        check(head, self._entries, at_rest=False)
        entries = settled(self._entries, AUTHOR, read_here=head.account == ACCOUNT)
        head = msgspec.structs.replace(head, entries=len(entries))
        check(head, entries)
        return Found(name, head, entries, messages)

    def _told(self, name: str) -> Found:
        done = transcribed(History(self._title, self._source, self._history, self._left_out), AUTHOR)
        return found(name, name_of(name), done.entries, done.messages, done.left_out)


def found(name: str, key_name: str, entries: tuple[Entry, ...], messages: int, left_out: Counter[str]) -> Found:
    """A conversation that becomes one of the page and the terminal, under this name."""
    head = Head(holdfast=1, conversation=conversation_key(key_name), account=ACCOUNT, address=key_name, entries=len(entries))
    if not entries:
        return Found(name, left_out=left_out)
    check(head, entries)
    return Found(name, head, entries, messages, left_out)


def name_of(name: str) -> str:
    """A name that a conversation here can have: that one, or one made of it, the same for ever."""
    try:
        conversation_key(name)
    except Request:
        mark = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8]
        plain = " ".join("".join(char if char.isprintable() and char not in ":/" else " " for char in name).split())
        return f"{plain[: NAME_CHARS_MAX - len(mark) - 1]} {mark}".strip()
    return name


def _called(call: _Call) -> Called:
    if call.function is not None:
        return Called(call.id, call.function.name, call.function.arguments)
    return Called(call.id, call.tool, call.arguments)


def _instant(at: float | str) -> float:
    if isinstance(at, str):
        try:
            return datetime.fromisoformat(at).timestamp()
        except (ValueError, OverflowError, OSError) as error:
            raise Unusable(f"{at[:40]!r} is no time; write it as 2025-11-21T20:00:00Z") from error
    return at
