from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.platforms.telegram.account import TelegramPlatform
from holdfast.ports import Platform
from holdfast.runtime.clock import SystemClock
from holdfast.testing.contracts.chat import Chat, ChatContract
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.telegram_client import Telegram
from holdfast.testing.telegram_service import ANN, TelegramChat


class TestTelegram(ChatContract):
    @pytest.fixture
    async def chat(self, telegram: Telegram) -> Chat:
        await telegram.order("meet", person=ANN, name="Ann")
        return TelegramChat(telegram)

    @pytest.fixture
    def connect(self, telegram: Telegram) -> Callable[[MemoryFiles], Platform]:
        return lambda files: TelegramPlatform("mybot", telegram.token, telegram.base_url, files, SystemClock())
