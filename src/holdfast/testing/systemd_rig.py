"""The gateway as a service of a real systemd, and a world around it that keeps the truth: a provider, one that is away, tools, and people who talk.

service = Service(machine)
service.install()
async with World(service) as world:
    await world.talks("1")                     # conversations in the middle of things
    ... something is done to the service ...
    ended = await world.ends("1")              # all are answered; the flaws, if there are any
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_server
from typing import Any, Final, Self

from holdfast.core.entries import AssistantMessage, Choice, Command, Delivered, Entry, Notice, Question, ToolStarted, UserMessage
from holdfast.testing import toolserver
from holdfast.testing.dialects import Say, Use, messages
from holdfast.testing.judge import Flaw, Seen, judge
from holdfast.testing.looking import Looks
from holdfast.testing.process import Away, Door
from holdfast.testing.stub_provider import CHUNKED, Hit, Reply, StubProvider, chunk, http
from holdfast.testing.systemd import Machine
from holdfast.web.wire import ACCOUNT, door_path

HOLDFAST: Final = str(Path(sys.executable).with_name("holdfast"))
UNIT: Final = "holdfast.service"
DATA: Final = "/var/lib/holdfast"
EFFECTS: Final = f"{DATA}/effects"
CONFIG: Final = "/etc/holdfast/config.toml"
IDLE: Final = "idle"
UP_S_MAX: Final = 60.0
LAST_LINES: Final = 60

LONG: Final = "long"
"""A message to which the model begins an answer, and never ends it; asked again, it answers."""
HANG: Final = "hang"
"""One for which it calls a tool that never answers, and does not hear that it should end."""
ASK: Final = "count"
"""One for which it calls a tool that needs an approval, and must not run twice."""
WAIT: Final = "wait"
"""One for a model that is away."""


@dataclass(frozen=True, slots=True)
class Up:
    """One life of the service: when it was ready, on the monotonic clock."""

    ready_at: float


class Service:
    """The service in its machine: of the whole machine, with the page on any port. `main`, `away`: where its models are."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.main, self.away = _free_port(), _free_port()

    def install(self) -> str:
        """As a person would. Returns what they read."""
        self.machine.write(CONFIG, self.configuration())
        return self.machine.run(HOLDFAST, "service", "install", "--system", "--yes").stdout

    def configuration(self) -> str:
        command = json.dumps([sys.executable, toolserver.__file__, "--journal", EFFECTS, "--dangerous"])
        route = 'dialect = "anthropic"\nbase_url = "http://127.0.0.1:{}/v1"\nmodel = "m"\n'
        return (
            f'data_dir = "{DATA}"\n[web]\nport = 0\n[chains]\nfar = ["away"]\n[agent]\nchain = ["main"]\n'
            f"[routes.main]\n{route.format(self.main)}[routes.away]\n{route.format(self.away)}"
            f'[tools.t]\ncommand = {command}\ntrust_annotations = true\ntool_policy = {{ hang = "allow", crash = "allow" }}\n'
        )

    def drop_in(self, name: str, *lines: str) -> None:
        """Change the unit as `systemctl edit` does; without lines, no longer."""
        file = f"/etc/systemd/system/{UNIT}.d/{name}.conf"
        if lines:
            self.machine.write(file, "\n".join(("[Service]", *lines, "")))
        else:
            self.machine.path(file).unlink(missing_ok=True)
        self.systemctl("daemon-reload")

    def systemctl(self, *words: str) -> None:
        self.machine.run("systemctl", *words)

    def show(self, *properties: str) -> dict[str, str]:
        return self.machine.show(UNIT, *properties)

    @property
    def pid(self) -> int:
        """Its process, by our numbers."""
        inside = self.show("MainPID")["MainPID"]
        return next(pid for pid in _descendants(self.machine.leader) if inside == _inner(pid))

    @property
    def process_status(self) -> dict[str, str]:
        """What the kernel says of its process."""
        return dict(line.split(":\t", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if ":\t" in line)

    def log(self) -> str:
        """All that it and systemd said of it, also before the machine went down."""
        self.machine.run("journalctl", "--sync")
        return self.machine.run("journalctl", f"--unit={UNIT}", "--no-pager", "--output=short-monotonic").stdout

    def last_log(self, words: str) -> bool:
        """Do the last of it say this?"""
        return words in "\n".join(self.log().splitlines()[-LAST_LINES:])

    def processes(self, words: str) -> list[int]:
        """Those of the machine whose command line has these words."""
        return [pid for pid in _descendants(self.machine.leader) if words in _read(f"/proc/{pid}/cmdline")]

    async def until(self, look: Callable[[], Awaitable[bool]]) -> None:
        """Return when this is so (not while the gateway is away). Raises `AssertionError` with all that was logged if it takes too long."""
        looks = Looks()
        try:
            async with asyncio.timeout(UP_S_MAX):
                while True:
                    with contextlib.suppress(Away):
                        if await look():
                            return
                    await looks.pause()
        except TimeoutError:
            raise AssertionError(f"waited for in vain:\n{await asyncio.to_thread(self.log)}") from None

    async def becomes(self, **state: str) -> None:
        """Wait until these properties are so."""

        async def look() -> bool:
            return await asyncio.to_thread(self.show, *state) == state

        await self.until(look)

    async def up(self, other_than: str) -> Up:
        """Wait until it is up, in another life than this one (systemd's id of it)."""
        state: dict[str, str] = {}

        async def look() -> bool:
            nonlocal state
            state = await asyncio.to_thread(self.show, "ActiveState", "InvocationID", "ActiveEnterTimestampMonotonic")
            return state["ActiveState"] == "active" and state["InvocationID"] != other_than

        await self.until(look)
        return Up(int(state["ActiveEnterTimestampMonotonic"]) / 1e6)

    @asynccontextmanager
    async def door(self) -> AsyncIterator[Door]:
        """Its door, as long as the machine is up."""
        door = Door(door_path(self.machine.path(DATA), None))
        try:
            yield door
        finally:
            await door.close()


@dataclass
class World:
    """Who talks to the service, and what it talks to. `asked`: when the model was asked, by the message."""

    service: Service
    asked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _sent: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(StubProvider(self._reply, self.service.main))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _reply(self, hit: Hit) -> Reply:
        """What the model says."""
        last = hit.json["messages"][-1]["content"][-1]
        if last["type"] == "tool_result":
            return _whole(Say("The tool has answered."))
        said = str(last["text"])
        self.asked[said].append(time.monotonic())
        match said.split(maxsplit=1)[0], len(self.asked[said]):
            case "long", 1:
                return Reply(CHUNKED, chunk(b"".join(messages(Say("This is going to be long"))[:-3])), end="hang")
            case "hang", _:
                return _whole(Use("t__hang", "{}"))
            case "use", _:
                return _whole(Use(*said.split(" ", 2)[1:]))
            case "count", _:
                return _whole(Use("t__count", json.dumps({"key": said})))
            case _:
                return _whole(Say(f"You said: {said}."))

    # --- talking ------------------------------------------------------------------------------------------------------------------------

    async def say(self, name: str, words: str) -> None:
        """Send a message, as soon as the door takes it."""
        key = uuid.uuid4().hex

        async def send() -> bool:
            await door.send(name, key, words)
            return True

        async with self.service.door() as door:
            await self.service.until(send)
        self._sent[name].append((key, words))

    async def talks(self, tag: str, *kinds: str) -> None:
        """Conversations of these kinds, each in the middle of what it is about."""
        for kind in kinds:
            name = f"{kind}-{tag}"
            if kind == WAIT:
                await self.say(name, "/model far")
            await self.say(name, f"{kind} {tag}")
        for kind in kinds:
            await self._in_the_middle(kind, f"{kind}-{tag}", f"{kind} {tag}")

    async def _in_the_middle(self, kind: str, name: str, words: str) -> None:
        match kind:
            case "long":
                await self.service.until(lambda: self._was_asked(words))
            case "hang":
                await self.told(name, lambda entries: bool(_of(entries, ToolStarted)))
            case "count":
                await self.told(name, lambda entries: bool(_of(entries, Question)))
            case _:
                async with self.service.door() as door:
                    await self.service.until(lambda: self._waits(door, name))

    async def _was_asked(self, words: str) -> bool:
        return bool(self.asked[words])

    async def _waits(self, door: Door, name: str) -> bool:
        return any(row.key == f"{ACCOUNT}:{name}" and row.turn_gate and not row.running for row in await door.rows())

    async def told(self, name: str, enough: Callable[[Sequence[Entry]], bool]) -> tuple[Entry, ...]:
        """The conversation, once there is enough of it."""
        entries: tuple[Entry, ...] = ()

        async def look() -> bool:
            nonlocal entries
            entries = await door.entries(name) if any(row.key == f"{ACCOUNT}:{name}" for row in await door.rows()) else ()
            return enough(entries)

        async with self.service.door() as door:
            await self.service.until(look)
        return entries

    async def answered(self, name: str) -> tuple[Entry, ...]:
        """The conversation, once its last message is answered, and the answer delivered."""
        return await self.told(name, _is_answered)

    async def ends(self, tag: str, *kinds: str) -> list[Flaw]:
        """Bring them to their ends: the model comes back, the approval is given. What is not as it should be then."""
        if ASK in kinds:
            question = _of(await self.told(f"{ASK}-{tag}", lambda entries: bool(_of(entries, Question))), Question)[0]
            await self.say(f"{ASK}-{tag}", f"/choose {question.seq} once")
        names = [f"{kind}-{tag}" for kind in kinds]
        async with AsyncExitStack() as back:
            if WAIT in kinds:
                await back.enter_async_context(StubProvider(self._reply, self.service.away))
                async with self.service.door() as door:
                    await door.retry("route:away")
            journal = {f"{ACCOUNT}:{name}": await self.answered(name) for name in names}
        return list(judge(journal, Seen({name: self._sent[name] for name in names}, {}, self.service.machine.path(EFFECTS))))


def _is_answered(entries: Sequence[Entry]) -> bool:
    """Is its last message answered, does every command have its reply, and is all delivered that has a text?"""
    bodies = [entry.body for entry in entries]
    seen = max((body.seen for body in bodies if isinstance(body, AssistantMessage) and not body.calls), default=0)
    commands = {entry.seq for entry in _of(entries, Command | Choice)}
    replied = {body.replies_to for body in bodies if isinstance(body, Notice)}
    outgoing = [body for body in bodies if isinstance(body, AssistantMessage | Notice | Question) and body.text]
    asked = max((entry.seq for entry in _of(entries, UserMessage)), default=0)
    return 0 < asked <= seen and commands <= replied and len(_of(entries, Delivered)) >= len(outgoing)


def _of(entries: Sequence[Entry], kind: Any) -> list[Entry]:
    return [entry for entry in entries if isinstance(entry.body, kind)]


def _whole(*parts: Say | Use) -> Reply:
    return Reply(http(b"".join(messages(*parts))))


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _inner(pid: int) -> str:
    """A process's number in its own machine."""
    return next((line.split()[-1] for line in _read(f"/proc/{pid}/status").splitlines() if line.startswith("NSpid:")), "")


def _descendants(pid: int) -> list[int]:
    return [pid, *(below for child in _read(f"/proc/{pid}/task/{pid}/children").split() for below in _descendants(int(child)))]


def _read(path: str) -> str:
    """What the kernel says of a process; "" of one that has just gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(path).read_text()
    return ""
