"""Telling the owner: what only an owner can mend becomes a `Note` in the conversations that the owner named, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from holdfast.core import words
from holdfast.core.entries import Note
from holdfast.core.weather import GateRow
from holdfast.ports import Accepted, Arrival, Clock

Accept = Callable[[Sequence[Arrival]], Awaitable[tuple[Accepted, ...]]]
"""Makes arrivals durable and wakes their conversations (`ports.Gateway.accept`)."""

ROUTE: Final = "route:"


class Owner:
    """Whoever runs this. `places`: (conversation, account, address) of each conversation where the owner reads what there is to tell."""

    def __init__(self, places: Sequence[tuple[str, str, str]], accept: Accept, clock: Clock) -> None:
        self._places, self._accept, self._clock = places, accept, clock

    async def tell(self, key: str, text: str) -> None:
        """Say it, once for ever under this key; whoever is killed before that says it when it happens again."""
        now, body = self._clock.now(), Note(text=text)
        notes = [
            Arrival(conversation, account, address, f"{conversation} note {key}", body, now)
            for conversation, account, address in self._places
        ]
        if notes:
            await self._accept(notes)

    async def closed(self, gate: GateRow) -> None:
        """A route's gate has closed, or stays closed."""
        if not gate.name.startswith(ROUTE):
            return
        text = words.told_owner(gate.name.removeprefix(ROUTE), gate, self._clock.now())
        if text:
            await self.tell(f"{gate.name} {gate.fingerprint} {gate.kind} {gate.since!r}", text)

    async def cut_short(self, route: str, fingerprint: str, asked: int, read: int) -> None:
        """A server has read less than it was sent."""
        await self.tell(f"{ROUTE}{route} {fingerprint} cut short", words.cut_short(route, asked, read))
