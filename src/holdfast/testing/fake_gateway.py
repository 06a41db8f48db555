"""A gateway without journal, models and tools: keeps entries in memory (and in a file, where asked to) and does what a test tells it.

`python -m holdfast.testing.fake_gateway DATA_DIR` opens a real door with a small agent behind it, and may be killed like the real one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
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
from holdfast.core.weather import GateRow
from holdfast.core.words import title
from holdfast.errors import Request
from holdfast.ports import (
    ALL,
    Accepted,
    Access,
    Arrival,
    ConversationRow,
    Cursor,
    Files,
    Offer,
    Person,
    PlatformState,
    RouteState,
    SignIn,
    Snapshot,
    Standing,
    Used,
)
from holdfast.runtime.clock import SystemClock
from holdfast.store.files import FolderFiles
from holdfast.testing.memory_files import MemoryFiles
from holdfast.web.platform import WebPlatform

FILE: Final = "fake.jsonl"
USE_A_TOOL: Final = "use a tool"
ASK_ME: Final = "ask me"


class _Line(msgspec.Struct, frozen=True):
    conversation: str
    dedupe: str
    entry: Entry


class FakeGateway:
    """Implements `ports.Gateway`. `state` is what `status` says, `route_states` what `routes` does, `offers` what `tool_servers` does; `uses` what `used` does; `gates` are the
    names that `retry` knows, and `retried` the tool servers and accounts that were to be started now; `platform_states` and `access` are what `platforms` and
    `people` say."""

    def __init__(self, path: Path | None = None) -> None:
        self.state: dict[str, Any] = {}
        self.gates: set[str] = set()
        self.route_states: tuple[RouteState, ...] = ()
        self.offers: tuple[Offer, ...] = ()
        self.platform_states: tuple[PlatformState, ...] = ()
        self.access: tuple[Access, ...] = ()
        self.uses: tuple[Used, ...] = ()
        self.retried: list[str] = []
        self.sign_in_steps: tuple[SignIn, ...] = ()
        self.answers: list[tuple[str, str]] = []
        self.transcripts: dict[str, list[Entry]] = {}
        self.refusal: Exception | None = None
        self.files: Files = MemoryFiles() if path is None else FolderFiles(path.parent / "files")
        self._stands: dict[str, tuple[dict[str, Any], tuple[GateRow, ...]]] = {}
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
        self._tell()
        return line.entry

    def stand(self, conversation: str, *gates: GateRow, **facts: Any) -> None:
        """From now on the conversation's row says this, and it waits at these gates."""
        self._stands[conversation] = (facts, gates)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _keep(self, line: _Line) -> None:
        self.transcripts.setdefault(line.conversation, []).append(line.entry)
        if line.dedupe:
            self._accepted[line.dedupe] = Accepted(line.conversation, line.entry.seq, new=False)

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next append; another one is there then."""
        return self._changed

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

    async def read(self, conversation: str, after: int = 0, most: int = ALL) -> Snapshot:
        return Snapshot(tuple(self.transcripts.get(conversation, [])[after:][:most]), wakes=0)

    async def page(self, conversation: str, before: int, most: int) -> tuple[Entry, ...]:
        return tuple(self.transcripts.get(conversation, [])[: max(before - 1, 0)][-most:])

    async def adopt(self, conversation: str, account: str, address: str, entries: Sequence[Entry]) -> bool:  # noqa: ARG002 it has one account
        if conversation in self.transcripts:
            return False
        for entry in entries:
            self.append(conversation, entry.body, entry.epoch, at=entry.at)
        return True

    async def follow(self, conversation: str, after: int) -> AsyncIterator[Entry | Standing]:
        told: Standing | None = None
        while True:
            changed = self._changed
            for entry in (await self.read(conversation, after)).entries:
                yield entry
                after = entry.seq
            if conversation in self.transcripts and (standing := self._standing(conversation)) != told:
                told = standing
                yield standing
            await changed.wait()

    async def changes(self) -> AsyncIterator[None]:
        while True:
            await self._changed.wait()
            yield None

    def _standing(self, key: str) -> Standing:
        entries = self.transcripts[key]
        facts, gates = self._stands.get(key, ({}, ()))
        idle: dict[str, Any] = {"running": False, "due": None, "turn_gate": "", "speech_gate": "", "attempts": 0, "title": _title(entries)}
        return Standing(ConversationRow(key, "web:local", entries[-1].seq, entries[-1].at, **idle | facts), gates)

    async def conversations(self, most: int, before: ConversationRow | None = None) -> tuple[Standing, ...]:
        standings = sorted(map(self._standing, self.transcripts), key=_place, reverse=True)
        return tuple([one for one in standings if before is None or _place(one) < (before.last_at, before.key)][:most])

    async def search(self, text: str, most: int) -> tuple[tuple[Standing, str], ...]:
        found = []
        for standing in await self.conversations(most):
            said = [e.body.text for e in self.transcripts[standing.row.key] if isinstance(e.body, UserMessage | AssistantMessage)]
            found += [(standing, words) for words in said[::-1] if text.lower() in words.lower()][:1]
        return tuple(found)

    async def owing(self, most: int) -> tuple[Standing, ...]:
        standings = map(self._standing, self.transcripts)
        return tuple(sorted((one for one in standings if one.row.owes_since), key=lambda one: one.row.owes_since))[:most]

    async def used(self, since: float, before: float) -> tuple[Used, ...]:
        return self.uses if since < before else ()

    async def status(self) -> Mapping[str, Any]:
        return self.state

    async def compared(self) -> tuple[str, ...]:
        return ()

    async def differences(self) -> tuple[str, ...]:
        return ()

    def start_again(self) -> None:
        self.retried.append("start again")

    def leave_safe_mode(self) -> bool:
        return False

    async def routes(self) -> tuple[RouteState, ...]:
        return self.route_states

    async def why(self, conversation: str) -> str:
        if conversation not in self.transcripts:
            raise Request(f"There is no conversation {conversation!r} here.")
        return "Everything is answered."

    async def retry(self, gate: str) -> bool:
        return gate in self.gates

    async def tool_servers(self) -> tuple[Offer, ...]:
        return self.offers

    async def retry_tools(self, server: str) -> bool:
        known = any(offer.server.name == server for offer in self.offers)
        self.retried += [server] if known else []
        return known

    async def platforms(self) -> tuple[PlatformState, ...]:
        return self.platform_states

    async def retry_platform(self, name: str) -> bool:
        known = any(state.name == name for state in self.platform_states)
        self.retried += [name] if known else []
        return known

    async def sign_in(self, account: str) -> AsyncGenerator[SignIn, None]:
        if not any(state.name == account and state.signs_in for state in self.platform_states):
            raise Request(f"Nobody signs {account!r} in.")
        for step in self.sign_in_steps:
            yield step
            while step.asks and not self.answers:
                await self._changed.wait()

    async def answer_sign_in(self, account: str, said: str) -> None:
        self.answers.append((account, said))
        self._tell()

    async def people(self) -> tuple[Access, ...]:
        return self.access

    async def approve(self, code: str) -> Person:
        person = next((person for account in self.access for person in account.people if person.code == code), None)
        if person is None:
            raise Request(f"No code {code!r} is waiting.")
        approved = replace(person, since=time.time())
        self._put(approved.account, lambda people: tuple(approved if one == person else one for one in people))
        return approved

    async def remove(self, account: str, person: str) -> None:
        if not any(one.id == person for access in self.access if access.account == account for one in access.people):
            raise Request(f"Nobody let {person!r} in to {account}.")
        self._put(account, lambda people: tuple(one for one in people if one.id != person))

    def _put(self, account: str, change: Callable[[tuple[Person, ...]], tuple[Person, ...]]) -> None:
        self.access = tuple(replace(one, people=change(one.people)) if one.account == account else one for one in self.access)


def _place(standing: Standing) -> tuple[float, str]:
    return standing.row.last_at, standing.row.key


def _title(entries: Sequence[Entry]) -> str:
    """The newest `/title`, else the beginning of the first message."""
    named = [body.args for body in (entry.body for entry in entries) if isinstance(body, Command) and body.name == "title"]
    said = [body.text for body in (entry.body for entry in entries) if isinstance(body, UserMessage)]
    return title((named[-1:] or said[:1] or [""])[0])


class Agent:
    """Answers every message of a `FakeGateway`, word by word, and goes on after a kill as the real one does.

    `use a tool` makes it call one first, `ask me` makes it ask as well; everything else is repeated.
    """

    def __init__(self, gateway: FakeGateway, platform: WebPlatform, pace_s: float) -> None:
        self._gateway = gateway
        self._platform = platform
        self._pace_s = pace_s

    async def run(self) -> None:
        while True:
            changed = self._gateway.changed
            for conversation in list(self._gateway.transcripts):
                while await self._step(conversation):
                    pass
            await changed.wait()

    async def _step(self, conversation: str) -> bool:
        """Do what is owed next. False if nothing is."""
        entries = self._gateway.transcripts[conversation]
        replied = {entry.body.replies_to for entry in entries if isinstance(entry.body, Notice)}
        answers = [entry.body for entry in entries if isinstance(entry.body, AssistantMessage)]
        for entry in entries:
            match entry.body:
                case Command(name=given) | Choice(option=given) if entry.seq not in replied:
                    self._gateway.append(conversation, Notice(text=f"You gave {given}.", replies_to=entry.seq))
                    return True
                case UserMessage(text=text) if not answers or (entry.seq > answers[-1].seen and not answers[-1].calls):
                    calls = (
                        (Call(id=f"call_{entry.seq}", tool="clock_now", arguments='{"tz":"UTC"}'),) if text in {USE_A_TOOL, ASK_ME} else ()
                    )
                    await self._write(conversation, len(answers) + 1, entry.seq, "Let me look." if calls else f"You wrote: {text}", calls)
                    return True
                case _:
                    pass
        return bool(answers and answers[-1].calls) and await self._go_on(conversation, answers[-1], entries)

    async def _go_on(self, conversation: str, answer: AssistantMessage, entries: list[Entry]) -> bool:
        """Make the call, ask where that was wished, answer."""
        append, call, seen = self._gateway.append, answer.calls[0].id, answer.seen
        message, since = entries[seen - 1].body, [entry.body for entry in entries[seen:]]
        if not any(isinstance(body, ToolResult) for body in since):
            append(conversation, ToolStarted(call=call, repeatable=True))
            append(conversation, ToolResult(call=call, outcome="ok", text="12:00"))
        elif isinstance(message, UserMessage) and message.text == ASK_ME and not any(isinstance(body, Choice) for body in since):
            if any(isinstance(body, Question) for body in since):
                return False
            append(conversation, Question(question="budget", about=str(seen), text="Shall I go on?", options=("go on", "stop")))
            self._gateway.stand(conversation, asks=True)
        else:
            await self._write(conversation, answer.n + 1, len(entries), "It is noon.")
        return True

    async def _write(self, conversation: str, n: int, seen: int, text: str, calls: tuple[Call, ...] = ()) -> None:
        self._gateway.stand(conversation, running=True)
        for end in (at for at, char in enumerate(text) if char == " "):
            self._platform.show(conversation, f"a{n}", text[: end + 1])
            await asyncio.sleep(self._pace_s)
        self._gateway.stand(conversation)
        self._gateway.append(conversation, AssistantMessage(n=n, seen=seen, text=text, calls=calls, route="main"))


async def _main(data_dir: Path, pace_s: float, port: int) -> None:
    from holdfast.config import Web  # noqa: PLC0415 most users of this module need no server
    from holdfast.web import door  # noqa: PLC0415
    from holdfast.web.login import Login, page_address  # noqa: PLC0415
    from holdfast.web.server import serve_door, serve_page  # noqa: PLC0415
    from holdfast.web.wire import door_path  # noqa: PLC0415

    gateway, clock, web = FakeGateway(data_dir / FILE), SystemClock(), Web(port=port)
    platform, login = WebPlatform(gateway.files), Login(data_dir, clock)
    path = door_path(data_dir, os.environ.get("XDG_RUNTIME_DIR"))

    def opened(at: int) -> None:
        login.address = page_address(web, at)
        print("page", flush=True)  # noqa: T201

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Agent(gateway, platform, pace_s).run())
        tasks.create_task(serve_door(door.door(gateway, platform, login, clock), path, lambda: print("ready", flush=True)))  # noqa: T201 for who started us
        if port >= 0:
            tasks.create_task(serve_page(door.port(gateway, platform, login, clock, web), web, opened))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--pace-s", type=float, default=0.01)
    parser.add_argument("--port", type=int, default=-1, help="serve the page there (0: on any that is free), and say `page` when it is")
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.data_dir, arguments.pace_s, arguments.port))
