"""A real call through the same code that will serve the conversations: what is tried is what will be used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from holdfast import errors
from holdfast.core.request import Request, Tool, User
from holdfast.models import Endpoint, open_model
from holdfast.ports import ModelFailed, RawFailure

BEGIN_S_MAX: Final = 60.0
"""How long a model may take to begin: it may have to be loaded."""
END_S_MAX: Final = 20.0
"""How long the end of its answer is waited for then: some think a while about one word."""

GREETING: Final = Request("Answer with one short word.", (User("Hello"),))
ASKED_TOOL: Final = Tool(
    name="current_time",
    description="Tells the time of day in a place.",
    schema={"type": "object", "properties": {"place": {"type": "string", "description": "A city"}}, "required": ["place"]},
)
TOOL_WANTED: Final = Request(
    "Use your tools.", (User("What time is it in Lisbon? Call the TOOL current_time to find out."),), (ASKED_TOOL,)
)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one call. `whole`: the answer came to its end in time. Without a failure, `calls` are the names of the tools it called."""

    took_s: float
    text: str = ""
    calls: tuple[str, ...] = ()
    whole: bool = True
    failure: RawFailure | None = None


async def tried(dialect: str, endpoint: Endpoint, request: Request) -> Tried:
    """Make one call. Raises `Config` if this version does not speak the dialect."""
    model = open_model(dialect, endpoint, _NoFiles())
    loop = asyncio.get_running_loop()
    shown = [""]
    begun = False
    try:
        await model.warm()  # what it takes to import a library tells nothing of the model
        at = loop.time()
        try:
            async with asyncio.timeout(BEGIN_S_MAX) as patience:

                def heard(text: str) -> None:
                    nonlocal begun
                    if not begun:
                        begun = True
                        patience.reschedule(loop.time() + END_S_MAX)
                    shown.append(text)

                answer = await model.call(request, heard)
        except ModelFailed as failed:
            return Tried(loop.time() - at, shown[-1], failure=failed.failure)
        except TimeoutError:
            failure = None if begun else RawFailure(f"{endpoint.base_url} sent nothing of an answer for {BEGIN_S_MAX:g} s")
            return Tried(loop.time() - at, shown[-1], whole=False, failure=failure)
        return Tried(loop.time() - at, answer.text, tuple(tool for tool, _ in answer.calls))
    finally:
        await model.close()


class _NoFiles:
    """`ports.Files` for calls that carry none."""

    async def put(self, chunks: AsyncIterator[bytes]) -> str:  # noqa: ARG002 the port's signature
        raise errors.Request("Nothing is kept here.")

    async def read(self, sha256: str) -> bytes:
        raise errors.Request(f"There is no file {sha256}.")

    async def head(self, sha256: str) -> bytes:
        return await self.read(sha256)
