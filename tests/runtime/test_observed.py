from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from runtime_rig import GATE, Rig

from holdfast.core.entries import Usage
from holdfast.core.failure import Failure
from holdfast.errors import LeaseLost
from holdfast.ports import RawFailure
from holdfast.runtime.acts import AgentSettings, RouteSettings
from holdfast.runtime.numbers import Counter, Gauge, Histogram, Numbers, exposition
from holdfast.runtime.observed import Called, Done, Observed, ObservedModel
from holdfast.testing.clock import LoopClock
from holdfast.testing.scripted_model import Break, Say, ScriptedModel, Step
from holdfast.testing.sim import simulated

SAYING = "what nobody but the two of us should read"


class Seen:
    """Who watches, and remembers."""

    def __init__(self) -> None:
        self.steps: list[Done] = []
        self.calls: list[Called] = []
        self.free: list[str] = []

    def done(self, done: Done) -> None:
        self.steps.append(done)

    def called(self, called: Called) -> None:
        self.calls.append(called)

    def let_go(self, conversation: str) -> None:
        self.free.append(conversation)


class Watched:
    """A gateway in memory that is watched."""

    def __init__(self, script: list[Step] | Callable[[Any], Step], *, classed: str = "transient", **settings: Any) -> None:
        self.numbers, self.seen = Numbers(), Seen()
        clock = LoopClock()
        model = ScriptedModel(clock, script)

        def of_class(_: RawFailure) -> str:
            return classed

        watched = ObservedModel(model, "main", "scripted-1", "openai-chat", (1.0, 10.0), of_class, self.numbers, clock, self.seen)
        agent = AgentSettings(
            "Be brief.", (RouteSettings("main", GATE, watched),), lambda raw, _d, _w: Failure("transient", reason=raw.why)
        )
        self.rig = Rig(agent=agent, **settings)
        self.rig.dispatch._hands = Observed(self.rig.hands, self.numbers, clock, self.rig.tools.tools, self.seen)

    def shown(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of a name, by the values of their labels."""
        families = text_string_to_metric_families(exposition(self.numbers.families()))
        return {tuple(one.labels.values()): one.value for family in families for one in family.samples if one.name == name}


@simulated
async def test_every_step_is_told_once_with_its_outcome_and_how_long_it_took() -> None:
    watched = Watched([Say(text="Yes.", usage=Usage(input_tokens=100, output_tokens=7), takes_s=2.0)])
    async with watched.rig.running():
        await watched.rig.say(SAYING)
        await asyncio.sleep(10)
    assert [(one.conversation, one.account, one.step, one.of, one.outcome) for one in watched.seen.steps] == [
        ("fake:c", "fake", "call_model", "a1", "ok"),
        ("fake:c", "fake", "deliver", "a1/0", "ok"),
    ]
    assert watched.seen.steps[0].took_s == pytest.approx(2.0, abs=0.5)
    assert watched.seen.calls == [
        Called("fake:c", "main", "scripted-1", "openai-chat", "ok", *_when(watched), Usage(input_tokens=100, output_tokens=7))
    ]
    assert watched.seen.free == ["fake:c"]


def _when(watched: Watched) -> tuple[float, float]:
    return watched.seen.calls[0].at, watched.seen.calls[0].took_s


@simulated
async def test_what_is_counted_is_told_apart_by_route_account_server_and_outcome() -> None:
    script: list[Step] = [
        Break(why="down"),
        Say(calls=(("demo__count", '{"key": "k", "line": "x"}'),), usage=Usage(input_tokens=1_000_000, output_tokens=100_000)),
        Say(text="Done."),
    ]
    watched = Watched(script, classed="rate-limit")
    async with watched.rig.running():
        await watched.rig.say("do it")
        await asyncio.sleep(60)
    assert watched.shown("holdfast_model_call_seconds_count") == {("main", "ok"): 2, ("main", "rate-limit"): 1}
    assert watched.shown("holdfast_model_tokens_total") == {("main", "input"): 1_000_000, ("main", "output"): 100_000}
    assert watched.shown("holdfast_model_cost_total") == {("main",): 2.0}
    assert watched.shown("holdfast_deliveries_total") == {("fake", "ok"): 1}
    assert watched.shown("holdfast_tool_call_seconds_count") == {("demo", "ok"): 1}
    assert [one.outcome for one in watched.seen.steps if one.step == "call_model"] == ["rate-limit", "ok", "ok"]


@simulated
async def test_what_is_done_by_writing_it_down_is_told_too() -> None:
    watched = Watched([Say(text="Yes.")])
    async with watched.rig.running():
        await watched.rig.say("/status")
        await asyncio.sleep(5)
    assert [(one.step, one.of, one.outcome) for one in watched.seen.steps if one.step.startswith("write")] == [("write C2", "1", "notice")]


@simulated
async def test_a_step_that_is_cut_short_is_no_failure() -> None:
    watched = Watched([Say(text="Yes.", takes_s=60.0), Say(text="No.")])
    async with watched.rig.running():
        await watched.rig.say("think")
        await asyncio.sleep(1)
        await watched.rig.say("/stop")
        await asyncio.sleep(5)
    (call,) = watched.seen.calls
    assert call.outcome == "cancelled"
    assert [one.outcome for one in watched.seen.steps if one.step == "call_model"] == ["cancelled"]
    assert watched.shown("holdfast_model_tokens_total") == {}


def test_a_bug_is_told_by_its_name_and_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(*_: object) -> Any:
        raise LeaseLost("gone")

    @simulated
    async def talk() -> None:
        watched = Watched([Say(text="Yes.")])
        monkeypatch.setattr(watched.rig.hands, "perform", lost)
        async with watched.rig.running():
            await watched.rig.say("hello")
            await asyncio.sleep(1)
        assert watched.seen.steps[0].outcome == "LeaseLost"

    talk()


def test_no_words_of_anybody_are_in_the_log_and_each_step_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "holdfast")

    @simulated
    async def talk() -> None:
        call = ("demo__count", f'{{"key": "k", "line": "{SAYING}"}}')
        watched = Watched([Say(text=SAYING, calls=(call, ("no_such_tool", "{}"))), Say(text=SAYING)])
        async with watched.rig.running():
            await watched.rig.say(SAYING)
            await asyncio.sleep(30)
        assert watched.rig.shown()

    talk()
    lines = [record for record in caplog.records if record.name == "holdfast.steps"]
    assert len(lines) >= 4
    assert not any(SAYING in record.getMessage() or SAYING in str(vars(record)) for record in caplog.records)
    assert not any("no_such_tool" in record.getMessage() for record in caplog.records), "the model made that up: its words, too"
    first: Any = lines[0]
    assert first.getMessage() == "fake:c: call_model a1: ok in 0.00 s"
    assert (first.conversation, first.step, first.outcome) == ("fake:c", "call_model", "ok")


@simulated
async def test_hundreds_of_conversations_make_no_more_series_than_one() -> None:
    def series() -> int:
        return exposition(watched.numbers.families()).count("\n")

    watched = Watched(lambda _: Say(text="Yes."))
    async with watched.rig.running():
        await watched.rig.say("hello", "first")
        await asyncio.sleep(5)
        few = series()
        for number in range(300):
            await watched.rig.say("hello", f"chat{number}")
        await asyncio.sleep(60)
    assert len(watched.seen.steps) == 602
    assert series() == few


# --- the text format -------------------------------------------------------------------------------------------------------------------


def test_others_read_what_is_shown() -> None:
    counter, calls = Counter("a_total", "A.", "name"), Histogram("b_seconds", "B.", (0.5, 2.0), "route")
    counter.add('odd "name" \\ with\nlines', by=2.5)
    for took_s in (0.1, 0.5, 1.0, 9.0):
        calls.add(took_s, "main")
    gauge = Gauge("c", "C.", (), {(): 3.0})
    families = {one.name: one for one in text_string_to_metric_families(exposition([counter, calls, gauge]))}
    assert [(one.labels, one.value) for one in families["a"].samples] == [({"name": 'odd "name" \\ with\nlines'}, 2.5)]
    assert (families["b_seconds"].type, families["b_seconds"].documentation) == ("histogram", "B.")
    assert [(one.name, one.labels.get("le"), one.value) for one in families["b_seconds"].samples] == [
        ("b_seconds_bucket", "0.5", 2),
        ("b_seconds_bucket", "2.0", 3),
        ("b_seconds_bucket", "+Inf", 4),
        ("b_seconds_sum", None, 10.6),
        ("b_seconds_count", None, 4),
    ]
    assert families["c"].samples[0].value == 3.0


def test_nothing_counted_yet_is_readable_too() -> None:
    assert not [one for family in text_string_to_metric_families(exposition(Numbers().families())) for one in family.samples]
