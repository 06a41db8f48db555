"""The gateway's own listener for platforms that call, in front of adapters under test."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from holdfast.accounts import Webhooks
from holdfast.ports import Hook
from holdfast.testing.process import GatewayProcess
from holdfast.web import server
from holdfast.web.hooks import hooks


@dataclass
class Listener:
    """Calls reach the `accounts` that are here now."""

    accounts: dict[str, Hook] = field(default_factory=dict)
    port: int = 0

    def url(self, account: str) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/{account.replace(':', '/')}"


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener, told = Listener(), asyncio.get_running_loop().create_future()
    with patch.object(server, "STOP_S_MAX", 0.1):  # an adapter that died in the middle of a call never answers
        serving = asyncio.create_task(server.serve_hooks(hooks(listener.accounts), Webhooks(port=0), told.set_result))
        try:
            listener.port = await told
            yield listener
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def listens(gateway: GatewayProcess, lives: int) -> str:
    """Where the gateway listens in this, its so manieth life (with `[webhooks] port = 0`)."""
    found: list[str] = []

    async def look() -> bool:
        found[:] = re.findall(r"find us at (http://127\.0\.0\.1:\d+)/hooks", gateway.said())
        return len(found) >= lives

    await gateway.eventually(look)
    return found[-1]
