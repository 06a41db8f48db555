from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from holdfast.testing.hook_listener import Listener, listening
from holdfast.testing.tencent_service import Tencent


@pytest.fixture(scope="module")
def official_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tencent]:
    """It calls again sooner, and more often, than WeChat does."""
    server = Tencent(Path(tmp_path_factory.mktemp("official")), "official", "--retry-s", "0.5", "--tries", "60", "--quota", "20")
    server.launch()
    yield server
    server.kill()


@pytest.fixture
async def official(official_process: Tencent) -> Tencent:
    await official_process.reset()
    return official_process


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener
