"""What the contract of journals is tried with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from holdfast.core.entries import AssistantMessage, DeliveryStarted, ToolResult, ToolStarted, UserMessage
from holdfast.ports import Accepted, Appended, Arrival, Journal, Lease, Release

WEB = ("web",)
NEVER_MANY = 100


@dataclass(slots=True)
class Rig:
    """A journal; and `restart`, which ends it without any farewell and opens another one on what is on the disk."""

    journal: Journal
    reopen: Callable[[Journal], Awaitable[Journal]]

    async def restart(self) -> Journal:
        self.journal = await self.reopen(self.journal)
        return self.journal


def arrival(conversation: str = "a", message: str = "1", at: float = 10.0, **changed: Any) -> Arrival:
    """Message `message` in `conversation`, whose address is the conversation's own name."""
    fields: dict[str, Any] = {
        "conversation": conversation,
        "account": "web",
        "address": f"to-{conversation}",
        "dedupe": f"web {conversation} {message}",
        "body": UserMessage(author="ann", id=message, text=f"message {message}"),
        "at": at,
    }
    return Arrival(**(fields | changed))


def answer(seen: int = 1) -> AssistantMessage:
    """A fact."""
    return AssistantMessage(n=1, seen=seen, text="Yes.")


def result(call: str = "c1") -> ToolResult:
    """A fact among facts, a closing result among intentions."""
    return ToolResult(call=call, outcome="declined")


def started(call: str = "c1") -> ToolStarted:
    """An intention that ends no attempt."""
    return ToolStarted(call=call)


def sending() -> DeliveryStarted:
    """Another intention."""
    return DeliveryStarted(of="a1", part=0, key="k")


async def ingest(journal: Journal, *conversations: str, message: str = "1", at: float = 10.0, **changed: Any) -> tuple[Accepted, ...]:
    """One message in each conversation, one transaction each: at `at`, `at + 1` ..."""
    return tuple([(await journal.ingest([arrival(key, message, at + late, **changed)]))[0] for late, key in enumerate(conversations)])


async def claim(journal: Journal, now: float = 50.0, most: int = NEVER_MANY, owner: str = "us", **admits: int) -> tuple[Lease, ...]:
    return await journal.claim(owner, now, WEB, admits, most)


async def claim_one(journal: Journal, conversation: str = "a", at: float = 10.0) -> Lease:
    """The lease of a conversation with one new message."""
    await ingest(journal, conversation, at=at)
    (lease,) = await claim(journal, now=at)
    assert lease.conversation == conversation
    return lease


async def let_go(journal: Journal, lease: Lease, now: float = 60.0, **release: Any) -> Appended:
    """Release, having read everything."""
    wakes = (await journal.read(lease.conversation, 0)).wakes
    return await journal.append(lease, now, wakes, release=Release(**release))


async def wait_at(journal: Journal, *waiting: tuple[str, str], speech: bool = False) -> None:
    """Conversations that wait at gates, in the order in which they began to."""
    for since, (conversation, gate) in enumerate(waiting, start=20):
        lease = await claim_one(journal, conversation)
        await let_go(journal, lease, now=float(since), **{"speech_gate" if speech else "turn_gate": gate})


def keys(leases: tuple[Lease, ...]) -> list[str]:
    return [lease.conversation for lease in leases]
