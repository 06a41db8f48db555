"""A Feishu server for all tests here: it starts once, and forgets between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from holdfast.accounts import Feishu as Settings
from holdfast.platforms.feishu import open_account
from holdfast.platforms.feishu.account import FeishuPlatform
from holdfast.runtime.clock import SystemClock
from holdfast.secrets import Secret
from holdfast.testing.feishu_client import APP, KEY, SECRET, Feishu
from holdfast.testing.memory_files import MemoryFiles

Connect = Callable[..., FeishuPlatform]


@pytest.fixture(scope="module")
def feishu_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feishu]:
    server = Feishu(Path(tmp_path_factory.mktemp("feishu")))
    server.launch()
    yield server
    server.kill()


@pytest.fixture
async def feishu(feishu_process: Feishu) -> Feishu:
    await feishu_process.reset()
    return feishu_process


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def account(feishu: Feishu) -> AsyncIterator[Connect]:
    """An account of the app; `called`: by webhook."""
    opened: list[FeishuPlatform] = []

    def one(files: MemoryFiles, *, called: bool = False, app: str = APP, secret: str = SECRET, base_url: str = "") -> FeishuPlatform:
        encrypt_key = Secret("env:K", KEY) if called else None
        settings = Settings(app_id=app, app_secret=Secret("env:S", secret), encrypt_key=encrypt_key, base_url=base_url or feishu.base_url)
        opened.append(open_account("work", settings, files, SystemClock(), Path("unused")))
        return opened[-1]

    yield one
    for platform in opened:
        await platform.close()


@pytest.fixture
def platform(account: Connect, files: MemoryFiles) -> FeishuPlatform:
    return account(files)
