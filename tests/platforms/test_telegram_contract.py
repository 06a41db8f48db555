from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.core.incoming import Place
from holdfast.platforms.telegram.account import TelegramPlatform
from holdfast.ports import Platform
from holdfast.runtime.clock import SystemClock
from holdfast.testing.contracts.chat import Chat, ChatContract
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.telegram_client import Telegram

ANN = 7


class TelegramChat:
    """Ann's chat with the bot."""

    def __init__(self, telegram: Telegram) -> None:
        self.telegram = telegram
        self.place = Place(str(ANN))
        self._last = 0

    async def write(self, text: str) -> None:
        self._last = await self.telegram.write(ANN, text)

    async def edit(self, text: str) -> None:
        await self.telegram.order("edit", chat=ANN, message=self._last, text=text)

    async def attach(self, name: str, data: bytes) -> None:
        await self.telegram.write(ANN, file=await self.telegram.upload(name, data))

    async def press(self, option: str) -> None:
        asked = (await self.telegram.shown(ANN))[-1]
        await self.telegram.order("press", chat=ANN, message=asked.id, option=option)

    async def shown(self) -> list[str]:
        return await self.telegram.said(ANN)

    async def files(self) -> list[bytes]:
        return await self.telegram.sent_files(ANN)

    async def block(self) -> None:
        await self.telegram.order("refuse", chat=ANN)

    async def limit(self, seconds: int) -> None:
        await self.telegram.fault("limit", "sendMessage", value=seconds)

    async def revoke(self) -> None:
        await self.telegram.order("revoke", token=self.telegram.token)

    async def leave(self) -> None:
        self.telegram.kill()


class TestTelegram(ChatContract):
    @pytest.fixture
    async def chat(self, telegram: Telegram) -> Chat:
        await telegram.order("meet", person=ANN, name="Ann")
        return TelegramChat(telegram)

    @pytest.fixture
    def connect(self, telegram: Telegram) -> Callable[[MemoryFiles], Platform]:
        return lambda files: TelegramPlatform("mybot", telegram.token, telegram.base_url, files, SystemClock())
