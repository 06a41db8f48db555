"""A server of WeChat's of a test's own, the people who use it, and Ann's chat with her bot as the contract suites see it.

async with Wechat(folder) as wechat:
    await wechat.signed_in(folder / "account")            # the login, where the adapter looks for it
    await wechat.write("Hello")                           # Ann, to her bot
    assert await wechat.shown() == ["Hello, Ann"]
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from holdfast.core.incoming import Place
from holdfast.platforms.wechat import TRAITS
from holdfast.platforms.wechat.signing_in import Login, LoginFile
from holdfast.ports import Traits
from holdfast.testing.contracts.chat import Chat
from holdfast.testing.fake_server import FakeServer, Json
from holdfast.testing.process import GatewayProcess
from holdfast.testing.wechat_world import ANN

FILES: Final = {".png": "picture", ".jpg": "picture", ".silk": "voice", ".mp4": "video"}


class Wechat(FakeServer):
    """The server's process. Every order of `wechat_world.World` is `await wechat.order("name", ...)`; the common ones have methods."""

    def __init__(self, folder: Path) -> None:
        super().__init__("wechat_server", folder)

    async def signed_in(self, folder: Path, person: str = ANN) -> Json:
        """Somebody has signed in, with the account whose folder this is. Returns the session."""
        session = dict(await self.order("sign_in", person=person))
        LoginFile(folder).write(Login(session["bot_token"], session["ilink_bot_id"], person, self.base_url))
        return session

    async def write(self, text: str = "", **more: Any) -> int:
        """Somebody writes (Ann, unless `person` says otherwise). Returns the message's id."""
        return int(await self.order("write", text=text, **more))

    async def attach(self, name: str, data: bytes, **more: Any) -> int:
        """Somebody sends a file: a picture, voice or video by its name."""
        item = await self.order("file", name=name, data=data, kind=FILES.get(Path(name).suffix, "file"))
        return await self.write(items=[item], **more)

    async def shown(self, person: str = ANN) -> list[str]:
        return list(await self.order("shown", person=person))

    async def sent_files(self, person: str = ANN) -> list[Json]:
        return [{**one, "data": base64.b64decode(one["data"])} for one in await self.order("sent_files", person=person)]


class WechatChat:
    """See `contracts.chat.Chat`."""

    def __init__(self, wechat: Wechat) -> None:
        self.wechat = wechat
        self.place = Place(ANN)

    async def write(self, text: str) -> None:
        await self.wechat.write(text)

    async def edit(self, text: str) -> None:
        raise NotImplementedError(f"nobody can change anything to {text}")

    async def attach(self, name: str, data: bytes) -> None:
        await self.wechat.attach(name, data)

    async def press(self, option: str) -> None:
        raise NotImplementedError(f"nobody can press {option}: there are no buttons")

    async def shown(self) -> list[str]:
        return await self.wechat.shown()

    async def files(self) -> list[bytes]:
        return [one["data"] for one in await self.wechat.sent_files()]

    async def block(self) -> None:
        await self.wechat.order("use_up")

    async def limit(self, seconds: int) -> None:
        await self.wechat.fault("limit", "sendmessage", value=seconds)

    async def revoke(self) -> None:
        await self.wechat.order("end")

    async def leave(self) -> None:
        self.wechat.kill()


class WechatService:
    """See `contracts.through_gateway.Service`."""

    def __init__(self, wechat: Wechat) -> None:
        self.wechat = wechat
        self.chat: Chat = WechatChat(wechat)
        self.traits: Traits = TRAITS
        self.table = table(wechat)
        self.environ: Mapping[str, str] = {}

    async def come_back(self) -> None:
        await self.wechat.start()

    async def listens(self, gateway: GatewayProcess) -> None:
        """It asks, whenever it is there."""


def table(wechat: Wechat, name: str = "mine") -> str:
    return f'\n[platforms.wechat.{name}]\nbase_url = "{wechat.base_url}"\n'
