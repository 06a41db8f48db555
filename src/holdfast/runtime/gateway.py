"""What page and command line may ask of the running gateway: accept, read, follow, status, retry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from holdfast.core.entries import Entry
from holdfast.ports import Accepted, Arrival, Clock, ConversationRow, Cursor, Journal, Snapshot, ToolHost
from holdfast.runtime.follow import Followers
from holdfast.runtime.supervisor import Supervisor
from holdfast.runtime.weather import Weather


class LocalGateway:
    """Implements `ports.Gateway` for this process."""

    def __init__(
        self,
        version: str,
        journal: Journal,
        followers: Followers,
        arrived: Callable[[str], None],
        weather: Weather,
        tools: ToolHost,
        supervisor: Supervisor,
        clock: Clock,
    ) -> None:
        self._version, self._journal, self._followers, self._arrived = version, journal, followers, arrived
        self._weather, self._tools, self._supervisor, self._clock = weather, tools, supervisor, clock
        self._started = clock.now()

    async def accept(self, arrivals: Sequence[Arrival], cursor: Cursor | None = None) -> tuple[Accepted, ...]:
        accepted = await self._journal.ingest(arrivals, cursor)
        for conversation in dict.fromkeys(a.conversation for a in accepted if a.new):
            self._arrived(conversation)
            self._followers.grown(conversation)
        return accepted

    async def read(self, conversation: str, after: int = 0) -> Snapshot:
        return await self._journal.read(conversation, after)

    def follow(self, conversation: str, after: int) -> AsyncIterator[Entry]:
        return self._followers.follow(conversation, after)

    async def conversations(self, most: int) -> tuple[ConversationRow, ...]:
        return await self._journal.conversations(most)

    async def status(self) -> Mapping[str, Any]:
        now = self._clock.now()
        routes = {
            name: {"open": now >= row.until, "until": row.until, "since": row.since, "why": row.why, "last_ok": row.last_ok}
            for name, row in self._weather.rows().items()
        }
        children = {name: {"state": s.state, "since": s.since, "why": s.why, "restarts": s.restarts} for name, s in self._supervisor.states().items()}
        tools = [
            {"name": s.name, "state": s.state, "since": s.since, "why": s.why, "restarts": s.restarts, "pid": s.pid, "tools": s.tools}
            for s in self._tools.servers()
        ]
        return {"version": self._version, "started": self._started, "routes": routes, "tools": tools, "children": children}

    async def retry(self, gate: str) -> bool:
        return await self._weather.retry(gate)
