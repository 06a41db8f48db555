"""Ann's chat with a bot on the Telegram server of a test, as the contract suites see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.core.incoming import Place
from holdfast.platforms.telegram import TRAITS
from holdfast.ports import Traits
from holdfast.testing.contracts.chat import Chat
from holdfast.testing.process import GatewayProcess
from holdfast.testing.telegram_client import Telegram

ANN: Final = 7


class TelegramChat:
    """See `contracts.chat.Chat`."""

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


class TelegramService:
    """See `contracts.through_gateway.Service`."""

    def __init__(self, telegram: Telegram) -> None:
        self.telegram = telegram
        self.chat: Chat = TelegramChat(telegram)
        self.traits: Traits = TRAITS
        self.table = table(telegram)
        self.environ: Mapping[str, str] = {"TOKEN": telegram.token}

    async def come_back(self) -> None:
        await self.telegram.start()

    async def listens(self, gateway: GatewayProcess) -> None:
        """It asks, whenever it is there."""


def table(telegram: Telegram, name: str = "mybot", token: str = "TOKEN") -> str:  # noqa: S107 - where it is
    return f'\n[platforms.telegram.{name}]\ntoken = "env:{token}"\nbase_url = "{telegram.base_url}"\n'
