"""An exhaustive walk of the weather with the conversations under it, breadth first, so that a counterexample is a shortest one.

A state is the way that leads to it, gone again from the beginning. Each is judged where it stands; and from each, two ways are gone to their end. If
all works from now on, everybody is answered as soon as the time of his routes has come, the next time by the first route of his chain, and every place
is open again. If all fails at once from now on, nobody spins.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from weather_book import Flaw, calls_at_most, longest_s
from weather_parts import Move, Scenario, Talk
from weather_world import CIRCLES_MAX, LOOK_S, World

STORM_S: Final = 600.0
STORM_EVERY: Final = 40
"""Every so manieth state is the beginning of a storm of each kind: it takes as long as a hundred moves."""


class Walked(World):
    """The world in one state."""

    def begin_at(self, way: tuple[Move, ...]) -> None:
        """Whatever lies before the last move has been judged."""
        if not self.scenario.slow:
            self.settle()
        for move in way[:-1]:
            self.follow(move)
        if way:
            self.step(way[-1])

    def follow(self, move: Move) -> None:
        """One move, and what follows at once."""
        self.do(move)
        if not self.scenario.slow:
            self.settle()

    def step(self, move: Move) -> None:
        self.follow(move)
        self.judge()

    # --- where it stands ------------------------------------------------------------------------------------------------------------------

    def judge(self) -> None:
        admits = self.weather.admits()
        for name in self.books:
            self.judge_places(name)
            self.judge_row(name)
        for talk in self.talks.values():
            kept = self.weather._reserved.get(talk.key)
            if kept is not None and talk.phase in {"calls", "works"}:
                raise Flaw(f"a place of {kept} is kept for somebody who has gone on elsewhere")
            if talk.phase != "rests" or not talk.owes or talk.asks:
                continue
            row = self.disk.conversations[talk.key]
            gates = row.turn_gate.split()
            if row.due is None and not gates:
                raise Flaw(f"{talk.name} waits for nothing")
            let_in = (row.due is not None and row.due <= self.now) or any(admits[gate] > 0 for gate in gates)
            if let_in and not (self.woken or self.looking or talk.leaves):
                raise Flaw(f"{talk.name} may be let in, and nobody is told")

    def judge_places(self, name: str) -> None:
        """Each place that is taken is somebody's, who will free it."""
        taken, _ = self.weather.under_way(f"route:{name}")
        kept = [talk for talk in self.talks.values() if self.weather._reserved.get(talk.key) == f"route:{name}"]
        if taken != self.under_way(name) + len(kept):
            raise Flaw(f"{taken} places of {name} are taken: {self.under_way(name)} call, and {len(kept)} are kept")
        if any(talk.phase == "rests" and not talk.leaves for talk in kept):
            raise Flaw(f"a place of {name} is kept for somebody who has let go")
        if any(talk.phase == "lined" and talk.route == name for talk in self.talks.values()) and not taken:
            raise Flaw(f"somebody waits in line at {name}, and nobody is inside")

    def judge_row(self, name: str) -> None:
        row = self.weather.row(f"route:{name}")
        closed_s = row.until - self.now - self.unnoticed_s
        if closed_s > longest_s(row.kind):
            raise Flaw(f"{name} is closed for {closed_s:.0f} s: longer than its class ever is")
        if row.streak and self.disk.gates[row.name].streak != row.streak:
            raise Flaw(f"that {name} is closed is not written down")

    # --- if all works from now on ---------------------------------------------------------------------------------------------------------

    def calm(self) -> None:
        self.settle()
        own = [until for talk in self.talks.values() for until in talk.own]
        self.answer_all(max(self.now, *(row.until for row in self.weather.rows().values()), *own) + LOOK_S + 1.0)
        while self.weather.next_change(self.now) is not None:
            self.step(("time",))
        for talk in [
            *self.talks.values()
        ] * self.scenario.places:  # one after the other: on its way back a route lets not all through at once
            self.step(("write", talk.name))
            self.answer_all(self.now + 1.0)
            if talk.answered_by != talk.chain[0]:
                raise Flaw(f"{talk.chain[0]} works again, and {talk.name} was answered by {talk.answered_by}")
        for name in {talk.chain[0] for talk in self.talks.values()}:
            admits = self.weather.admits()[f"route:{name}"]
            if admits != self.scenario.places:
                raise Flaw(f"{name} works again, and lets only {admits} of {self.scenario.places} through")

    def answer_all(self, latest: float) -> None:
        for talk in self.talks.values():
            if talk.asks:
                self.step(("write", talk.name))
        for _ in range(CIRCLES_MAX):
            self.settle()
            owed = [talk.name for talk in self.talks.values() if talk.owes]
            busy = self.busy()
            if busy is not None:
                self.step(("ok" if busy.phase == "calls" else "tool ends", busy.name))
            elif not owed:
                return
            elif self.next_instant() is None:
                raise Flaw(f"{' and '.join(owed)} would wait for ever, though all works")
            else:
                self.step(("time",))
            if owed and self.now > latest:
                raise Flaw(f"{' and '.join(owed)} would wait longer than until the time of every route has come, though all works")
        raise Flaw("all works, and nobody comes to an end")

    def busy(self) -> Talk | None:
        return next((talk for talk in self.talks.values() if talk.phase in {"calls", "works"}), None)

    # --- if all fails from now on ---------------------------------------------------------------------------------------------------------

    def storm(self, how: str) -> None:
        """All fails at once, and nothing is drawn."""
        self.settle()
        began = self.now
        self.entered.clear()
        while self.now - began < STORM_S:
            self.settle()
            busy = self.busy()
            if busy is not None:
                self.step(("fail", busy.name, how, "0") if busy.phase == "calls" else ("tool ends", busy.name))
            elif self.next_instant() is None:
                break
            else:
                self.step(("time",))
            busiest = max(self.entered.values(), default=0)
            if busiest > calls_at_most(how, self.now - began) + self.scenario.places:
                raise Flaw(f"it spins: {busiest} calls of one route in {self.now - began:.0f} s, and all of them failed ({how})")

    # --- telling states apart -------------------------------------------------------------------------------------------------------------

    def key(self) -> tuple[Any, ...]:
        """What tells this state from others, but for the names of those who have the same chain."""
        order = sorted(self.talks.values(), key=lambda talk: self.disk.conversations[talk.key].since)
        talks = sorted(repr(self.key_of(talk, order.index(talk))) for talk in self.talks.values())
        at = tuple(self.admits.items()) if self.looking else ()
        return (*map(self.key_of_gate, self.books), *talks, self.woken, at, self.unnoticed_s, *self.left.values())

    def key_of_gate(self, name: str) -> tuple[Any, ...]:
        gate, book, now = self.weather._gates[f"route:{name}"], self.books[name], self.now
        row = gate.row
        mine = (row.streak, row.kind, _ahead(row.until, now), row.last_ok > 0, row.tried > now, gate.allowance, gate.spoke)
        pressed = _ahead(row.tried + 30.0, now) if row.kind == "config" else 0.0
        return (*mine, pressed, round(gate.retries.spent(now)[0].saved), book.allowance, _ahead(book.until, now), book.streak)

    def key_of(self, talk: Talk, place: int) -> tuple[Any, ...]:
        now, row, weather = self.now, self.disk.conversations[talk.key], self.weather
        gate, at = weather._missed.get(talk.key, ("", 0))
        fault = (
            gate,
            bool(gate) and weather._gates[gate].answers > at,
            talk.missed[0] and self.books[talk.missed[0]].answers > talk.missed[1],
        )
        call = (talk.route, talk.spoke, talk.began < weather.row(f"route:{talk.route}").tried) if talk.phase in {"calls", "lined"} else ()
        kept = (weather._reserved.get(talk.key, ""), talk.key in weather._pressing, talk.wrote)
        waits = (row.due is not None and _ahead(row.due, now), row.turn_gate, place) if talk.phase == "rests" else ()
        own = (len(talk.own), _ahead(talk.own[-1], now) if talk.own else 0.0)
        return (talk.chain, talk.owes, talk.phase, talk.phase == "goes" and talk.route, talk.leaves, call, kept, waits, own, fault)


