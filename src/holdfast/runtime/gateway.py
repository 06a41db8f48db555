"""What page and command line may ask of the running gateway: accept, read, follow, status, retry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from holdfast.core.entries import Command, Entry
from holdfast.core.weather import GateRow
from holdfast.ports import ALL, Accepted, Arrival, Clock, Cursor, Files, Found, Journal, Snapshot, Standing, ToolHost
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
    ) -> None:
        self._version, self._journal, self._followers, self._arrived = version, journal, followers, arrived
        self.files = files
        self._weather, self._tools, self._supervisor, self._clock = weather, tools, supervisor, clock
        self._started = clock.now()

    async def accept(self, arrivals: Sequence[Arrival], cursor: Cursor | None = None) -> tuple[Accepted, ...]:
        accepted = await self._journal.ingest(arrivals, cursor)
        for conversation in dict.fromkeys(a.conversation for a in accepted if a.new):
            self._arrived(conversation)
            self._followers.changed(conversation)
        for one, arrival in zip(accepted, arrivals, strict=True):
            if one.new and isinstance(arrival.body, Command) and arrival.body.name == "retry":
                await self._try_now(arrival.conversation)
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
        now = self._clock.now()
        return {
            "version": self._version(),
            "started": self._started,
            "gates": [_gate(row, now) for row in self._weather.rows().values()],
            "tool servers": [asdict(state) for state in self._tools.servers()],
            "parts": [{"name": name, **asdict(state)} for name, state in self._supervisor.states().items()],
        }

    async def retry(self, gate: str) -> bool:
        return await self._weather.retry(gate)


def _gate(row: GateRow, now: float) -> dict[str, Any]:
    state = "open" if not row.streak else "closed" if now < row.until else "to be tried"
    return {"state": state, **asdict(row)}
