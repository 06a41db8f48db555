"""Turns through the gateway: what one costs over the same request made directly, and how many go through in a second."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import msgspec

from bench.figures import Figure, median_ms, percentile
from bench.history import ANSWERED, SAID, fill
from bench.world import OPENAI, PRACTICE, Gateway, Talk, configure, folder, gateway, provider, talks

PLACES = 32
WARM_UP = 5
"""Imports, connections, caches."""
TURNS = 60
TURNS_EACH = 32


async def overhead() -> list[Figure]:
    """One turn after the other, each in a conversation with that history, and between them the same request by httpx2."""
    figures: list[Figure] = []
    for messages, target in ((10, 10.0), (350, 20.0), (2000, None)):
        with folder() as place, provider() as base_url:
            data_dir = place / "data"
            await fill(data_dir, _names(WARM_UP + TURNS), messages)
            with gateway(configure(data_dir, OPENAI.format(base_url=base_url, places=4)), watched=True) as running:
                direct_s, through_s, cpu_s = await _both(running, base_url, messages)
                blocks = _blocks(f"{messages} messages", running.stop())
        conditions = (
            f"stub provider, {messages} messages of history, {len(direct_s)} turns; direct {median_ms(direct_s):.1f} ms; "
            f"{cpu_s / TURNS * 1000:.1f} ms CPU of the gateway a turn"
        )
        over_s = [through - direct for through, direct in zip(through_s, direct_s, strict=True)]
        figures.append(Figure(f"turn over direct request, {messages} messages, median", median_ms(over_s), "ms", conditions, target))
        figures.append(Figure(f"turn over direct request, {messages} messages, p90", percentile(over_s, 0.9) * 1000, "ms", conditions))
        figures += blocks
    return figures


async def _both(running: Gateway, base_url: str, messages: int) -> tuple[list[float], list[float], float]:
    said = [{"role": "system", "content": "You are a helpful assistant."}]
    for n in range(1, messages // 2 + 1):
        said += [{"role": "user", "content": SAID.format(n=n)}, {"role": "assistant", "content": ANSWERED.format(n=n)}]
    direct_s, through_s, cpu_s = [], [], 0.0
    async with httpx2.AsyncClient() as client:
        for n, name in enumerate(_names(WARM_UP + TURNS)):
            if n == WARM_UP:
                cpu_s = running.cpu_s()
            async with Talk(running, name) as talk:
                await talk.listen(after=4 * (messages // 2))
                question = SAID.format(n=n)
                direct = await _direct(client, base_url, [*said, {"role": "user", "content": question}])
                through = await talk.turn(question)
                await talk.settled()
            if n >= WARM_UP:
                direct_s.append(direct)
                through_s.append(through)
    return direct_s, through_s, running.cpu_s() - cpu_s


def _names(count: int) -> list[str]:
    return [f"talk-{n}" for n in range(count)]


async def _direct(client: httpx2.AsyncClient, base_url: str, messages: list[dict[str, str]]) -> float:
    began = time.perf_counter()
    body = msgspec.json.encode({"model": "stub", "messages": messages, "stream": True, "stream_options": {"include_usage": True}})
    headers = {"content-type": "application/json"}
    async with client.stream("POST", f"{base_url}/chat/completions", content=body, headers=headers) as response:
        async for _ in response.aiter_lines():
            pass
    return time.perf_counter() - began


async def throughput() -> list[Figure]:
    """Conversations that each send their next message when the last one is answered."""
    figures: list[Figure] = []
    with provider() as base_url:
        places = f"calls_at_once_max = {PLACES}"
        routes = OPENAI.format(base_url=base_url, places=PLACES)
        for at_once, target in ((1, None), (8, None), (32, 150.0)):
            figures += await _rate(routes, f"openai-chat, {at_once} conversations", at_once, target, f"stub provider, {places}")
    for at_once, target in ((1, None), (32, 400.0)):
        figures += await _rate(PRACTICE, f"practice, {at_once} conversations", at_once, target, "practice model without pauses")
    return figures


async def _rate(routes: str, name: str, at_once: int, target: float | None, conditions: str) -> list[Figure]:
    async with _running(routes) as running, talks(running, _names(at_once)) as all_:
        await asyncio.gather(*(talk.turn("warm up") for talk in all_))
        cpu_s, began = running.cpu_s(), time.perf_counter()
        await asyncio.gather(*(_talk(talk, TURNS_EACH) for talk in all_))
        taken_s, cpu_s = time.perf_counter() - began, running.cpu_s() - cpu_s
        blocks = running.stop()
    made = TURNS_EACH * at_once
    conditions = f"{conditions}; {TURNS_EACH} turns each, histories grow from none; {cpu_s / made * 1000:.1f} ms CPU of the gateway a turn"
    figures = [Figure(f"turns a second, {name}", made / taken_s, "/s", conditions, target, least=True)]
    return [*figures, *_blocks(name, blocks)] if target else figures


async def logged() -> list[Figure]:
    """What the log's line for each step costs: CPU of the gateway a turn with it, over that without it, taken in turns."""
    taken_s: dict[str, list[float]] = {"info": [], "error": []}
    for _ in range(3):
        for level, taken in taken_s.items():
            async with _running(f'{PRACTICE}[log]\nlevel = "{level}"\n') as running, talks(running, _names(8)) as all_:
                await asyncio.gather(*(talk.turn("warm up") for talk in all_))
                before_s = running.cpu_s()
                await asyncio.gather(*(_talk(talk, TURNS_EACH) for talk in all_))
                taken.append((running.cpu_s() - before_s) / (TURNS_EACH * len(all_)))
    with_it, without = (statistics.median(taken) for taken in taken_s.values())
    conditions = f"practice model without pauses, 8 conversations; {without * 1000:.2f} ms CPU of the gateway a turn without it"
    return [Figure("CPU of a turn with a line for each step, over that without", with_it / without, "", conditions, 1.15)]


async def _talk(talk: Talk, turns: int) -> None:
    for _ in range(turns):
        await talk.turn("What is this?")


@asynccontextmanager
async def _running(routes: str) -> AsyncIterator[Gateway]:
    with folder() as place, gateway(configure(Path(place) / "data", routes), watched=True, no_pause=True) as running:
        yield running


def _blocks(name: str, report: dict[str, float]) -> list[Figure]:
    block_ms, late_ms = report["block_s"] * 1000, report["late_s"] * 1000
    conditions = f"CPU time of one callback; the latest tick by the wall clock, other programs included: {late_ms:.1f} ms"
    return [Figure(f"loop blocked at most, {name}", block_ms, "ms", conditions, 50.0)]
