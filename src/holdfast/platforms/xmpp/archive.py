"""The history that a server keeps of a user's chats, and a room of itself (XEP-0313)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from holdfast.platforms.xmpp import wire
from holdfast.platforms.xmpp.stream import Stream

PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as an archive keeps it: under this id, since this instant by the archive's clock."""

    id: str
    at: float
    message: wire.Element


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages in their order; `first` and `last` are their ids. `ends`: there are no more in that direction."""

    kept: tuple[Kept, ...]
    first: str
    last: str
    ends: bool


class Archives:
    """Of our own chats (under our address), and of rooms (under theirs). It is told of every message that comes."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._asked: dict[str, tuple[str, list[Kept]]] = {}

    def heard(self, message: wire.Element) -> bool:
        """Was this a piece of what was asked for?"""
        result = wire.child(message, wire.MAM, "result")
        if result is None:
            return False
        of, found = self._asked.get(result.get("queryid", ""), ("", []))
        forwarded = wire.child(result, wire.FORWARD, "forwarded")
        inside = wire.child(forwarded, wire.CLIENT, "message")
        if of == wire.bare(message.get("from", "") or self._stream.jid) and inside is not None:
            at = wire.instant(wire.attribute(wire.child(forwarded, wire.DELAY, "delay"), "stamp"))
            found.append(Kept(result.get("id", ""), at, inside))
        return True

    async def after(self, archive: str, last: str, since: float) -> Page:
        """The next messages: those after the id `last`, or without one since that instant. Raises as `Stream.ask`."""
        return await self._page(archive, {} if last else {"start": wire.stamp(since)}, "after", last)

    async def back(self, archive: str, with_: str) -> AsyncIterator[Kept]:
        """All messages with somebody (of a room: all), the newest first."""
        before = ""
        while True:
            page = await self._page(archive, {"with": with_} if with_ else {}, "before", before)
            for kept in reversed(page.kept):
                yield kept
            if page.ends or not page.kept:
                return
            before = page.first

    async def _page(self, archive: str, fields: dict[str, str], direction: str, place: str) -> Page:
        query_id, found = secrets.token_hex(8), list[Kept]()
        form = [_field(name, value) for name, value in {"FORM_TYPE": wire.MAM, **fields}.items()]
        wanted = [wire.element(wire.RSM, "max", str(PAGE))]
        if place or direction == "before":
            wanted.append(wire.element(wire.RSM, direction, place))
        inside = [wire.element(wire.DATA, "x", inside=form, type="submit"), wire.element(wire.RSM, "set", inside=wanted)]
        self._asked[query_id] = archive, found
        try:
            query = wire.element(wire.MAM, "query", inside=inside, queryid=query_id)
            answer = await self._stream.ask("set", query, "" if archive == self._stream.jid else archive)
        finally:
            del self._asked[query_id]
        fin = wire.child(answer, wire.MAM, "fin")
        bounds = wire.child(fin, wire.RSM, "set")
        first, last = wire.text(bounds, wire.RSM, "first"), wire.text(bounds, wire.RSM, "last")
        return Page(tuple(found), first, last, wire.attribute(fin, "complete") == "true" or not last)

    async def keep_all(self) -> None:
        """Ask the server to keep whatever is written to us, whoever writes it. Raises as `Stream.ask`."""
        lists = [wire.element(wire.MAM, "always"), wire.element(wire.MAM, "never")]
        await self._stream.ask("set", wire.element(wire.MAM, "prefs", inside=lists, default="always"))


def _field(name: str, value: str) -> wire.Element:
    return wire.element(wire.DATA, "field", inside=[wire.element(wire.DATA, "value", value)], var=name)
