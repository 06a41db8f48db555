from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from holdfast.testing.hook_listener import Listener, listening
from holdfast.testing.tencent_service import Tencent


@pytest.fixture(scope="module")
def wecom_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tencent]:
    """It calls again sooner, and more often, than WeCom does."""
    server = Tencent(Path(tmp_path_factory.mktemp("wecom")), "wecom", "--retry-s", "0.5", "--tries", "60")
    server.launch()
    yield server
    server.kill()


@pytest.fixture
async def wecom(wecom_process: Tencent) -> Tencent:
    await wecom_process.reset()
    return wecom_process


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener
