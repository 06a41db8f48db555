"""Followers: whoever reads a conversation as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from holdfast.core.entries import Entry
from holdfast.ports import Journal


class Followers:
    """Tells those who follow a conversation that it has grown. They read it from the journal, so nobody waits for a slow one."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._grown: dict[str, set[asyncio.Event]] = {}

    def grown(self, conversation: str) -> None:
        """Entries were committed."""
        for event in self._grown.get(conversation, ()):
            event.set()

    async def follow(self, conversation: str, after: int) -> AsyncIterator[Entry]:
        """The entries after `after`, in order and without a gap, for ever."""
        with self._watch(conversation) as grown:
            while True:
                grown.clear()
                for entry in (await self._journal.read(conversation, after)).entries:
                    after = entry.seq
                    yield entry
                await grown.wait()

    @contextmanager
    def _watch(self, conversation: str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._grown.setdefault(conversation, set()).add(event)
        try:
            yield event
        finally:
            self._grown[conversation].discard(event)
            if not self._grown[conversation]:
                del self._grown[conversation]
