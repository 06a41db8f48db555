"""How Feishu's events get to us: through a connection that we open (`connection`), or by calls of Feishu's (`called`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from holdfast.ports import HookReply

PUSHES_MAX: Final = 1_000
"""So many events may wait to be taken. Beyond, Feishu waits."""


@dataclass(frozen=True, slots=True)
class Push:
    """An event as it came, and what tells Feishu that it is durable (with the answer to a press)."""

    body: bytes
    answer: Callable[[bytes], Awaitable[None]]


Pushes = asyncio.Queue[Push]
Bring = Callable[[Pushes, Callable[[], None]], Coroutine[Any, Any, None]]
"""Puts what comes there, in order, and says whenever Feishu was heard. Raises `Temporary` or `Config` when that ends."""


class Way(Protocol):
    """One of the two."""

    @property
    def silence_s_max(self) -> float:
        """After so long without a word the way is deaf."""

    def open(self) -> AbstractAsyncContextManager[Bring]:
        """It is open, within."""


class Hooks(Protocol):
    """Where Feishu's calls arrive."""

    async def hook(self, method: str, headers: Mapping[str, str], body: bytes) -> HookReply: ...
