"""Planted bugs of the weather, by name, each with the scenario in which it shows. A walk that does not notice them proves nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import weather_world

from holdfast.core import weather
from holdfast.core.weather import GateRow
from holdfast.core.world import Chain, Route
from holdfast.runtime.weather import GateClosed, Weather
from holdfast.testing.memory_journal import MemoryJournal

Bug = Callable[[pytest.MonkeyPatch], None]
BUGS: dict[str, tuple[str, Bug]] = {}


def shows_in(scenario: str) -> Callable[[Bug], Bug]:
    def known(bug: Bug) -> Bug:
        BUGS[bug.__name__.strip("_").replace("_", " ")] = scenario, bug
        return bug

    return known


@shows_in("one route")
def the_ramp_does_not_begin_anew_at_a_failure(m: pytest.MonkeyPatch) -> None:
    right = Weather.failed

    async def failed(self: Weather, name: str, *rest: Any) -> None:
        allowance = self._gates[name].allowance
        await right(self, name, *rest)
        self._gates[name].allowance = allowance

    m.setattr(Weather, "failed", failed)


@shows_in("people stop it")
def a_cancelled_call_keeps_its_place(m: pytest.MonkeyPatch) -> None:
    right = Weather.place

    @asynccontextmanager
    async def place(self: Weather, name: str, conversation: str) -> AsyncIterator[None]:
        async with right(self, name, conversation):
            try:
                yield
            except BaseException as end:
                self._gates[name].taken += type(end).__name__ == "CancelledError"
                raise

    m.setattr(Weather, "place", place)


@shows_in("one route")
def a_closed_gate_is_open(m: pytest.MonkeyPatch) -> None:
    m.setattr(weather, "is_closed", lambda _gate, _now: False)


@shows_in("one person")
def waits_do_not_grow(m: pytest.MonkeyPatch) -> None:
    m.setattr(weather, "back_off_s", lambda _streak: 1.0)


@shows_in("limits")
def what_the_server_says_of_when_is_not_believed(m: pytest.MonkeyPatch) -> None:
    m.setattr(weather, "wait_s", lambda failure, streak, draw, **_: weather.back_off_s(streak) * draw)


@shows_in("one route")
def answers_do_not_widen_the_gate(m: pytest.MonkeyPatch) -> None:
    m.setattr(weather, "allowance_after_success", lambda allowance, _places: allowance)


@shows_in("one route")
def an_answer_leaves_the_gate_closed(m: pytest.MonkeyPatch) -> None:
    m.setattr(weather, "succeeded", lambda gate, now: replace(gate, last_ok=now, until=gate.until or now + 1e9))


@shows_in("a chain")
def trying_again_is_free(m: pytest.MonkeyPatch) -> None:
    m.setattr(weather.Retries, "spent", lambda self, _now: (self, 0.0))


@shows_in("one person, slowly")
def a_place_that_was_not_used_is_lost(m: pytest.MonkeyPatch) -> None:
    m.setattr(Weather, "give_back", lambda self, conversation: self._pressing.discard(conversation))


@shows_in("a mistake")
def whoever_writes_has_a_mistake_tried_at_once(m: pytest.MonkeyPatch) -> None:
    m.setattr(weather, "may_be_pressed", lambda gate, _now: gate.kind == "config")


@shows_in("a mistake, slowly")
def who_wrote_once_has_it_tried_again_and_again(m: pytest.MonkeyPatch) -> None:
    right = Weather.place

    @asynccontextmanager
    async def place(self: Weather, name: str, conversation: str) -> AsyncIterator[None]:
        pressing = conversation in self._pressing
        async with right(self, name, conversation):
            if pressing:
                self._pressing.add(conversation)
            yield

    m.setattr(Weather, "place", place)


@shows_in("a mistake")
def a_mistake_is_for_ever(m: pytest.MonkeyPatch) -> None:
    m.setattr(weather, "MISTAKE_S", 1e9)


@shows_in("one route")
def the_weather_is_not_written_down(m: pytest.MonkeyPatch) -> None:
    async def put_gate(_: MemoryJournal, __: GateRow) -> None:
        return None

    m.setattr(MemoryJournal, "put_gate", put_gate)


@shows_in("never tried")
def a_route_that_was_never_tried_lets_all_through(m: pytest.MonkeyPatch) -> None:
    right = Weather.__init__

    def begun(self: Weather, *rest: Any) -> None:
        right(self, *rest)
        for gate in self._gates.values():
            gate.allowance = gate.places

    m.setattr(Weather, "__init__", begun)


@shows_in("the clock is set back")
def nobody_minds_the_clock(m: pytest.MonkeyPatch) -> None:
    m.setattr(Weather, "hasten", lambda _: None)


@shows_in("a chain")
def the_last_route_of_a_chain_is_preferred(m: pytest.MonkeyPatch) -> None:
    def last_open(chain: Chain) -> Route | None:
        return next((route for route in reversed(chain) if route.open), None)

    m.setattr(weather_world, "first_open", last_open)


@shows_in("a chain")
def let_in_by_one_gate_and_gone_through_another_it_keeps_its_place(m: pytest.MonkeyPatch) -> None:
    right = Weather._give_back_reserved
    m.setattr(Weather, "_give_back_reserved", lambda _self, _conversation: None)
    m.setattr(Weather, "give_back", lambda self, c: (self._pressing.discard(c), right(self, c)))


@shows_in("one place")
def a_failed_call_hands_its_place_on(m: pytest.MonkeyPatch) -> None:
    async def take(self: Weather, gate: Any) -> None:
        if gate.taken < gate.allowance and not gate.waiting:
            gate.taken += 1
        else:
            await self._wait_in_line(gate)

    m.setattr(Weather, "_take", take)


@shows_in("slowly")
def a_claim_counts_though_others_were_faster(m: pytest.MonkeyPatch) -> None:
    right, place = Weather.is_open, Weather.place
    m.setattr(Weather, "is_open", lambda self, name, who: self._reserved.get(who) == name or right(self, name, who))

    @asynccontextmanager
    async def through(self: Weather, name: str, conversation: str) -> AsyncIterator[None]:
        gate = self._gates[name]
        if self._reserved.get(conversation) != name:
            async with place(self, name, conversation):
                yield
            return
        if weather.is_closed(gate.row, self._clock.now()):
            raise GateClosed
        del self._reserved[conversation]
        try:
            yield
        finally:
            self._free(gate)

    m.setattr(Weather, "place", through)


@shows_in("one place")
def nobody_is_told_that_a_place_of_a_healthy_route_is_free(m: pytest.MonkeyPatch) -> None:
    right = Weather._free

    def free(self: Weather, gate: Any) -> None:
        told, self.listeners = self.listeners, self.listeners if self._on_its_way_back(gate) else []
        right(self, gate)
        self.listeners = told

    m.setattr(Weather, "_free", free)


@shows_in("the clock is set back")
def the_clock_says_who_got_through(m: pytest.MonkeyPatch) -> None:
    def missed(self: Weather, name: str, conversation: str) -> bool:
        gate, at = self._missed.pop(conversation, ("", 0))
        self._missed[conversation] = (name, self._clock.now())  # type: ignore[assignment] # as it was
        return gate == name and self._gates[name].row.last_ok > at

    m.setattr(Weather, "missed", missed)
