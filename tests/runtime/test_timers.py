"""Timers: what was asked for later comes once, whoever is killed meanwhile, and at the same time of day in summer and in winter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from runtime_rig import Rig

from holdfast.core.entries import AssistantMessage, Delivered, Entry, Question, ToolResult, UserMessage
from holdfast.core.request import Request, Result
from holdfast.local_time import LocalTime
from holdfast.ports import Arrival, Timer
from holdfast.runtime.timers import DAY_S, LATE_S, fired
from holdfast.testing.clock import BEGAN
from holdfast.testing.memory_journal import MemoryDisk
from holdfast.testing.scripted_model import Say, Step
from holdfast.testing.sim import Process, run, simulated, this_loop
from holdfast.tools.builtin import BuiltIn
from holdfast.tools.together import Together

BERLIN = LocalTime(ZoneInfo("Europe/Berlin"))
SANTIAGO = LocalTime(ZoneInfo("America/Santiago"))


def wall(zone: LocalTime, text: str) -> float:
    return zone.instant(datetime.fromisoformat(text))


def a_timer(at: float, every_s: float = 0.0, since: float = 0.0) -> Timer:
    body = UserMessage(author="ann", id="reminder call_1_0", text="Stand up.", scheduled=True)
    return Timer("fake:c call_1_0", at, Arrival("fake:c", "fake", "c", "", body, at), every_s, since)


def after(timer: Timer, now: float, zone: LocalTime) -> str:
    """When it comes next, by the clock on the wall."""
    next_at = fired(timer, now, zone)[1]
    assert next_at is not None
    return zone.at(next_at).isoformat(timespec="minutes")


# --- when it comes again --------------------------------------------------------------------------------------------------------------


def test_what_is_due_once_does_not_come_again() -> None:
    assert fired(a_timer(100.0), 100.0, BERLIN)[1] is None


def test_what_comes_each_hour_goes_on_from_when_it_was_due_not_from_when_it_fired() -> None:
    assert fired(a_timer(100.0, 3600.0), 130.0, BERLIN)[1] == 3700.0


def test_occurrences_that_were_missed_are_one() -> None:
    timer, next_at = fired(a_timer(100.0, 3600.0), 100.0 + 10 * 3600.0, BERLIN)
    assert next_at == 100.0 + 11 * 3600.0
    body = timer.arrival.body
    assert isinstance(body, UserMessage)
    assert "It is late" in body.text and body.text.endswith("Stand up.")


@pytest.mark.parametrize("late_s", [0.0, LATE_S])
def test_what_is_in_time_does_not_say_that_it_is_late(late_s: float) -> None:
    body = fired(a_timer(100.0), 100.0 + late_s, BERLIN)[0].arrival.body
    assert isinstance(body, UserMessage)
    assert "late" not in body.text and body.scheduled


def test_each_occurrence_is_a_message_of_its_own() -> None:
    ids = {fired(a_timer(at, 60.0), at, BERLIN)[0].arrival.body.id for at in (100.0, 160.0)}  # type: ignore[union-attr] # a message
    assert len(ids) == 2


@pytest.mark.parametrize(("day", "following"), [("2026-03-28", "2026-03-29T09:00+02:00"), ("2026-10-24", "2026-10-25T09:00+01:00")])
def test_what_comes_each_day_at_nine_comes_at_nine_when_the_clocks_are_changed(day: str, following: str) -> None:
    at = wall(BERLIN, f"{day}T09:00")
    assert after(a_timer(at, DAY_S, at), at, BERLIN) == following


def test_twelve_hours_are_twelve_hours_when_the_clocks_are_changed() -> None:
    at = wall(BERLIN, "2026-03-28T21:00")
    assert after(a_timer(at, DAY_S / 2, at), at, BERLIN) == "2026-03-29T10:00+02:00"


def test_a_time_that_is_skipped_comes_an_hour_later_and_the_next_day_in_time_again() -> None:
    first = wall(BERLIN, "2026-03-27T02:30")
    timer = a_timer(wall(BERLIN, "2026-03-28T02:30"), DAY_S, first)
    assert after(timer, timer.at, BERLIN) == "2026-03-29T03:30+02:00"
    shifted = a_timer(wall(BERLIN, "2026-03-29T03:30"), DAY_S, first)
    assert after(shifted, shifted.at, BERLIN) == "2026-03-30T02:30+02:00"


def test_where_midnight_itself_is_skipped_it_is_midnight_again_the_day_after() -> None:
    first = wall(SANTIAGO, "2026-09-04T00:00")
    timer = a_timer(wall(SANTIAGO, "2026-09-06T00:00"), DAY_S, first)
    assert SANTIAGO.at(timer.at).hour == 1
    assert after(timer, timer.at, SANTIAGO) == "2026-09-07T00:00-03:00"


def test_a_time_that_comes_twice_comes_once() -> None:
    at = wall(BERLIN, "2026-10-24T02:30")
    assert after(a_timer(at, DAY_S, at), at, BERLIN) == "2026-10-25T02:30+02:00"
    twice = wall(BERLIN, "2026-10-25T02:30")
    assert after(a_timer(twice, DAY_S, at), twice, BERLIN) == "2026-10-26T02:30+01:00"


@pytest.mark.parametrize("every_s", [60.0, 3600.0, 100_000.0, DAY_S, 7 * DAY_S])
@pytest.mark.parametrize("away_s", [0.0, 1.0, 3600.0, 40 * DAY_S, 400 * DAY_S])
def test_the_next_one_is_ahead_and_never_further_than_one_stretch_and_an_hour(every_s: float, away_s: float) -> None:
    at = wall(BERLIN, "2026-03-20T02:30")
    next_at = fired(a_timer(at, every_s, at), at + away_s, BERLIN)[1]
    assert next_at is not None
    assert 0 < next_at - (at + away_s) <= every_s + 3600.0


# --- through the whole gateway ----------------------------------------------------------------------------------------------------------


def reminded(request: Request) -> Step:
    """A model that sets a reminder when it is asked to, and does what it says."""
    last = request.messages[-1]
    if isinstance(last, Result):
        return Say(text="I will.")
    if last.text.endswith("Stand up."):
        return Say(text="Stand up, please.", takes_s=1.0)
    return Say(calls=(("holdfast__remind", '{"text": "Stand up.", "when": "10 minutes"}'),), takes_s=1.0)


def with_reminders(rig: Rig) -> Rig:
    rig.hands._tools = Together(BuiltIn(rig.journal, rig.hands._files, rig.clock, LocalTime(UTC)), rig.tools)
    return rig


def life(disk: MemoryDisk, lives: list[Rig], script: Callable[[Request], Step] = reminded) -> Process:
    """The gateway, started on this disk."""

    async def main() -> None:
        rig = with_reminders(Rig(script, disk=disk))
        rig.tools._delay_s = lambda _call: 20.0
        lives.append(rig)
        while await rig.journal.disown(rig.clock.now(), 10):
            pass
        await rig.dispatch.run()

    return this_loop().start(f"life-{len(lives)}", main())


async def killed_after(rounds: int, begin_s: float, away_s: float) -> list[Entry]:
    """Ask for a reminder; from `begin_s` on so many rounds of the loop; kill; start again after a while. What was kept then."""
    loop, lives, disk = this_loop(), list[Rig](), MemoryDisk()
    process = life(disk, lives)
    await asyncio.sleep(0.1)
    await lives[0].say("Remind me.")
    await asyncio.sleep(begin_s)
    killed = asyncio.Event()

    def kill() -> None:
        loop.kill(process)
        killed.set()

    loop.after_rounds(rounds, kill)
    await killed.wait()
    await asyncio.sleep(away_s)
    life(disk, lives)
    await asyncio.sleep(3600)
    assert not loop.complaints
    assert not disk.timers
    return lives[-1].entries()


def occurrences(entries: list[Entry]) -> list[UserMessage]:
    return [entry.body for entry in entries if isinstance(entry.body, UserMessage) and entry.body.scheduled]


@pytest.mark.parametrize("away_s", [0.0, 30.0, 1800.0], ids=["a moment", "half a minute", "until after it was due"])
@pytest.mark.parametrize("begin_s", [0.0, 598.0], ids=["while it is set", "while it is due"])
def test_whenever_the_process_is_killed_the_reminder_comes_once_and_is_answered_once(begin_s: float, away_s: float) -> None:
    """LEDGER H-60 (cron twice, or never), part I rows 21 (unique per occurrence) and 27: a run is over when what it says has arrived."""
    late = 0
    for rounds in range(1, 40):
        entries = run(lambda rounds=rounds: killed_after(rounds, begin_s, away_s), rounds)  # type: ignore[misc] # bound now
        (occurrence,) = occurrences(entries)
        late += "It is late" in occurrence.text
        answers = [entry.body.text for entry in entries if isinstance(entry.body, AssistantMessage) and entry.body.text]
        said_so = ["I will."] if answers[0] == "I will." else []  # else the reminder was due before that was said, and is answered with it
        assert answers == [*said_so, "Stand up, please."], rounds
        assert len([entry for entry in entries if isinstance(entry.body, ToolResult)]) == 1
    assert (late > 0) == (away_s == 1800.0)


@pytest.mark.parametrize(("tool", "told"), [("count", "unknown"), ("slow", "ok")])
@pytest.mark.parametrize("kills", [1, 2])
@simulated
async def test_work_in_the_background_ends_with_a_told_outcome_however_often_the_process_is_killed_in_it(
    tool: str, told: str, kills: int
) -> None:
    """LEDGER H-38: background work vanished with the process. Here it is a turn like any other, in the journal of its conversation."""

    def works(request: Request) -> Step:
        last = request.messages[-1]
        if isinstance(last, Result):
            return Say(text="I will." if last.tool == "holdfast__remind" else "That is how it stands.")
        if last.text.endswith("Do it now."):
            return Say(calls=((f"demo__{tool}", '{"key": "k", "seconds": 20}'),))
        return Say(calls=(("holdfast__remind", '{"text": "Do it now.", "when": "10 minutes"}'),))

    lives, disk = list[Rig](), MemoryDisk()
    process = life(disk, lives, works)
    await asyncio.sleep(0.1)
    await lives[0].say("Do it in ten minutes.")
    await asyncio.sleep(610)  # in the middle of the call
    for _ in range(kills):
        this_loop().kill(process)
        process = life(disk, lives, works)
        await asyncio.sleep(10)
    await asyncio.sleep(100)
    entries = lives[-1].entries()
    result = [entry.body for entry in entries if isinstance(entry.body, ToolResult)][-1]
    assert result.outcome == told
    (answer,) = [e.body for e in entries if isinstance(e.body, AssistantMessage) and e.body.text == "That is how it stands."]
    assert [e.body.of for e in entries if isinstance(e.body, Delivered)].count(answer.name) == 1
    assert len(occurrences(entries)) == 1
    assert len([e for e in entries if isinstance(e.body, Question)]) == (told == "unknown"), "and the person may choose what becomes of it"


def test_the_sweep_finds_what_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the time counted from the call, one that is made again after a kill would set another instant: another occurrence."""

    async def from_now_on(built_in: BuiltIn, *_: object) -> float:
        return built_in._clock.now()

    monkeypatch.setattr(BuiltIn, "_asked", from_now_on)
    counts = {len(occurrences(run(lambda rounds=rounds: killed_after(rounds, 0.0, 1800.0), rounds))) for rounds in range(1, 40)}  # type: ignore[misc]
    assert counts == {1, 2}


