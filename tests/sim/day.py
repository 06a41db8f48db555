"""A day of a whole gateway on virtual time: people write, providers fail, tools act, and the process is killed again and again.

PYTHONPATH=src python tests/sim/day.py SEED          replay one day, and print its trace
PYTHONPATH=src python tests/sim/day.py FIRST COUNT   the campaign
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import day_judges as judges
from day_life import Life
from day_weather import MOODS, OUTAGES, ROUTES
from day_world import People, Providers, core

from holdfast import failpoints
from holdfast.core.text import Limit
from holdfast.ports import Traits
from holdfast.runtime import acts, speech
from holdfast.testing import sim
from holdfast.testing.clock import LoopClock
from holdfast.testing.fake_platform import FakeChat, Shown, Update
from holdfast.testing.fake_tools import Outside
from holdfast.testing.memory_journal import MemoryDisk

HOUR = 3600.0
OUTSIDE_SENT = "outside.sent"
POINTS = (
    "ingest.before_commit",
    "ingest.after_commit",
    "acknowledge",
    "claim.after_commit",
    "append.before_commit",
    "append.after_commit",
    "release.after_commit",
    "model.before_request",
    "model.first_event",
    "model.complete",
    "tool.started",
    "tool.after_effect",
    "deliver.before_send",
    "deliver.after_send",
    "preview.before_send",
    "preview.after_send",
    "preview.edit",
    OUTSIDE_SENT,
)
"""Where a process is killed on purpose: at each of these at least once a day."""

QUIET_S = 5000.0
"""After the last fault: so long until everything has to be answered."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a day goes. Kills are at points, after a number of rounds of the loop, or at an instant."""

    seed: int
    hours: float = 24.0
    chats: int = 12
    doings: int = 200
    kills_at_points: int = 45
    kills_at_rounds: int = 25
    kills_at_instants: int = 10
    stops: int = 5
    outages: int = 16
    moods: int = 24
    """How often a route has one of its own: a limit, no credit, a mistake, riddles."""
    outage_s_max: tuple[float, ...] = (20.0, 300.0, 3000.0)
    platform_outage_s_max: float = 600.0
    takeovers: int = 0
    """Another process takes over while the old one stands still; then the old one goes on for a while."""
    poison: str = ""
    restart_s_max: float = 60.0
    points: tuple[str, ...] = POINTS


@dataclass
class Report:
    """What a day came to."""

    plan: Plan
    flaws: list[str]
    trace: str
    kills: int
    lines: list[str] = field(repr=False)
    figures: dict[str, float] = field(default_factory=dict)


