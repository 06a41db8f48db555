from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from holdfast.platforms.official.account import OfficialPlatform
from holdfast.platforms.wecom.account import WecomPlatform
from holdfast.ports import Clock
from holdfast.runtime.clock import SystemClock
from holdfast.testing.hook_listener import Listener, listening
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.tencent_service import Tencent

Platform = WecomPlatform | OfficialPlatform
Open = Callable[..., Platform]


@pytest.fixture(scope="module", params=["wecom", "official"])
def process(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Tencent]:
    server = Tencent(Path(tmp_path_factory.mktemp("tencent")), request.param, "--retry-s", "0.3", "--tries", "3")
    server.launch()
    yield server
    server.kill()


@pytest.fixture
async def server(process: Tencent) -> Tencent:
    await process.reset()
    return process


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def open_account(server: Tencent, files: MemoryFiles, listener: Listener) -> AsyncIterator[Open]:
    """An adapter of this account, which calls reach."""
    opened: list[Platform] = []

    def opens(clock: Clock | None = None) -> Platform:
        now = clock or SystemClock()
        platform: Platform = (
            WecomPlatform("mine", server.wecom(), files, now)
            if server.kind == "wecom"
            else OfficialPlatform("mine", server.official(), files, now)
        )
        listener.accounts[platform.account] = platform
        opened.append(platform)
        return platform

    await server.order("listen", url=listener.url(f"{server.kind}:mine"))
    yield opens
    for platform in opened:
        await platform.close()