@simulated
async def test_what_comes_each_day_goes_on_over_a_week_in_which_the_gateway_is_away_for_three_days() -> None:
    daily = '{"text": "Stand up.", "when": "1 day", "every": "1 day"}'

    def script(request: Request) -> Step:
        last = request.messages[-1]
        if "Remind me" in last.text:
            return Say(calls=(("holdfast__remind", daily),))
        return Say(text="Stand up, please." if last.text.endswith("Stand up.") else "I will.")

    disk = MemoryDisk()
    rig = with_reminders(Rig(script, disk=disk))
    async with rig.running():
        await rig.say("Remind me.")
        await asyncio.sleep(2.5 * DAY_S)
    await asyncio.sleep(3 * DAY_S)
    rig = with_reminders(Rig(script, disk=disk))
    async with rig.running():
        await asyncio.sleep(1.6 * DAY_S)
    at = [entry.at for entry in rig.entries() if isinstance(entry.body, UserMessage) and entry.body.scheduled]
    assert [round((one - BEGAN) / DAY_S) for one in at] == [1, 2, 3, 6, 7]
    late = ["It is late" in body.text for body in occurrences(rig.entries())]
    assert late == [False, False, True, False, False]


@simulated
async def test_a_reminder_that_was_forgotten_does_not_come() -> None:
    steps: list[Any] = [
        Say(calls=(("holdfast__remind", '{"text": "Stand up.", "when": "10 minutes"}'),)),
        Say(text="I will."),
        Say(calls=(("holdfast__forget_reminder", '{"id": "call_1_0"}'),)),
        Say(text="Forgotten."),
    ]
    rig = with_reminders(Rig(steps))
    async with rig.running():
        await rig.say("Remind me.")
        await asyncio.sleep(60)
        await rig.say("Forget it.")
        await asyncio.sleep(3600)
    assert occurrences(rig.entries()) == []
    assert rig.shown() == ["I will.", "Forgotten."]
