"""Starts: until the door answers, until an interrupted answer is asked for again; and how much memory that takes."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure
from bench.history import fill
from bench.world import CLOCK, HOLDFAST, OPENAI, Door, Talk, configure, folder, gateway, provider
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, answering

CONVERSATIONS = 650
MESSAGES = 350
TIMES = 7


async def accepting() -> list[Figure]:
    """The same with an empty journal and with a full one, taking turns."""
    with folder() as place, provider() as base_url:
        configs = {}
        for name, conversations in (("empty", 0), ("full", CONVERSATIONS)):
            await fill(place / name, [f"c{n}" for n in range(conversations)], MESSAGES)
            configs[name] = configure(place / name, OPENAI.format(base_url=base_url, places=4))
        size_mb = sum(file.stat().st_size for file in (place / "full").glob("journal.db*")) / 2**20
        taken: dict[str, list[tuple[float, float, float]]] = {"empty": [], "full": []}
        for _ in range(TIMES):
            for name, config in configs.items():
                taken[name].append(await _start(config))
        bare_s = statistics.median(_bare() for _ in range(TIMES))
    figures = []
    for name, about in (("empty", "empty journal"), ("full", f"{CONVERSATIONS} conversations of {MESSAGES} messages, {size_mb:.0f} MB")):
        wall, cpu, memory = (statistics.median(column) for column in zip(*taken[name], strict=True))
        conditions = (
            f"{about}, killed before; bytecode compiled; median of {TIMES}; CPU {cpu:.2f} s; `python -c pass` {bare_s * 1000:.0f} ms"
        )
        figures.append(Figure(f"start to accepting, {name} journal", wall, "s", conditions, 0.3))
        figures.append(Figure(f"memory when accepting, {name} journal", memory, "MB", "resident, at the first reply; openai-chat", 45.0))
    ratio = figures[2].value / figures[0].value
    return [*figures, Figure("start with a full journal over an empty one", ratio, "x", "must not differ", 1.1)]


async def _start(config: Path) -> tuple[float, float, float]:
    """Seconds until a message is accepted, CPU seconds, and memory then. The process is killed."""
    with gateway(config) as running:
        async with await Door.open(running) as door:
            await door.send("start", "/help")
            taken = time.monotonic() - running.started
            return taken, running.cpu_s(), running.memory_mb()


def _bare() -> float:
    return _taken(sys.executable, "-c", "pass")


def _taken(*command: str) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


async def memory() -> list[Figure]:
    figures = []
    with provider() as base_url:
        openai = OPENAI.format(base_url=base_url, places=4)
        for name, tables, target in (
            ("one openai-chat route in use", [openai], 95.0),
            ("and a tool server", [openai, CLOCK.format(python=sys.executable)], 120.0),
        ):
            with folder() as place, gateway(configure(place / "data", *tables)) as running:
                async with Talk(running, "talk") as talk:
                    for _ in range(50):
                        await talk.turn("Hello")
                figures.append(Figure(f"memory, {name}", running.memory_mb(), "MB", "resident, gateway alone, after 50 turns", target))
    return figures


async def resumed() -> list[Figure]:
    """Killed in mid-answer: how long after the start the provider sees the request again."""
    taken: list[float] = []
    for _ in range(TIMES):
        interrupted = asyncio.Event()

        def script(_: Hit, gate: asyncio.Event = interrupted) -> Reply:
            complete = answering()
            return Reply(complete.pieces[0][:400], gate, end="hang") if not gate.is_set() else complete  # type: ignore[index] # bytes

        with folder() as place:
            async with StubProvider(script) as stub:
                config = configure(place / "data", OPENAI.format(base_url=stub.base_url, places=4))
                with gateway(config) as running:
                    async with await Door.open(running) as door:
                        await door.send("talk", "Hello")
                        await stub.wait_for_hits(1)
                        running.kill()
                interrupted.set()
                with gateway(config) as running:
                    await stub.wait_for_hits(2)
                    taken.append(time.monotonic() - running.started)
    conditions = f"openai-chat, its library's import within; killed in mid-answer {TIMES} times"
    return [
        Figure("start to the request of an interrupted answer, median", statistics.median(taken), "s", conditions, 1.0),
        Figure("start to the request of an interrupted answer, worst", max(taken), "s", conditions),
    ]


async def help_() -> list[Figure]:
    taken = [_taken(HOLDFAST, "--help") for _ in range(2 * TIMES)]
    bare_s = statistics.median(_bare() for _ in range(TIMES))
    conditions = f"median of {len(taken)}; `python -c pass` {bare_s * 1000:.0f} ms"
    return [Figure("holdfast --help", statistics.median(taken) * 1000, "ms", conditions, 150.0)]
