"""What comes in over one connection: what Slack brings, and before it, chat by chat, what was written while nobody listened.

The cursor is an instant by Slack's clock, one for all chats, before which everything was taken. Only a whole look through the chats moves it: nothing that is
brought does, so that no gap is ever behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from holdfast.core.incoming import Incoming, Moved, Unread, Wrote, dedupe
from holdfast.errors import Temporary
from holdfast.platforms.asking import Failure
from holdfast.platforms.slack import wire
from holdfast.platforms.slack.api import Api, Refused, without_nulls
from holdfast.platforms.slack.context import Context
from holdfast.platforms.slack.history import History
from holdfast.platforms.slack.reading import Known, Us, happened, is_group, is_somebodys, pressed, slashed, subject, ts_of
from holdfast.platforms.together import end
from holdfast.ports import Clock, Inbox

LOOK_S: Final = 900.0
"""How often the chats are looked through while all seems well: Slack may have failed to bring something, and tells nobody."""
OVERLAP_S: Final = 300.0
"""Slack's clocks may differ so far; and what was written shortly before we were here for the first time is answered, too."""
THREADS_MAX: Final = 100
"""In so many threads in which we have a conversation, the newest, we look for what was missed."""
TAKEN_MAX: Final = 5_000
LOOKS_MAX: Final = 5
"""Of what comes at once, so many chats see that their newest message was seen."""
SIGN_S_MAX: Final = 3.0
"""For what is only decoration."""

