"""What end-to-end tests need: gateways as real processes, with real parts around them."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from holdfast.testing.llama import Llama, Options, Script
from holdfast.testing.llama import unavailable as llama_unavailable
from holdfast.testing.process import GatewayProcess, practice

ANSWER: Final = " ".join(f"{tens}{ones}" for tens in "abcdefgh" for ones in "0123456789")
"""What the real model says, also to a tool's result: eighty words, no two alike."""

CLOCK: Final = f"\n[tools.clock]\ncommand = {json.dumps([sys.executable, '-m', 'mcp_server_time'])}\ntrust_annotations = true\n"
"""A real tool server."""

CALLS_THE_CLOCK: Final = Script(text=ANSWER, tool="clock__get_current_time", arguments='{"timezone": "UTC"}')
"""What the real model does where a message says TOOL."""

SLOW: Final = Options(slow_ms=20)
"""An answer takes seconds: it can be interrupted."""


def unavailable() -> str:
    """What is missing for the real parts, as a sentence that says what to install; "" if nothing is."""
    missing = "" if importlib.util.find_spec("mcp_server_time") else "A real tool server is needed: pip install mcp-server-time"
    return llama_unavailable() or missing


def to(base_url: str, more: str = "") -> str:
    """The configuration of a route."""
    return f'[routes.main]\nbase_url = "{base_url}"\nmodel = "scripted"\n{more}\n'


class Parts:
    """Real parts in one folder; all of them end with the test."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._folder, self._stack = folder, stack

    @property
    def effects(self) -> Path:
        """The file in which our own tool server counts."""
        return self._folder / "effects"

    def llama(self, options: Options = SLOW, script: Script = CALLS_THE_CLOCK) -> Llama:
        return self._stack.enter_context(Llama(self._folder, script, options))

    async def gateway(self, config: str = "", name: str = "gateway", *, serving: bool = True) -> GatewayProcess:
        """One that answers at its door, and whose tool servers serve unless told otherwise: on a busy machine the model would not know their tools yet.

        Without a configuration it has the practice model and our own tool server, as `t`.
        """
        gateway = await self._stack.enter_async_context(GatewayProcess(self._folder / name, config or practice(self.effects)))
        await (gateway.tools_ready() if serving else gateway.ready())
        return gateway


@asynccontextmanager
async def parts_in(folder: Path) -> AsyncIterator[Parts]:
    async with AsyncExitStack() as stack:
        yield Parts(folder, stack)
