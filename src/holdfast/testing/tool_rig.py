"""What tests of real tool servers need: our own server as a child, and the simplest possible supervision."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from holdfast.errors import Config, Temporary
from holdfast.tools.mcp import McpHost, Owner
from holdfast.tools.settings import Command, ServerSettings

RESTART_S = 0.05


class SystemClock:
    """Real time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


def demo_server(journal: Path, *options: str, **settings: Any) -> ServerSettings:
    """The settings of `holdfast.testing.toolserver` as server `demo`, its annotations trusted."""
    command = (sys.executable, "-m", "holdfast.testing.toolserver", "--journal", str(journal), *options)
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # a server sees nothing of our environment that is not named
    return ServerSettings(**{"name": "demo", "where": Command(command, path), "trust_annotations": True, **settings})


@contextlib.asynccontextmanager
async def supervised(host: McpHost) -> AsyncIterator[None]:
    """Run the host's children, and start each anew when it was lost, until left."""
    children = [asyncio.create_task(_again_and_again(own)) for own in host.children().values()]
    try:
        yield
    finally:
        for child in children:
            child.cancel()
        done = await asyncio.gather(*children, return_exceptions=True)
    failures = [one for one in done if isinstance(one, Exception)]
    if failures:
        raise ExceptionGroup("tool servers", failures)


async def _again_and_again(own: Owner) -> None:
    with contextlib.suppress(Config):
        while True:
            with contextlib.suppress(Temporary):
                await own(lambda: None)
            await asyncio.sleep(RESTART_S)