NOT_HERE: Final = "I am not in this chat. Write to me directly, or invite me here first."


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that Slack brings, by either way."""

    kind: Literal["events_api", "interactive", "slash_commands"]
    payload: dict[str, Any]


class Receiving:
    """One connection's. `groups`: those of the configuration."""

    def __init__(self, api: Api, us: Us, inbox: Inbox, clock: Clock, groups: Collection[str], cursor: str, look_s: float = LOOK_S) -> None:
        self._api, self._us, self._inbox, self._clock, self._groups = api, us, inbox, clock, groups
        self._look_s = look_s
        self._context, self._history = Context(api, us), History(api, us, clock)
        self._since = float(cursor or self._now())
        self._is_first = not cursor
        self._threads: Mapping[str, list[str]] = {}
        self._closed: set[str] | None = set()  # the chats whose gap is closed; None: all
        self._closing = asyncio.Lock()
        self._taking = asyncio.Lock()
        self._taken: dict[str, None] = {}
        self._aside: set[asyncio.Task[None]] = set()
        self._has_ended = False

    def _now(self) -> float:
        """By Slack's clock, where it told us."""
        return self._api.now or self._clock.now()

    # --- what was missed ----------------------------------------------------------------------------------------------------------------

    async def catch_up(self) -> None:
        """Look through the chats, now and then again, until cancelled. Raises `Failure` or `Temporary`."""
        if self._is_first:
            await self._inbox.take([], f"{self._since:.0f}")
        while True:
            chats, places = await self._history.chats(), await self._inbox.chats()
            until = self._now()
            threads = defaultdict(list)
            for place in [place for place in places if place.thread][:THREADS_MAX]:
                threads[place.chat].append(place.thread)
            self._threads = threads
            heard = {*self._groups, *(place.chat for place in places)}
            for chat in chats:
                if not is_group(chat) or {"*", chat} & heard:
                    await self._close_gap(chat, again=self._closed is None)
            await self._inbox.take([], f"{until:.0f}")
            self._since, self._closed = until, None
            await self._clock.sleep(self._look_s)

    async def _close_gap(self, chat: str, *, again: bool = False) -> None:
        """Take what was missed in this chat, unless that was done: whatever is brought from it comes after that."""
        if self._is_closed(chat) and not again:
            return
        async with self._closing:
            if self._is_closed(chat) and not again:
                return
            await self._take(await self._history.missed(self._context, chat, self._since - OVERLAP_S, self._threads.get(chat, ())))
            if self._closed is not None:
                self._closed.add(chat)

    def _is_closed(self, chat: str) -> bool:
        return self._closed is None or chat in self._closed

    # --- what is brought ----------------------------------------------------------------------------------------------------------------

    async def take(self, deliveries: Sequence[Delivery]) -> list[str]:
        """Make these durable: then they may be acknowledged. Returns what is said to whoever gave each of them ("": nothing). Raises as `catch_up`."""
        async with self._taking:
            return await self._in_turn(deliveries)

    async def _in_turn(self, deliveries: Sequence[Delivery]) -> list[str]:
        read = [await self._read(delivery) for delivery in deliveries]
        events = [event for event in read if event is not None and not isinstance(event, str)]
        for chat in dict.fromkeys(event.place.chat for event in events if isinstance(event, Incoming) and event.to_us):
            await self._close_gap(chat)
        await self._take(events)
        return [event if isinstance(event, str) else "" for event in read]

    async def _take(self, events: Sequence[Incoming | Moved | Unread]) -> None:
        names = [dedupe("", event) if isinstance(event, Incoming) else "" for event in events]
        fresh = [event for event, name in zip(events, names, strict=True) if name not in self._taken]
        if self._has_ended:  # a call of Slack's may have waited here, which belongs to no connection
            raise Temporary("The connection to Slack has ended.")
        if not fresh:
            return
        kept = await self._inbox.take(fresh)
        self._taken |= dict.fromkeys(filter(None, names))
        while len(self._taken) > TAKEN_MAX:
            del self._taken[next(iter(self._taken))]
        newest = {event.place.chat: event for event in kept if isinstance(event.did, Wrote)}
        for event in [*newest.values()][-LOOKS_MAX:]:
            if ts := ts_of(event.id):
                self._look(event.place.chat, ts)

    async def _read(self, delivery: Delivery) -> Incoming | Moved | Unread | str | None:
        payload = without_nulls(delivery.payload)
        try:
            match delivery.kind:
                case "events_api":
                    return await self._event(msgspec.convert(payload, wire.Callback))
                case "interactive":
                    return pressed(msgspec.convert(payload, wire.Pressed)) if payload.get("type") == "block_actions" else None
                case "slash_commands":
                    return await self._slash(msgspec.convert(payload, wire.Slashed))
        except msgspec.ValidationError as error:
            return Unread(json.dumps(payload), f"Slack sent something unexpected: {error}")

    async def _event(self, called: wire.Callback) -> Incoming | Moved | None:
        """Mentions come twice, as `message` and, with less in it, as `app_mention`: the first is enough."""
        event, brought_to = called.event, {one.user_id for one in called.authorizations}
        if event.type in {"app_uninstalled", "tokens_revoked"}:
            await self._api.call("auth.test", wire.Done)  # which says whether it was ours
        if event.type not in {"message", "channel_id_changed"} or (brought_to and self._us.user not in brought_to):
            return None  # nothing to us; or for the same app in another workspace
        message = subject(event)
        known = await self._context.known(message, str(event.channel)) if is_somebodys(message, self._us) else Known({})
        return happened(event, self._us, known)

    async def _slash(self, slash: wire.Slashed) -> Incoming | str:
        """People can give our command wherever they are: also where we can't answer."""
        try:
            chat = (await self._api.call("conversations.info", wire.Asked, s_max=SIGN_S_MAX, channel=slash.channel_id)).channel
            if not (chat.is_im or chat.is_mpim or chat.is_member):
                return NOT_HERE
        except Failure as failure:  # where nobody knows, it is taken: commands are brought once
            if isinstance(failure, Refused) and failure.code == "channel_not_found":
                return NOT_HERE
        return slashed(slash)

    # --- decoration ---------------------------------------------------------------------------------------------------------------------

    def _look(self, chat: str, ts: str) -> None:
        """It was seen. Nothing waits for that."""
        task = asyncio.create_task(self._sign(chat, ts))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _sign(self, chat: str, ts: str) -> None:
        with contextlib.suppress(Failure):
            await self._api.call("reactions.add", wire.Done, s_max=SIGN_S_MAX, channel=chat, timestamp=ts, name="eyes")

    async def close(self) -> None:
        self._has_ended = True
        await end(self._aside)
