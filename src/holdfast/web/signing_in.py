"""The stream of the steps of signing in to one reader (server-sent events); whoever leaves ends it.

event: step      a `Step`
event: refused   {"error": "a sentence"}: nothing comes of it
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import msgspec
from starlette.types import Receive, Scope, Send

from holdfast.errors import HoldfastError, Temporary
from holdfast.ports import SignIn
from holdfast.web.stream import HEADERS, cancel, left, next_of, write
from holdfast.web.wire import KEEP_ALIVE_S, Step


class SigningInStream:
    """The response that goes on until it is done, or the reader leaves or may not read any more (`allowed`), or the gateway stops (`stopping`)."""

    def __init__(self, steps: AsyncGenerator[SignIn, None], stopping: asyncio.Event, allowed: Callable[[], bool]) -> None:
        self._steps, self._stopping, self._allowed = steps, stopping, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 the signature is ASGI's
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await write(send, b": open\n\n")
        ends = {asyncio.create_task(left(receive)), asyncio.create_task(self._stopping.wait())}
        following = asyncio.create_task(next_of(self._steps))
        try:
            while True:
                done, _ = await asyncio.wait({following, *ends}, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
                if done & ends or not self._allowed():
                    return
                if following not in done:
                    await write(send, b": still here\n\n")
                    continue
                step = following.result()
                if step is None:
                    return
                await write(send, b"event: step\ndata: %s\n\n" % msgspec.json.encode(_shown(step)))
                following = asyncio.create_task(next_of(self._steps))
        except HoldfastError as failure:
            kind = b"away" if isinstance(failure, Temporary) else b"refused"
            await write(send, b"event: %s\ndata: %s\n\n" % (kind, msgspec.json.encode({"error": str(failure)})))
        finally:
            await cancel((following, *ends))
            await self._steps.aclose()
            await write(send, b"", more=False)


def _shown(step: SignIn) -> Step:
    return Step(step.says, picture(step.picture) if step.picture else (), step.picture, step.asks, step.done)


def picture(text: str) -> tuple[str, ...]:
    """The squares of the picture that holds this text: a line for each row, "1" where it is dark. Without a margin."""
    import segno  # noqa: PLC0415 - comes with the platforms that need it

    return tuple("".join(map(str, row)) for row in segno.make_qr(text).matrix)
