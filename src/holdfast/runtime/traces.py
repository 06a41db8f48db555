"""Traces for an OpenTelemetry collector: a span for each stretch of work on a turn, and in it one for each call and delivery.

By OpenTelemetry's conventions for generative AI, without what was said. A collector that is away costs nothing: so many spans wait for it, and no more.
The one file that knows OpenTelemetry, which is imported when a collector is configured.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Final

from holdfast.errors import Config
from holdfast.runtime.observed import Called, Done

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

SPANS_WAITING_MAX: Final = 2_048
TURNS_MAX: Final = 10_000
"""So many turns are under way, as far as the traces know."""
SAID_AGAIN_S: Final = 600.0
"""How often the log says that a collector is away: OpenTelemetry would say it at every try."""
SAYS: Final = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")
LAST_S_MAX: Final = 1.0
"""How long the last spans may take when the gateway ends."""

PATH: Final = "/v1/traces"
PROVIDERS: Final = {"openai-chat": "openai", "openai-responses": "openai", "anthropic": "anthropic", "practice": "holdfast"}
"""What the conventions call whoever speaks a dialect."""

Attributes = Mapping[str, str | int]


class Traces:
    """Implements `observed.Watch`. `run` is a child of the supervisor; before it is ready nothing is traced."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], version: Callable[[], str]) -> None:
        self._endpoint, self._headers, self._version = address(endpoint), headers, version
        self._tracer: Tracer | None = None
        self._turns: dict[str, _Turn] = {}

    async def run(self, ready: Callable[[], None]) -> None:
        """Until cancelled. Raises `Config` if OpenTelemetry is not installed."""
        provider, seldom = await asyncio.to_thread(self._opened), _Seldom()
        for name in SAYS:
            logging.getLogger(name).addFilter(seldom)
        self._tracer = provider.get_tracer("holdfast")
        ready()
        try:
            await asyncio.Event().wait()
        finally:
            for conversation in list(self._turns):
                self.let_go(conversation)
            self._tracer = None
            await _closed(provider)
            for name in SAYS:
                logging.getLogger(name).removeFilter(seldom)

    def _opened(self) -> TracerProvider:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - 0.2 s
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - the same
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - the same
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - the same
        except ModuleNotFoundError as missing:
            raise Config(f"[traces] needs {missing.name}, which is not installed. Install it: pip install 'holdfast[otel]'.") from missing
        resource = Resource.create({"service.name": "holdfast", "service.version": self._version()})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=self._endpoint, headers=dict(self._headers))
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=SPANS_WAITING_MAX))
        return provider

    # --- observed.Watch ---------------------------------------------------------------------------------------------------------------

    def called(self, called: Called) -> None:
        attributes: dict[str, str | int] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDERS[called.dialect],
            "gen_ai.request.model": called.model,
            "holdfast.route": called.route,
        }
        if called.outcome == "ok":
            attributes["gen_ai.usage.input_tokens"] = called.usage.input_tokens
            attributes["gen_ai.usage.output_tokens"] = called.usage.output_tokens
        self._add(called.conversation, f"chat {called.model}", attributes, called, outside=True)

    def done(self, done: Done) -> None:
        match done.step:
            case "call_tool":
                attributes = {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": done.tool or "unknown",
                    "gen_ai.tool.call.id": done.of,
                    "gen_ai.tool.type": "function",
                }
                self._add(done.conversation, f"execute_tool {done.tool}".rstrip(), attributes, done)
            case "deliver" | "finish" | "look_up" | "fetch":
                self._add(done.conversation, done.step, {"holdfast.account": done.account, "holdfast.of": done.of}, done, outside=True)
            case _:
                pass  # a call of a model is told by itself, and what is only written down takes no time

    def let_go(self, conversation: str) -> None:
        turn = self._turns.pop(conversation, None)
        if turn is not None:
            turn.span.end(turn.ends_ns)

    def _add(self, conversation: str, name: str, attributes: Attributes, what: Called | Done, *, outside: bool = False) -> None:
        """A span of something that has ended, in that of its turn."""
        if self._tracer is None:
            return
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context  # noqa: PLC0415 - imported by now

        starts_ns, ends_ns = _ns(what.at), _ns(what.at + what.took_s)
        turn = self._turn(self._tracer, conversation, starts_ns) if conversation else None
        context = set_span_in_context(turn.span) if turn is not None else None
        kind = SpanKind.CLIENT if outside else SpanKind.INTERNAL
        span = self._tracer.start_span(name, context, kind, {**attributes, **_of(conversation)}, start_time=starts_ns)
        if what.outcome != "ok":
            span.set_attribute("error.type", what.outcome)
            span.set_status(Status(StatusCode.ERROR))
        span.end(ends_ns)
        if turn is not None:
            turn.ends_ns = max(turn.ends_ns, ends_ns)

    def _turn(self, tracer: Tracer, conversation: str, starts_ns: int) -> _Turn:
        if conversation not in self._turns:
            attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "holdfast", "gen_ai.provider.name": "holdfast"}
            span = tracer.start_span("invoke_agent holdfast", attributes={**attributes, **_of(conversation)}, start_time=starts_ns)
            self._turns[conversation] = _Turn(span, starts_ns)
            if len(self._turns) > TURNS_MAX:
                self.let_go(next(iter(self._turns)))
        return self._turns[conversation]


def address(endpoint: str) -> str:
    """Where spans go, whether the endpoint was given with the path or without."""
    return endpoint.rstrip("/").removesuffix(PATH) + PATH


class _Seldom(logging.Filter):
    """Lets each kind of line through now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._said.get(str(record.msg), -inf) < SAID_AGAIN_S:
            return False
        self._said[str(record.msg)] = now
        return True


class _Turn:
    def __init__(self, span: Span, ends_ns: int) -> None:
        self.span, self.ends_ns = span, ends_ns


def _of(conversation: str) -> Attributes:
    return {"gen_ai.conversation.id": conversation} if conversation else {}


def _ns(at: float) -> int:
    return int(at * 1e9)


async def _closed(provider: TracerProvider) -> None:
    """Send what waits, for a moment at most: in a thread of its own, since it may hang on a collector that is away, and then nobody waits for it."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        provider.shutdown()
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=close, name="traces", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_S_MAX):
            await over.wait()
