"""What happened in our rooms, out of the answers of `/sync`: in order, and without a gap.

Nothing is kept that could not be asked for again: who is in a room is asked of the homeserver, as it was where we had got to, and then followed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from holdfast.core.incoming import Incoming, Moved, Unread
from holdfast.platforms.matrix.http import Refused, path
from holdfast.platforms.matrix.reading import Event, Original, Room, Us, about, is_ours, original, read, unread

PAGE: Final = 30
"""Of one room's history, at once."""
GAP_EVENTS_MAX: Final = 50_000
"""So many events of one room are fetched that came while we were away."""
THREADS_MAX: Final = 10_000

_STATE: Final = ("m.room.create", "m.room.member", "m.room.encryption")
_TIMELINE: Final = (*_STATE, "m.room.message", "m.room.encrypted", "m.room.redaction", "m.room.tombstone")
_NOTHING: Final = {"not_types": ["*"]}
_OF_ROOMS: Final = {"ephemeral": _NOTHING, "account_data": _NOTHING}

FILTER: Final = msgspec.json.encode(
    {
        "presence": _NOTHING,
        "account_data": _NOTHING,
        "room": {"timeline": {"limit": PAGE, "types": _TIMELINE}, "state": {"types": _STATE}, **_OF_ROOMS},
    }
).decode()
"""What we want to hear."""
FILTER_OF_LOOK: Final = msgspec.json.encode(
    {
        "presence": _NOTHING,
        "account_data": _NOTHING,
        "room": {"timeline": {"limit": 1, **_NOTHING}, "state": _NOTHING, **_OF_ROOMS},
    }
).decode()
"""Of the first look: where we are, and who invites us."""
_FILTER_OF_GAP: Final = msgspec.json.encode({"types": _TIMELINE}).decode()

log = logging.getLogger(__name__)


class Ask(Protocol):
    """A request to the homeserver."""

    def __call__(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, parameters: Mapping[str, str] | None = None
    ) -> Awaitable[dict[str, Any]]: ...


class Opens(Protocol):
    """What is asked of encryption: see `encryption.Crypto`."""

    def changed(self, room: str, event: Event) -> None: ...

    async def decrypted(self, room: str, event: Event) -> Event | str: ...


