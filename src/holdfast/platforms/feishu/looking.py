"""What an event does not say, and Feishu does if it is asked: names, what a message replies to, what was written while nobody listened, what we sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Final, TypeVar

from holdfast.errors import Temporary
from holdfast.platforms.feishu.api import Api, Refused
from holdfast.platforms.feishu.reading import Told, Us, of_item
from holdfast.platforms.feishu.receipts import PAUSE_S, is_too_many
from holdfast.platforms.feishu.wire import ChatInfo, Item, Listed, Page
from holdfast.ports import Clock

PAGE: Final = 50
KEPT_MAX: Final = 10_000
"""So many names, and kinds of chats, are remembered."""
PATIENCE: Final = 10
"""So often a page of history is asked for again, if we ask for too much at once."""
PAUSE_S_MAX: Final = 60.0
THREADS_MAX: Final = 20
"""Where we look for what we sent, so many threads of a chat are read, too."""

K = TypeVar("K")
V = TypeVar("V")


class Looking:
    """For one app."""

    def __init__(self, api: Api, clock: Clock, app_id: str) -> None:
        self._api, self._clock = api, clock
        self.us = Us("", app_id)
        self._groups: dict[str, bool] = {}
        self._names: dict[str, str] = {}

    def learn(self, told: Told) -> None:
        keep(self._groups, told.chat, told.group)
        if told.name:
            keep(self._names, told.author, told.name)

    async def is_group(self, chat: str) -> bool:
        """Raises `Failure`."""
        if chat not in self._groups:
            mode = (await self._api.get(f"/im/v1/chats/{chat}", ChatInfo)).data.chat_mode
            keep(self._groups, chat, mode != "p2p")
        return self._groups[chat]

    async def name(self, told: Told) -> str:
        """What people call whoever wrote it. Raises `Failure`."""
        if told.author not in self._names:
            found = await self.message(told.id, told.chat, group=told.group)
            keep(self._names, told.author, found[0].name if found else "")
        return self._names[told.author]

    async def message(self, id_: str, chat: str, *, group: bool, gone: bool = False) -> tuple[Told, ...]:
        """A message as it is now, and behind it those that it passes on; nothing if it is gone, unless that is no matter. Raises `Failure`."""
        listed = await self._api.get(f"/im/v1/messages/{id_}", Listed, {"with_sender_name": "true"})
        items = listed.data.items or ()
        return () if items and items[0].deleted and not gone else tuple(of_item(item, chat, self.us, group=group) for item in items)

    # --- history --------------------------------------------------------------------------------------------------------------------

    async def missed(self, chat: str, roots: Collection[str], since_ms: int) -> AsyncIterator[list[Told]]:
        """What was written there since then, in the chat and in its threads, the oldest first in each. `roots`: where threads begin that we know. Raises
        `Failure`."""
        group = await self.is_group(chat)
        threads: dict[str, None] = {}
        async for items in self._pages("chat", chat, since_ms):
            threads |= {item.thread_id: None for item in items if item.thread_id}
            yield [of_item(item, chat, self.us, group=group) for item in items if not item.deleted]
        for root in roots:
            threads |= dict.fromkeys(await self._thread(root))
        for thread in threads:
            found: list[Told] = []
            async for items in self._pages("thread", thread, since_ms, newest_first=True):
                found += [of_item(item, chat, self.us, group=group) for item in items if not item.deleted]
            yield [told for told in reversed(found) if told.at_ms >= since_ms]

    async def sent(self, chat: str, root: str, carries: str, since_ms: int) -> str | None:
        """The message of ours that carries this, sent since then: in the chat, or a thread of it. Raises `Failure`."""
        threads: dict[str, None] = dict.fromkeys(await self._thread(root)) if root else {}
        if not root:
            async for items in self._pages("chat", chat, since_ms, newest_first=True):
                if found := self._with(items, carries):
                    return found
                threads |= {item.thread_id: None for item in items if item.thread_id}
        for thread in list(threads)[:THREADS_MAX]:
            async for items in self._pages("thread", thread, since_ms, newest_first=True):
                if found := self._with(items, carries):
                    return found
        return None

    def _with(self, items: Collection[Item], carries: str) -> str:
        ours = (item for item in items if item.sender.id == self.us.app_id and not item.deleted)
        return next((item.message_id for item in ours if carries in (item.body.content or "")), "")

    async def _thread(self, root: str) -> list[str]:
        """The history's name of the thread that begins with this message; none if it is gone."""
        try:
            items = (await self._api.get(f"/im/v1/messages/{root}", Listed)).data.items or ()
        except Refused as refused:
            if is_too_many(refused):
                raise
            return []
        return [item.thread_id for item in items[:1] if item.thread_id]

    async def _pages(self, kind: str, id_: str, since_ms: int, *, newest_first: bool = False) -> AsyncIterator[tuple[Item, ...]]:
        """Of a chat from then on; of a thread, which takes no beginning, the newest first and back to then."""
        asked = {
            "container_id_type": kind,
            "container_id": id_,
            "sort_type": "ByCreateTimeDesc" if newest_first else "ByCreateTimeAsc",
            "page_size": str(PAGE),
            "with_sender_name": "true",
            "card_msg_content_type": "user_card_content",
        }
        if not newest_first:
            asked["start_time"] = str(since_ms // 1000)
        while True:
            page = await self._page(asked)
            items = page.items or ()
            yield items
            beyond = newest_first and any(told.at_ms < since_ms for told in (of_item(one, "", self.us, group=True) for one in items))
            if beyond or not page.has_more or not page.page_token:
                return
            asked["page_token"] = page.page_token

    async def _page(self, asked: dict[str, str]) -> Page:
        for _ in range(PATIENCE):
            try:
                return (await self._api.get("/im/v1/messages", Listed, asked)).data
            except Refused as refused:
                if not is_too_many(refused):
                    raise
                await self._clock.sleep(min(refused.retry_after_s or PAUSE_S, PAUSE_S_MAX))
        raise Temporary("Feishu lets us read no more of its history now. It is read on when we are connected again.")


def keep(kept: dict[K, V], key: K, value: V) -> None:
    """The newest of them."""
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > KEPT_MAX:
        del kept[next(iter(kept))]
