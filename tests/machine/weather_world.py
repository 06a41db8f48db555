"""The weather, and the conversations that live under it, taken apart into moves.

What is real: `runtime.Weather`, a journal, and how `Acts` sees the world, calls a model through its gate and accounts for a failure. The dispatcher
and the workers are taken apart into single acts: look, claim, decide, go to a route, let go, be gone. A move is one thing that happens outside
(somebody writes, a call ends so or so, time passes, the process dies); what the gateway does about it follows by itself, or, where it is `slow`, in
moves of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from weather_book import PRESSED_S, Book, Flaw
from weather_parts import ACCOUNT, Errand, Move, Scenario, Talk, Told, at_once, classify

from holdfast.core.entries import Command, Failed, UserMessage
from holdfast.core.request import Request
from holdfast.core.transcript import Transcript
from holdfast.core.weather import GateRow
from holdfast.core.world import first_open, gates
from holdfast.ports import Answer, Arrival, ModelFailed, RawFailure, Release
from holdfast.runtime.acts import Acts, AgentSettings, RouteSettings
from holdfast.runtime.speech import Speech
from holdfast.runtime.weather import GateSettings, Weather
from holdfast.testing.clock import ManualClock
from holdfast.testing.fake_platform import FakeChat, FakePlatform
from holdfast.testing.fake_tools import FakeTools, Outside
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.memory_journal import MemoryDisk, MemoryJournal

DAY_S: Final = 86_400.0
TICK_S: Final = 0.01
"""So long a move takes, so that no two things happen at the same instant."""

LOOK_S: Final = 60.0
"""So often the dispatcher looks at the clocks, however far the next instant is."""

CIRCLES_MAX: Final = 1000
COSTS: Final = {"write": "writes", "die": "deaths", "stop": "stops", "/retry": "orders", "routes retry": "orders", "set back": "set back"}
ACTS: Final = {"decides": "decide", "goes": "go"}
"""What a worker does by itself in these phases."""


class World:
    """The gateway, and everything around it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.clock, self.disk, self.draw = scenario, ManualClock(), MemoryDisk(), 1.0
        self.talks = {name: Talk(name, chain) for name, chain in scenario.chains.items()}
        s = scenario
        self.left = {"writes": s.writes, "deaths": s.deaths, "orders": s.orders, "stops": s.stops, "set back": s.set_back}
        self.books = {name: Book(s.places, s.proven) for name in s.routes}
        self.entered: Counter[str] = Counter()
        self.lives, self.messages, self.unnoticed_s = 0, 0, 0.0
        if s.proven:
            self.disk.gates = {f"route:{name}": GateRow(f"route:{name}", "f1", last_ok=self.now - 1.0) for name in s.routes}
        self.begin()
        for talk in self.talks.values():
            self.write(talk)

    @property
    def now(self) -> float:
        return self.clock.now()

    def begin(self) -> None:
        """A process starts: all that it knows is what is on the disk."""
        self.lives += 1
        names = self.scenario.routes
        self.journal = MemoryJournal(self.disk)
        settings = [GateSettings(f"route:{name}", "f1", self.scenario.places) for name in names]
        self.weather = Weather(self.journal, self.clock, lambda: self.draw, settings, list(self.disk.gates.values()))
        self.weather.listeners.append(self.wake)
        routes = tuple(RouteSettings(name, f"route:{name}", Told(self.talks)) for name in names)
        agent = AgentSettings("", routes, classify, chains=self.scenario.chains)
        platform = FakePlatform(FakeChat(ACCOUNT, self.clock), self.journal.ingest)
        self.acts = Acts(
            agent,
            self.weather,
            Speech({ACCOUNT: platform}, self.weather, self.clock),
            FakeTools(Outside(), self.clock),
            self.clock,
            lambda _: None,
            files=MemoryFiles(),
        )
        self.woken, self.looking, self.admits = True, False, dict[str, int]()

    def close(self) -> None:
        for talk in self.talks.values():
            if talk.errand is not None:
                talk.errand.close()

    def wake(self) -> None:
        self.woken = True

    # --- what may happen ------------------------------------------------------------------------------------------------------------------

    def moves(self) -> Iterator[Move]:
        if self.scenario.slow:
            yield from self.own_moves()
        for talk in self.talks.values():
            yield from self.moves_of(talk)
        if self.left["orders"]:
            yield from (("routes retry", name) for name, book in self.books.items() if book.streak)
        if self.left["deaths"]:
            yield ("die",)
        if self.left["set back"]:
            yield ("set back",)
        if self.next_instant() is not None:
            yield ("time",)

    def own_moves(self) -> Iterator[Move]:
        """What the gateway does by itself, act by act."""
        if self.looking:
            yield ("claim",)
        elif self.woken:
            yield ("look",)
        for talk in self.talks.values():
            if talk.phase in ACTS:
                yield (ACTS[talk.phase], talk.name)
            if talk.leaves:
                yield ("gone", talk.name)

    def moves_of(self, talk: Talk) -> Iterator[Move]:
        if talk.phase == "calls":
            if not talk.spoke:
                yield ("event", talk.name)
            yield ("ok", talk.name)
            if self.scenario.tools:
                yield ("calls a tool", talk.name)
            for how in self.scenario.fails:
                draws = ("0", "1") if " " not in how and how not in {"config", "quota"} else ("1",)
                yield from (("fail", talk.name, how, draw) for draw in draws)
        if talk.phase == "works":
            yield ("tool ends", talk.name)
        if self.left["stops"] and talk.owes:
            yield ("stop", talk.name)
        if self.left["writes"]:
            yield ("write", talk.name)
        if self.left["orders"] and talk.phase == "rests" and talk.owes:
            yield ("/retry", talk.name)

    def do(self, move: Move) -> None:
        """One move."""
        instant = self.next_instant()
        self.clock.advance(TICK_S)
        if instant is not None and instant <= self.now:
            self.wake()  # the dispatcher has a timer for it
        if move[0] in COSTS:
            self.left[COSTS[move[0]]] -= 1
        match move:
            case ("time",):
                self.pass_time()
            case ("die",):
                self.die()
            case ("set back",):
                self.clock.wall -= DAY_S
                self.unnoticed_s += DAY_S
            case ("look" | "claim" as act,):
                getattr(self, act)()
            case ("routes retry", name):
                self.retry(f"route:{name}")
            case ("fail", name, how, draw):
                self.fail(self.talks[name], how, float(draw))
            case (what, name):
                getattr(self, what.strip("/").replace(" ", "_"))(self.talks[name])
        self.hear_all()

    def settle(self) -> None:
        """All that the gateway does by itself, until it waits."""
        for _ in range(CIRCLES_MAX):
            if self.looking:
                self.claim()
            elif self.woken:
                self.look()
            elif (talk := next((talk for talk in self.talks.values() if talk.phase in ACTS or talk.leaves), None)) is None:
                return
            else:
                getattr(self, ACTS.get(talk.phase, "gone"))(talk)
                self.hear_all()
        raise Flaw("the gateway runs in circles")

    # --- the dispatcher -------------------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        self.woken, self.looking, self.admits = False, True, dict(self.weather.admits())

    def claim(self) -> None:
        self.looking = False
        for lease in at_once(self.journal.claim(f"life {self.lives}", self.now, (ACCOUNT,), self.admits, 64)):
            talk = self.talks[lease.address]
            if lease.through:
                self.weather.reserve(lease.through, lease.conversation)
            talk.lease, talk.phase = lease, "decides"

    def gone(self, talk: Talk) -> None:
        talk.leaves = False
        self.weather.give_back(talk.key)
        self.wake()

    def next_instant(self) -> float | None:
        """When something changes by itself: a gate's time, a due conversation's, or the earliest at which a mistake may be tried for who writes."""
        due = at_once(self.journal.next_due((ACCOUNT,)))
        pressed = [book.tried + PRESSED_S for book in self.books.values() if book.kind == "config"]
        instants = [self.weather.next_change(self.now), due, *pressed]
        return min((instant for instant in instants if instant is not None and instant > self.now), default=None)

    def pass_time(self) -> None:
        instant = self.next_instant() or self.now
        self.clock.advance(min(instant - self.now, LOOK_S) if self.unnoticed_s else instant - self.now)
        if self.unnoticed_s:
            self.unnoticed_s = 0.0
            self.weather.hasten()
            at_once(self.journal.hasten(self.now))
            for book in self.books.values():
                book.until = min(book.until, self.now)
        self.wake()

    # --- a worker -------------------------------------------------------------------------------------------------------------------------

    def decide(self, talk: Talk) -> None:
        """The rows of the table that matter here: nothing owed, T3, T4, T5, T6."""
        if not talk.owes or talk.asks:
            self.let_go(talk)
        elif talk.own and self.now < talk.own[-1]:
            self.let_go(talk, due=talk.own[-1])
        else:
            chain = self.acts.world_of(talk.key, ACCOUNT, "", Transcript()).chain(talk.name)
            route = first_open(chain)
            if route is None:
                self.let_go(talk, turn_gate=gates(chain))
            else:
                talk.phase, talk.route = "goes", route.name

    def go(self, talk: Talk) -> None:
        assert talk.lease is not None
        talk.told, talk.spoke, talk.phase = None, False, "lined"
        talk.errand = Errand(self.acts._ask(talk.lease, talk.route, Request("", (), user=talk.name), lambda _: None))

    def hear_all(self) -> None:
        """Whoever waits in line may have got a place, or may have been sent away."""
        for talk in self.talks.values():
            if talk.phase == "lined":
                self.hear(talk)

    def hear(self, talk: Talk) -> None:
        assert talk.errand is not None
        if talk.errand.go():
            talk.phase = "decides"
        elif talk.told is not None:
            talk.phase, talk.began = "calls", self.now
            self.entered[talk.route] += 1
            talk.wrote = self.books[talk.route].enter(self.under_way(talk.route), self.now, wrote=talk.wrote)

    def under_way(self, route: str) -> int:
        return sum(talk.phase == "calls" and talk.route == route for talk in self.talks.values())

    def let_go(self, talk: Talk, due: float | None = None, turn_gate: str = "") -> None:
        lease, talk.lease, talk.phase, talk.leaves = talk.lease, None, "rests", True
        wakes = at_once(self.journal.read(talk.key, 2**60)).wakes
        release = Release(due, turn_gate, rests=due is None and not turn_gate)
        assert at_once(self.journal.append(lease, self.now, wakes, release=release)).released  # type: ignore[arg-type] # it has one

    # --- what people do -------------------------------------------------------------------------------------------------------------------

    def ingest(self, talk: Talk, body: UserMessage | Command) -> None:
        at_once(self.journal.ingest([Arrival(talk.key, ACCOUNT, talk.name, f"{talk.name} {self.messages}", body, self.now)]))
        self.messages += 1
        self.weather.press(talk.key)
        talk.wrote, talk.own = True, []
        self.wake()

    def write(self, talk: Talk) -> None:
        talk.owes = True
        self.ingest(talk, UserMessage(author="ann", id=str(self.messages), text="?"))

    def stop(self, talk: Talk) -> None:
        talk.owes = False
        self.ingest(talk, Command(author="ann", id=str(self.messages), name="stop"))
        if talk.phase in {"calls", "lined"}:
            assert talk.errand is not None
            talk.errand.cancel()
        if talk.phase != "rests":
            talk.phase = "decides"

    def retry(self, what: Talk | str) -> None:
        """`/retry` there, or `routes retry`."""
        wanted = what
        if isinstance(what, Talk):
            self.ingest(what, Command(author="ann", id=str(self.messages), name="retry"))
            wanted = self.disk.conversations[what.key].turn_gate
        assert isinstance(wanted, str)
        for gate in wanted.split():
            assert at_once(self.weather.retry(gate))
            self.books[gate.removeprefix("route:")].ordered()

    # --- how calls end --------------------------------------------------------------------------------------------------------------------

    def event(self, talk: Talk) -> None:
        talk.spoke = True
        self.books[talk.route].began_to_answer()
        talk.on_event("")

    def ok(self, talk: Talk) -> None:
        self.calls_a_tool(talk)
        talk.owes, talk.phase = False, "decides"

    def calls_a_tool(self, talk: Talk) -> None:
        """It answers with the call of a tool, which takes a while."""
        if not talk.spoke:
            self.event(talk)
        assert talk.told is not None and talk.errand is not None
        talk.told.set_result(Answer("Yes."))
        self.books[talk.route].answered()
        talk.missed, talk.own, talk.answered_by, talk.phase = ("", 0), [], talk.route, "works"
        assert talk.errand.go()

    def tool_ends(self, talk: Talk) -> None:
        talk.phase = "decides"

    def fail(self, talk: Talk, how: str, draw: float) -> None:
        assert talk.told is not None and talk.errand is not None
        book, self.draw, talk.phase = self.books[talk.route], draw, "decides"
        talk.told.set_exception(ModelFailed(RawFailure(how)))
        assert talk.errand.go()
        missed, talk.missed = talk.missed, (talk.route, book.answers)
        if not isinstance(talk.errand.result, Failed):
            return book.failed(how, draw, talk.began, self.now)
        talk.own.append(talk.errand.result.until)
        if missed[0] != talk.route or book.answers <= missed[1]:
            raise Flaw("an outage is taken for one conversation's own fault: nobody has got through since its last call failed")
        return None

    def die(self) -> None:
        self.close()
        self.journal.crash()
        self.begin()
        at_once(self.journal.disown(self.now, 100))
        at_once(self.journal.hasten(self.now))
        self.unnoticed_s = 0.0
        for talk in self.talks.values():
            talk.lease, talk.phase, talk.leaves, talk.errand, talk.missed = None, "rests", False, None, ("", 0)
        for book in self.books.values():
            book.begun_again(self.now)
