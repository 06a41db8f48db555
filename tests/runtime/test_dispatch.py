from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from runtime_rig import GATE, CountingJournal, Rig

from holdfast.core.entries import AssistantMessage, Question, SetAside, UserMessage
from holdfast.core.request import Request, User
from holdfast.core.steps import CallModel
from holdfast.core.steps import Step as TurnStep
from holdfast.core.transcript import Transcript
from holdfast.errors import JournalFailed
from holdfast.ports import Arrival, Lease, Timer
from holdfast.runtime.acts import Acts
from holdfast.runtime.worker import Facts, Midway
from holdfast.testing.scripted_model import Break, Say, Step
from holdfast.testing.sim import simulated


def _said(request: Request) -> str:
    return " ".join(message.text for message in request.messages if isinstance(message, User))


@simulated
async def test_the_oldest_comes_first() -> None:
    rig = Rig()
    claimed: list[str] = []
    right = rig.journal.claim

    async def claim(*args: Any) -> tuple[Lease, ...]:
        leases = await right(*args)
        claimed.extend(lease.conversation for lease in leases)
        return leases

    rig.journal.claim = claim  # type: ignore[method-assign,assignment] # listened to
    chats = [f"chat{(number * 7) % 9}" for number in range(9)]
    for chat in chats:
        await rig.say("one", chat=chat)
        await asyncio.sleep(1)
    async with rig.running():
        await asyncio.sleep(10)
    assert claimed == [f"fake:{chat}" for chat in chats]


@simulated
async def test_one_stuck_conversation_delays_no_other() -> None:
    """H-06: nobody waits for a turn that began before a restart."""

    def script(request: Request) -> Step:
        return Say(text="At last.", takes_s=36_000.0) if "stuck" in _said(request) else Say(text="Yes.", takes_s=0.1)

    rig = Rig(script)
    await rig.say("stuck", chat="stuck")
    async with rig.running():
        await asyncio.sleep(5)
        for number in range(20):
            await rig.say("one", chat=f"chat{number}")
        await asyncio.sleep(5)
        assert all(rig.shown(f"chat{number}") == ["Yes."] for number in range(20))
        assert rig.dispatch.running == ("fake:stuck",)


class _Buggy(Acts):
    """Has a bug that one conversation meets."""

    async def perform(self, lease: Lease, transcript: Transcript, step: TurnStep, midway: Midway) -> Facts:
        if lease.conversation == "fake:bad" and isinstance(step, CallModel):
            raise ValueError("a bug")
        return await super().perform(lease, transcript, step, midway)


@simulated
async def test_a_bug_in_one_worker_counts_as_an_attempt_and_touches_no_other() -> None:
    rig = Rig(hands=_Buggy)
    async with rig.running():
        await rig.say("one", chat="bad")
        await asyncio.sleep(1)
        assert rig.journal.disk.conversations["fake:bad"].attempts == 1
        await rig.say("one", chat="good")
        await asyncio.sleep(1)
        assert rig.shown("good") == ["Yes."]
        await asyncio.sleep(600)
        await rig.say("two", chat="good")
        await asyncio.sleep(5)
        assert rig.shown("good") == ["Yes.", "Yes."]
    assert [aside.why for aside in rig.bodies(SetAside, "bad")] == ["crashed"]
    assert [question.question for question in rig.bodies(Question, "bad")] == ["poison"]


@simulated
async def test_a_failed_journal_ends_the_dispatcher() -> None:
    rig = Rig()
    async with rig.running() as task:
        await asyncio.sleep(1)
        rig.journal.crash()
        rig.dispatch.weather_changed()
        with pytest.raises(ExceptionGroup) as failed:
            await task
        assert failed.group_contains(JournalFailed)


class _SlowToReturn(CountingJournal):
    """A release is durable for a while before its worker hears of it."""

    slow_s = 0.0

    async def append(self, lease: Any, now: float, wakes: int, facts: Any = (), intentions: Any = (), release: Any = None) -> Any:
        appended = await super().append(lease, now, wakes, facts, intentions, release)
        if appended.released:
            await asyncio.sleep(self.slow_s)
        return appended


@simulated
async def test_a_conversation_claimed_again_before_its_worker_heard_that_it_let_go_keeps_its_new_worker() -> None:
    rig = Rig([Say(text="First."), Say(text="Second.", takes_s=60.0), Say(text="Third.")])
    rig.journal.__class__ = _SlowToReturn
    rig.journal.slow_s = 5.0  # type: ignore[attr-defined] # it is of that class now
    async with rig.running() as task:
        await rig.say("one")
        await asyncio.sleep(1)
        assert rig.idle()
        await rig.say("two")
        rig.dispatch.weather_changed()
        await asyncio.sleep(10)
        assert rig.dispatch.running == ("fake:c",)
        await rig.say("/stop")
        await asyncio.sleep(10)
        assert rig.shown()[-1].startswith("Stopped.")
        await rig.say("three")
        await asyncio.sleep(100)
        assert not task.done()
    assert rig.shown()[-1] == "Third."


@simulated
async def test_where_the_clocks_part_what_was_due_in_an_hour_is_looked_at_once() -> None:
    rig = Rig()
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        row = rig.journal.disk.conversations["fake:c"]
        row.due = rig.clock.now() + 3600.0
        claims = rig.journal.commits.count("claim")
        await asyncio.sleep(200)
        assert rig.journal.commits.count("claim") == claims
        rig.clock.jump_s = -86_400.0
        await asyncio.sleep(130)
        assert rig.journal.commits.count("claim") == claims + 1
        await asyncio.sleep(600)
        assert rig.journal.commits.count("claim") == claims + 1


