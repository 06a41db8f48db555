"""What happens, as whoever watches over this sees it: every step and every call of a model, with its outcome and how long it took.

One place that feeds the log, the numbers and the traces; workers, steps and adapters know nothing of it. Nobody's words are in what it says.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from holdfast.core.entries import (
    AssistantMessage,
    Delivered,
    DeliveryFailed,
    Fact,
    Failed,
    Fetched,
    Question,
    SetAside,
    Summary,
    ToolResult,
    Usage,
    kind,
)
from holdfast.core.request import Request, Tool
from holdfast.core.steps import CallModel, CallTool, Deliver, Fetch, Finish, LookUp, Step, Summarise, Write
from holdfast.core.transcript import Transcript
from holdfast.core.world import World
from holdfast.ports import Answer, Appended, Clock, Lease, Model, ModelFailed, RawFailure
from holdfast.runtime.numbers import Numbers
from holdfast.runtime.worker import Facts, Hands, Midway

UNKNOWN: Final = "unknown"
"""The server of a tool that there is not."""

log = logging.getLogger("holdfast.steps")


@dataclass(frozen=True, slots=True)
class Done:
    """One step that ended. `of` is what it was about: an answer, a call, a part. `tool` is "" where no server has it."""

    conversation: str
    account: str
    step: str
    of: str
    outcome: str
    at: float
    took_s: float
    tool: str = ""


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a model, which may be one of several in a step, or of none that is known (`conversation` "")."""

    conversation: str
    route: str
    model: str
    dialect: str
    outcome: str
    at: float
    took_s: float
    usage: Usage = Usage()


class Watch(Protocol):
    """Somebody who is told."""

    def done(self, done: Done) -> None: ...

    def called(self, called: Called) -> None: ...

    def let_go(self, conversation: str) -> None:
        """Its worker has nothing more to do for now."""


@dataclass(slots=True)
class _Act:
    """The step that a task is doing, for the call of a model that it makes: `failed` is of what class that failed."""

    conversation: str
    failed: str = ""


_act: ContextVar[_Act | None] = ContextVar("act", default=None)


class Observed:
    """Implements `worker.Hands`: the hands of another, watched."""

    def __init__(self, hands: Hands, numbers: Numbers, clock: Clock, tools: Callable[[], tuple[Tool, ...]], watch: Watch | None) -> None:
        self._hands, self._numbers, self._clock, self._watch = hands, numbers, clock, watch
        self._tools = tools
        self._known: tuple[Tool, ...] = ()
        self._servers: dict[str, str] = {}

    def world(self, lease: Lease, attempts: int, transcript: Transcript) -> World:
        return self._hands.world(lease, attempts, transcript)

    def appended(self, lease: Lease, appended: Appended) -> None:
        self._hands.appended(lease, appended)
        if appended.released and self._watch is not None:
            self._watch.let_go(lease.conversation)

    def written(self, lease: Lease, step: Write) -> None:
        self._hands.written(lease, step)
        for body in step.first:
            match body:
                case Question():
                    self._numbers.questions.add(body.question)
                case SetAside():
                    self._numbers.set_aside.add(body.why)
                case _:
                    pass
        outcome = ", ".join(kind(body).partition("/")[0] for body in step.first)
        self._tell(Done(lease.conversation, lease.account, *named(step), outcome, self._clock.now(), 0.0))

    async def perform(self, lease: Lease, transcript: Transcript, step: Step, midway: Midway) -> Facts:
        act = _Act(lease.conversation)
        before = _act.set(act)
        at, began, outcome = self._clock.now(), self._clock.monotonic(), ""
        try:
            facts = await self._hands.perform(lease, transcript, step, midway)
            outcome = outcome_of(facts) or act.failed or "nothing"
        finally:
            _act.reset(before)
            outcome = outcome or _ended_by(sys.exception())
            self._count(lease, step, outcome, took_s := self._clock.monotonic() - began)
            tool = step.call.tool if isinstance(step, CallTool) and self._server(step.call.tool) != UNKNOWN else ""
            self._tell(Done(lease.conversation, lease.account, *named(step), outcome, at, took_s, tool))
        return facts

    def _count(self, lease: Lease, step: Step, outcome: str, took_s: float) -> None:
        match step:
            case CallTool():
                self._numbers.tool_calls.add(took_s, self._server(step.call.tool), outcome)
            case Deliver() | Finish():
                self._numbers.deliveries.add(lease.account, outcome)
            case _:
                pass

    def _server(self, tool: str) -> str:
        if self._known is not self._tools():
            self._known = self._tools()
            self._servers = {one.name: one.server for one in self._known}
        return self._servers.get(tool, UNKNOWN)

    def _tell(self, done: Done) -> None:
        fields = {
            "conversation": done.conversation,
            "account": done.account,
            "step": done.step,
            "of": done.of,
            "outcome": done.outcome,
            "took_s": round(done.took_s, 3),
            **({"tool": done.tool} if done.tool else {}),
        }
        about = f"{done.of} ({done.tool})" if done.tool else done.of
        log.info("%s: %s %s: %s in %.2f s", done.conversation, done.step, about, done.outcome, done.took_s, extra=fields)
        if self._watch is not None:
            self._watch.done(done)


