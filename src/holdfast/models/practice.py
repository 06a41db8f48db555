"""The practice model: built in, without a key, always the same. It shows what Holdfast does before a real model is connected.

`reply` decides what to say from the request alone; `PracticeModel` says it in the pace of a real model.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any, Final

from holdfast.core import words
from holdfast.core.entries import Usage
from holdfast.core.request import Assistant, Request, Result, Tool, User
from holdfast.models.practice_words import CONNECT, INTRODUCTION, LONG_STORY, NO_CHECK, NO_CLOCK, NOTED, TOPICS
from holdfast.ports import Answer

PAUSE_S: Final = 0.02
"""Between two words, by default: a quick model."""

_USE: Final = re.compile(r"\buse\s+([\w.-]+)\s*", re.IGNORECASE)
_NEXT: Final = re.compile(r"\s*(?:,|;|and(?:\s+then)?|then)\s*(?!use\b)([\w.-]+)\s*(?=\{)", re.IGNORECASE)
_USE_THE: Final = re.compile(r"\buse the ([\w.-]+) tool\b", re.IGNORECASE)
_TIME: Final = re.compile(r"\bwhat time is it\b|\bwhat(?:'s| is) the time\b|\btell me the time\b", re.IGNORECASE)
_LONG: Final = re.compile(r"\blong (?:story|answer|text)\b", re.IGNORECASE)
_CLOCKS: Final = ("current_time", "clock", "now", "time")
_RESULT_CHARS_MAX: Final = 1000
_AGAIN: Final = "it may safely be called again"
_UNKNOWN: Final = "may or may not have happened"


class PracticeModel:
    """See `holdfast.ports.Model`. `pause_s` is waited before each word; with 0 the whole text comes at once."""

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s

    async def call(self, request: Request, on_event: Callable[[str], None]) -> Answer:
        answer = reply(request)
        on_event("")
        await asyncio.sleep(self._pause_s)
        if self._pause_s:
            for word in re.finditer(r"\S+\s*", answer.text):
                on_event(answer.text[: word.end()])
                await asyncio.sleep(self._pause_s)
        elif answer.text:
            on_event(answer.text)
        return answer

    async def warm(self) -> None:
        """There is nothing to import."""

    async def close(self) -> None:
        """There is nothing to close."""


def reply(request: Request) -> Answer:
    """What the practice model answers to this request: the same to the same, always."""
    text, calls = _decide(request)
    said = sum(len(message.text) for message in request.messages)
    return Answer(text=text, calls=calls, usage=Usage(input_tokens=said // 4 + 1, output_tokens=len(text) // 4 + 1))


Calls = tuple[tuple[str, str], ...]


def _decide(request: Request) -> tuple[str, Calls]:
    last = request.messages[-1]
    if isinstance(last, Result):
        return _after_calls(request)
    asked = last.text if isinstance(last, User) else ""
    if ordered := _ordered(asked, request.tools):
        return ordered
    if (named := _USE_THE.search(asked)) and (tool := _tool(named.group(1), request.tools)):
        return "", ((tool.name, json.dumps(_examples(tool.schema))),)
    if wanted := _wanted(asked, request.tools):
        return _use(wanted, request.tools)
    if _TIME.search(asked):
        clock = _clock(request.tools)
        return ("", (clock,)) if clock else (NO_CLOCK, ())
    if _LONG.search(asked):
        return LONG_STORY, ()
    for pattern, answer in TOPICS:
        if pattern.search(asked):
            return answer, ()
    return f"{INTRODUCTION}\n\n{CONNECT}", ()


def _after_calls(request: Request) -> tuple[str, Calls]:
    """Make again what may safely be made again; else tell the results."""
    results = list(takewhile(lambda message: isinstance(message, Result), reversed(request.messages)))[::-1]
    answer = request.messages[-len(results) - 1]
    calls = {call.id: call for call in answer.calls} if isinstance(answer, Assistant) else {}
    told = [result for result in results if isinstance(result, Result)]
    if again := [call for result in told if _AGAIN in result.text and (call := calls.get(result.call))]:
        return "", tuple((call.tool, call.arguments) for call in again)
    return "\n".join(map(_told, told)), ()


def _ordered(asked: str, tools: Sequence[Tool]) -> tuple[str, Calls] | None:
    """What is done about a call whose outcome nobody knew, when the user has chosen."""
    for choice in ("check", "retry", "done", "skip"):
        _, found, call = asked.rpartition(words.order(choice, ""))
        if not found:
            continue
        name, _, arguments = call.strip().partition(" ")
        match choice:
            case "retry":
                return _use([(name, arguments)], tools)
            case "check":
                looks = _tool(f"{name.rpartition('__')[2]}ed", tools)
                return ("", ((looks.name, arguments),)) if looks else (NO_CHECK, ())
            case _:
                return NOTED[choice], ()
    return None


def _told(result: Result) -> str:
    text = result.text.strip()
    if _UNKNOWN in text:
        return f"The tool {result.tool} was interrupted, and I can't know whether it did what it should. I won't say that it did."
    if not text:
        return f"The tool {result.tool} is done and said nothing."
    if len(text) > _RESULT_CHARS_MAX:
        text = text[:_RESULT_CHARS_MAX] + "… (the rest is left out here)"
    return f"The tool {result.tool} says: {text}"


def _wanted(asked: str, tools: Sequence[Tool]) -> list[tuple[str, str | None]]:
    """What `use NAME {json} and NAME {json}` asks for: names with the text of a JSON object, or None for what should be one and is not.

    Without an object it counts only for the name of a tool: people also say “use” for other things.
    """
    wanted: list[tuple[str, str | None]] = []
    found = _USE.search(asked)
    while found is not None:
        name, at = found.group(1), found.end()
        if asked.startswith("{", at) or _tool(name, tools) is not None:
            arguments, at = _arguments(asked, at)
            wanted.append((name, arguments))
        found = (_NEXT.match(asked, at) if wanted else None) or _USE.search(asked, at)
    return wanted


def _arguments(text: str, at: int) -> tuple[str | None, int]:
    """The JSON object that begins at `at`, and where it ends; nothing there means no arguments."""
    if not text.startswith("{", at):
        return "{}", at
    try:
        _, end = json.JSONDecoder().raw_decode(text, at)
    except json.JSONDecodeError:
        return None, len(text)
    return text[at:end], end


def _use(wanted: Sequence[tuple[str, str | None]], tools: Sequence[Tool]) -> tuple[str, Calls]:
    """Make these calls, all or none."""
    calls: list[tuple[str, str]] = []
    for name, arguments in wanted:
        tool = _tool(name, tools)
        if tool is None:
            known = ", ".join(sorted(tool.name for tool in tools)) or "none"
            return f"I have no tool called {name}. Those I have: {known}.", ()
        if arguments is None:
            return (
                f'What follows {name} is not a JSON object, so I have called nothing. Write it like this: use {name} {{"key": "value"}}',
                (),
            )
        calls.append((tool.name, arguments))
    return "", tuple(calls)


def _tool(name: str, tools: Sequence[Tool]) -> Tool | None:
    """The tool of that name, or the only one whose name ends so: the server's name need not be written."""
    named = [tool for tool in tools if tool.name == name] or [tool for tool in tools if re.search(rf"[_.-]{re.escape(name)}$", tool.name)]
    return named[0] if len(named) == 1 else None


def _clock(tools: Sequence[Tool]) -> tuple[str, str] | None:
    """A call of the tool that most looks like a clock, if its arguments can be guessed."""
    for word in _CLOCKS:
        for tool in tools:
            arguments = _guessed(tool.schema)
            if word in tool.name and arguments is not None:
                return tool.name, json.dumps(arguments)
    return None


def _examples(schema: Any) -> dict[str, Any]:
    """Arguments as the tool's own schema shows them."""
    return {name: property_["examples"][0] for name, property_ in schema.get("properties", {}).items() if property_.get("examples")}


def _guessed(schema: Any) -> dict[str, str] | None:
    """Arguments for a clock: its time zone, where it takes one. None if it needs anything else."""
    zones = [name for name in schema.get("properties", {}) if name in {"timezone", "tz", "zone"}]
    if set(schema.get("required", ())) - set(zones[:1]):
        return None
    return {zones[0]: "UTC"} if zones else {}
