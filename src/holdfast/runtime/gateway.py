"""What page and command line may ask of the running gateway: accept, read, follow, status, retry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from holdfast.core import turn
from holdfast.core.entries import Command, Entry
from holdfast.core.transcript import Transcript
from holdfast.core.weather import GateRow
from holdfast.errors import Request
from holdfast.ports import (
    ALL,
    Accepted,
    Arrival,
    Clock,
    Cursor,
    Files,
    Found,
    Journal,
    Move,
    Offer,
    RouteState,
    Snapshot,
    Standing,
    ToolHost,
    ToolServerState,
    Used,
)
from holdfast.runtime.acts import Acts
from holdfast.runtime.follow import Followers
from holdfast.runtime.supervisor import Supervisor
from holdfast.runtime.weather import Weather


class LocalGateway:
    """Implements `ports.Gateway` for this process."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts it shows
        self,
        version: Callable[[], str],
        journal: Journal,
        files: Files,
        followers: Followers,
        arrived: Callable[[str], None],
        weather: Weather,
        tools: ToolHost,
        supervisor: Supervisor,
        clock: Clock,
        acts: Acts,
        day_began: Callable[[float], float],
    ) -> None:
        self._version, self._journal, self._followers, self._arrived = version, journal, followers, arrived
        self.files = files
        self._weather, self._tools, self._supervisor, self._clock = weather, tools, supervisor, clock
        self._acts, self._day_began = acts, day_began
        self._started = clock.now()

    async def accept(
        self, arrivals: Sequence[Arrival], cursor: Cursor | None = None, moves: Sequence[Move] = (), unread: Sequence[str] = ()
    ) -> tuple[Accepted, ...]:
        accepted = await self._journal.ingest(arrivals, cursor, moves, unread)
        for conversation in dict.fromkeys(a.conversation for a in accepted if a.new):
            self._arrived(conversation)
            self._followers.changed(conversation)
        for one, arrival in zip(accepted, arrivals, strict=True):
            if one.new and isinstance(arrival.body, Command) and arrival.body.name == "retry":
                await self._try_now(one.conversation)
        return accepted

    async def _try_now(self, conversation: str) -> None:
        """Somebody asked for it: the gates that this conversation waits at let one through."""
        row = await self._journal.conversation(conversation)
        for gate in row.turn_gate.split() if row else ():
            await self._weather.retry(gate)

    async def read(self, conversation: str, after: int = 0, most: int = ALL) -> Snapshot:
        return await self._journal.read(conversation, after, most)

    async def page(self, conversation: str, before: int, most: int) -> tuple[Entry, ...]:
        return await self._journal.page(conversation, before, most)

    def follow(self, conversation: str, after: int) -> AsyncIterator[Entry | Standing]:
        return self._followers.follow(conversation, after)

    def changes(self) -> AsyncIterator[None]:
        return self._followers.changes()

    async def conversations(self, most: int) -> tuple[Standing, ...]:
        return tuple(map(self._followers.standing, await self._journal.conversations(most)))

    async def search(self, text: str, most: int) -> tuple[Found, ...]:
        return await self._journal.search(text, most)

    async def status(self) -> Mapping[str, Any]:
        """Lists of what has a name and a state, beside the version and when it started."""
        now, parts = self._clock.now(), self._supervisor.states()
        return {
            "version": self._version(),
            "started": self._started,
            "gates": [_gate(row, now) for row in self._weather.rows().values()],
            "tool servers": [asdict(self._planned(server)) for server in self._tools.servers()],
            "parts": [{"name": name, **asdict(state)} for name, state in parts.items()],
        }

    async def tool_servers(self) -> tuple[Offer, ...]:
        return tuple(replace(offer, server=self._planned(offer.server)) for offer in self._tools.offers())

    def _planned(self, server: ToolServerState) -> ToolServerState:
        """With the instant at which its supervisor starts it again."""
        part = self._supervisor.states().get(f"tools:{server.name}")
        return replace(server, next_try=part.next_try) if part else server

    async def retry_tools(self, server: str) -> bool:
        return self._supervisor.retry(f"tools:{server}")

    async def routes(self) -> tuple[RouteState, ...]:
        now = self._clock.now()
        used = await self._journal.used(self._day_began(now))
        return tuple(self._route(name, _of_route(name, used), now) for name in self._acts.routes)

    def _route(self, name: str, used: Used, now: float) -> RouteState:
        settings = self._acts.routes[name]
        row = self._weather.row(settings.gate)
        cost = (used.input_tokens * settings.price[0] + used.output_tokens * settings.price[1]) / 1e6
        state = _state(row, now) if row.streak or row.last_ok else "never tried"
        return RouteState(
            name, settings.called, row, state, *self._weather.under_way(settings.gate), self._acts.chains_with(name), used, cost
        )

    async def why(self, conversation: str) -> str:
        row = await self._journal.conversation(conversation)
        if row is None:
            raise Request(f"There is no conversation {conversation!r}. `holdfast show` lists them.")
        transcript = Transcript((await self._journal.read(conversation, 0)).entries)
        said = turn.status(transcript, self._acts.world_of(conversation, row.account, row.address, transcript), self._clock.now())
        return f"{said} What I have to say waits for {row.speech_gate.partition(':')[2]}." if row.speech_gate else said

    async def retry(self, gate: str) -> bool:
        return await self._weather.retry(gate)


def _of_route(name: str, used: Sequence[Used]) -> Used:
    """What all people together had from it."""
    ours = [one for one in used if one.route == name]
    return Used(
        name,
        answers=sum(one.answers for one in ours),
        input_tokens=sum(one.input_tokens for one in ours),
        output_tokens=sum(one.output_tokens for one in ours),
    )


def _gate(row: GateRow, now: float) -> dict[str, Any]:
    return {"state": _state(row, now), **asdict(row)}


def _state(row: GateRow, now: float) -> Literal["open", "closed", "to be tried"]:
    if not row.streak:
        return "open"
    return "closed" if now < row.until else "to be tried"
