"""A workspace of Slack of a test's own, and the people in it.

async with Slack(folder) as slack:
    await slack.write("DANN", "Hello")                    # Ann, in her chat with the bot
    ... slack.settings() ...
    slack.kill(); await slack.start()
    assert await slack.said("DANN") == ["Hello, Ann"]
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holdfast import accounts
from holdfast.secrets import Secret
from holdfast.testing.fake_server import FakeServer, Json
from holdfast.testing.slack_world import US

TOKEN: Final = "xoxb-fake-token-of-a-test"  # noqa: S105 - of nobody
APP_TOKEN: Final = "xapp-fake-token-of-a-test"  # noqa: S105 - of nobody
SIGNING_SECRET: Final = "a-signing-secret-of-a-test"  # noqa: S105 - of nobody


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of a chat, as people see it: the newest of its `versions`."""

    ts: str
    versions: tuple[Json, ...]

    @property
    def now(self) -> Json:
        return self.versions[-1]

    @property
    def mine(self) -> bool:
        return bool(self.now["user"] == US)

    @property
    def text(self) -> str:
        return str(self.now["text"])

    @property
    def thread(self) -> str:
        return str(self.now.get("thread_ts", ""))

    @property
    def buttons(self) -> list[str]:
        blocks = self.now.get("blocks", [])
        return [one["text"]["text"] for block in blocks if block["type"] == "actions" for one in block["elements"]]

    @property
    def reactions(self) -> list[str]:
        return [one["name"] for one in self.now.get("reactions", [])]


class Slack(FakeServer):
    """The server's process, with one app. Every order of `slack_world.World` is `await slack.order("name", ...)`; the common ones have methods."""

    def __init__(self, folder: Path, ack_s: float = 3.0) -> None:
        words = ("--token", TOKEN, "--app-token", APP_TOKEN, "--signing-secret", SIGNING_SECRET, "--ack-s", str(ack_s))
        super().__init__("slack_server", folder, *words)

    @property
    def api_url(self) -> str:
        return f"{self.base_url}/api/"

    def settings(self, *, called: bool = False, **more: Any) -> accounts.Slack:
        """An account of the app: it connects, or is called."""
        way = {"signing_secret": Secret("env:SECRET", SIGNING_SECRET)} if called else {"app_token": Secret("env:APP_TOKEN", APP_TOKEN)}
        return accounts.Slack(**{"token": Secret("env:TOKEN", TOKEN), "base_url": self.api_url, **way, **more})

    async def write(self, chat: str, text: str = "", **more: Any) -> str:
        """Somebody writes: `author`, `thread`, `files`, and any field of a message. Returns its ts."""
        return str(await self.order("write", chat=chat, text=text, **more))

    async def upload(self, name: str, data: bytes, **more: Any) -> str:
        return str(await self.order("upload", name=name, data=data, **more))

    async def shown(self, chat: str) -> list[Shown]:
        """What is in the chat, without what is gone."""
        return [Shown(one["ts"], tuple(one["versions"])) for one in await self.order("shown", chat=chat) if not one["gone"]]

    async def said(self, chat: str) -> list[str]:
        """What the bot says there now, as it was written: what is escaped is not, and styles have no marks."""
        return [one.text for one in await self.shown(chat) if one.mine and one.text]

    async def sent_files(self, chat: str) -> list[bytes]:
        """The files that the bot sent there."""
        return [base64.b64decode(data) for data in await self.order("sent_files", chat=chat)]

    async def connections(self) -> int:
        return int(await self.order("connections"))
