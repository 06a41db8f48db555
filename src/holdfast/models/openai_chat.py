"""The dialect openai-chat, at any base URL. The library behind it is imported by `warm`, or by the first call."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast.core.request import Request
from holdfast.models import Endpoint
from holdfast.ports import Answer

if TYPE_CHECKING:
    from holdfast.models.library import Chat


class OpenAIChat:
    """One route to an OpenAI-compatible chat endpoint. See `holdfast.ports.Model`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._chat: Chat | None = None
        self._opening = asyncio.Lock()

    async def call(self, request: Request, on_event: Callable[[str], None]) -> Answer:
        chat = self._chat or await self._opened()
        return await chat.call(request, on_event)

    async def warm(self) -> None:
        await self._opened()

    async def close(self) -> None:
        async with self._opening:
            chat, self._chat = self._chat, None
            if chat is not None:
                await chat.close()

    async def _opened(self) -> Chat:
        async with self._opening:
            if self._chat is None:
                self._chat = await asyncio.to_thread(_open, self._endpoint)
            return self._chat


def _open(endpoint: Endpoint) -> Chat:
    """Import the library and build the client: most of a second, so in a thread.

    Its 100,000 objects live for ever, and each full garbage collection that walks them stops the event loop for 50 ms. So none happens while
    they are made, and then they are frozen: no later one looks at them.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        from holdfast.models.library import Chat  # noqa: PLC0415 -- here, so that the gateway accepts messages before it is loaded

        chat = Chat(endpoint)
        gc.freeze()
        return chat
    finally:
        if collects:
            gc.enable()
