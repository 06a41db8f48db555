"""Ann's chat with a bot on the Discord server of a test, as the contract suites see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.core.incoming import Place
from holdfast.platforms.discord import TRAITS
from holdfast.ports import Traits
from holdfast.testing.contracts.chat import Chat
from holdfast.testing.discord_client import Discord
from holdfast.testing.process import GatewayProcess

ANN: Final = "700000000000000007"


class DiscordChat:
    """See `contracts.chat.Chat`. `channel` is where she talks with the bot."""

    def __init__(self, discord: Discord, channel: str) -> None:
        self.discord = discord
        self.place = Place(channel)
        self._last = ""

    async def write(self, text: str) -> None:
        self._last = await self.discord.write(self.place.chat, text)

    async def edit(self, text: str) -> None:
        await self.discord.order("edit", message=self._last, text=text)

    async def attach(self, name: str, data: bytes) -> None:
        await self.discord.write(self.place.chat, file=await self.discord.upload(name, data))

    async def press(self, option: str) -> None:
        asked = (await self.discord.shown(self.place.chat))[-1]
        await self.discord.order("press", message=asked.id, option=option)

    async def shown(self) -> list[str]:
        return await self.discord.said(self.place.chat)

    async def files(self) -> list[bytes]:
        return await self.discord.sent_files(self.place.chat)

    async def block(self) -> None:
        await self.discord.order("refuse", channel=self.place.chat)

    async def limit(self, seconds: int) -> None:
        await self.discord.fault("limit", "create_message", value=seconds)

    async def revoke(self) -> None:
        await self.discord.order("revoke", token=self.discord.token)

    async def leave(self) -> None:
        self.discord.kill()


class DiscordService:
    """See `contracts.through_gateway.Service`."""

    def __init__(self, discord: Discord, channel: str) -> None:
        self.discord = discord
        self.chat: Chat = DiscordChat(discord, channel)
        self.traits: Traits = TRAITS
        self.table = table(discord)
        self.environ: Mapping[str, str] = {"TOKEN": discord.token}

    async def come_back(self) -> None:
        await self.discord.start()

    async def listens(self, gateway: GatewayProcess) -> None:
        """Whoever was connected once is told later."""

        async def connected() -> bool:
            return int(await self.discord.order("sessions")) > 0

        try:
            await self.discord.until(connected)  # be it that the gateway was killed right after it
        except TimeoutError:
            raise AssertionError(gateway.said()) from None


def table(discord: Discord, name: str = "mybot", token: str = "TOKEN") -> str:  # noqa: S107 - where it is
    return f'\n[platforms.discord.{name}]\ntoken = "env:{token}"\nbase_url = "{discord.api_url}"\n'
