from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from holdfast.runtime.clock import SystemClock
from holdfast.testing.fake_gateway import FakeGateway
from holdfast.web.door import door
from holdfast.web.platform import WebPlatform
from holdfast.web.server import serve_door


@dataclass
class Rig:
    """A real server on a real socket, a fake gateway behind it, a client before it."""

    gateway: FakeGateway
    platform: WebPlatform
    path: Path
    client: httpx2.AsyncClient
    server: asyncio.Task[None]

    async def stop(self) -> None:
        self.server.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.server


@asynccontextmanager
async def serving(serve: Callable[[Callable[[], None]], Awaitable[None]]) -> AsyncIterator[asyncio.Task[None]]:
    ready = asyncio.Event()

    async def run() -> None:
        await serve(ready.set)

    task = asyncio.create_task(run())
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if task.done():
            await task
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    gateway, platform, path = FakeGateway(), WebPlatform(), tmp_path / "door.sock"
    app = door(gateway, platform, SystemClock())
    transport = httpx2.AsyncHTTPTransport(uds=str(path))
    async with (
        serving(lambda ready: serve_door(app, path, ready)) as server,
        httpx2.AsyncClient(transport=transport, base_url="http://door") as client,
    ):
        yield Rig(gateway, platform, path, client, server)