@simulated
async def test_where_the_clock_is_set_back_nobody_waits_a_day_for_a_gate() -> None:
    rig = Rig([Break(why="refused"), Say(text="Yes.")], draw=1.0)
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(0.5)
        rig.clock.jump_s = -86_400.0
        await asyncio.sleep(130)
        assert rig.shown() == ["Yes."]


@pytest.mark.parametrize("until_s", [0.01, 0.06, 0.09, 0.14])
@simulated
async def test_a_gate_whose_time_comes_while_the_journal_is_asked_is_not_slept_past(until_s: float) -> None:
    rig = Rig([Break(why="refused"), Say(text="Yes.")], draw=until_s)
    right = rig.journal.next_due

    async def next_due(accounts: Sequence[str]) -> float | None:
        await asyncio.sleep(0.05)
        return await right(accounts)

    rig.journal.next_due = next_due  # type: ignore[method-assign] # a slow disk
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(1)
        assert rig.shown() == ["Yes."]


@pytest.mark.parametrize("woken_at_s", [0.04, 0.06, 0.1, 0.13])
@simulated
async def test_a_worker_that_is_busy_with_a_send_goes_on_when_its_gate_opens(woken_at_s: float) -> None:
    rig = Rig([Break(why="refused"), Say(text="Yes.")], draw=0.1)
    right = rig.journal.next_due

    async def next_due(accounts: Sequence[str]) -> float | None:
        await asyncio.sleep(0.05)
        return await right(accounts)

    rig.journal.next_due = next_due  # type: ignore[method-assign] # a slow disk
    rig.chat.delay_s = lambda: 20.0
    async with rig.running():
        await rig.say("/help")
        await rig.say("one")
        await asyncio.sleep(woken_at_s)
        rig.dispatch.arrived("fake:another")  # dispatch looks around just when the gate's time comes
        await asyncio.sleep(5)
        assert rig.model.answers == 1


@simulated
async def test_a_timer_fires_once() -> None:
    rig = Rig()
    async with rig.running():
        at = rig.clock.now() + 500.0
        body = UserMessage(author="ann", id="timer", text="remember")
        await rig.journal.put_timer(Timer("reminder", at, Arrival("fake:c", "fake", "c", "", body, at)))
        await asyncio.sleep(490)
        assert rig.shown() == []
        await asyncio.sleep(100)
        assert rig.shown() == ["Yes."]
        await asyncio.sleep(1000)
    assert rig.shown() == ["Yes."]


@simulated
async def test_what_a_killed_process_had_claimed_goes_on_and_in_its_turn() -> None:
    """Part I row 3, H-33: no flag says that it has to be resumed."""
    rig = Rig([Say(text="Never.", takes_s=1e6)])
    async with rig.running():
        for number in range(5):
            await rig.say(f"message {number}", chat=f"chat{number}")
        await asyncio.sleep(5)
    rig.journal.crash()
    again = Rig(disk=rig.journal.disk)
    async with again.running():
        while await again.journal.disown(again.clock.now(), 2):
            again.dispatch.weather_changed()
        await asyncio.sleep(5)
    assert all(again.shown(f"chat{number}") == ["Yes."] for number in range(5))
    assert all(again.idle(f"chat{number}") for number in range(5))


@simulated
async def test_a_hundred_that_wait_for_a_provider_cost_no_worker_and_few_calls_and_all_come_back() -> None:
    """LEDGER H-57: who waits has no task and no thread, so nobody's heartbeat waits for those."""
    away_until = 3600.0

    def script(_: Request) -> Step:
        return Break(why="refused") if asyncio.get_running_loop().time() < away_until else Say(text="Yes.", takes_s=10.0)

    rig = Rig(script, places=64, draw=1.0)
    async with rig.running():
        for number in range(100):
            await rig.say("one", chat=f"chat{number}")
        await asyncio.sleep(away_until - 10.0)
        assert rig.dispatch.running == ()
        assert len(asyncio.all_tasks()) < 5
        calls_before = len(rig.model.requests)
        assert calls_before < 100 + 40  # all at once at first, then a probe at a time
        await asyncio.sleep(3600)
        assert all(rig.shown(f"chat{number}")[-1] == "Yes." for number in range(100))
    assert len(rig.model.requests) == calls_before + 100
    assert rig.weather.row(GATE).streak == 0


@simulated
async def test_it_does_nothing_while_there_is_nothing_to_do() -> None:
    rig = Rig()
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        rig.journal.commits.clear()
        await asyncio.sleep(86_400)
    assert rig.journal.commits == []


@simulated
async def test_a_conversation_that_owes_nothing_is_not_set_aside_because_processes_died_at_their_start() -> None:
    rig = Rig([Say(calls=(("demo__count", '{"key": "1"}'),)), Say(text="Done.")])
    rig.outside.faults["count"].append("lost")
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    disk = rig.journal.disk
    assert disk.conversations["fake:c"].due is not None  # the question about the unknown outcome expires in a day
    for _ in range(4):  # each start looks at it once (`hasten`), and is killed just then, by something else
        starting = Rig(disk=disk)
        await starting.journal.disown(starting.clock.now(), 10)
        await starting.journal.hasten(starting.clock.now())
        await starting.claim()
    again = Rig(disk=disk)
    async with again.running():
        await again.journal.disown(again.clock.now(), 10)
        again.dispatch.weather_changed()
        await asyncio.sleep(5)
    assert again.bodies(SetAside) == []
    assert len(again.bodies(AssistantMessage)) == 2
