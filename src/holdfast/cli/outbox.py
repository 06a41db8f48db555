"""Messages on their way to the gateway: in order, each under a key of its own until the gateway has said that it is on disk."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Final

from holdfast.cli.async_client import AsyncClient
from holdfast.cli.client import Away
from holdfast.errors import Request
from holdfast.web.wire import Post

POSTS_MAX: Final = 100
PAUSE_S: Final = 0.05
PAUSE_S_MAX: Final = 1.0


class Outbox:
    """Kept in memory: what is not saved when the process ends is lost, and the person has to be told."""

    def __init__(self, client: AsyncClient, name: str, refused: Callable[[str, str], None], changed: Callable[[], None]) -> None:
        """`refused` is told which text the gateway did not take, and why."""
        self._client = client
        self._name = name
        self._refused = refused
        self._changed = changed
        self._posts: list[Post] = []
        self._saved: list[Post] = []  # and not yet seen in the conversation
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def unsaved(self) -> list[str]:
        return [post.text for post in self._posts]

    @property
    def saved(self) -> list[str]:
        """What the gateway has, and has not yet shown."""
        return [post.text for post in self._saved]

    def put(self, text: str) -> None:
        """Send this after what is there. Raises `Request` if that is too much."""
        if len(self._posts) >= POSTS_MAX:
            raise Request(f"{POSTS_MAX} messages wait to be sent already. Wait until the gateway has taken them.")
        self._posts.append(Post(key=str(uuid.uuid4()), text=text))
        self._empty.clear()
        self._filled.set()

    def seen(self, key: str) -> None:
        """The message with this key is in the conversation."""
        self._posts = [post for post in self._posts if post.key != key]
        self._saved = [post for post in self._saved if post.key != key]
        self._look()

    async def empty(self) -> None:
        """Return when everything is saved."""
        await self._empty.wait()

    async def run(self) -> None:
        """Send what there is, until cancelled."""
        pause_s = PAUSE_S
        while True:
            await self._filled.wait()
            post = self._posts[0]
            try:
                await self._client.send(self._name, post)
            except Away:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_S_MAX)
                continue
            except Request as refusal:
                self._refused(post.text, str(refusal))
            else:
                if post in self._posts:
                    self._saved.append(post)
            pause_s = PAUSE_S
            self._posts = [other for other in self._posts if other is not post]
            self._look()

    def _look(self) -> None:
        if not self._posts:
            self._filled.clear()
            self._empty.set()
        self._changed()
