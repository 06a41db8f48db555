"""What has to be asked of Slack to understand a message: what people are called, and what a thread stands below. Kept while it is of use, never needed to
be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from holdfast.errors import Temporary
from holdfast.platforms.asking import Failure
from holdfast.platforms.slack import wire
from holdfast.platforms.slack.api import Api, Refused
from holdfast.platforms.slack.reading import Known, Parent, Us, is_group, parent_of, people_in
from holdfast.platforms.slack.receipts import LIMITED, STOPPED

KEPT_MAX: Final = 2_000
"""So many names, and so many threads."""
NAME_S_MAX: Final = 3.0
"""Who is not called by name is called by their id."""

K = TypeVar("K")
V = TypeVar("V")


class Context:
    """Of one connection."""

    def __init__(self, api: Api, us: Us) -> None:
        self._api, self._us = api, us
        self._names: dict[str, str] = {}
        self._parents: dict[tuple[str, str], Parent] = {}

    async def known(self, message: wire.Message, chat: str) -> Known:
        """What `reading` needs for this message. Raises `Temporary`, or `Refused` if the account is stopped."""
        parent = await self._parent(chat, message.thread) if message.thread else Parent()
        to_us = not is_group(chat) or parent.to_us or message.edited is not None or self._us.mentioned(message.text)
        return Known(await self._named(people_in(message)) if to_us else {}, parent)

    async def stands_below(self, chat: str, parent: wire.Message) -> None:
        """Somebody was told anyway what this thread stands below."""
        _keep(self._parents, (chat, parent.ts), parent_of(parent, chat, self._us, await self._named(people_in(parent))))

    async def _parent(self, chat: str, ts: str) -> Parent:
        if (chat, ts) not in self._parents:
            try:
                page = await self._api.call("conversations.replies", wire.Messages, channel=chat, ts=ts, limit=1)
            except Refused as refused:
                if refused.code in LIMITED:
                    raise Temporary("Slack wants to be asked less about threads.", refused.retry_after_s) from None
                if refused.code in STOPPED:
                    raise
                page = wire.Messages()  # it is gone
            except Failure as failure:
                raise Temporary(f"Slack did not say what a thread is about: {failure}.") from None
            await self.stands_below(chat, _first(page.messages, ts))
        return self._parents[chat, ts]

    async def _named(self, people: Iterable[str]) -> Mapping[str, str]:
        unknown = [person for person in people if person not in self._names]
        await asyncio.gather(*map(self._ask, unknown))
        return {person: self._names.get(person, "") for person in people}

    async def _ask(self, person: str) -> None:
        try:
            user = (await self._api.call("users.info", wire.Found, s_max=NAME_S_MAX, user=person)).user
        except Failure:
            return
        _keep(self._names, person, user.profile.display_name or user.profile.real_name or user.name)


def _first(messages: list[dict[str, Any]], ts: str) -> wire.Message:
    """The message that the thread stands below; one that says nothing, if it is gone."""
    try:
        return next(msgspec.convert(one, wire.Message) for one in messages if one.get("ts") == ts)
    except (StopIteration, msgspec.ValidationError):
        return wire.Message(ts=ts)


def _keep(kept: dict[K, V], key: K, what: V) -> None:
    """The newest ones."""
    while len(kept) >= KEPT_MAX:
        del kept[next(iter(kept))]
    kept[key] = what
