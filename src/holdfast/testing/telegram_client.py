"""A Telegram server of a test's own, and the people who use it.

async with Telegram(folder) as telegram:
    await telegram.write(7, "Hello")                      # a person, in the chat with the bot
    ... telegram.base_url, telegram.token ...
    telegram.kill(); await telegram.start()
    assert [shown.text for shown in await telegram.shown(7)] == ["Hello", "Hello, Ann"]
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from holdfast.testing.fake_server import WITHIN_S, FakeServer, Json

TOKEN: Final = "4242:fake-token-of-a-test"  # noqa: S105 - of nobody
USERNAME: Final = "holdfast_bot"


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of a chat, as people see it: the newest of its `versions`, each a Message of the Bot API."""

    id: int
    mine: bool
    gone: bool
    versions: tuple[Json, ...]

    @property
    def now(self) -> Json:
        return self.versions[-1]

    @property
    def text(self) -> str:
        return str(self.now.get("text", self.now.get("caption", "")))

    @property
    def texts(self) -> list[str]:
        """What it has said so far."""
        return [str(version.get("text", version.get("caption", ""))) for version in self.versions]

    @property
    def buttons(self) -> list[str]:
        return [button["text"] for line in self.now.get("reply_markup", {}).get("inline_keyboard", ()) for button in line]

    @property
    def thread(self) -> int:
        return int(self.now.get("message_thread_id", 0))

    @property
    def reply_to(self) -> int:
        return int(self.now.get("reply_to_message", {}).get("message_id", 0))

    def styled(self, kind: str) -> list[str]:
        """The pieces of the text that have this entity."""
        raw = self.text.encode("utf-16-le")
        entities = self.now.get("entities") or self.now.get("caption_entities") or ()
        return [raw[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le") for e in entities if e["type"] == kind]


class Telegram(FakeServer):
    """The server's process, with one bot. Every order of `telegram_world.World` is `await telegram.order("name", ...)`; the common ones have methods."""

    def __init__(self, folder: Path, token: str = TOKEN, username: str = USERNAME) -> None:
        self.token = token
        self.username = username
        self.bot_id = int(token.partition(":")[0])
        super().__init__("telegram_server", folder, "--bot", f"{token}:{username}")

    async def bot_call(self, method: str, **params: Any) -> Any:
        """As another program does that has the token."""
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=WITHIN_S) as http:
            return (await http.post(f"{self.base_url}/bot{self.token}/{method}", json=params)).json()

    async def write(self, chat: int, text: str = "", **more: Any) -> int:
        """Somebody writes: `author`, `name`, `username`, `thread`, `reply_to`, `file`, and any field of a Message. Returns the message's id."""
        return int(await self.order("write", chat=chat, text=text, **more))

    async def upload(self, name: str, data: bytes, size: int = 0) -> str:
        return str(await self.order("upload", name=name, data=data, size=size))

    async def shown(self, chat: int) -> list[Shown]:
        """What is in the chat, without what is gone."""
        found = [
            Shown(one["id"], bool(one["mine"]), bool(one["gone"]), tuple(one["versions"])) for one in await self.order("shown", chat=chat)
        ]
        return [one for one in found if not one.gone]

    async def said(self, chat: int) -> list[str]:
        """What the bot says there now."""
        return [one.text for one in await self.shown(chat) if one.mine]

    async def sent_files(self, chat: int) -> list[bytes]:
        """The files that the bot sent there."""
        return [base64.b64decode(data) for data in await self.order("sent_files", chat=chat)]