def _ahead(instant: float, now: float) -> float:
    """Rounded, so that it does not tell states apart how many moves led there."""
    return round(max(instant - now, 0.0) * 2.0) / 2.0


@dataclass
class Found:
    """What a walk came to."""

    flaw: str = ""
    way: tuple[Move, ...] = ()
    states: int = 0
    depth: int = 0
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.flaw}\n" + "\n".join(" ".join(move) for move in self.way)


class Walker:
    """Breadth first, as far as so many states."""

    def __init__(self, scenario: Scenario, states_max: int) -> None:
        self.scenario, self.states_max = scenario, states_max
        self.found = Found()

    def walk(self) -> Found:
        log = logging.getLogger("holdfast")
        level = log.level
        log.setLevel(logging.CRITICAL)  # thousands of outages
        try:
            return asyncio.run(self._walk())
        finally:
            log.setLevel(level)

    async def _walk(self) -> Found:
        seen: set[tuple[Any, ...]] = set()
        ways: deque[tuple[Move, ...]] = deque([()])
        while ways and len(seen) < self.states_max and not self.found.flaw:
            way = ways.popleft()
            with self._world(way) as world:
                key = world.key()
                if key in seen:
                    continue
                seen.add(key)
                self.found.states, self.found.depth = len(seen), len(way)
                ways.extend((*way, move) for move in world.moves())
                self._end(way, "all works from now on", world.calm)
            for how in self.scenario.fails if len(seen) % STORM_EVERY == 1 else ():
                with self._world(way) as world:
                    self._end(way, f"all fails from now on: {how}", partial(world.storm, how))
        self.found.whole = not ways
        return self.found

    @contextmanager
    def _world(self, way: tuple[Move, ...]) -> Iterator[Walked]:
        world = Walked(self.scenario)
        try:
            self._end(way, "", partial(world.begin_at, way))
            yield world
        finally:
            world.close()

    def _end(self, way: tuple[Move, ...], last: str, go: Callable[[], None]) -> None:
        try:
            go()
        except Flaw as flaw:
            if not self.found.flaw:
                self.found.flaw, self.found.way = str(flaw), (*way, (last,)) if last else way
