"""Ann's chat with an application of WeCom, or an Official Account, on the server of a test, as the contract suites see it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from holdfast.accounts import Official, Wecom
from holdfast.core.incoming import Place
from holdfast.platforms import official, wecom
from holdfast.ports import Traits
from holdfast.secrets import Secret
from holdfast.testing.contracts.chat import Chat
from holdfast.testing.fake_server import FakeServer, Json
from holdfast.testing.hook_listener import listens
from holdfast.testing.process import GatewayProcess
from holdfast.testing.tencent_server import AES_KEY, AGENT, RECEIVER, SECRET, TOKEN

ANN: Final = "ann"
Kind = Literal["wecom", "official"]


class Tencent(FakeServer):
    """The server's process. `words` are told to it, such as "--plain"."""

    def __init__(self, folder: Path, kind: Kind, *words: str) -> None:
        super().__init__("tencent_server", folder, "--kind", kind, *words)
        self.kind = kind

    async def write(self, text: str, chat: str = ANN, **more: str) -> None:
        await self.order("write", chat=chat, text=text, **more)

    async def shown(self, chat: str = ANN) -> list[Json]:
        return list(await self.order("shown", chat=chat))

    async def said(self, chat: str = ANN) -> list[str]:
        """The texts that the account says there."""
        parts = [one[one["msgtype"]] for one in await self.shown(chat)]
        return [str(part.get("content", part.get("head_content", ""))) for part in parts]

    def wecom(self, *, markdown: bool = False) -> Wecom:
        """What is configured for it."""
        secret, token, key = _secret(SECRET), _secret(TOKEN), _secret(AES_KEY)
        return Wecom(corp_id=RECEIVER, agent_id=AGENT, secret=secret, token=token, aes_key=key, base_url=self.base_url, markdown=markdown)

    def official(self, *, plain: bool = False) -> Official:
        key = None if plain else _secret(AES_KEY)
        return Official(app_id=RECEIVER, app_secret=_secret(SECRET), token=_secret(TOKEN), aes_key=key, base_url=self.base_url)


def _secret(value: str) -> Secret:
    return Secret("a test", value)


class TencentChat:
    """See `contracts.chat.Chat`."""

    def __init__(self, server: Tencent) -> None:
        self.server = server
        self.place = Place(ANN)

    async def write(self, text: str) -> None:
        await self.server.write(text)

    async def edit(self, text: str) -> None:
        raise NotImplementedError("what was sent stays", text)

    async def attach(self, name: str, data: bytes) -> None:
        await self.server.order("attach", chat=ANN, kind="file", name=name, data=data)

    async def press(self, option: str) -> None:
        """A line of a menu."""
        menu = (await self.server.shown())[-1]["msgmenu"]
        (line,) = [line for line in menu["list"] if line["content"] == option]
        await self.server.write(option, bizmsgmenuid=line["id"])

    async def shown(self) -> list[str]:
        return await self.server.said()

    async def files(self) -> list[bytes]:
        return [base64.b64decode(data) for data in await self.server.order("sent_files", chat=ANN)]

    async def block(self) -> None:
        await self.server.order("refuse", chat=ANN)

    async def limit(self, seconds: int) -> None:  # noqa: ARG002 - it does not say when
        await self.server.fault("limit", "message/custom/send" if self.server.kind == "official" else "message/send")

    async def revoke(self) -> None:
        await self.server.order("revoke")

    async def leave(self) -> None:
        self.server.kill()


class TencentService:
    """See `contracts.through_gateway.Service`."""

    def __init__(self, server: Tencent) -> None:
        self.server = server
        self.chat: Chat = TencentChat(server)
        self.traits: Traits = wecom.TRAITS if server.kind == "wecom" else official.TRAITS
        own = f'corp_id = "{RECEIVER}"\nagent_id = {AGENT}\nsecret' if server.kind == "wecom" else f'app_id = "{RECEIVER}"\napp_secret'
        self.table = (
            f'[webhooks]\nport = 0\n[platforms.{server.kind}.mine]\n{own} = "env:SECRET"\ntoken = "env:TOKEN"\naes_key = "env:AES_KEY"\n'
            f'base_url = "{server.base_url}"\n'
        )
        self.environ: Mapping[str, str] = {"SECRET": SECRET, "TOKEN": TOKEN, "AES_KEY": AES_KEY}
        self._lives = 0

    async def come_back(self) -> None:
        await self.server.start()

    async def listens(self, gateway: GatewayProcess) -> None:
        self._lives += 1
        await self.server.order("listen", url=f"{await listens(gateway, self._lives)}/hooks/{self.server.kind}/mine")
