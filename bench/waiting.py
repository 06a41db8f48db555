"""What a thousand waiting conversations cost, and one step in conversations of all lengths."""

from __future__ import annotations

import asyncio
import statistics
import time

from bench.figures import Figure
from bench.history import ANSWERED, SAID
from bench.world import OPENAI, Door, configure, folder, gateway
from holdfast.core import request, turn
from holdfast.core.entries import AssistantMessage, Delivered, DeliveryStarted, Entry, UserMessage
from holdfast.core.transcript import Transcript
from holdfast.core.world import Route, World

WATCHED_S = 5.0


async def gate() -> list[Figure]:
    """Conversations that wait at a gate that stays closed: nobody listens at the provider's port."""
    figures: list[Figure] = []
    base = 0.0
    for waiting in (1, 100, 1000):
        with folder() as place, gateway(configure(place / "data", OPENAI.format(base_url="http://127.0.0.1:9/v1", places=4))) as running:
            async with await Door.open(running) as door:
                for n in range(waiting):
                    await door.send(f"c{n}", "Hello")
            await asyncio.sleep(25)  # until each was told that it waits (20 s), and the first probes are over
            cpu_s, memory_mb = running.cpu_s(), running.memory_mb()
            await asyncio.sleep(WATCHED_S)
            share = (running.cpu_s() - cpu_s) / WATCHED_S * 100
        base = base or memory_mb
        conditions = f"{waiting} conversations at a closed route, openai-chat"
        figures.append(Figure(f"memory, {waiting} waiting", memory_mb, "MB", f"{conditions}; {memory_mb - base:+.1f} MB to one"))
        figures.append(Figure(f"CPU, {waiting} waiting", share, "%", f"{conditions}, over {WATCHED_S:g} s"))
    return figures


async def step() -> list[Figure]:
    """The pure parts of a step: deciding stays flat, building the request grows with what it shows."""
    world = World(routes=(Route("main", "route:main"),))
    figures = []
    for messages in (10, 100, 350, 2000):
        entries = _history(messages)
        transcript = Transcript(entries)
        deciding = _microseconds(lambda t=transcript: turn.steps(t, 1, world, 1000.0))
        building = _microseconds(lambda t=transcript: request.build(t, t.last_outside, "Be kind."))
        folding = _microseconds(lambda e=entries: Transcript(e), times=20)
        conditions = f"{messages} messages; its request takes {building:.0f} µs more; folding them once per claim {folding:.0f} µs"
        figures.append(Figure(f"deciding a step, {messages} messages", deciding, "µs", conditions))
    return figures


def _history(messages: int) -> list[Entry]:
    entries: list[Entry] = []
    for n in range(1, messages // 2 + 1):
        seq = len(entries) + 1
        answer = AssistantMessage(n=n, seen=seq, text=ANSWERED.format(n=n), route="main")
        entries += [
            Entry(seq, 1.0, 0, UserMessage(author="local", id=str(n), text=SAID.format(n=n))),
            Entry(seq + 1, 1.0, 1, answer),
            Entry(seq + 2, 1.0, 1, DeliveryStarted(of=answer.name, part=0, key=f"{answer.name}/0")),
            Entry(seq + 3, 1.0, 1, Delivered(of=answer.name, part=0, id=answer.name)),
        ]
    return [*entries, Entry(len(entries) + 1, 1.0, 0, UserMessage(author="local", id="last", text="And now?"))]


def _microseconds(work: object, times: int = 200) -> float:
    assert callable(work)
    taken = []
    for _ in range(times):
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)
    return statistics.median(taken) * 1e6
