"""A Discord server of a test's own, and the people who use it.

async with Discord(folder) as discord:
    ann = await discord.order("direct", person=ANN)       # her chat with the bot
    await discord.write(ann, "Hello")
    ... discord.api_url, discord.token ...
    assert await discord.said(ann) == ["Hello, Ann"]
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holdfast.testing.fake_server import FakeServer, Json

BOT: Final = "424242424242424242"
TOKEN: Final = f"{base64.urlsafe_b64encode(BOT.encode()).decode().rstrip('=')}.GfAkEd.the-token-of-nobody-at-all-0000"
USERNAME: Final = "Holdfast"


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of a channel, as people see it: the newest of its `versions`."""

    id: str
    mine: bool
    versions: tuple[Json, ...]
    reactions: tuple[str, ...] = ()

    @property
    def now(self) -> Json:
        return self.versions[-1]

    @property
    def text(self) -> str:
        return str(self.now["content"])

    @property
    def texts(self) -> list[str]:
        """What it has said so far."""
        return [str(version["content"]) for version in self.versions]

    @property
    def buttons(self) -> list[str]:
        return [button["label"] for row in self.now["components"] for button in row["components"]]

    @property
    def reply_to(self) -> str:
        return str(self.now.get("message_reference", {}).get("message_id", ""))


class Discord(FakeServer):
    """The server's process, with one bot. Every order of `discord_world.World` is `await discord.order("name", ...)`; the common ones have methods."""

    def __init__(self, folder: Path, token: str = TOKEN, username: str = USERNAME) -> None:
        self.token = token
        self.username = username
        super().__init__("discord_server", folder, "--bot", f"{token}:{username}")

    @property
    def api_url(self) -> str:
        return f"{self.base_url}/api/v10"

    async def direct(self, person: str, name: str = "Ann") -> str:
        """The channel in which this person talks with the bot."""
        return str(await self.order("direct", person=person, name=name))

    async def write(self, channel: str, text: str = "", **more: Any) -> str:
        """Somebody writes: `author`, `name`, `reply_to`, `file`, and any field of a message. Returns the message's id."""
        return str(await self.order("write", channel=channel, text=text, **more))

    async def upload(self, name: str, data: bytes) -> str:
        return str(await self.order("upload", name=name, data=data))

    async def shown(self, channel: str) -> list[Shown]:
        """What is in the channel, without what is gone."""
        return [
            Shown(one["id"], bool(one["bot"]), tuple(one["versions"]), tuple(one["reactions"]))
            for one in await self.order("shown", channel=channel)
            if not one["gone"]
        ]

    async def said(self, channel: str) -> list[str]:
        """What the bot says there now."""
        return [one.text for one in await self.shown(channel) if one.mine]

    async def sent_files(self, channel: str) -> list[bytes]:
        """The files that the bot sent there."""
        return [base64.b64decode(data) for data in await self.order("sent_files", channel=channel)]
