"""A gateway without journal, models and tools: keeps entries in memory (and in a file, where asked to) and does what a test tells it.

`python -m holdfast.testing.fake_gateway DATA_DIR` opens a real door with a small agent behind it, and may be killed like the real one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Call,
    Choice,
    Command,
    Entry,
    Notice,
    Question,
    ToolResult,
    ToolStarted,
    UserMessage,
)
from holdfast.ports import Accepted, Arrival, ConversationRow, Cursor, Snapshot
from holdfast.web.platform import WebPlatform


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class _Line(msgspec.Struct, frozen=True):
    conversation: str
    dedupe: str
    entry: Entry


class FakeGateway:
    """Implements `ports.Gateway`. `state` is what `status` says; `gates` are the names that `retry` knows."""

    def __init__(self, path: Path | None = None) -> None:
        self.state: dict[str, Any] = {}
        self.gates: set[str] = set()
        self.transcripts: dict[str, list[Entry]] = {}
        self.refusal: Exception | None = None
        self._accepted: dict[str, Accepted] = {}
        self._changed = asyncio.Event()
        self._path = path
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                self._keep(msgspec.json.decode(line, type=_Line))

    def append(self, conversation: str, body: AnyBody, epoch: int = 1, dedupe: str = "", at: float | None = None) -> Entry:
        """Commit one entry, and tell those who follow."""
        seq = len(self.transcripts.get(conversation, ())) + 1
        line = _Line(conversation, dedupe, Entry(seq, time.time() if at is None else at, epoch, body))
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(msgspec.json.encode(line).decode() + "\n")
        self._keep(line)
        self._changed.set()
        self._changed = asyncio.Event()
        return line.entry

    def _keep(self, line: _Line) -> None:
        self.transcripts.setdefault(line.conversation, []).append(line.entry)
        if line.dedupe:
            self._accepted[line.dedupe] = Accepted(line.conversation, line.entry.seq, new=False)

    async def changed(self) -> None:
        """Return at the next append."""
        await self._changed.wait()

    # --- ports.Gateway ---------------------------------------------------------------------------------------------------------------

    async def accept(self, arrivals: Sequence[Arrival], cursor: Cursor | None = None) -> tuple[Accepted, ...]:  # noqa: ARG002 it has none
        if self.refusal is not None:
            raise self.refusal
        return tuple(self._accept(arrival) for arrival in arrivals)

    def _accept(self, arrival: Arrival) -> Accepted:
        known = self._accepted.get(arrival.dedupe)
        if known is not None:
            return known
        entry = self.append(arrival.conversation, arrival.body, epoch=0, dedupe=arrival.dedupe, at=arrival.at)
        return Accepted(arrival.conversation, entry.seq, new=True)

    async def read(self, conversation: str, after: int = 0) -> Snapshot:
        return Snapshot(tuple(self.transcripts.get(conversation, [])[after:]), wakes=0)

    async def follow(self, conversation: str, after: int) -> AsyncIterator[Entry]:
        while True:
            changed = self._changed
            for entry in (await self.read(conversation, after)).entries:
                yield entry
                after = entry.seq
            await changed.wait()

    async def conversations(self, most: int) -> tuple[ConversationRow, ...]:
        rows = [
            ConversationRow(
                key, "web:local", entries[-1].seq, entries[-1].at, running=False, due=None, turn_gate="", speech_gate="", attempts=0
            )
            for key, entries in self.transcripts.items()
        ]
        return tuple(sorted(rows, key=lambda row: -row.last_at)[:most])

    async def status(self) -> Mapping[str, Any]:
        return self.state

    async def retry(self, gate: str) -> bool:
        return gate in self.gates


class Agent:
    """Answers every message of a `FakeGateway`, word by word, and goes on after a kill as the real one does.

    `use a tool` makes a call first, `ask me` asks; everything else is repeated.
    """

    def __init__(self, gateway: FakeGateway, platform: WebPlatform, pace_s: float) -> None:
        self._gateway = gateway
        self._platform = platform
        self._pace_s = pace_s

    async def run(self) -> None:
        while True:
            for conversation, entries in list(self._gateway.transcripts.items()):
                await self._advance(conversation, list(entries))
            await self._gateway.changed()

    async def _advance(self, conversation: str, entries: list[Entry]) -> None:
        answers = [entry.body for entry in entries if isinstance(entry.body, AssistantMessage)]
        replied = {entry.body.replies_to for entry in entries if isinstance(entry.body, Notice)}
        for entry in entries:
            match entry.body:
                case Command() as command if entry.seq not in replied:
                    self._gateway.append(conversation, Notice(text=f"You gave /{command.name}.", replies_to=entry.seq))
                case Choice() as choice if entry.seq not in replied:
                    self._gateway.append(conversation, Notice(text="So be it.", replies_to=entry.seq))
                    if answers and answers[-1].calls:
                        await self._write(conversation, len(answers) + 1, entry.seq, f"You chose {choice.option}.")
                case UserMessage() as message if entry.seq > max((answer.seen for answer in answers), default=0):
                    await self._answer(conversation, len(answers) + 1, entry.seq, message.text)
                    return await self._advance(conversation, list(self._gateway.transcripts[conversation]))
                case _:
                    pass
        return None

    async def _answer(self, conversation: str, n: int, seq: int, text: str) -> None:
        append = self._gateway.append
        if text == "ask me":
            call = Call(id=f"call_{n}_0", tool="clock_now", arguments="{}")
            append(conversation, AssistantMessage(n=n, seen=seq, calls=(call,)))
            append(conversation, ToolResult(call=call.id, outcome="error", text="There is no clock."))
            append(conversation, Question(question="budget", about=str(seq), text="Shall I go on?", options=("go on", "stop")))
        elif text == "use a tool":
            call = Call(id=f"call_{n}_0", tool="clock_now", arguments='{"tz":"UTC"}')
            await self._write(conversation, n, seq, "Let me look.", (call,))
            append(conversation, ToolStarted(call=call.id, repeatable=True))
            append(conversation, ToolResult(call=call.id, outcome="ok", text="12:00"))
            await self._write(conversation, n + 1, seq, "It is noon.")
        else:
            await self._write(conversation, n, seq, f"You wrote: {text}")

    async def _write(self, conversation: str, n: int, seen: int, text: str, calls: tuple[Call, ...] = ()) -> None:
        for end in (at for at, char in enumerate(text) if char == " "):
            self._platform.show(conversation, f"a{n}", text[: end + 1])
            await asyncio.sleep(self._pace_s)
        self._gateway.append(conversation, AssistantMessage(n=n, seen=seen, text=text, calls=calls, route="main"))


async def _main(data_dir: Path, pace_s: float) -> None:
    from holdfast.web.door import door  # noqa: PLC0415 most users of this module need no server
    from holdfast.web.server import serve_door  # noqa: PLC0415
    from holdfast.web.wire import door_path  # noqa: PLC0415

    gateway, platform = FakeGateway(data_dir / FILE), WebPlatform()
    path = door_path(data_dir, os.environ.get("XDG_RUNTIME_DIR"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_door(door(gateway, platform, SystemClock()), path, lambda: print("ready", flush=True)))  # noqa: T201 for who started us
        tasks.create_task(Agent(gateway, platform, pace_s).run())


FILE: Final = "fake.jsonl"

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--pace-s", type=float, default=0.01)
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.data_dir, arguments.pace_s))
