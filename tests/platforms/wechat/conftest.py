"""A server of WeChat's for all tests of a module: it starts once, and forgets between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.testing.wechat_client import Wechat


@pytest.fixture(scope="module")
def wechat_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wechat]:
    server = Wechat(Path(tmp_path_factory.mktemp("wechat")))
    server.launch()
    yield server
    server.kill()


@pytest.fixture
async def wechat(wechat_process: Wechat) -> Wechat:
    await wechat_process.reset()
    return wechat_process
