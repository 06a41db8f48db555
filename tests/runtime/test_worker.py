from __future__ import annotations

import asyncio
from typing import Any

import pytest
from runtime_rig import GATE, CountingJournal, Rig

from holdfast.core.entries import AssistantMessage, Delivered, DeliveryFailed, DeliveryStarted, Notice, ToolResult, ToolStarted
from holdfast.core.failure import Failure
from holdfast.core.request import User
from holdfast.core.text import LENGTH_MIN, Limit
from holdfast.errors import LeaseLost
from holdfast.ports import Traits
from holdfast.runtime.worker import Worker
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.testing.scripted_model import Say
from holdfast.testing.sim import simulated


@simulated
async def test_a_turn_is_four_commits_since_a_fact_and_its_intention_are_one() -> None:
    rig = Rig()
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        rig.journal.commits.clear()
        await rig.say("two")
        await asyncio.sleep(5)
    assert rig.journal.commits == ["ingest", "claim", "append", "append"]
    kinds = [type(entry.body) for entry in rig.entries()[-3:]]
    assert kinds == [AssistantMessage, DeliveryStarted, Delivered]
    assert rig.idle()


class _ArrivalBeforeAppend(CountingJournal):
    """Just before the answer is committed, something arrives."""

    arrive: Any = None

    async def append(self, lease: Any, now: float, wakes: int, facts: Any = (), intentions: Any = (), release: Any = None) -> Any:
        if self.arrive is not None and any(isinstance(fact, AssistantMessage) for fact in facts):
            arrive, self.arrive = self.arrive, None
            await arrive()
        return await super().append(lease, now, wakes, facts, intentions, release)


def _with_arrival(rig: Rig, text: str) -> None:
    rig.journal.__class__ = _ArrivalBeforeAppend
    rig.journal.arrive = lambda: rig.say(text)  # type: ignore[attr-defined] # it is of that class now


@simulated
async def test_a_refused_intention_leaves_the_fact_alone_and_is_decided_again() -> None:
    rig = Rig()
    _with_arrival(rig, "two")
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    kinds = [type(entry.body).__name__ for entry in rig.entries()]
    assert kinds[:4] == ["UserMessage", "UserMessage", "AssistantMessage", "DeliveryStarted"]
    assert [a.seen for a in rig.bodies(AssistantMessage)] == [1, 2]
    assert rig.shown() == ["Yes.", "Yes."]


class _ArrivalBeforeRelease(CountingJournal):
    """Just before the worker lets go, something arrives. With `blind` the release does not look whether anything did: the planted bug."""

    arrive: Any = None
    blind = False

    async def append(self, lease: Any, now: float, wakes: int, facts: Any = (), intentions: Any = (), release: Any = None) -> Any:
        if self.arrive is not None and release is not None:
            arrive, self.arrive = self.arrive, None
            await arrive()
            if self.blind:
                wakes += 1
        return await super().append(lease, now, wakes, facts, intentions, release)


@pytest.mark.parametrize("blind", [False, True])
@simulated
async def test_what_arrives_just_before_the_release_is_answered_and_a_release_that_does_not_look_loses_it(blind: bool) -> None:
    rig = Rig()
    rig.journal.__class__ = _ArrivalBeforeRelease
    rig.journal.arrive = lambda: rig.say("two")  # type: ignore[attr-defined] # it is of that class now
    rig.journal.blind = blind  # type: ignore[attr-defined]
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(30)
    assert [a.seen for a in rig.bodies(AssistantMessage)] == ([1] if blind else [1, 4])


@simulated
async def test_an_answer_that_a_stop_overtook_at_its_commit_is_not_sent() -> None:
    rig = Rig()
    _with_arrival(rig, "/stop")
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert rig.shown() == ["Stopped. One message was not answered; /retry brings it back."] or rig.shown() == ["Stopped."]
    assert len(rig.bodies(AssistantMessage)) == 1


@simulated
async def test_stop_cancels_the_call_in_flight_and_its_answer_is_never_written() -> None:
    rig = Rig([Say(text="Too late.", takes_s=60)])
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(10)
        await rig.say("/stop")
        await asyncio.sleep(120)
    assert rig.model.cancelled == 1
    assert rig.bodies(AssistantMessage) == []
    assert rig.shown() == ["Stopped. One message was not answered; /retry brings it back."]


@simulated
async def test_a_held_step_goes_on_when_its_gate_closes_behind_it() -> None:
    rig = Rig([Say(text="Through.", takes_s=60)])
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(10)
        await rig.weather.failed(GATE, rig.clock.now(), Failure("rate-limit", 30.0, "another call was refused"))
        await asyncio.sleep(120)
    assert (rig.model.cancelled, len(rig.model.requests)) == (0, 1)
    assert rig.shown()[-1] == "Through."


@simulated
async def test_a_message_in_the_middle_of_a_call_does_not_disturb_it_and_is_answered_next() -> None:
    rig = Rig([Say(text="First.", takes_s=10), Say(text="Second.")])
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        await rig.say("two")
        await asyncio.sleep(30)
    assert rig.model.cancelled == 0
    assert rig.shown() == ["First.", "Second."]
    last = rig.model.requests[-1].messages[-1]
    assert isinstance(last, User) and last.text == "two"


