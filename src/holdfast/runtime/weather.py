"""The live weather: gate rows kept durable, and the places of each gate, which are in memory.

Health is shared by all conversations. Whoever calls a model holds a place of its route's gate; a conversation that was let in through a gate that
is on its way back holds a place from its claim on, uses it or gives it back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from holdfast.core import weather
from holdfast.core.failure import Failure
from holdfast.core.weather import GateRow, Retries
from holdfast.ports import Clock, Journal

MISSED_MAX = 10_000
"""Of so many conversations it is remembered that their last call failed."""

KEPT_S = 600.0
"""How old the last success on disk may be: so much too old it may be called after a restart."""

log = logging.getLogger(__name__)


class GateClosed(Exception):
    """The gate closed while a place was waited for, or lets nobody else through yet."""


@dataclass(frozen=True, slots=True)
class GateSettings:
    """One gate as it is configured: under which fingerprint, and how many at once."""

    name: str
    fingerprint: str
    places: int


@dataclass(slots=True)
class _Gate:
    row: GateRow
    places: int
    allowance: int
    retries: Retries
    taken: int = 0
    spoke: bool = False  # an answer began here, though perhaps none came to its end
    answers: int = 0  # so many came to their end in this life
    kept_at: float = 0.0  # when a success was written down last
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Weather:
    """All gates of the gateway. `listeners` are called when somebody who waits may now be let in, or waits for something else; `closed` is told of each
    failure that closes one."""

    def __init__(
        self, journal: Journal, clock: Clock, draw: Callable[[], float], gates: Iterable[GateSettings], rows: Iterable[GateRow]
    ) -> None:
        self._journal, self._clock, self._draw = journal, clock, draw
        self.listeners: list[Callable[[], None]] = []
        self.closed: Callable[[GateRow], Awaitable[None]] | None = None
        known = {row.name: row for row in rows}
        self._gates: dict[str, _Gate] = {}
        for settings in gates:
            row = known.get(settings.name)
            if row is None or row.fingerprint != settings.fingerprint:
                row = GateRow(settings.name, settings.fingerprint)
            latest = clock.now() + weather.wait_s_max(row.kind)  # the clock may have been set back meanwhile
            row = replace(row, until=min(row.until, latest))
            proven = row.last_ok > 0 and not row.streak
            self._gates[settings.name] = _Gate(row, settings.places, settings.places if proven else 1, Retries(clock.now()))
        self._reserved: dict[str, str] = {}  # conversation -> gate
        self._pressing: set[str] = set()  # conversations in which a person has just written
        self._missed: dict[
            str, tuple[str, int]
        ] = {}  # conversation -> the gate that its last call failed at, and how many had got through by then

    def row(self, name: str) -> GateRow:
        return self._gates[name].row

    def known(self, name: str) -> GateRow | None:
        """The row, or None if there is no such gate any more."""
        gate = self._gates.get(name)
        return gate.row if gate else None

    def rows(self) -> Mapping[str, GateRow]:
        return {name: gate.row for name, gate in self._gates.items()}

    def press(self, conversation: str) -> None:
        """A person has written: where a mistake in the configuration holds the conversation up, it may have been mended."""
        if any(gate.row.kind == "config" for gate in self._gates.values()):
            self._pressing.add(conversation)

    def is_open(self, name: str, conversation: str) -> bool:
        """May this conversation go through now? A healthy gate is open even when its places are taken: one waits for a place, not for the weather."""
        gate, now = self._gates[name], self._clock.now()
        if weather.is_closed(gate.row, now) and not (conversation in self._pressing and weather.may_be_pressed(gate.row, now)):
            return False
        others = gate.taken - (self._reserved.get(conversation) == name)
        return not self._on_its_way_back(gate) or others < gate.allowance

    def admits(self) -> dict[str, int]:
        """For each gate how many more it lets through now."""
        now = self._clock.now()
        return {name: weather.admits(gate.row, now, gate.allowance, gate.taken) for name, gate in self._gates.items()}

    def under_way(self, name: str) -> tuple[int, int]:
        """How many go through this gate now, and how many may."""
        gate = self._gates[name]
        return gate.taken, gate.places

    def next_change(self, after: float) -> float | None:
        """The earliest instant after `after` at which a closed gate's time comes, or came."""
        return min((gate.row.until for gate in self._gates.values() if gate.row.until > after), default=None)

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()

    def hasten(self) -> None:
        """The clock was set: instants written down before may be hours away now, so each closed gate lets one through."""
        now = self._clock.now()
        for gate in self._gates.values():
            gate.row = replace(gate.row, until=min(gate.row.until, now))
        self._tell()

    def reserve(self, name: str, conversation: str) -> None:
        """A conversation was claimed through this gate."""
        gate = self._gates.get(name)
        if gate is not None and conversation not in self._reserved:
            gate.taken += 1
            self._reserved[conversation] = name

    def give_back(self, conversation: str) -> None:
        """The conversation's worker let go; what it had not used is free."""
        self._pressing.discard(conversation)
        self._give_back_reserved(conversation)

    def _give_back_reserved(self, conversation: str) -> None:
        name = self._reserved.pop(conversation, None)
        if name is not None:
            self._free(self._gates[name])

    @asynccontextmanager
    async def place(self, name: str, conversation: str) -> AsyncIterator[None]:
        """Hold a place of the gate, waiting in line for one if it is healthy. Raises `GateClosed`."""
        gate = self._gates[name]
        if not self.is_open(name, conversation):
            raise GateClosed  # what was reserved is given back when the worker lets go
        self._pressing.discard(conversation)
        if self._reserved.get(conversation) == name and gate.taken <= gate.allowance:
            del self._reserved[conversation]
        else:
            self._give_back_reserved(conversation)  # let in by one gate, it goes through another; or others have taken what was free
            await self._take(gate)
        gate.retries = gate.retries.called()
        try:
            yield
        finally:
            self._free(gate)

    async def _take(self, gate: _Gate) -> None:
        if gate.taken < gate.allowance and not gate.waiting:
            gate.taken += 1
            return
        await self._wait_in_line(gate)
        if weather.is_closed(gate.row, self._clock.now()) or gate.taken > gate.allowance:
            self._free(gate)  # whoever made room had failed
            raise GateClosed

    async def _wait_in_line(self, gate: _Gate) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gate.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._free(gate)  # the place came with the cancellation
            raise
        finally:
            if turn in gate.waiting:
                gate.waiting.remove(turn)

    def _free(self, gate: _Gate) -> None:
        full = gate.taken >= gate.allowance
        gate.taken -= 1
        while gate.waiting and gate.taken < gate.allowance:
            turn = gate.waiting.popleft()
            if not turn.done():
                gate.taken += 1
                turn.set_result(None)
        if full and gate.taken < gate.allowance:
            self._tell()

    @staticmethod
    def _on_its_way_back(gate: _Gate) -> bool:
        return gate.allowance < gate.places or gate.row.streak > 0

    def opened(self, name: str) -> None:
        """A call through this gate got its first valid event: let more through than before."""
        gate = self._gates[name]
        gate.spoke = True
        if gate.allowance < gate.places:
            gate.allowance = weather.allowance_after_success(gate.allowance, gate.places)
            self._tell()

    async def succeeded(self, name: str, conversation: str) -> None:
        """A call through this gate came to its end: the gate is healthy."""
        self._gates[name].answers += 1
        self._missed.pop(conversation, None)
        await self.lives(name)

    async def lives(self, name: str) -> None:
        """Whoever is behind this gate works, be it only to say what is wrong with one request. Written down when that says something new."""
        gate, now = self._gates[name], self._clock.now()
        news = gate.row.streak > 0 or not gate.kept_at <= now < gate.kept_at + KEPT_S
        if gate.row.streak:
            log.info("%s is back after %.0f s", name, now - gate.row.since)
        gate.row = weather.succeeded(gate.row, now)
        if news:
            gate.kept_at = now
            await self._journal.put_gate(gate.row)
            self._tell()

    def missed(self, name: str, conversation: str) -> bool:
        """This conversation's call has failed here. Did somebody else get through since its last one failed? Then the fault is its own.

        Asked at each failure, so that an outage that begins after others got through is taken for one failure of its own at most, and then for an outage.
        """
        gate, answers = self._missed.pop(conversation, ("", 0))
        self._missed[conversation] = (name, self._gates[name].answers)
        if len(self._missed) > MISSED_MAX:
            del self._missed[next(iter(self._missed))]
        return gate == name and self._gates[name].answers > answers

    def retry_in(self, name: str) -> float:
        """A call is to be made again through this gate: after so many seconds at the earliest."""
        gate = self._gates[name]
        gate.retries, delay_s = gate.retries.spent(self._clock.now())
        return delay_s

    async def failed(self, name: str, began: float, failure: Failure) -> None:
        """A call through this gate, begun then, failed: close it, durably, and send away whoever waits in line.

        Calls that were under way together fail together: the first closes the gate, the others add nothing.
        """
        gate, now = self._gates[name], self._clock.now()
        if began < gate.row.tried <= now:
            return
        wait_s = weather.wait_s(failure, gate.row.streak + 1, self._draw(), proven=gate.row.last_ok > 0)
        delay_s = max(wait_s, min(self.retry_in(name), weather.wait_s_max(failure.kind)))
        if not gate.row.streak or gate.row.why != failure.reason:  # not at every try: an outage is one line
            log.warning("%s is closed, and tried again by itself: %s", name, failure.reason)
        worked = gate.row.last_ok or (began if gate.spoke else 0.0)
        gate.row = replace(weather.failed(gate.row, now, delay_s, failure), last_ok=worked)
        gate.allowance = 1
        for turn in gate.waiting:
            if not turn.done():
                turn.set_exception(GateClosed())
        gate.waiting.clear()
        await self._journal.put_gate(gate.row)
        self._tell()
        if self.closed is not None:
            await self.closed(gate.row)

    async def stop(self, name: str, why: str) -> None:
        """Close it until a person opens it, durably."""
        gate = self._gates[name]
        gate.row, gate.allowance = weather.stopped(gate.row, self._clock.now(), why), 1
        for turn in gate.waiting:
            if not turn.done():
                turn.set_exception(GateClosed())
        gate.waiting.clear()
        await self._journal.put_gate(gate.row)
        self._tell()

    async def retry(self, name: str) -> bool:
        """Let one through now. False if there is no such gate."""
        gate = self._gates.get(name)
        if gate is None:
            return False
        if gate.row.streak:
            gate.row = replace(gate.row, until=0.0, streak=1)
            await self._journal.put_gate(gate.row)
        self._tell()
        return True
