"""A program's chat with the gateway, as the contract suites see it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from holdfast.core.incoming import Place
from holdfast.platforms.webhook import TRAITS
from holdfast.ports import Traits
from holdfast.testing.contracts.chat import Chat
from holdfast.testing.fake_server import FakeServer, Json
from holdfast.testing.hook_listener import listens
from holdfast.testing.process import GatewayProcess

SECRET: Final = "a-secret-of-a-test"  # noqa: S105 - of nobody
CHAT: Final = "ann"


class Program(FakeServer):
    """The program's process."""

    def __init__(self, folder: Path) -> None:
        super().__init__("webhook_server", folder, "--secret", SECRET)

    @property
    def callback_url(self) -> str:
        return f"{self.base_url}/callback"

    async def told(self, chat: str = CHAT) -> list[Json]:
        return list(await self.order("told", chat=chat))


class WebhookChat:
    """See `contracts.chat.Chat`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.place = Place(CHAT)

    async def write(self, text: str) -> None:
        await self.program.order("write", chat=CHAT, text=text)

    async def edit(self, text: str) -> None:
        raise NotImplementedError("what was sent stays", text)

    async def attach(self, name: str, data: bytes) -> None:
        await self.program.order("write", chat=CHAT, name=name, data=data)

    async def press(self, option: str) -> None:
        asked = (await self.program.told())[-1]
        await self.program.order("choose", chat=CHAT, question=asked["question"], option=option)

    async def shown(self) -> list[str]:
        return [one["text"] for one in await self.program.told()]

    async def files(self) -> list[bytes]:
        return [base64.b64decode(file["data"]) for one in await self.program.told() for file in one["files"]]

    async def block(self) -> None:
        await self.program.order("refuse", chat=CHAT)

    async def limit(self, seconds: int) -> None:
        await self.program.fault("limit", "callback", value=seconds)

    async def revoke(self) -> None:
        await self.program.order("revoke")

    async def leave(self) -> None:
        self.program.kill()


class WebhookService:
    """See `contracts.through_gateway.Service`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.chat: Chat = WebhookChat(program)
        self.traits: Traits = TRAITS
        self.table = f'[webhooks]\nport = 0\n[platforms.webhook.mine]\nsecret = "env:SECRET"\ncallback_url = "{program.callback_url}"\n'
        self.environ: Mapping[str, str] = {"SECRET": SECRET}
        self._lives = 0

    async def come_back(self) -> None:
        await self.program.start()

    async def listens(self, gateway: GatewayProcess) -> None:
        self._lives += 1
        await self.program.order("listen", url=f"{await listens(gateway, self._lives)}/hooks/webhook/mine")
