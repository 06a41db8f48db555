"""The few tools that only a gateway can offer: what time it is and where this is said, the files of the conversation, and the clock as a platform.

They touch nothing but the conversation for which they are called, and may be called again: a reminder is named after its call, and its time is counted
from the answer that asked for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final, TypeVar

import msgspec

from holdfast.core import words
from holdfast.core.entries import AssistantMessage, Call, Command, Correction, Entry, Fetched, Produced, ToolResult, UserMessage
from holdfast.core.files import HEAD_BYTES, is_picture, media_type_of
from holdfast.core.request import Tool
from holdfast.errors import Request
from holdfast.local_time import LocalTime
from holdfast.ports import ALL, NOBODY, Arrival, Caller, Clock, Files, Journal, Offer, Timer, ToolOutcome, ToolServerState
from holdfast.settings import OWN_TOOLS
from holdfast.tools.catalogue import tool_name

READ_CHARS: Final = 16_000
READ_CHARS_MAX: Final = 50_000
"""Of a file in one result."""

REMINDERS_MAX: Final = 100
"""Of one conversation."""
AHEAD_S_MIN: Final = 10.0
AHEAD_S_MAX: Final = 5 * 366 * 86_400.0
EVERY_S_MIN: Final = 60.0
TEXT_CHARS_MAX: Final = 4_000

ENTRIES_PER_PAGE: Final = 500
PAGES_MAX: Final = 100
"""So far back a file is looked for."""
NAMED_MAX: Final = 20
"""So many files, or reminders, are named to whoever asks for one that is not there."""

_SPAN: Final = re.compile(
    r"(?:in|after|every)?\s*(\d{1,7}(?:\.\d{1,3})?)?\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)", re.IGNORECASE
)
_UNIT_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}
_WHOLE: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_TIME_OF_DAY: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_ID: Final = re.compile(r"[0-9a-f]{16,64}")


class _Read(msgspec.Struct):
    file: str
    start: int = 0
    chars: int = READ_CHARS


class _Remind(msgspec.Struct):
    text: str
    when: str
    every: str | None = None


class _Forget(msgspec.Struct):
    id: str


Arguments = TypeVar("Arguments", _Read, _Remind, _Forget)


class BuiltIn:
    """These tools, as `ports.ToolHost`. They have no server."""

    def __init__(self, journal: Journal, files: Files, clock: Clock, local: LocalTime) -> None:
        self._journal, self._files, self._clock, self._local = journal, files, clock, local

    async def ready(self) -> None:
        """At once."""

    def tools(self) -> tuple[Tool, ...]:
        return TOOLS

    def servers(self) -> tuple[ToolServerState, ...]:
        return ()

    def offers(self) -> tuple[Offer, ...]:
        return ()

    async def call(self, call: Call, caller: Caller = NOBODY) -> ToolOutcome:
        try:
            return ToolOutcome("ok", await self._call(call, caller))
        except Request as failure:
            return ToolOutcome("error", str(failure))

    async def _call(self, call: Call, caller: Caller) -> str:
        match call.tool.partition("__")[2]:
            case "now":
                return self._now(caller)
            case "read_attachment":
                return await self._read(_given(call, _Read), caller)
            case "remind":
                return await self._remind(_given(call, _Remind), call, caller)
            case "reminders":
                return self._listed(await self._journal.timers(caller.conversation)) or "There are no reminders in this conversation."
            case "forget_reminder":
                return await self._forget(_given(call, _Forget), caller)
            case _:
                raise Request(f"there is no tool {call.tool!r}")

    def _now(self, caller: Caller) -> str:
        now = self._clock.now()
        iso = self._local.at(now).isoformat(timespec="seconds")
        platform = caller.account.partition(":")[0]
        return (
            f"It is {self._local.said(now)}; as ISO: {iso}. "
            f"This is the platform {platform!r}, the account {caller.account!r}, the conversation {caller.conversation!r}."
        )

    # --- files ------------------------------------------------------------------------------------------------------------------------

    async def _read(self, asked: _Read, caller: Caller) -> str:
        file = await self._file(asked.file.strip(), caller.conversation)
        data = await self._files.read(file.sha256)
        media_type = media_type_of(data[:HEAD_BYTES])
        if is_picture(media_type):
            raise Request(
                f"{file.name} is a picture ({media_type}, {_size(data)}), not a text. You see it where it came, if you can see pictures at all."
            )
        text = await asyncio.to_thread(_text, data)
        if text is None:
            raise Request(f"{file.name} is not a text ({file.media_type or 'of unknown kind'}, {_size(data)}), and can't be read as one.")
        start, end = asked.start, min(asked.start + min(asked.chars, READ_CHARS_MAX), len(text))
        if not 0 <= start < max(len(text), 1) or asked.chars < 1:
            raise Request(f"{file.name} has {len(text)} characters: `start` is from 0 to {max(len(text) - 1, 0)}, and `chars` at least 1.")
        more = f"; it goes on with start={end}" if end < len(text) else "; that is its end"
        return f"[{file.name}, characters {start} to {end} of {len(text)}{more}]\n{text[start:end]}"

    async def _file(self, wanted: str, conversation: str) -> Produced:
        """The newest file of that id or name."""
        known: dict[str, Produced] = {}
        async with aclosing(self._files_of(conversation)) as files:
            async for file in files:
                if file.name == wanted or (_ID.fullmatch(wanted) and file.sha256.startswith(wanted)):
                    return file
                known.setdefault(file.sha256, file)
        named = ", ".join(f"{file.name} ({file.sha256[:16]})" for file in list(known.values())[:NAMED_MAX])
        there = f"There are: {named}." if named else "There are none."
        raise Request(f"There is no file {wanted[:100]!r} in this conversation. {there}")

    async def _files_of(self, conversation: str) -> AsyncGenerator[Produced]:
        """The files that came with messages or were made by tools since `/new`, the newest first. Those of deleted messages are gone."""
        fetched: dict[str, str] = {}
        deleted: set[str] = set()
        async with aclosing(self._back(conversation)) as entries:
            async for entry in entries:
                match entry.body:
                    case Command(name="new"):
                        return
                    case Correction(of=message, text=None):
                        deleted.add(message)
                    case Fetched(attachment=attachment, sha256=sha256) if sha256:
                        fetched[attachment] = sha256
                    case UserMessage(attachments=attachments, id=message) if message not in deleted:
                        for one in attachments:
                            if one.id in fetched:
                                yield Produced(sha256=fetched[one.id], name=one.name, media_type=one.media_type)
                    case ToolResult(files=files):
                        for file in files:
                            yield file

    async def _back(self, conversation: str) -> AsyncGenerator[Entry]:
        """The entries, the newest first."""
        before = ALL
        for _ in range(PAGES_MAX):
            entries = await self._journal.page(conversation, before, ENTRIES_PER_PAGE)
            for entry in reversed(entries):
                yield entry
            if len(entries) < ENTRIES_PER_PAGE:
                return
            before = entries[0].seq

    # --- reminders --------------------------------------------------------------------------------------------------------------------

    async def _remind(self, asked: _Remind, call: Call, caller: Caller) -> str:
        text = asked.text.strip()
        if not 0 < len(text) <= TEXT_CHARS_MAX:
            raise Request(f"`text` has {len(text)} characters; it says what to do then, in 1 to {TEXT_CHARS_MAX}.")
        at = await self._at(asked.when.strip(), call, caller)
        every_s = _every(asked.every.strip()) if asked.every else 0.0
        key = f"{caller.conversation} {call.id}"
        others = [timer for timer in await self._journal.timers(caller.conversation) if timer.key != key]
        if len(others) >= REMINDERS_MAX:
            raise Request(f"This conversation has {len(others)} reminders, and no more are kept. Forget one first.")
        body = UserMessage(author=caller.author, id=f"reminder {call.id}", text=text, scheduled=True)
        arrival = Arrival(caller.conversation, caller.account, caller.address, "", body, at)
        timer = Timer(key, at, arrival, every_s, at)
        await self._journal.put_timer(timer)
        return f"It is noted. {self._listed([timer])}"

    async def _at(self, when: str, call: Call, caller: Caller) -> float:
        """The instant that is meant, counted from the answer that made the call: the same whenever, and however often, the call is made."""
        asked = await self._asked(call, caller)
        span = _span(when)
        at = asked + span if span is not None else self._instant(when, asked)
        if at is None:
            iso = self._local.at(asked).isoformat(timespec="minutes")
            raise Request(
                f"`when` is {when[:100]!r}; it is a time from now such as '10 minutes' or '2 hours', or a date and time such as '{iso[:16]}'."
            )
        at = float(ceil(at))
        if not AHEAD_S_MIN <= at - asked <= AHEAD_S_MAX:
            raise Request(
                f"`when` is {when[:100]!r}, and now it is {self._local.said(asked)}. It must be at least {words.span(AHEAD_S_MIN)} ahead, and at most 5 years."
            )
        return at

    async def _asked(self, call: Call, caller: Caller) -> float:
        """When the answer came that made the call."""
        async with aclosing(self._back(caller.conversation)) as entries:
            async for entry in entries:
                if isinstance(entry.body, AssistantMessage):
                    return entry.at if any(one.id == call.id for one in entry.body.calls) else self._clock.now()
        return self._clock.now()

    def _instant(self, when: str, asked: float) -> float | None:
        """A date and time, or a time of day: the next one. None if it is neither."""
        try:
            if time_of_day := _TIME_OF_DAY.fullmatch(when):
                hour, minute = map(int, time_of_day.groups())
                today = self._local.at(asked).replace(hour=hour, minute=minute, second=0, microsecond=0)
                at = self._local.instant(today)
                return at if at > asked else self._local.instant(today + timedelta(days=1))
            wall = datetime.fromisoformat(when)
            return wall.timestamp() if wall.tzinfo else self._local.instant(wall)
        except (ValueError, OverflowError):
            return None

    async def _forget(self, asked: _Forget, caller: Caller) -> str:
        timers = await self._journal.timers(caller.conversation)
        timer = next((timer for timer in timers if _id(timer) == asked.id.strip()), None)
        if timer is None:
            return f"There is no reminder {asked.id[:100]!r} (any more). {self._listed(timers)}".strip()
        await self._journal.drop_timer(timer.key)
        return f"It is forgotten: {self._listed([timer])}"

    def _listed(self, timers: list[Timer] | tuple[Timer, ...]) -> str:
        return "\n".join(map(self._line, timers))

    def _line(self, timer: Timer) -> str:
        again = f", and then every {_how_often(timer.every_s)}" if timer.every_s else ""
        text = timer.arrival.body.text if isinstance(timer.arrival.body, UserMessage) else ""
        return f"{_id(timer)}: {self._local.said(timer.at)}{again}: {text}"


def _given(call: Call, kind: type[Arguments]) -> Arguments:
    """What it is called with. Numbers may stand in quotes, as some models have them."""
    try:
        return msgspec.json.decode(call.arguments or "{}", type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeError) as failure:
        raise Request(f"{call.tool} can't be called with these arguments: {failure}.") from failure


def _span(text: str) -> float | None:
    """A length of time in seconds: `10 minutes`, `in 2 h`, `day`. None if it is none."""
    found = _SPAN.fullmatch(text)
    return float(round(float(found[1] or 1) * _UNIT_S[found[2][0].lower()])) if found else None


def _every(text: str) -> float:
    every_s = _span(text)
    if every_s is None:
        raise Request(f"`every` is {text[:100]!r}; it is a length of time such as '30 minutes', '12 hours' or '1 day'.")
    if not EVERY_S_MIN <= every_s <= AHEAD_S_MAX:
        raise Request(f"`every` is {words.span(every_s)}; it must be at least {words.span(EVERY_S_MIN)}, and at most 5 years.")
    return every_s


def _how_often(every_s: float) -> str:
    """`30 minutes`, `1 day`: in the largest unit of which it is a whole number."""
    length_s, unit = next((length_s, unit) for length_s, unit in _WHOLE if not every_s % length_s)
    number = int(every_s // length_s)
    return f"{number} {unit}{'s' if number > 1 else ''}"


def _id(timer: Timer) -> str:
    """What a conversation calls its timer: the id of the call that set it."""
    return timer.key.rpartition(" ")[2]


def _text(data: bytes) -> str | None:
    """The text of a file, if it is one."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _size(data: bytes) -> str:
    return f"{max(1, round(len(data) / 1024))} kB"


