"""Tools for simulations: a `ports.ToolHost` without processes, whose effects happen outside and outlive every gateway."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from holdfast.core.entries import Call
from holdfast.core.request import Tool
from holdfast.ports import NOBODY, Caller, Clock, Offer, ToolOutcome, ToolServerState
from holdfast.testing.toolserver import TOOLS
from holdfast.tools.catalogue import Entry, Offered, catalogue
from holdfast.tools.settings import Command, ServerSettings

Fault = Literal["fail", "hang", "lost", "lost_before"]
"""What may befall a call. `fail`: the tool's own error; `hang`: it happens, and no answer comes; `lost`: it happens, and its server is lost;
`lost_before`: it does not happen, and its server is lost."""

SETTINGS = ServerSettings(name="demo", where=Command(()), trust_annotations=True, policy="allow")


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that happened outside."""

    tool: str
    arguments: dict[str, Any]


@dataclass(slots=True)
class Outside:
    """The world that tools act on. One `Outside` serves all gateways of a simulation, one after the other, and judges them."""

    effects: list[Effect] = field(default_factory=list)
    faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    """By the tool's own name: each call takes the next one."""
    down: str = ""
    """Why no tool can be had just now."""

    def count(self, tool: str, key: str) -> int:
        """How often the tool had its effect under this key."""
        return sum(effect.tool == tool and effect.arguments.get("key") == key for effect in self.effects)


class FakeTools:
    """The tools of `holdfast.testing.toolserver`, but for `crash`. `delay_s` says how long a call takes until it has its effect."""

    def __init__(self, outside: Outside, clock: Clock, delay_s: Callable[[Call], float] = lambda _call: 0.0) -> None:
        self._outside = outside
        self._clock = clock
        self._delay_s = delay_s
        self._since = clock.now()
        self._killed = False
        offered = tuple(_offered(tool) for tool in TOOLS)
        self._entries = catalogue([(SETTINGS, offered)])

    def kill(self) -> None:
        """The gateway is killed: from now on it tells the outside nothing; what it has asked for still happens."""
        self._killed = True

    async def ready(self) -> None:
        """At once: these tools are always known."""

    def tools(self) -> tuple[Tool, ...]:
        return tuple(entry.tool for entry in self._entries.values())

    def servers(self) -> tuple[ToolServerState, ...]:
        down = self._outside.down
        return (ToolServerState(SETTINGS.name, "down" if down else "ready", self._since, why=down, tools=len(self._entries)),)

    def offers(self) -> tuple[Offer, ...]:
        (server,) = self.servers()
        return (Offer(server, tuple(entry.at_a_glance() for entry in self._entries.values())),)

    async def call(self, call: Call, caller: Caller = NOBODY) -> ToolOutcome:  # noqa: ARG002 these tools ask nothing
        entry = self._entries.get(call.tool)
        if entry is None:
            return ToolOutcome("error", f"there is no tool {call.tool!r}")
        if self._outside.down:
            return ToolOutcome("error", f"unavailable: {self._outside.down}")
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
        except msgspec.DecodeError as failure:
            return ToolOutcome("error", f"the arguments are not the text of a JSON object ({failure})")
        faults = self._outside.faults[entry.own_name]
        fault = faults.popleft() if faults else None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[ToolOutcome] = loop.create_future()
        delay_s = self._delay_s(call) + float(arguments.get("seconds", 0))
        happening = loop.call_later(delay_s, self._happen, entry, arguments, fault, answer)
        try:
            return await answer
        finally:
            if not self._killed:
                happening.cancel()

    def _happen(self, entry: Entry, arguments: dict[str, Any], fault: Fault | None, answer: asyncio.Future[ToolOutcome]) -> None:
        outcome = self._act(entry, arguments, fault)
        if outcome is not None and not answer.done():
            answer.set_result(outcome)

    def _act(self, entry: Entry, arguments: dict[str, Any], fault: Fault | None) -> ToolOutcome | None:
        missing = [name for name in entry.tool.schema.get("required", ()) if name not in arguments]
        if missing or fault == "fail":
            return ToolOutcome("error", f"{entry.own_name} can't be called without {', '.join(missing)}" if missing else "it failed")
        if fault != "lost_before" and entry.own_name not in {"clock", "counted"}:
            self._outside.effects.append(Effect(entry.own_name, arguments))
        match fault:
            case "hang":
                return None
            case "lost" | "lost_before":
                return _lost(entry.tool)
            case None:
                return ToolOutcome("ok", f"{entry.own_name}: done at {self._clock.now():.3f}")


def _lost(tool: Tool) -> ToolOutcome:
    if tool.repeatable:
        return ToolOutcome("error", "the tool server was lost during the call; it may safely be called again")
    return ToolOutcome("unknown", "the tool server was lost during the call; it may or may not have happened")


def _offered(tool: dict[str, Any]) -> Offered:
    hints = tool["annotations"]
    return Offered(
        name=tool["name"],
        description=tool["description"],
        schema=tool["inputSchema"],
        read_only_hint=hints.get("readOnlyHint", False),
        idempotent_hint=hints.get("idempotentHint", False),
    )
