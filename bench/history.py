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
ANSWERED = "This is answer {n}. It says what was asked for in two or three sentences, as models do, and offers to say more if that is wanted."


async def fill(data_dir: Path, names: Sequence[str], messages: int) -> None:
    """Give each of these conversations so many messages (the user's and the model's), all answered and delivered."""
    journal = SqliteJournal.open(data_dir)
    places = asyncio.Semaphore(64)

    async def one(name: str) -> None:
        async with places:
            await _talk(journal, name, messages // 2)

    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(one(name))
    await journal.close()


async def _talk(journal: SqliteJournal, name: str, turns: int) -> None:
    key, now = conversation_key(name), time.time()
    lease: Lease | None = None
    for n in range(1, turns + 1):
        said = UserMessage(author=AUTHOR, id=str(n), text=SAID.format(n=n))
        accepted = await journal.ingest([Arrival(key, ACCOUNT, name, f"{key}:{n}", said, now)])
        while lease is None:  # others of this process claim it too, and wait for it no more than we for theirs
            lease = await _claimed(journal, key, now)
        answer = AssistantMessage(n=n, seen=accepted[0].seq, text=ANSWERED.format(n=n), route="main")
        await journal.append(lease, now, n, [answer], [DeliveryStarted(of=answer.name, part=0, key=f"{answer.name}/0")])
        release = Release(floor=1) if n == turns else None
        done = await journal.append(lease, now, n, [Delivered(of=answer.name, part=0, id=answer.name)], release=release)
        assert done.released == (release is not None)


_leases: dict[str, Lease] = {}


async def _claimed(journal: SqliteJournal, key: str, now: float) -> Lease | None:
    for lease in await journal.claim("bench", now + 1, (ACCOUNT,), {}, 64):
        _leases[lease.conversation] = lease
    return _leases.pop(key, None)