def _tool(name: str, description: str, required: tuple[str, ...] = (), **properties: dict[str, Any]) -> Tool:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(tool_name(OWN_TOOLS, name), description, schema, server=OWN_TOOLS, repeatable=True, policy="allow")


def _words(description: str, kind: str = "string") -> dict[str, Any]:
    return {"type": kind, "description": description}


TOOLS: Final = (
    _tool("now", "The date and time where the user lives, and in which chat this is."),
    _tool(
        "read_attachment",
        "Read a text file of this conversation, in parts: one that the user sent, one that a tool made, or the whole of a long result.",
        ("file",),
        file=_words("Its name; or its id, as markers show it"),
        start=_words("From which character on; 0 is the beginning", "integer"),
        chars=_words(f"How many characters: {READ_CHARS} if left out, at most {READ_CHARS_MAX}", "integer"),
    ),
    _tool(
        "remind",
        "Do or say something later, in this conversation. When the time comes, you are told `text`, and the user gets your answer.",
        ("text", "when"),
        text=_words("What to do or say then, in full"),
        when=_words("How long from now, such as '10 minutes' or '2 hours'; or a date and time of the user's, such as '2030-12-31T18:30'"),
        every=_words("Only for what comes again and again: how often, such as '30 minutes', '1 day' or '1 week'"),
    ),
    _tool("reminders", "The reminders of this conversation that are still to come, each with its id."),
    _tool("forget_reminder", "Forget a reminder of this conversation.", ("id",), id=_words("Its id, as `remind` and `reminders` tell it")),
)
