"""Hundreds of turns with tools, in a real gateway, while its tool servers crash, hang, babble and are stopped: is every message answered, and does nothing
grow?

    soaked = await soak(folder, turns=500, rounds=5)
    print(*soaked.looks, sep="\\n")
    assert not soaked.flaws()
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from holdfast.core.entries import AssistantMessage, Call, Entry, Question, ToolResult, ToolStarted
from holdfast.testing.crowd import memory_mb
from holdfast.testing.gateway_rig import to
from holdfast.testing.looking import LOOK_S
from holdfast.testing.process import GatewayProcess, effects_in, toolserver_table
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, call, delta, events, finish, http, text, usage
from holdfast.testing.tool_rig import HttpServer, children, eventually, gone

TALKERS_MAX: Final = 10
ANSWERED_S_MAX: Final = 120.0
READY_S_MAX: Final = 120.0
SILENCE_S: Final = 1.0
CONNECT_S: Final = 3.0
NEAR, FAR = "near", "far"

Fault = tuple[str, str]
FAULTS: Final[tuple[Fault, ...]] = (
    (NEAR, "crash"),
    (FAR, "crash"),
    (NEAR, "garbage"),
    (NEAR, "hang"),
    (FAR, "garbage"),
    (NEAR, "stopped"),
    (FAR, "hang"),
    (NEAR, "killed"),
    (FAR, "stopped"),
)
"""What goes wrong, one after the other: a tool does it, or (the last words) a signal in the middle of a call."""
FAULT_EVERY: Final = 4
"""Turns."""

_SIGNALS: Final = {"stopped": signal.SIGSTOP, "killed": signal.SIGKILL}


@dataclass(frozen=True, slots=True)
class Look:
    """The gateway at rest."""

    turns: int
    files: int
    tasks: int
    children: int
    zombies: int
    memory_mb: float


@dataclass(slots=True)
class Soaked:
    """What came of it. `outcomes`: of the counted calls, by key."""

    looks: list[Look] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    answered: int = 0
    asked: int = 0
    took_s: float = 0.0

    def flaws(self, growth_mb_max: float) -> list[str]:
        """All that is not as it should be."""
        warm, last = self.looks[0], self.looks[-1]
        found = [f"{self.answered} of {self.asked} messages were answered"] if self.answered != self.asked else []
        found += [f"{look.zombies} zombies after {look.turns} turns" for look in self.looks if look.zombies]
        found += [
            f"{name}: {before} after {warm.turns} turns, {after} after {last.turns}"
            for name, before, after, more in (
                ("files", warm.files, last.files, TALKERS_MAX + 2),  # connections to the provider are kept, as many as were needed at once
                ("tasks", warm.tasks, last.tasks, 0),
                ("children", warm.children, last.children, 0),
                ("memory", warm.memory_mb, last.memory_mb, growth_mb_max),
            )
            if after > before + more
        ]
        happened = {"ok": (1, 1), "error": (0, 0), "unknown": (0, 1)}
        for key, outcome in self.outcomes.items():
            low, high = happened[outcome]
            if not low <= self.effects[key] <= high:
                found.append(f"{key} is told as {outcome}, and happened {self.effects[key]} times")
        return found


async def soak(folder: Path, turns: int, rounds: int) -> Soaked:
    """So many turns, several conversations side by side; every fourth meets with a fault, and the others with its consequences. After each round everybody
    rests, and the gateway is looked at: the first look is at one that is warm."""
    soaked, began = Soaked(), time.monotonic()
    report = folder / "census"
    command = (sys.executable, "-m", "holdfast.testing.census", str(report))
    async with StubProvider(_answer) as stub, HttpServer(folder / FAR, "--dangerous") as elsewhere:
        limits = f"connect_timeout_s = {CONNECT_S}\ntimeout_s = {SILENCE_S}"
        near = toolserver_table(folder / NEAR, "--dangerous", name=NEAR, more=limits)
        far = f'\n[tools.{FAR}]\nurl = "{elsewhere.url}"\ntrust_annotations = true\npolicy = "allow"\n{limits}\n'
        async with GatewayProcess(folder / "gateway", to(stub.base_url) + near + far, command) as gateway:
            await gateway.ready()
            world = _World(gateway, elsewhere, soaked)
            await world.mended()
            share = turns // rounds
            count = min(TALKERS_MAX, share)
            async with contextlib.AsyncExitStack() as stack:
                talkers = [await stack.enter_async_context(_talker(world, f"c{number}")) for number in range(count)]
                for done in range(0, share * rounds, share):
                    work = iter(range(done + 1, done + share + 1))
                    await asyncio.gather(*(talker.converse(work) for talker in talkers))
                    await world.mended()
                    soaked.looks.append(await _look(gateway.process.pid, report, done + share))
            soaked.restarts = await world.restarts()
    soaked.effects = Counter(
        {key: times for file in (NEAR, FAR) for (name, key), times in effects_in(folder / file).items() if name == "count"}
    )
    soaked.took_s = time.monotonic() - began
    return soaked


def _answer(hit: Hit) -> Reply:
    """The model does as it is told: `7 near__count {...}` makes the call, and answers with the number; to all else it says so."""
    said = [message["content"] for message in hit.json["messages"] if message["role"] == "user"][-1]
    number, _, rest = said.partition(" ")
    tool, _, arguments = rest.partition(" ")
    known = {offered["function"]["name"] for offered in hit.json.get("tools", ())}
    if hit.json["messages"][-1]["role"] == "user" and tool in known:
        return Reply(http(events(delta(role="assistant", content=""), call(0, tool, arguments), finish("tool_calls"), usage(100, 10))))
    words = f"Answer {number}." if tool in known else "Noted."
    return Reply(http(events(delta(role="assistant", content=""), text(words), finish(), usage(100, 10))))


class _World:
    """The gateway, and whoever runs the tool server elsewhere."""

    def __init__(self, gateway: GatewayProcess, elsewhere: HttpServer, soaked: Soaked) -> None:
        self.gateway, self.elsewhere, self.soaked = gateway, elsewhere, soaked
        self._mending = asyncio.Lock()

    async def pid(self, server: str) -> int | None:
        if server == FAR:
            return self.elsewhere.pid
        states = (await self.gateway.door.status())["tool servers"]
        return next((state.get("pid") for state in states if state["name"] == server), None)

    async def signal(self, server: str, number: signal.Signals) -> None:
        pid = await self.pid(server)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def restarts(self) -> int:
        return sum(state["restarts"] for state in (await self.gateway.door.status())["tool servers"])

    async def mend_elsewhere(self) -> None:
        """It is started again by whoever runs it, and goes on when it was stopped."""
        async with self._mending:
            if gone(self.elsewhere.pid):
                await self.elsewhere.ended()
                await self.elsewhere.start()
            else:
                os.kill(self.elsewhere.pid, signal.SIGCONT)

    async def mended(self) -> None:
        """Return when both servers serve. Nobody waits for a back-off here: it is asked for at once."""
        async with asyncio.timeout(READY_S_MAX):
            while True:
                await self.mend_elsewhere()
                states = (await self.gateway.door.status())["tool servers"]
                if all(state["state"] == "ready" for state in states):
                    return
                for state in states:
                    if state["state"] != "ready":
                        await self.gateway.door.retry_tools(state["name"])
                await asyncio.sleep(10 * LOOK_S)


@contextlib.asynccontextmanager
async def _talker(world: _World, name: str) -> AsyncIterator[_Talker]:
    async with contextlib.aclosing(world.gateway.door.events(name)) as stream:
        entries = (event async for event in stream if isinstance(event, Entry))
        yield _Talker(world, name, entries)


class _Talker:
    """One conversation."""

    def __init__(self, world: _World, name: str, entries: AsyncIterator[Entry]) -> None:
        self._world, self._name, self._entries = world, name, entries
        self._calls: dict[str, Call] = {}

    async def converse(self, numbers: Iterator[int]) -> None:
        """From the beginning, so that what is said before is no weight: how much a long conversation takes is another question."""
        await self._world.gateway.door.send(self._name, f"{self._name} new {self._world.soaked.asked}", "/new")
        for number in numbers:  # each is somebody's
            await self._turn(number)

    async def _turn(self, number: int) -> None:
        fault = FAULTS[number // FAULT_EVERY % len(FAULTS)] if number % FAULT_EVERY == 0 else None
        server, tool = FAR if number % 2 else NEAR, "count"
        arguments: dict[str, str | int] = {"key": f"k{number}"}
        if fault is not None:
            server, kind = fault
            tool = "count" if kind in _SIGNALS else kind
            arguments = {"key": f"k{number}", "seconds": 1} if kind in _SIGNALS else {"process": "self"}
        await self._say(f"{number} {server}__{tool} {json.dumps(arguments)}")
        asked: list[int] = []
        async with asyncio.timeout(ANSWERED_S_MAX):
            async for entry in self._entries:
                match entry.body:
                    case AssistantMessage(calls=calls) if calls:
                        self._calls.update({one.id: one for one in calls})
                    case ToolStarted() if fault and fault[1] in _SIGNALS:
                        await self._world.signal(server, _SIGNALS[fault[1]])
                    case ToolResult() as result:
                        self._note(result)
                    case Question(question="unknown"):
                        asked.append(entry.seq)
                    case AssistantMessage(text=words) if words == f"Answer {number}.":
                        self._world.soaked.answered += 1
                        break
                    case _:
                        pass
        if fault:
            await self._world.mended()  # the next one is to meet with a server that serves
        for seq in asked:
            await self._choose(seq)

    def _note(self, result: ToolResult) -> None:
        asked = self._calls.pop(result.call)
        key = json.loads(asked.arguments).get("key")
        if asked.tool.endswith("__count") and result.outcome != "declined":
            self._world.soaked.outcomes[key] = result.outcome

    async def _choose(self, seq: int) -> None:
        """About a call of which nobody knows: leave it. That is told to the model, which answers."""
        await self._say(f"/choose {seq} skip")
        async with asyncio.timeout(ANSWERED_S_MAX):
            async for entry in self._entries:
                if isinstance(entry.body, AssistantMessage) and entry.body.text == "Noted.":
                    self._world.soaked.answered += 1
                    return

    async def _say(self, words: str) -> None:
        self._world.soaked.asked += 1
        await self._world.gateway.door.send(self._name, f"{self._name} {self._world.soaked.asked}", words)


async def _look(pid: int, report: Path, turns: int) -> Look:
    """When nothing is under way but what always is: the fewest tasks that are seen within a while."""
    looks = [await _one_look(pid, report, turns) for _ in range(3)]
    return min(looks, key=lambda look: (look.tasks, look.files))


async def _one_look(pid: int, report: Path, turns: int) -> Look:
    os.kill(pid, signal.SIGUSR1)
    await eventually(report.exists, READY_S_MAX)
    tasks = _read(report)
    below = children(pid)
    files = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names will do
    return Look(turns, files, tasks, len(below), sum(map(gone, below)), memory_mb(pid))


def _read(report: Path) -> int:
    tasks = int(report.read_text())
    report.unlink()
    return tasks
