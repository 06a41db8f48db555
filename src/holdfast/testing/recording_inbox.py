"""An inbox that keeps what it is told, for tests of adapters: see `holdfast.ports.Inbox`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from holdfast.core.incoming import Incoming, Moved, Place, Unread


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
