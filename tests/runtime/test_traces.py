from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from collector import Collector, attributes, collecting
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from holdfast.core.entries import Usage
from holdfast.errors import Config
from holdfast.runtime import traces
from holdfast.runtime.observed import Called, Done
from holdfast.runtime.traces import Traces

CONVERSATION = "web:talk"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@contextlib.asynccontextmanager
async def running(traces: Traces) -> AsyncIterator[None]:
    ready = asyncio.Event()
    task = asyncio.create_task(traces.run(ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    assert ready.is_set(), task.exception()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - it happens in a thread
            await asyncio.sleep(0.02)


def called(conversation: str = CONVERSATION, outcome: str = "ok", at: float = 100.0) -> Called:
    return Called(conversation, "main", "qwen3:8b", "openai-chat", outcome, at, 2.0, Usage(input_tokens=11, output_tokens=7))


def done(step: str, of: str, outcome: str = "ok", at: float = 103.0, tool: str = "", conversation: str = CONVERSATION) -> Done:
    return Done(conversation, "web", step, of, outcome, at, 1.0, tool)


async def test_a_turn_is_a_span_and_in_it_is_one_for_each_call_and_delivery(collector: Collector) -> None:
    watch = Traces(collector.url, {"x-key": "k3y"}, lambda: "1.2")
    watch.done(done("deliver", "a0/0"))  # nothing is traced before it is ready
    async with running(watch):
        watch.called(called(outcome="rate-limit"))
        watch.called(called(at=102.0))
        watch.done(done("call_model", "a1", at=102.0))
        watch.done(done("call_tool", "call_1_0", "error", tool="clock__now", at=104.0))
        watch.done(done("deliver", "a1/0", at=105.0))
        watch.let_go(CONVERSATION)
    assert collector.paths == {"/v1/traces"} and collector.services == {"holdfast"}
    assert {one["x-key"] for one in collector.headers} == {"k3y"}
    turn = collector.named("invoke_agent holdfast")
    failed, answered = sorted(
        (span for span in collector.spans if span.name == "chat qwen3:8b"), key=lambda span: span.start_time_unix_nano
    )
    tool, delivery = collector.named("execute_tool clock__now"), collector.named("deliver")
    assert len(collector.spans) == 5
    assert {span.trace_id for span in collector.spans} == {turn.trace_id} and not turn.parent_span_id
    assert {span.parent_span_id for span in (failed, answered, tool, delivery)} == {turn.span_id}
    assert (turn.start_time_unix_nano, turn.end_time_unix_nano) == (100 * 10**9, 106 * 10**9)
    assert (answered.start_time_unix_nano, answered.end_time_unix_nano) == (102 * 10**9, 104 * 10**9)
    assert (turn.kind, answered.kind, tool.kind) == (Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL)
    assert attributes(turn) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "holdfast",
        "gen_ai.provider.name": "holdfast",
        "gen_ai.conversation.id": CONVERSATION,
    }
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "qwen3:8b",
        "gen_ai.conversation.id": CONVERSATION,
        "holdfast.route": "main",
    }
    assert attributes(answered) == {**chat, "gen_ai.usage.input_tokens": 11, "gen_ai.usage.output_tokens": 7}
    assert attributes(failed) == {**chat, "error.type": "rate-limit"}
    assert (failed.status.code, answered.status.code) == (Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET)
    assert attributes(tool) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "clock__now",
        "gen_ai.tool.call.id": "call_1_0",
        "gen_ai.tool.type": "function",
        "gen_ai.conversation.id": CONVERSATION,
        "error.type": "error",
    }


async def test_turns_side_by_side_and_one_after_the_other_are_traces_of_their_own(collector: Collector) -> None:
    watch = Traces(f"{collector.url}/v1/traces", {}, lambda: "1.2")  # named with its path, it is the same
    async with running(watch):
        for conversation in ("a", "b"):
            watch.called(called(conversation))
        watch.let_go("a")
        watch.let_go("a")  # there is none
        watch.called(called("a"))
        watch.called(called(""))  # asked by a tool, whose turn nobody knows here
    turns = [span for span in collector.spans if span.name == "invoke_agent holdfast"]
    assert len({span.trace_id for span in turns}) == 3
    (alone,) = [span for span in collector.spans if span.name != "invoke_agent holdfast" and not span.parent_span_id]
    assert "gen_ai.conversation.id" not in attributes(alone)


async def test_a_collector_that_is_away_harms_nothing_and_fills_no_memory(collector: Collector) -> None:
    collector.status = 503
    watch = Traces(collector.url, {}, lambda: "1.2")
    began = time.monotonic()
    async with running(watch):
        for number in range(20_000):
            watch.done(done("deliver", "a1/0", conversation=str(number)))
        assert len(watch._turns) == traces.TURNS_MAX
        for number in range(20_000):
            watch.let_go(str(number))
        assert not watch._turns
        (processor,) = watch._tracer.span_processor._span_processors  # type: ignore[union-attr]
        assert len(processor._batch_processor._queue) <= traces.SPANS_WAITING_MAX
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 10, "it waits for nobody"
    assert time.monotonic() - began < 60
    assert collector.spans == []


async def test_one_that_comes_back_gets_what_waited_and_its_absence_is_one_line_of_a_kind(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    collector.status = 503
    watch = Traces(collector.url, {}, lambda: "1.2")
    async with running(watch):
        watch.called(called())
        watch.let_go(CONVERSATION)
        await eventually(lambda: collector.refused > 1)
        collector.status = 200
        await eventually(lambda: len(collector.spans) == 2)
    assert sum("Transient error Service Unavailable" in record.getMessage() for record in caplog.records) == 1


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(Config, match=r"pip install 'holdfast\[otel\]'"):
        await Traces("http://127.0.0.1:1", {}, lambda: "1.2").run(lambda: None)
