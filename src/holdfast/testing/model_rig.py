"""A route that leads to a stub provider, for tests of what becomes of its bytes, in any dialect."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from holdfast.core.request import Message, Request, Tool, User
from holdfast.models import Endpoint, open_model
from holdfast.ports import Answer, Model, ModelFailed, RawFailure
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.stub_provider import Script, StubProvider

KEY = "sk-a-secret-key"


@dataclass
class Route:
    """A model and the stub it leads to."""

    model: Model
    stub: StubProvider
    files: MemoryFiles
    shown: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(
        self, *messages: Message, tools: tuple[Tool, ...] = (), instructions: str = "Be brief.", user: str = "", limit: int | None = None
    ) -> Answer:
        return await self.model.call(Request(instructions, messages or (User("Hi"),), tools, user, limit), self._show)

    async def wait_for_shown(self, text: str) -> None:
        while text not in self.shown:
            self._news.clear()
            await self._news.wait()

    def _show(self, text: str) -> None:
        self.shown.append(text)
        self._news.set()

    async def fails(self) -> RawFailure:
        """The failure that a call ends with."""
        with pytest.raises(ModelFailed) as caught:
            await self.ask()
        assert KEY not in f"{caught.value!r} {caught.value.failure!r}"
        assert caught.value.__suppress_context__
        assert caught.value.__cause__ is None  # it may quote the key
        return caught.value.failure


@asynccontextmanager
async def route_to(
    script: Script,
    dialect: str = "openai-chat",
    path: str = "/v1",
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    **settings: Any,
) -> AsyncIterator[Route]:
    """A route to a stub with this script, which it knows by the name `host`. `settings` are those of `Endpoint`."""
    async with StubProvider(script, tls=tls) as stub:
        patience = {"first_event_timeout_s": 20.0, "idle_timeout_s": 20.0}
        base_url = stub.base_url.removesuffix("/v1").replace("127.0.0.1", host) + path
        files = MemoryFiles()
        model = open_model(
            dialect, Endpoint(**{"name": "main", "base_url": base_url, "model": "m", "api_key": KEY, **patience, **settings}), files
        )
        try:
            yield Route(model, stub, files)
        finally:
            await model.close()


Open = Callable[..., Awaitable[Route]]
"""`route_to` as a fixture gives it: whoever asks for a route need not close it."""
