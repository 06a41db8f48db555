from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from holdfast.config import Web
from holdfast.errors import Request
from holdfast.ports import Clock
from holdfast.runtime.clock import SystemClock
from holdfast.testing.fake_gateway import FakeGateway
from holdfast.web import door
from holdfast.web.login import Login, page_address
from holdfast.web.platform import WebPlatform
from holdfast.web.server import serve_door, serve_page


class Breaks:
    """A demo that takes note of what is to be broken."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    async def act(self, action: str) -> None:
        if action != "kill-tool":
            raise Request(f"{action!r} is not in the demo.")
        self.broken.append(action)

    def state(self) -> Any:
        return {"pid": 1}


@dataclass
class Rig:
    """A real server on a real socket, a fake gateway behind it, a client before it."""

    gateway: FakeGateway
    platform: WebPlatform
    login: Login
    path: Path
    client: httpx2.AsyncClient
    server: asyncio.Task[None]
    demo: Breaks

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
    gateway, clock, path, demo = FakeGateway(), SystemClock(), tmp_path / "door.sock", Breaks()
    platform, login = WebPlatform(gateway.files), Login(tmp_path, clock)
    app = door.door(gateway, platform, login, clock, demo)
    transport = httpx2.AsyncHTTPTransport(uds=str(path))
    async with (
        serving(lambda ready: serve_door(app, path, ready)) as server,
        httpx2.AsyncClient(transport=transport, base_url="http://door") as client,
    ):
        yield Rig(gateway, platform, login, path, client, server, demo)


@dataclass
class Site:
    """The same on a real port, for browsers; `client` begins as one that is not logged in."""

    gateway: FakeGateway
    platform: WebPlatform
    login: Login
    web: Web
    port: int
    client: httpx2.AsyncClient

    @property
    def origin(self) -> str:
        return str(self.client.base_url).rstrip("/")

    @property
    def own(self) -> dict[str, str]:
        """What the page's own scripts send with a POST."""
        return {"origin": self.origin, "x-holdfast": "1", "sec-fetch-site": "same-origin"}

    async def log_in(self) -> str:
        """Open a link; returns the cookie as it is sent."""
        response = await self.client.post("/v1/login", json={"code": self.login.link().code}, headers=self.own)
        assert response.status_code == 200, response.text
        return str(response.headers["set-cookie"].partition(";")[0])

    async def raw(self, text: bytes, until: bytes = b"") -> bytes:
        """Send this, and read until it is there, or to the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        came = b""
        async with asyncio.timeout(20):
            while not until or until not in came:
                more = await reader.read(65536)
                if not more:
                    break
                came += more
        writer.close()
        return came


@asynccontextmanager
async def site_of(folder: Path, web: Web, verify: Any = False, clock: Clock | None = None) -> AsyncIterator[Site]:
    gateway, clock = FakeGateway(), clock or SystemClock()
    platform, login = WebPlatform(gateway.files), Login(folder, clock)
    ports = asyncio.Queue[int]()

    async def serve(ready: Callable[[], None]) -> None:
        def opened(at: int) -> None:
            ports.put_nowait(at)
            ready()

        await serve_page(door.port(gateway, platform, login, clock, web), web, opened)

    async with serving(serve):
        port = await ports.get()
        login.address = page_address(web, port)
        scheme = "https" if web.certificate else "http"
        async with httpx2.AsyncClient(base_url=f"{scheme}://127.0.0.1:{port}", verify=verify, trust_env=False, timeout=20) as client:
            yield Site(gateway, platform, login, web, port, client)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with site_of(tmp_path, Web(port=0)) as site:
        yield site


@pytest.fixture
def open_site() -> Callable[..., AbstractAsyncContextManager[Site]]:
    """For sites with other settings, or another clock."""
    return site_of
