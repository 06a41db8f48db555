"""A Telegram server for all tests of a module: it starts once, and forgets between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.testing.telegram_client import Telegram


@pytest.fixture(scope="module")
def telegram_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telegram]:
    server = Telegram(Path(tmp_path_factory.mktemp("telegram")))
    server.launch()
    yield server
    server.kill()


@pytest.fixture
async def telegram(telegram_process: Telegram) -> Telegram:
    await telegram_process.reset()
    return telegram_process
