"""A route of the dialect openai-chat that leads to a stub provider, for tests of what becomes of its bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from holdfast.core.request import Message, Request, Tool, User
from holdfast.models import Endpoint
from holdfast.models.openai_chat import OpenAIChat
from holdfast.ports import Answer, ModelFailed, RawFailure
from holdfast.testing.stub_provider import Script, StubProvider

KEY = "sk-a-secret-key"


@dataclass
class Route:
    """A model and the stub it leads to."""

    model: OpenAIChat
    stub: StubProvider
    shown: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, *messages: Message, tools: tuple[Tool, ...] = (), instructions: str = "Be brief.") -> Answer:
        return await self.model.call(Request(instructions, messages or (User("Hi"),), tools), self._show)

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
        return caught.value.failure


@asynccontextmanager
async def route_to(
    script: Script, key: str = KEY, first_event_timeout_s: float = 20.0, idle_timeout_s: float = 20.0
) -> AsyncIterator[Route]:
    """A route to a stub with this script."""
    async with StubProvider(script) as stub:
        endpoint = Endpoint(
            name="main",
            base_url=stub.base_url,
            model="m",
            api_key=key,
            first_event_timeout_s=first_event_timeout_s,
            idle_timeout_s=idle_timeout_s,
        )
        model = OpenAIChat(endpoint)
        try:
            yield Route(model, stub)
        finally:
            await model.close()


Open = Callable[..., Awaitable[Route]]
"""`route_to` as a fixture gives it: whoever asks for a route need not close it."""