class Rooms:
    """The rooms of one account, as of the last answer that was read."""

    def __init__(self, ask: Ask, us: Us, crypto: Opens) -> None:
        self._ask, self._us, self._crypto = ask, us, crypto
        self._rooms: dict[str, Room] = {}
        self._threads: dict[str, str] = {}

    async def take(self, joined: Mapping[str, Any], since: str) -> list[Incoming | Moved | Unread]:
        """What happened in the rooms that an answer tells of, since the token that it was asked with."""
        events: list[Incoming | Moved | Unread] = []
        for id_, told in joined.items():
            events += await self._of_room(id_, told, since)
        return events

    def forget(self, left: Sequence[str]) -> None:
        for id_ in left:
            self._rooms.pop(id_, None)

    async def _of_room(self, id_: str, told: Mapping[str, Any], since: str) -> list[Incoming | Moved | Unread]:
        timeline, state = told.get("timeline", {}), told.get("state", {}).get("events", [])
        events: list[Event] = timeline.get("events", [])
        found: list[Incoming | Moved | Unread] = []
        joining = next((event for event in (*state, *events) if is_ours(event, self._us, "join")), None)
        created = next((event for event in (*state, *events) if event.get("type") == "m.room.create"), None)
        if joining is not None and created is not None:
            room = self._rooms[id_] = Room(id_)
            for event in state:
                room.apply(event)
                self._crypto.changed(id_, event)
            before = await self._predecessor(id_, created)
            found += [Moved(before, id_)] if before else []
            events = await self._since_invited(room, joining, timeline, everything=bool(before))
        else:
            room = await self._known(id_, since)
            if timeline.get("limited") and timeline.get("prev_batch"):
                gap, whole = await self._pages(id_, timeline["prev_batch"], since, lambda _: False)
                found += [] if whole else [_too_many(id_)]
                events = [*gap, *events]
        here = {event.get("event_id", ""): event for event in events}  # pages may overlap with what they were asked from
        for event in here.values():
            found += await self._of_event(room, event, here)
        return found

    async def _of_event(self, room: Room, event: Event, here: Mapping[str, Event]) -> list[Incoming | Moved | Unread]:
        room.apply(event)
        if event.get("type") in {"m.room.member", "m.room.encryption"}:
            self._crypto.changed(room.id, event)
        if event.get("type") == "m.room.tombstone":
            await self._follow(event)
        if event.get("type") == "m.room.encrypted" and event.get("sender") != self._us.id:
            inside = await self._crypto.decrypted(room.id, event)
            if isinstance(inside, str):
                return [] if room.group else [unread(event, room, inside)]
            event = inside
        of = about(event)
        what = read(event, room, self._us, await self._original(room.id, of, here) if of else Original(), self._threads)
        if what is None:
            return []
        if what.place.thread:
            self._threads[what.id] = what.place.thread
            if len(self._threads) > THREADS_MAX:
                del self._threads[next(iter(self._threads))]
        return [what]

    # --- what is asked of the homeserver --------------------------------------------------------------------------------------------

    async def _known(self, id_: str, since: str) -> Room:
        """The room with those who were in it at `since`."""
        room = self._rooms.get(id_)
        if room is None:
            room = Room(id_)
            found = await self._ask("GET", path("rooms", id_, "members"), None, {"at": since, "not_membership": "leave"})
            for event in found.get("chunk", []):
                room.apply(event)
            self._rooms[id_] = room
        return room

    async def _since_invited(self, room: Room, joining: Event, timeline: Mapping[str, Any], *, everything: bool) -> list[Event]:
        """The events of a room that we are new in: since we were invited, else since we joined; or everything."""
        invited = joining.get("unsigned", {}).get("prev_content", {}).get("membership") == "invite"
        membership = "invite" if invited else "join"

        def begins(event: Event) -> bool:
            return is_ours(event, self._us, membership) and (invited or not everything)

        events: list[Event] = timeline.get("events", [])
        first = next((at for at, event in enumerate(events) if begins(event)), None)
        if first is not None or not timeline.get("limited") or not timeline.get("prev_batch"):
            for event in events[:first]:
                room.apply(event)
                self._crypto.changed(room.id, event)
            return events[first or 0 :]
        earlier, _ = await self._pages(room.id, timeline["prev_batch"], "", begins)
        return [*(event for event in earlier if event.get("type") != "m.room.member"), *events]

    async def _pages(self, id_: str, start: str, to: str, begins: Callable[[Event], bool]) -> tuple[list[Event], bool]:
        """The events from `to`, or from the one that begins, up to `start`, the oldest first; and whether these are all."""
        events: list[Event] = []
        more = {"to": to} if to else {}
        while start and len(events) < GAP_EVENTS_MAX:
            parameters = {"dir": "b", "limit": str(PAGE), "from": start, "filter": _FILTER_OF_GAP, **more}
            page = await self._ask("GET", path("rooms", id_, "messages"), None, parameters)
            for event in page.get("chunk", []):
                if begins(event):
                    return events[::-1], True
                events.append(event)
            start = page.get("end", "")
        return events[::-1], not start

    async def _original(self, id_: str, event_id: str, here: Mapping[str, Event]) -> Original:
        event = here.get(event_id)
        try:
            event = event or await self._ask("GET", path("rooms", id_, "event", event_id))
        except Refused as refused:
            if refused.status >= 429:
                raise
            return Original()  # it is gone, or was never ours to see
        if event.get("type") == "m.room.encrypted":
            inside = await self._crypto.decrypted(id_, event)
            event = {} if isinstance(inside, str) else inside
        return original(event)

    async def _predecessor(self, id_: str, created: Event) -> str:
        """The room that this one replaces, if that room says so too; else ""."""
        before = created.get("content", {}).get("predecessor")
        before = before.get("room_id") if isinstance(before, dict) else None
        if not isinstance(before, str):
            return ""
        try:
            tombstone = await self._ask("GET", path("rooms", before, "state", "m.room.tombstone"))
        except Refused as refused:
            if refused.status >= 429:
                raise
            return ""
        return before if tombstone.get("replacement_room") == id_ else ""

    async def _follow(self, tombstone: Event) -> None:
        """Join the room that replaces this one. If we may not, we are perhaps invited yet."""
        to = tombstone.get("content", {}).get("replacement_room")
        if not isinstance(to, str):
            return
        via = str(tombstone.get("sender", "")).partition(":")[2]
        try:
            await self._ask("POST", path("join", to), {}, {"via": via, "server_name": via})
        except Refused as refused:
            if refused.status >= 429:
                raise
            log.warning("%s can't follow to the room that replaces another one: %s", self._us.id, refused)


def _too_many(id_: str) -> Unread:
    return Unread(id_, f"More than {GAP_EVENTS_MAX} events came in this room while nothing was received. The oldest of them were not read.")
