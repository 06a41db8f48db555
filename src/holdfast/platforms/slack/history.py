"""What was said in our chats, read to the end of what is asked for: for what nobody brought us, and for what of ours may have arrived."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from holdfast.core.incoming import Incoming, Unread
from holdfast.errors import Temporary
from holdfast.platforms.slack import wire
from holdfast.platforms.slack.api import Api, Refused
from holdfast.platforms.slack.context import Context
from holdfast.platforms.slack.reading import Us, edited, is_group, written
from holdfast.platforms.slack.receipts import LIMITED, STOPPED
from holdfast.ports import Clock

PAGE: Final = 200
KINDS: Final = "im,mpim,public_channel,private_channel"
LOOK_BACK_S: Final = 24 * 3600.0
"""Messages so old are looked at for what was written below them since: of older threads only those where we have a conversation."""
PATIENCE_S_MAX: Final = 60.0
"""So long we wait when Slack says that it was asked too often; if it wants longer, whoever connects us again waits."""

EVENT_TYPE: Final = "holdfast_part"
"""What our metadata calls a message of ours."""

T = TypeVar("T")
log = logging.getLogger("holdfast.slack")


class History:
    """Of one account."""

    def __init__(self, api: Api, us: Us, clock: Clock) -> None:
        self._api, self._us, self._clock = api, us, clock

    async def chats(self) -> list[str]:
        """The chats that we are in, direct ones first."""
        found: list[str] = []
        cursor = ""
        while True:
            page = await self._patiently("users.conversations", wire.Chats, types=KINDS, exclude_archived=True, limit=PAGE, cursor=cursor)
            found += [chat.id for chat in page.channels]
            cursor = page.response_metadata.next_cursor
            if not cursor:
                return sorted(found, key=lambda chat: not chat.startswith("D"))

    async def missed(self, context: Context, chat: str, since: float, threads: Iterable[str]) -> list[Incoming | Unread]:
        """What people wrote since, in order, and what they changed; in these threads, too. Nothing of a chat that can't be read."""
        to_us = f"<@{self._us.user}"

        def matters(one: dict[str, Any]) -> bool:
            """In a group most does not."""
            in_gap = one["ts"] >= _ts(since) and (not is_group(chat) or to_us in one.get("text", ""))
            return in_gap or "thread_ts" in one or "edited" in one

        try:
            said = await self._said(chat, since, threads, matters)
        except Refused as refused:
            if refused.code in STOPPED:
                raise
            log.warning("%s can't be read: %s. What was written there while nobody listened is not known.", chat, refused)
            return []
        below = {one.get("thread_ts") for one in said if one["ts"] >= _ts(since)}
        events: list[Incoming | Unread] = []
        for raw in said:
            try:
                message = msgspec.convert(raw, wire.Message)
            except msgspec.ValidationError as error:
                events.append(Unread(json.dumps(raw), f"Slack's history has something unexpected: {error}"))
                continue
            if message.ts in below:
                await context.stands_below(chat, message)
            events += await self._events(context, message, chat, since)
        return events

    async def _events(self, context: Context, message: wire.Message, chat: str, since: float) -> list[Incoming]:
        """A message that was changed says what it says now: whoever knows it as it was is told of that."""
        is_new = message.ts >= _ts(since)
        was_changed = message.edited is not None and message.edited.ts >= _ts(since)
        if not is_new and not was_changed:
            return []
        known = await context.known(message, chat)
        wrote = written(message, chat, self._us, known) if is_new else None
        changed = edited(message, chat, self._us, known) if was_changed else None
        return [event for event in (wrote, changed) if event is not None]

    async def find(self, chat: str, thread: str, key: str, since: float) -> wire.Message | None:
        """The message of ours that has this key, sent since or a little earlier. Raises `Failure`."""

        def is_it(one: dict[str, Any]) -> bool:
            return bool(one.get("user") == self._us.user and one.get("metadata", {}).get("event_payload", {}).get("key") == key)

        found = await self._said(chat, since, [thread] if thread else [], is_it)
        return msgspec.convert(found[-1], wire.Message) if found else None

    async def _said(
        self, chat: str, since: float, threads: Iterable[str], matters: Callable[[dict[str, Any]], bool]
    ) -> list[dict[str, Any]]:
        """What matters of all messages since, in order, also in threads; and of older ones, which may have been changed."""
        found: dict[str, dict[str, Any]] = {}
        below = set(threads)
        async for one in self._pages("conversations.history", channel=chat, oldest=_ts(since - LOOK_BACK_S)):
            if matters(one):
                found[one["ts"]] = one
            if one.get("reply_count") and one.get("latest_reply", "~") >= _ts(since):
                below.add(one["ts"])
        for thread in sorted(below):
            try:
                async for one in self._pages("conversations.replies", channel=chat, ts=thread, oldest=_ts(since)):
                    if matters(one):
                        found[one["ts"]] = one
            except Refused as refused:
                if refused.code not in {"message_not_found", "thread_not_found"}:
                    raise
        return [found[ts] for ts in sorted(found)]

    async def _pages(self, method: str, **params: Any) -> AsyncIterator[dict[str, Any]]:
        """All of them: pages may begin with the newest."""
        cursor = ""
        while True:
            page = await self._patiently(method, wire.Messages, include_all_metadata=True, limit=PAGE, cursor=cursor, **params)
            for one in page.messages:
                yield one
            cursor = page.response_metadata.next_cursor
            if not cursor:
                return

    async def _patiently(self, method: str, answer: type[T], **params: Any) -> T:
        """As often as Slack lets us. To begin anew whenever it wants less would never end where there is much to read."""
        while True:
            try:
                return await self._api.call(method, answer, **params)
            except Refused as refused:
                if refused.code not in LIMITED:
                    raise
                delay_s = refused.retry_after_s or PATIENCE_S_MAX
                if delay_s > PATIENCE_S_MAX:
                    raise Temporary("Slack wants to be asked less.", delay_s) from None
            await self._clock.sleep(delay_s)


def _ts(at: float) -> str:
    """As Slack writes an instant: such strings are in order as instants are."""
    return f"{max(at, 0.0):017.6f}"
