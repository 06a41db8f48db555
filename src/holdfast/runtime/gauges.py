"""How everything stands now, in numbers. Looking takes the same whatever number of conversations there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import get_args, get_type_hints

from holdfast.ports import LIVES_MAX, Clock, GateRow, Journal, ToolHost, ToolServerState
from holdfast.runtime.lifetime import Lifetime
from holdfast.runtime.numbers import Family, Gauge, Labels, Numbers, exposition
from holdfast.runtime.supervisor import ChildState, Supervisor
from holdfast.runtime.weather import Weather

Logged = Callable[[], tuple[Mapping[str, int], int]]
"""How many lines of each level were logged, and how many of them are lost."""


class Gauges:
    """All numbers of this gateway."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it looks at
        self,
        numbers: Numbers,
        journal: Journal,
        weather: Weather,
        tools: ToolHost,
        supervisor: Supervisor,
        lifetime: Lifetime,
        clock: Clock,
        logged: Logged,
        accounts: Sequence[str] | None = None,
    ) -> None:
        self._numbers, self._journal, self._weather, self._tools = numbers, journal, weather, tools
        self._supervisor, self._lifetime, self._clock, self._logged, self._accounts = supervisor, lifetime, clock, logged, accounts

    async def exposition(self) -> str:
        """See `numbers.exposition`."""
        return exposition((*await self._of_journal(), *self._of_gates(), *self._of_parts(), *self._of_process(), *self._numbers.families()))

    async def _of_journal(self) -> Iterable[Family]:
        now = self._clock.now()
        counts, room = await self._journal.counts(now, self._accounts), await self._journal.room()
        oldest = await self._journal.owing(1)
        lives = (await self._journal.lives(LIVES_MAX))[1:]
        waits_s = max(now - oldest[0].owes_since, 0.0) if oldest else 0.0
        return (
            Gauge(
                "holdfast_conversations",
                "Conversations in which something is owed: worked on, about to be, waiting for something, asking somebody.",
                ("state",),
                {(state,): count for state, count in asdict(counts).items()},
            ),
            _one("holdfast_oldest_owed_seconds", "How long something has been owed where that is longest; 0 if nothing is.", waits_s),
            _one("holdfast_journal_bytes", "What the journal takes on its disk.", room.size),
            _one("holdfast_disk_free_bytes", "What is free on that disk.", room.free),
            Gauge(
                "holdfast_lives",
                f"Lives of the gateway before this one, of the last {LIVES_MAX}: ended in order, or suddenly.",
                ("end",),
                {("in order",): sum(life.ended for life in lives), ("sudden",): sum(not life.ended for life in lives)},
            ),
        )

    def _of_gates(self) -> Iterable[Family]:
        now, rows = self._clock.now(), self._weather.rows()
        away_since = {name: self._away_since(row) for name, row in rows.items()}
        return (
            _by(
                "holdfast_gate_open",
                "1 if nothing is wrong with this route or account; an account is connected then.",
                "gate",
                {n: not since for n, since in away_since.items()},
            ),
            _by("holdfast_gate_failures", "Failures in a row, of each route and account.", "gate", {n: r.streak for n, r in rows.items()}),
            _by(
                "holdfast_gate_away_seconds",
                "For how long each route and account has been away (an account: not connected, or can't send); 0 if it is not.",
                "gate",
                {n: max(now - since, 0.0) if since else 0.0 for n, since in away_since.items()},
            ),
            _by(
                "holdfast_gate_in_use",
                "Calls or sends under way, by route and account.",
                "gate",
                {n: self._weather.under_way(n)[0] for n in rows},
            ),
            _by(
                "holdfast_gate_places",
                "How many calls or sends may be under way.",
                "gate",
                {n: self._weather.under_way(n)[1] for n in rows},
            ),
        )

    def _away_since(self, gate: GateRow) -> float:
        """Since when it is away; 0: it is not. The gate of an account knows of sending alone, its supervisor whether it is connected."""
        part = self._supervisor.states().get(f"platform:{gate.name.partition(':')[2]}")
        away = [gate.since] if gate.streak else []
        away += [part.since] if part is not None and part.state != "ready" else []
        return min(away, default=0.0)

    def _of_parts(self) -> Iterable[Family]:
        """Accounts, tool servers and listeners. Each has one state, which is 1."""
        servers, parts = self._tools.servers(), self._supervisor.states()
        of_servers = {one.name: one.state for one in servers}
        return (
            _states("holdfast_tool_server_state", "How each tool server is.", "server", _may_be(ToolServerState), of_servers),
            Gauge(
                "holdfast_tool_server_restarts_total",
                "How often each tool server was started again.",
                ("server",),
                {(one.name,): one.restarts for one in servers},
                "counter",
            ),
            _states(
                "holdfast_part_state",
                "How each part that is started again by itself is: accounts, tool servers, listeners.",
                "part",
                _may_be(ChildState),
                {name: part.state for name, part in parts.items()},
            ),
            Gauge(
                "holdfast_part_restarts_total",
                "How often each of these parts was started again.",
                ("part",),
                {(name,): part.restarts for name, part in parts.items()},
                "counter",
            ),
        )

    def _of_process(self) -> Iterable[Family]:
        lines, lost = self._logged()
        return (
            _one("holdfast_start_time_seconds", "When this life began, in Unix seconds.", self._lifetime.began),
            _one("holdfast_safe_mode", "1 in safe mode: everything is saved, no turn runs.", self._lifetime.safe_mode is not None),
            Gauge(
                "holdfast_log_lines_total", "Lines that were logged.", ("level",), {(level,): n for level, n in lines.items()}, "counter"
            ),
            _one("holdfast_log_lines_lost_total", "Lines of the log that nobody took in time.", lost, "counter"),
        )


def _one(name: str, about: str, value: float, kind: str = "gauge") -> Gauge:
    return Gauge(name, about, (), {(): float(value)}, "counter" if kind == "counter" else "gauge")


def _by(name: str, about: str, label: str, values: Mapping[str, float]) -> Gauge:
    return Gauge(name, about, (label,), {(one,): float(value) for one, value in values.items()})


def _states(name: str, about: str, label: str, states: Labels, found: Mapping[str, str]) -> Gauge:
    return Gauge(name, about, (label, "state"), {(one, state): float(state == is_) for one, is_ in found.items() for state in states})


def _may_be(kind: type[ToolServerState | ChildState]) -> Labels:
    """The states that there are."""
    return get_args(get_type_hints(kind)["state"])