class ObservedModel:
    """Implements `ports.Model`: the route of another, watched. `classed` says of what class a failure is; `price` is that of a million tokens."""

    def __init__(  # noqa: PLR0913, PLR0917 - a route, and who watches it
        self,
        model: Model,
        route: str,
        called: str,
        dialect: str,
        price: tuple[float, float],
        classed: Callable[[RawFailure], str],
        numbers: Numbers,
        clock: Clock,
        watch: Watch | None,
    ) -> None:
        self._model, self._route, self._called, self._dialect, self._price = model, route, called, dialect, price
        self._classed, self._numbers, self._clock, self._watch = classed, numbers, clock, watch

    async def call(self, request: Request, on_event: Callable[[str], None]) -> Answer:
        act = _act.get()
        at, began, outcome, usage = self._clock.now(), self._clock.monotonic(), "", Usage()
        try:
            answer = await self._model.call(request, on_event)
            outcome, usage = "ok", answer.usage
        except ModelFailed as failed:
            outcome = self._classed(failed.failure)
            if act is not None:
                act.failed = outcome
            raise
        finally:
            outcome = outcome or _ended_by(sys.exception())
            self._count(outcome, took_s := self._clock.monotonic() - began, usage)
            if self._watch is not None:
                conversation = act.conversation if act is not None else ""
                self._watch.called(Called(conversation, self._route, self._called, self._dialect, outcome, at, took_s, usage))
        return answer

    def _count(self, outcome: str, took_s: float, usage: Usage) -> None:
        self._numbers.calls.add(took_s, self._route, outcome)
        if outcome == "ok":
            self._numbers.tokens.add(self._route, "input", by=usage.input_tokens)
            self._numbers.tokens.add(self._route, "output", by=usage.output_tokens)
            self._numbers.cost.add(self._route, by=(usage.input_tokens * self._price[0] + usage.output_tokens * self._price[1]) / 1e6)

    async def warm(self) -> None:
        await self._model.warm()

    async def close(self) -> None:
        await self._model.close()


def _ended_by(error: BaseException | None) -> str:
    return "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__name__


def outcome_of(facts: Iterable[Fact | Question]) -> str:
    """In a word, what the first of these says; "" if none does."""
    for fact in facts:
        match fact:
            case AssistantMessage() | Summary() | Delivered():
                return "ok"
            case ToolResult():
                return fact.outcome
            case DeliveryFailed():
                return fact.refusal
            case Fetched():
                return "ok" if fact.sha256 else "failed"
            case Failed():
                return fact.failure
            case Question():
                pass
            case _:
                assert_never(fact)
    return ""


def named(step: Step) -> tuple[str, str]:
    """What a step is called, and what it is about."""
    match step:
        case CallModel():
            return "call_model", step.name
        case CallTool():
            return "call_tool", step.id
        case Deliver():
            return "deliver", f"{step.of}/{step.part}"
        case LookUp():
            return "look_up", f"{step.of}/{step.part}"
        case Finish():
            return "finish", step.of
        case Fetch():
            return "fetch", step.id
        case Summarise():
            return "summarise", str(step.upto)
        case Write():
            return f"write {step.row}", step.about
        case _:
            assert_never(step)