@simulated
async def test_calls_of_one_answer_run_side_by_side_each_after_its_start_was_written() -> None:
    calls = tuple(("demo__slow", f'{{"seconds": 30, "key": "{key}"}}') for key in "abc")
    rig = Rig([Say(calls=calls), Say(text="Done.")])
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(40)
    assert rig.shown() == ["Done."]
    kinds = [type(entry.body) for entry in rig.entries()]
    assert kinds[1:5] == [AssistantMessage, ToolStarted, ToolStarted, ToolStarted]
    assert kinds.count(ToolResult) == 3


@simulated
async def test_orders_are_obeyed_while_a_tool_runs() -> None:
    rig = Rig([Say(calls=(("demo__slow", '{"seconds": 600}'),)), Say(text="Done.")])
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        await rig.say("/status")
        await asyncio.sleep(5)
        assert rig.shown() == ["A tool is at work: demo__slow."]
        await rig.say("/stop")
        await asyncio.sleep(5)
    assert rig.shown()[1:] == ["Stopped."]
    assert [result.outcome for result in rig.bodies(ToolResult)] == ["unknown"]


@simulated
async def test_when_the_gateway_stops_a_send_in_flight_is_finished_and_a_model_call_given_up() -> None:
    rig = Rig([Say(text="Yes."), Say(text="Later.", takes_s=600)])
    rig.chat.delay_s = lambda: 1.0
    async with rig.running():
        await rig.say("one")
        await rig.say("two", chat="other")
        await asyncio.sleep(0.5)
        assert len(rig.dispatch.running) == 2
        began = rig.clock.monotonic()
        await rig.dispatch.stop(5.0)
        assert rig.clock.monotonic() - began < 3.0
    assert len(rig.bodies(Delivered)) + len(rig.bodies(Delivered, chat="other")) == 1
    assert rig.model.cancelled == 1
    for chat in ("c", "other"):
        row = rig.journal.disk.conversations[f"fake:{chat}"]
        assert (row.owner, row.attempts) == (None, 0)
        assert row.due is not None


@simulated
async def test_a_send_refused_for_a_while_is_waited_for_without_a_worker() -> None:
    rig = Rig()
    rig.chat.faults["c"].append("limited")
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(1)
        assert rig.idle()
        assert rig.dispatch.running == ()
        await asyncio.sleep(10)
    assert rig.shown() == ["Yes."]
    assert [failed.refusal for failed in rig.bodies(DeliveryFailed)] == ["retry"]


@simulated
async def test_a_worker_whose_conversation_was_taken_over_appends_nothing() -> None:
    """H-08."""
    rig = Rig([Say(text="Old.", takes_s=10)])
    await rig.say("one")
    old = Worker(await rig.claim(), rig.journal, rig.clock, rig.hands)
    running = asyncio.ensure_future(old.run())
    await asyncio.sleep(1)
    successor = MemoryJournal(rig.journal.disk)
    await successor.disown(rig.clock.now(), 10)
    (lease,) = await successor.claim("them", rig.clock.now(), ("fake",), {}, 10)
    assert lease.epoch == old.lease.epoch + 1
    before = len(rig.entries())
    with pytest.raises(ExceptionGroup) as lost:
        await running
    assert lost.group_contains(LeaseLost)
    assert len(rig.entries()) == before
    assert rig.shown() == []


@simulated
async def test_what_an_older_epoch_started_is_repeated_only_if_it_may_be() -> None:
    """H-31: an interrupted turn goes on from its last durable step."""
    calls = (("demo__count", '{"key": "once"}'), ("demo__lookup", '{"key": "again"}'))
    rig = Rig([Say(calls=calls), Say(text="Done.")])
    rig.outside.faults["count"].append("hang")
    rig.outside.faults["lookup"].append("hang")
    await rig.say("one")
    killed = asyncio.ensure_future(Worker(await rig.claim(), rig.journal, rig.clock, rig.hands).run())
    await asyncio.sleep(5)
    disk = rig.journal.disk
    rig.journal.crash()
    killed.cancel()
    again = Rig([Say(text="Done.")], disk=disk)
    again.outside = rig.outside
    async with again.running():
        await again.journal.disown(again.clock.now(), 10)
        again.dispatch.weather_changed()
        await asyncio.sleep(5)
    assert {result.call: result.outcome for result in again.bodies(ToolResult)} == {"call_1_0": "unknown", "call_1_1": "ok"}
    assert rig.outside.count("count", "once") == 1
    assert again.shown()[-1] == "Done."


@simulated
async def test_idle_conversations_are_left_alone_by_a_start() -> None:
    """H-30: no spurious turn after a crash."""
    rig = Rig()
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    before = list(rig.entries())
    again = Rig(disk=rig.journal.disk)
    async with again.running():
        await asyncio.sleep(100)
    assert again.entries() == before
    assert again.model.requests == []
    assert "claim" not in again.journal.commits


@simulated
async def test_a_platform_without_keys_and_with_the_smallest_limit_can_be_spoken_to() -> None:
    rig = Rig(traits=Traits(Limit(LENGTH_MIN)))
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert rig.shown() == ["Yes."]


@simulated
async def test_notices_never_reach_the_model() -> None:
    """H-28."""
    rig = Rig()
    async with rig.running():
        for text in ("one", "/status", "/help", "/stop", "two"):
            await rig.say(text)
            await asyncio.sleep(2)
    read = repr(rig.model.requests[-1].messages)
    assert rig.bodies(Notice) and not any(notice.text in read for notice in rig.bodies(Notice))
