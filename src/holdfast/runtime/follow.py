"""Followers: whoever reads a conversation as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from holdfast.core.entries import Entry
from holdfast.core.weather import GateRow
from holdfast.ports import ConversationRow, Hold, Journal, Standing

READ_AT_ONCE: Final = 200

EVERYTHING: Final = ""
"""What those follow who want to hear of every conversation."""


class Followers:
    """Tells those who follow a conversation that it has changed. They read it from the journal, so nobody waits for a slow one."""

    def __init__(self, journal: Journal, gate: Callable[[str], GateRow | None]) -> None:
        self._journal, self._gate = journal, gate
        self.held: Callable[[str], Hold | None] = lambda _: None
        """What holds all conversations of an account."""
        self._events: dict[str, set[asyncio.Event]] = {}

    def changed(self, conversation: str) -> None:
        """Entries were committed, or it was claimed or let go."""
        for event in (*self._events.get(conversation, ()), *self._events.get(EVERYTHING, ())):
            event.set()

    def all_changed(self) -> None:
        """Those who wait may wait for something else now."""
        for events in self._events.values():
            for event in events:
                event.set()

    async def follow(self, conversation: str, after: int) -> AsyncIterator[Entry | Standing]:
        """See `ports.Gateway.follow`."""
        told: Standing | None = None
        with self._watch(conversation) as changed:
            while True:
                changed.clear()
                entries = (await self._journal.read(conversation, after, READ_AT_ONCE)).entries
                for entry in entries:
                    after = entry.seq
                    yield entry
                if len(entries) == READ_AT_ONCE:
                    continue
                row = await self._journal.conversation(conversation)
                if row is not None and (standing := self.standing(row)) != told:
                    told = standing
                    yield standing
                await changed.wait()

    async def changes(self) -> AsyncIterator[None]:
        """See `ports.Gateway.changes`."""
        with self._watch(EVERYTHING) as changed:
            while True:
                await changed.wait()
                changed.clear()
                yield None

    def standing(self, row: ConversationRow) -> Standing:
        """The row with the weather at its gates, and what holds it."""
        gates = (self._gate(name) for name in (*row.turn_gate.split(), *row.speech_gate.split()))
        return Standing(row, tuple(gate for gate in gates if gate is not None), self.held(row.account))

    @contextmanager
    def _watch(self, conversation: str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._events.setdefault(conversation, set()).add(event)
        try:
            yield event
        finally:
            self._events[conversation].discard(event)
            if not self._events[conversation]:
                del self._events[conversation]
