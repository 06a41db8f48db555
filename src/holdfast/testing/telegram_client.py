"""A Telegram server of a test's own, and the people who use it.

async with Telegram(folder) as telegram:
    await telegram.write(7, "Hello")                      # a person, in the chat with the bot
    ... telegram.base_url, telegram.token ...
    telegram.kill(); await telegram.start()
    assert [shown.text for shown in await telegram.shown(7)] == ["Hello", "Hello, Ann"]
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx2

from holdfast.testing.telegram_world import Json

TOKEN: Final = "4242:fake-token-of-a-test"  # noqa: S105 - of nobody
USERNAME: Final = "holdfast_bot"
WITHIN_S: Final = 30.0
LOOK_S: Final = 0.02


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


class Telegram:
    """The server's process, with one bot. Every order of `telegram_world.World` is `await telegram.order("name", ...)`; the common ones have methods."""

    def __init__(self, folder: Path, token: str = TOKEN, username: str = USERNAME) -> None:
        self.token = token
        self.username = username
        self.bot_id = int(token.partition(":")[0])
        self._db = folder / "telegram.db"
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()

    async def start(self) -> None:
        """Start it, at the same port as before."""
        await asyncio.to_thread(self.launch)

    def launch(self) -> None:
        """As `start`, for whoever has no loop. Returns when it takes connections."""
        words = ("--db", str(self._db), "--port", str(self._port), "--bot", f"{self.token}:{self.username}")
        command = (sys.executable, "-m", "holdfast.testing.telegram_server", *words)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline().rpartition(":")[2])

    def kill(self) -> None:
        """As a power cut does. What it was told stays."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    async def reset(self) -> None:
        """Nothing was ever said; it runs."""
        if self._process is None:
            await self.start()
        await self.order("reset")

    def freeze(self) -> None:
        """From now on it takes connections, and says nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    async def order(self, order: str, /, **said: Any) -> Any:
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=WITHIN_S) as http:
            answer = await http.post(f"{self.base_url}/control/{order}", content=json.dumps(said))
        answer.raise_for_status()
        return answer.json()

    async def bot_call(self, method: str, **params: Any) -> Any:
        """As another program does that has the token."""
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=WITHIN_S) as http:
            return (await http.post(f"{self.base_url}/bot{self.token}/{method}", json=params)).json()

    async def write(self, chat: int, text: str = "", **more: Any) -> int:
        """Somebody writes: `author`, `name`, `username`, `thread`, `reply_to`, `file`, and any field of a Message. Returns the message's id."""
        return int(await self.order("write", chat=chat, text=text, **more))

    async def upload(self, name: str, data: bytes, size: int = 0) -> str:
        return str(await self.order("upload", name=name, data=base64.b64encode(data).decode(), size=size))

    async def fault(self, kind: str, method: str = "*", **more: Any) -> None:
        await self.order("fault", kind=kind, method=method, **more)

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

    async def calls(self, method: str = "") -> list[Json]:
        return list(await self.order("calls", method=method))

    async def until(self, look: Callable[[], Awaitable[bool]], within_s: float = WITHIN_S) -> None:
        """Return when this is so. Raises `TimeoutError`."""
        async with asyncio.timeout(within_s):
            while not await look():  # noqa: ASYNC110 - what is looked at lives in another process
                await asyncio.sleep(LOOK_S)
