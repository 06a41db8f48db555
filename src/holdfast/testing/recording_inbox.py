"""An inbox that keeps what it is told, for tests of adapters: see `holdfast.ports.Inbox`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from holdfast.core.entries import Entry
from holdfast.core.incoming import Incoming, Moved, Place, Unread
from holdfast.ports import Accepted


class RecordingInbox:
    """Takes everything. `cursor` is given to whoever begins, and moved by what is taken; while `free` is not set, `take` does not return."""

    def __init__(self, cursor: str = "") -> None:
        self.cursor = cursor
        self.identity = ""
        self.events: list[Incoming | Moved | Unread] = []
        self.begun = 0
        self.heard = 0
        self.places: list[Place] = []
        """Where it has conversations, besides those it was told of."""
        self.strangers: set[str] = set()
        """Nothing of theirs is kept by `keep`."""
        self.entries: dict[Place, list[Entry]] = {}
        """What `read` finds."""
        self.free = asyncio.Event()
        self.free.set()
        self._changed = asyncio.Condition()

    async def begin(self, identity: str) -> str:
        self.identity, self.begun = identity, self.begun + 1
        await self._tell()
        return self.cursor

    async def chats(self) -> Sequence[Place]:
        return [*dict.fromkeys([*(one.place for one in reversed(self.messages)), *self.places])]

    def alive(self) -> None:
        self.heard += 1

    async def take(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None = None) -> Sequence[Incoming]:
        await self.free.wait()
        self.events += events
        self.cursor = self.cursor if cursor is None else cursor
        await self._tell()
        return [event for event in events if isinstance(event, Incoming)]

    async def keep(self, incoming: Incoming) -> Accepted | None:
        if incoming.author in self.strangers:
            return None
        known = [one.id for one in self.messages]
        await self.take([incoming])
        seq = known.index(incoming.id) + 1 if incoming.id in known else len(self.messages)
        return Accepted(incoming.place.conversation("recorded"), seq, new=incoming.id not in known)

    async def read(self, place: Place, after: int, most: int) -> Sequence[Entry]:
        return [entry for entry in self.entries.get(place, ()) if entry.seq > after][:most]

    async def wait_for(self, condition: Callable[[RecordingInbox], bool], within_s: float = 30.0) -> None:
        """Until it is so."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    @property
    def messages(self) -> list[Incoming]:
        return [event for event in self.events if isinstance(event, Incoming)]

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