class Day:
    """See the module's docstring."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.loop, self.clock = plan, sim.this_loop(), LoopClock()
        self.rng = random.Random(f"{plan.seed}/world")
        self.latency = random.Random(f"{plan.seed}/latency")
        self.disk, self.outside = MemoryDisk(), Outside()
        self.lines: list[str] = []
        self.flaws: list[str] = []
        self.transactions: Counter[int] = Counter()
        self.decisions: Counter[int] = Counter()
        self.killed_at: list[float] = []
        self.ended_at: list[float] = []
        self.trouble_at: list[float] = []
        """When something began or ceased to be wrong: until then nobody could hurry."""
        self.armed: list[str] = []
        self.hit: set[str] = set()
        self.lives = 0
        self.told = 0
        self.settled_at = float("inf")
        self.life: Life | None = None
        self.awake = True
        short = Limit(500)
        pace_s = (
            None if plan.takeovers else 1.5
        )  # the last preview of who was taken over may come after the text; one process takes over from nobody
        self.accounts = {
            "keyed": FakeChat(
                "keyed", self.clock, Traits(short, float("inf"), edits=True), pace_s=pace_s, delay_s=self._delay, seen=self._seen
            ),
            "plain": FakeChat("plain", self.clock, Traits(short), delay_s=self._delay, seen=self._seen),
        }
        names = [(("k", "keyed") if i % 2 else ("p", "plain"), i) for i in range(plan.chats)]
        self.people = People({f"{letter}{i}": self.accounts[account] for (letter, account), i in names}, self.rng)
        self.providers = Providers(self.loop, self.clock, self.rng, self.flaws, self._nearly_done)
        self.providers.poison, self.providers.kill = plan.poison, lambda: self.kill("poison")

    @property
    def minute(self) -> int:
        return int(self.loop.time() // 60)

    def chat_acknowledged(self, update: Update) -> float:
        """When this was acknowledged; later than anything if it never was."""
        return self.people.chats[update.chat].acknowledged_at.get(update.offset, float("inf"))

    def note(self, line: str) -> None:
        self.lines.append(f"{self.loop.time():.6f} {line}")

    def trouble(self, line: str) -> None:
        self.note(line)
        self.trouble_at.append(self.clock.now())

    # --- lives --------------------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        if self.life is None:
            self.lives += 1
            self.trouble(f"start {self.lives}")
            self.life = Life(self, self.lives)

    def kill(self, why: str, *, hard: bool = True) -> None:
        life = self.life
        if life is None or not self.awake:
            return
        self.life = None
        self.ended_at.append(self.clock.now())
        if hard:
            self.killed_at.append(self.clock.now())
        self.trouble(f"kill {why}")
        self.end(life)
        self.loop.call_later(self.plan.restart_s_max * self.rng.random() ** 3, self.start)
        if self.loop.process is life.process:
            raise sim.Killed(why)

    def end(self, life: Life) -> None:
        life.stopped.set()
        life.journal.crash()
        life.tools.kill()
        self.loop.kill(life.process)

    def passed(self, point: str) -> None:
        """A failpoint was reached."""
        life = self.life
        if life is not None and point in self.armed and (self.loop.process is life.process or point == OUTSIDE_SENT):
            self.armed.remove(point)
            self.hit.add(point)
            self.kill(point)

    async def stop(self) -> None:
        """SIGTERM: an orderly end."""
        life = self.life
        if life is None:
            return
        self.note("stop")
        self.loop.join(life.process, life.stop())
        await life.stopped.wait()
        if self.life is life:
            self.kill("stopped", hard=False)

    async def take_over(self) -> None:
        """Another process starts while the old one stands still; then the old one goes on, and does not know."""
        old = self.life
        if old is None:
            return
        self.note("takeover")
        self.loop.freeze(old.process)
        self.life = None
        self.start()
        await asyncio.sleep(self.rng.choice((0.02, 2.0, 40.0)) * self.rng.random())
        if old.process.state == "frozen":
            self.loop.thaw(old.process)
            await asyncio.sleep(30.0)
            self.end(old)
            self.kill(
                "takeover", hard=False
            )  # whoever starts next finds what the old one claimed meanwhile: its successor had looked before

    # --- what happens -------------------------------------------------------------------------------------------------------------------

    def _delay(self) -> float:
        return self.latency.uniform(0.0, self.latency.choice((0.001, 0.01, 0.1, 0.3)))

    def _seen(self, chat: str, shown: Shown) -> None:
        self.note(f"{chat} {shown.id} {shown.text!r}")
        if chat not in self.people.chats:
            return
        if self.awake and self.rng.random() < 0.1:
            self.loop.call_later(self.rng.random() * 0.02, self.people.say, chat, "say")
        if self.awake and "Shall I go on" in core(shown)[0] and self.rng.random() < 0.7:
            self.loop.call_later(self.rng.random() * 60.0, self.people.say, chat, "say")
        self.passed(OUTSIDE_SENT)

    def _nearly_done(self, chat: str, in_s: float) -> None:
        if self.awake and chat in self.people.chats and self.rng.random() < 0.12:
            late = max(in_s + self.rng.uniform(-0.01, 0.01), 0.0)
            if self.rng.random() < 0.4:
                self.loop.call_later(late, self.people.order, chat, "/stop")
            else:
                self.loop.call_later(late, self.people.say, chat, "tools")

    def _schedule(self) -> None:
        rng, loop, plan = self.rng, self.loop, self.plan
        end = plan.hours * HOUR
        chats = list(self.people.chats)
        for _ in range(plan.doings):
            loop.call_later(rng.uniform(0.0, end), lambda: self.people.do_something(loop, rng.choice(chats)))
        for i in range(plan.kills_at_points):
            loop.call_later(end * (i + rng.random()) / plan.kills_at_points * 0.9, self.armed.append, plan.points[i % len(plan.points)])
        for _ in range(plan.kills_at_rounds):
            loop.call_later(rng.uniform(0.0, end), self._arm_rounds)
        for _ in range(plan.kills_at_instants):
            loop.call_later(rng.uniform(0.0, end), self.kill, "instant")
        for _ in range(plan.stops):
            loop.call_later(rng.uniform(0.0, end), lambda: loop.create_task(self.stop()))
        for _ in range(plan.takeovers):
            loop.call_later(rng.uniform(0.0, end), lambda: loop.create_task(self.take_over()))
        for _ in range(plan.outages):
            self._schedule_outage(rng.uniform(0.0, end - HOUR), rng.choice(plan.outage_s_max) * rng.random())
        for _ in range(plan.moods):
            how = {rng.choice(("main", "main", "spare", "tiny", "mute")): rng.choice([mood for mood in MOODS if mood not in OUTAGES])}
            self._schedule_weather(how, rng.uniform(0.0, end - HOUR), rng.choice((60.0, 900.0, 5000.0)))
        for _ in range(plan.doings // 4):
            loop.call_later(rng.uniform(0.0, end), self._fault)
        for account in self.accounts.values():
            down = rng.uniform(0.0, end - HOUR)
            loop.call_later(down, self._take_down, account)
            loop.call_later(down + rng.uniform(10.0, plan.platform_outage_s_max), self._bring_up, account)

    def _arm_rounds(self) -> None:
        """Kill between two steps: somebody writes now, so that there are some."""
        chat = self.rng.choice(list(self.people.chats))
        self.people.do_something(self.loop, chat)
        self.loop.after_rounds(self.rng.randint(1, 120), lambda: self.kill("rounds"))

    def _schedule_outage(self, at: float, for_s: float) -> None:
        routes = self.rng.choice((ROUTES, ROUTES, ROUTES[:1]))
        self._schedule_weather(dict.fromkeys(routes, self.rng.choice(OUTAGES)), at, for_s)

    def _schedule_weather(self, how: dict[str, str], at: float, for_s: float) -> None:
        self.loop.call_later(at, self.providers.away.update, how)
        self.loop.call_later(at + for_s, self._bring_back, tuple(how))

    def _bring_back(self, routes: tuple[str, ...] = ROUTES) -> None:
        """They work again: by themselves, or since a mistake was mended, with a new configuration."""
        were = {route: self.providers.away.pop(route) for route in routes if route in self.providers.away}
        self.trouble(f"back: {were}")
        if "is not configured right" in were.values() and self.rng.random() < 0.6:
            self.providers.configurations.update(route for route, how in were.items() if how == "is not configured right")
            self.kill("new configuration", hard=False)

    def _take_down(self, account: FakeChat) -> None:
        self.note(f"{account.account} is down")
        account.take_down("the platform is down")

    def _bring_up(self, account: FakeChat) -> None:
        self.trouble(f"{account.account} is up")
        account.bring_up()

    def _fault(self) -> None:
        """Something goes wrong with the next send, or the next call of a tool."""
        rng = self.rng
        chat = rng.choice(list(self.people.chats))
        self.people.chats[chat].faults[chat].append(rng.choice(("limited", "lost", "lost_before")))
        if rng.random() < 0.5:
            self.outside.faults[rng.choice(("count", "lookup"))].append(rng.choice(("fail", "lost", "lost_before")))

    # --- the day ------------------------------------------------------------------------------------------------------------------------

    async def run(self) -> Report:
        with self._watching():
            self.start()
            self._schedule()
            await asyncio.sleep(self.plan.hours * HOUR)
            await self._quiet()
        judges.judge(self)
        for key in sorted(self.disk.conversations):
            self.lines += [repr(entry) for entry in self.disk.conversations[key].entries]
        trace = hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:16]
        figures = {
            "messages": float(sum(self.people.written.values())),
            "answers": float(len(self.providers.given)),
            "notes to the owner": float(self.told),
            "calls a minute": float(max(self.providers.calls.values(), default=0)),
            "transactions a minute": float(max(self.transactions.values(), default=0)),
            "decisions a minute": float(max(self.decisions.values(), default=0)),
        }
        return Report(self.plan, self.flaws, trace, len(self.killed_at), self.lines, figures)

    async def _quiet(self) -> None:
        """No more faults; those who can't be reached any more by a kill say something, so that every point can be hit. Then silence."""
        self._bring_back()
        for account in self.accounts.values():
            self._bring_up(account)
            account.faults.clear()
        self.outside.faults.clear()
        for _ in range(40):
            if not self.armed:
                break
            for chat in self.people.chats:
                self.people.say(chat, "tools")
            await asyncio.sleep(90.0)
        self.awake, self.providers.steady = False, True
        self.start()
        await asyncio.sleep(QUIET_S)
        self.settled_at = self.clock.now()
        for chat in self.people.chats:
            self.people.say(chat, "say")
            await asyncio.sleep(QUIET_S / 40)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        log = _Log(self.flaws)
        root = logging.getLogger("holdfast")
        root.addHandler(log)
        propagate, root.propagate = root.propagate, False
        try:
            with (
                patch.object(failpoints, "failpoint", self.passed),
                patch.object(acts, "failpoint", self.passed),
                patch.object(speech, "failpoint", self.passed),
            ):
                yield
        finally:
            root.removeHandler(log)
            root.propagate = propagate


class _Log(logging.Handler):
    """What is logged as an error is a flaw."""

    def __init__(self, flaws: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.flaws = flaws

    def emit(self, record: logging.LogRecord) -> None:
        self.flaws.append(f"logged: {self.format(record)}"[-600:])


def run(plan: Plan) -> Report:
    """The day of this plan. A flaw that stops the simulation itself is one as well."""

    async def main() -> Report:
        return await Day(plan).run()

    return sim.run(main, plan.seed)


def replay(seed: int) -> str:
    """The command that runs this day again."""
    return f"PYTHONPATH=src python {Path(__file__).relative_to(Path.cwd())} {seed}"


def main() -> int:
    first, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if not count:
        report = run(Plan(first))
        print("\n".join(report.lines))
        print(report)
        return bool(report.flaws)
    began, bad = time.monotonic(), 0
    for seed in range(first, first + count):
        report = run(Plan(seed))
        for flaw in report.flaws:
            print(f"{replay(seed)}    {flaw}", flush=True)
        bad += bool(report.flaws)
    print(f"{count} days, {bad} with flaws, {time.monotonic() - began:.1f} s")
    return bool(bad)


if __name__ == "__main__":
    raise SystemExit(main())
