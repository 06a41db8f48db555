"""Journals with a past, written through the real store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from holdfast.core.entries import AssistantMessage, Delivered, DeliveryStarted, UserMessage
from holdfast.ports import Arrival, Lease, Release
from holdfast.store.sqlite import SqliteJournal
from holdfast.web.wire import ACCOUNT, AUTHOR, conversation_key

SAID = "This is message {n} of a long conversation, as long as people's messages usually are; it asks for something small."
ANSWERED = (
    "This is answer {n}. It says what was asked for in two or three sentences, as models do, and offers to say more if that is wanted."
)


async def fill(data_dir: Path, names: Sequence[str], messages: int) -> None:
    """Give each of these conversations so many messages (the user's and the model's), all answered and delivered."""
    past = _Past(SqliteJournal.open(data_dir))
    places = asyncio.Semaphore(64)

    async def one(name: str) -> None:
        async with places:
            await past.talk(name, messages // 2)

    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(one(name))
    await past.journal.close()


class _Past:
    def __init__(self, journal: SqliteJournal) -> None:
        self.journal = journal
        self._leases: dict[str, Lease] = {}
        self._now = time.time() - 86400

    async def talk(self, name: str, turns: int) -> None:
        key, lease = conversation_key(name), None
        for n in range(1, turns + 1):
            said = UserMessage(author=AUTHOR, id=str(n), text=SAID.format(n=n))
            accepted = await self.journal.ingest([Arrival(key, ACCOUNT, name, f"{key}:{n}", said, self._now)])
            lease = lease or await self._claimed(key)
            answer = AssistantMessage(n=n, seen=accepted[0].seq, text=ANSWERED.format(n=n), route="main")
            await self.journal.append(lease, self._now, n, [answer], [DeliveryStarted(of=answer.name, part=0, key=f"{answer.name}/0")])
            release = Release(floor=1) if n == turns else None
            done = await self.journal.append(lease, self._now, n, [Delivered(of=answer.name, part=0, id=answer.name)], release=release)
            assert done.released == (release is not None)

    async def _claimed(self, key: str) -> Lease:
        """The lease of this conversation. Who claims may get those of others, and keeps them for them."""
        while key not in self._leases:
            for lease in await self.journal.claim("bench", self._now, (ACCOUNT,), {}, 64):
                self._leases[lease.conversation] = lease
        return self._leases.pop(key)
