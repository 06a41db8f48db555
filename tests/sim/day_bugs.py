"""Planted bugs, by name. A day that can't tell the gateway with one of these from the right one proves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from day import OUTSIDE_SENT, Plan

from holdfast.core import delivery, request, steps, turn, weather, words
from holdfast.core.transcript import Transcript
from holdfast.core.world import World
from holdfast.ports import Arrival, Cursor, Lease, Release
from holdfast.runtime.gateway import LocalGateway
from holdfast.runtime.owner import Owner
from holdfast.testing import memory_journal
from holdfast.testing.memory_journal import Conversation, MemoryJournal

Bug = Callable[[pytest.MonkeyPatch], None]


class _Anything(int):
    """The number that is equal to all."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


def acknowledge_before_append(m: pytest.MonkeyPatch) -> None:
    """The platform is told that we have it, and it is written down soon."""
    right = LocalGateway.accept
    pending: set[Any] = set()

    async def accept(self: LocalGateway, arrivals: Sequence[Arrival], cursor: Cursor | None = None) -> Any:
        task = asyncio.ensure_future(right(self, arrivals, cursor))
        pending.add(task)
        return ()

    m.setattr(LocalGateway, "accept", accept)


def no_tool_started(m: pytest.MonkeyPatch) -> None:
    m.setattr(steps.CallTool, "first", property(lambda _: ()))


def no_deduplication(m: pytest.MonkeyPatch) -> None:
    right, count = MemoryJournal._accept, iter(range(10**9))
    m.setattr(MemoryJournal, "_accept", lambda self, arrival: right(self, replace(arrival, dedupe=f"{next(count)}")))


def no_epoch_check(m: pytest.MonkeyPatch) -> None:
    """Whoever once had the conversation may write."""
    right = MemoryJournal.append

    async def append(self: MemoryJournal, lease: Lease, *rest: Any, **named: Any) -> Any:
        await self._begin()
        row = self.disk.conversations[lease.conversation]
        row.owner, epoch = row.owner or lease.owner, row.epoch
        appended = await right(self, replace(lease, owner=_Same(row.owner), epoch=_Anything(epoch)), *rest, **named)
        fresh = {entry.seq for entry in appended.entries}
        row.entries[:] = [replace_epoch(entry, lease.epoch) if entry.seq in fresh else entry for entry in row.entries]
        return appended

    m.setattr(MemoryJournal, "append", append)


class _Same(str):
    """The name that is equal to all."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


def replace_epoch(entry: Any, epoch: int) -> Any:
    return type(entry)(entry.seq, entry.at, epoch, entry.body)


def intention_on_a_stale_read(m: pytest.MonkeyPatch) -> None:
    right = MemoryJournal.append

    async def append(
        self: MemoryJournal, lease: Lease, now: float, wakes: int, facts: Any = (), intentions: Any = (), release: Any = None
    ) -> Any:
        return await right(self, lease, now, wakes if release else _Anything(wakes), facts, intentions, release)

    m.setattr(MemoryJournal, "append", append)


def gate_that_never_reopens(m: pytest.MonkeyPatch) -> None:
    m.setattr(weather, "is_closed", lambda gate, _now: gate.streak > 0)


def no_back_off(m: pytest.MonkeyPatch) -> None:
    m.setattr(weather, "back_off_s", lambda _streak: 0.0)
    m.setattr(weather.Retries, "spent", lambda self, _now: (self, 0.0))


def sent_again_without_a_mark(m: pytest.MonkeyPatch) -> None:
    m.setattr(words, "SENT_AGAIN", "")


def key_of_this_life(m: pytest.MonkeyPatch) -> None:
    """The key is made anew by each process, so that the platform can't recognise it."""
    right = delivery._deliver

    def deliver(t: Transcript, speech: Any, index: int, epoch: int, world: World, now: float) -> steps.Deliver:
        step = right(t, speech, index, epoch, world, now)
        return replace(step, key=f"{step.key}/{epoch}") if step.key else step

    m.setattr(delivery, "_deliver", deliver)


def stop_as_a_mode(m: pytest.MonkeyPatch) -> None:
    """Stopped is a mode that the next message ends, instead of a place in the transcript."""
    m.setattr(Transcript, "is_cut", lambda self, _seen: self.cut > 0 and self.last_message < self.cut)


def nobody_disowns(m: pytest.MonkeyPatch) -> None:
    """What a process that is gone had claimed stays claimed (H-33, part I row 3)."""

    async def disown(self: MemoryJournal, now: float, most: int) -> int:
        return 0

    m.setattr(MemoryJournal, "disown", disown)


def the_owner_is_told_at_every_try(m: pytest.MonkeyPatch) -> None:
    right = Owner.tell
    m.setattr(Owner, "tell", lambda self, key, text: right(self, f"{key} {self._clock.now()}", text))


def nobody_tells_the_owner(m: pytest.MonkeyPatch) -> None:
    m.setattr(words, "told_owner", lambda *_: "")


def the_fallback_stays(m: pytest.MonkeyPatch) -> None:
    """Who has once been answered by another route goes on there."""
    m.setattr(turn, "first_open", lambda chain: next((route for route in reversed(chain) if route.open), None))


def models_without_tools_are_offered_some(m: pytest.MonkeyPatch) -> None:
    right = request.build
    m.setattr(request, "build", lambda *rest, calls: right(*rest, calls=True))


def attempts_count_every_death(m: pytest.MonkeyPatch) -> None:
    """No fact and no release takes an attempt back, and those who may be guilty are not run one at a time."""

    def release(_: MemoryJournal, row: Conversation, now: float, release: Release) -> None:
        row.owner, row.since = None, now
        row.due, row.turn_gate, row.speech_gate, row.floor = release.due, release.turn_gate, release.speech_gate, release.floor

    m.setattr(memory_journal, "ends_an_attempt", lambda _: False)
    m.setattr(MemoryJournal, "_suspect_runs", lambda _: False)
    m.setattr(MemoryJournal, "_release", release)


DAYS: dict[str, tuple[Bug, Plan]] = {}
"""Each bug, and the day on which it shows: some need more of one thing than an ordinary day has."""

_short = Plan(0, hours=4.0, chats=4, doings=60, kills_at_points=15, kills_at_rounds=10, kills_at_instants=4, stops=1, outages=3)

for bug in (
    acknowledge_before_append,
    no_tool_started,
    no_deduplication,
    intention_on_a_stale_read,
    gate_that_never_reopens,
    key_of_this_life,
    nobody_tells_the_owner,
    the_fallback_stays,
    nobody_disowns,
    attempts_count_every_death,
):
    DAYS[bug.__name__] = (bug, _short)
DAYS["stop_as_a_mode"] = (stop_as_a_mode, replace(_short, doings=150, outages=0))
DAYS["sent_again_without_a_mark"] = (sent_again_without_a_mark, replace(_short, points=(OUTSIDE_SENT, "deliver.after_send")))
DAYS["no_back_off"] = (no_back_off, replace(_short, hours=2.0, doings=120, outages=10, outage_s_max=(60.0,), platform_outage_s_max=20.0))
_moody = replace(_short, kills_at_points=0, kills_at_rounds=0, kills_at_instants=0, outages=0)
for bug, plan in (
    (the_owner_is_told_at_every_try, replace(_moody, doings=120)),
    (models_without_tools_are_offered_some, replace(_moody, doings=120)),
):
    DAYS[bug.__name__] = (bug, plan)
DAYS["no_epoch_check"] = (no_epoch_check, replace(_short, takeovers=20, kills_at_points=0, kills_at_rounds=0))
