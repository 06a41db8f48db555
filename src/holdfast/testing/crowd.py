"""Many conversations that wait at one gate, and a provider that counts: who comes while it is away, and how many at once when it is back.

async with Turnstile(places=4) as provider:
    ... a gateway with a route to provider.base_url and calls_at_once_max = 4 ...
    crowd = Crowd(gateway, 1000)
    await crowd.write(1)
    ... look at what they cost ...
    provider.open()
    await crowd.answered()
    assert not await crowd.flaws(provider)
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast.core.entries import AssistantMessage, UserMessage
from holdfast.testing.outages import delivered
from holdfast.testing.process import GatewayProcess
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, delta, event, events, finish, head, http, text, usage

LATENCY_S: Final = 0.03
"""Before the first word, and again before the last: long enough for calls to be under way together."""
SENDERS: Final = 8
NEIGHBOURS_MAX: Final = 40
"""By so many places others may come first: messages are sent by several at a time. (Whoever tried it in vain goes to the end.)"""
ANSWERED_S_MAX: Final = 300.0


class Turnstile(StubProvider):
    """Away at first: it answers 503, and says when to come again if `retry_after_s` does.

    `refused` are the instants at which it was tried in vain. Once open it counts: `at_once_max` is how many calls were under way together, `too_many`
    tells of each that came when the ramp had no room: one call, one more for each that has begun to answer, and never more than `places`.
    """

    def __init__(self, places: int, retry_after_s: float | None = None) -> None:
        super().__init__(self._answer)
        self._places, self._retry_after_s = places, retry_after_s
        self.is_open = False
        self.refused: list[float] = []
        self.served: list[Hit] = []
        self.at_once = self.at_once_max = self._begun = 0
        self.too_many: list[str] = []

    def open(self) -> None:
        self.is_open = True

    def _answer(self, hit: Hit) -> Reply:
        if not self.is_open:
            self.refused.append(time.time())
            hint = {} if self._retry_after_s is None else {"retry-after": f"{self._retry_after_s:g}"}
            return Reply(http(b'{"error":{"message":"The server is overloaded"}}', 503, "application/json", hint))
        self.served.append(hit)
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        if self.at_once > (room := min(1 + self._begun, self._places)):
            self.too_many.append(f"call {len(self.served)} was the {self.at_once}th under way, where there was room for {room}")
        begins, ends = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_later(LATENCY_S, self._begin, begins)
        loop.call_later(2 * LATENCY_S, self._end, ends)
        words = event(delta(role="assistant", content="")) + event(text("Yes."))
        return Reply(begins, head() + words, ends, events(finish(), usage(10, 1)), end="close")

    def _begin(self, begins: asyncio.Event) -> None:
        self._begun += 1
        begins.set()

    def _end(self, ends: asyncio.Event) -> None:
        self.at_once -= 1
        ends.set()


class Crowd:
    """So many conversations, each with the same messages."""

    def __init__(self, gateway: GatewayProcess, count: int) -> None:
        self._gateway = gateway
        self.names = tuple(f"c{number}" for number in range(count))
        self._written = 0

    async def write(self, times: int) -> None:
        """Send so many messages more in each, in the order of their names."""
        for _ in range(times):
            self._written += 1
            waiting = iter(self.names)
            await asyncio.gather(*(self._send(waiting) for _ in range(SENDERS)))

    async def _send(self, names: Iterator[str]) -> None:
        for name in names:
            await self._gateway.door.send(name, f"{name}-{self._written}", f"<{name} {self._written}>")

    async def answered(self) -> None:
        """Return when everything is answered and delivered. Raises `TimeoutError`."""
        for name in self.names:

            async def look(name: str = name) -> bool:
                return bool(delivered(await self._gateway.door.entries(name)))

            await self._gateway.eventually(look, ANSWERED_S_MAX)

    async def flaws(self, provider: Turnstile) -> list[str]:
        """All that is not as it should be, once everything is answered."""
        found = list(provider.too_many)
        for name in self.names:
            bodies = [entry.body for entry in await self._gateway.door.entries(name)]
            texts = [body.text for body in bodies if isinstance(body, AssistantMessage)]
            if texts != ["Yes."] or sum(isinstance(body, UserMessage) for body in bodies) != self._written:
                found.append(f"{name} holds {bodies}")
        asked = [words for hit in provider.served if (words := said(hit))]
        ranks = {name: rank for rank, name in enumerate(self.names)}
        overtaken = [
            name for place, name in enumerate(words[1:].partition(" ")[0] for words in asked) if place > ranks[name] + NEIGHBOURS_MAX
        ]
        if len(overtaken) > len(provider.refused):
            found.append(f"those who came later were answered before {overtaken[:10]}")
        wanted = {"".join(f"<{name} {number}>" for number in range(1, self._written + 1)) for name in self.names}
        if set(asked) != wanted or len(asked) != len(wanted):
            found.append(
                f"{len(wanted)} were to be asked once, with all that was said in its order; it was asked {len(asked)} times: {asked[:5]} ..."
            )
        return found


def said(hit: Hit) -> str:
    """What the user's messages are in this request, without what is between them."""
    words = json.dumps([message["content"] for message in hit.json["messages"] if message["role"] == "user"])
    return "".join(f"<{piece.partition('>')[0]}>" for piece in words.split("<")[1:])


# --- what a process costs ---------------------------------------------------------------------------------------------------------------


def cpu_s(pid: int) -> float:
    """The processor time of that process so far, of all its threads, to a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Its resident memory now."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024
