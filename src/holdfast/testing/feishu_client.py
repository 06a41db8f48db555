"""A Feishu server of a test's own, and the people who use it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holdfast.core.incoming import Place
from holdfast.platforms.feishu import TRAITS
from holdfast.ports import Traits
from holdfast.testing.contracts.chat import Chat
from holdfast.testing.fake_server import FakeServer
from holdfast.testing.process import GatewayProcess

APP: Final = "cli_fake"
SECRET: Final = "secret-of-a-test"  # noqa: S105 - of nobody
KEY: Final = "encrypt-key-of-a-test"
ANN: Final = "ou_ann"
DIRECT: Final = "oc_direct"
GROUP: Final = "oc_group"


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of a chat, as people see it. `calls`: it calls people, whom it names."""

    id: str
    mine: bool
    kind: str
    text: str
    texts: tuple[str, ...]
    buttons: tuple[str, ...]
    calls: bool
    parent: str
    thread: str


class Feishu(FakeServer):
    """The server's process, with one app, a person's chat with it and a group. Every order of `feishu_world.World` is `await feishu.order("name", ...)`; the common ones have methods."""

    def __init__(self, folder: Path) -> None:
        super().__init__("feishu_server", folder, "--app", f"{APP}:{SECRET}")

    async def write(self, chat: str, text: str = "", **more: Any) -> str:
        """Somebody writes: see `World.write`. Returns the message's id."""
        return str(await self.order("write", chat=chat, text=text, **more))

    async def shown(self, chat: str = DIRECT) -> list[Shown]:
        return [
            Shown(
                id=one["id"],
                mine=bool(one["mine"]),
                kind=one["kind"],
                text=one["text"],
                texts=tuple(one["texts"]),
                buttons=tuple(one["buttons"]),
                calls=one["calls"],
                parent=one["parent"],
                thread=one["thread"],
            )
            for one in await self.order("shown", chat=chat)
        ]

    async def said(self, chat: str = DIRECT) -> list[str]:
        """What the bot says there now."""
        return [one.text for one in await self.shown(chat) if one.mine and one.kind == "interactive"]


class FeishuChat:
    """Ann's chat with the bot: see `contracts.chat.Chat`."""

    def __init__(self, feishu: Feishu) -> None:
        self.feishu = feishu
        self.place = Place(DIRECT)
        self._last = ""

    async def write(self, text: str) -> None:
        self._last = await self.feishu.write(DIRECT, text)

    async def edit(self, text: str) -> None:
        await self.feishu.order("edit", message=self._last, text=text)

    async def attach(self, name: str, data: bytes) -> None:
        key = await self.feishu.order("upload", name=name, data=data)
        await self.feishu.write(DIRECT, kind="file", content={"file_key": key, "file_name": name})

    async def press(self, option: str) -> None:
        asked = (await self.feishu.shown())[-1]
        await self.feishu.order("press", message=asked.id, option=option)

    async def shown(self) -> list[str]:
        return await self.feishu.said()

    async def files(self) -> list[bytes]:
        return [base64.b64decode(data) for data in await self.feishu.order("sent_files", chat=DIRECT)]

    async def block(self) -> None:
        await self.feishu.order("refuse", chat=DIRECT)

    async def limit(self, seconds: int) -> None:
        await self.feishu.fault("limit", "send", value=seconds)

    async def revoke(self) -> None:
        await self.feishu.order("set_app", revoked=1)

    async def leave(self) -> None:
        self.feishu.kill()


class FeishuService:
    """See `contracts.through_gateway.Service`."""

    def __init__(self, feishu: Feishu) -> None:
        self.feishu = feishu
        self.chat: Chat = FeishuChat(feishu)
        self.traits: Traits = TRAITS
        self.table = table(feishu)
        self.environ: Mapping[str, str] = {"SECRET": SECRET}

    async def come_back(self) -> None:
        await self.feishu.start()

    async def listens(self, gateway: GatewayProcess) -> None:
        """It connects, whenever it is there."""


def table(feishu: Feishu, name: str = "work") -> str:
    return f'\n[platforms.feishu.{name}]\napp_id = "{APP}"\napp_secret = "env:SECRET"\nbase_url = "{feishu.base_url}"\n'
