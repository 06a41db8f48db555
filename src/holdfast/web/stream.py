"""The stream of one conversation's events to one reader (server-sent events).

`event: entry` carries a committed entry, with its seq as id; `event: writing` carries a `Writing`, without one. Entries come from the
journal, in order and without a gap, however slow the reader; what is being written may be skipped, and each character of it is sent once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import msgspec
from starlette.types import Receive, Scope, Send

from holdfast.core.entries import AssistantMessage, Entry
from holdfast.errors import HoldfastError
from holdfast.ports import Gateway
from holdfast.web.platform import Listener, WebPlatform
from holdfast.web.wire import KEEP_ALIVE_S, Writing

HEADERS: Final = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]


class Sent:
    """What the reader has of the answer being written."""

    def __init__(self) -> None:
        self._name = ""
        self._text = ""
        self._committed = ""

    def writing(self, name: str, text: str) -> Writing | None:
        """What to send so that the reader has `text`; None if it has, or had more of the same."""
        if name == self._committed:
            return None
        if name != self._name:
            self._name, self._text = name, ""
        if self._text.startswith(text):
            return None
        at = len(self._text) if text.startswith(self._text) else 0
        self._text = text
        return Writing(name=name, at=at, text=text[at:])

    def entry(self, entry: Entry) -> None:
        """The reader has this entry: what is still told of writing it is stale."""
        if isinstance(entry.body, AssistantMessage):
            self._committed, self._name, self._text = entry.body.name, "", ""


class EventStream:
    """The response that goes on until the reader leaves or the gateway stops (`stopping`)."""

    def __init__(self, gateway: Gateway, platform: WebPlatform, conversation: str, after: int, stopping: asyncio.Event) -> None:
        self._gateway = gateway
        self._platform = platform
        self._conversation = conversation
        self._after = after
        self._stopping = stopping
        self._sent = Sent()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 the signature is ASGI's
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await _write(send, b": open\n\n")
        events = self._gateway.follow(self._conversation, self._after)
        ends = {asyncio.create_task(_left(receive)), asyncio.create_task(self._stopping.wait())}
        with self._platform.listen(self._conversation) as listener:
            try:
                await self._relay(events, listener, ends, send)
            except HoldfastError:
                pass  # the journal or the gateway is ending: the reader comes again, and goes on after the last entry it has
            finally:
                await _cancel(ends)
                if isinstance(events, AsyncGenerator):
                    await events.aclose()
        await _write(send, b"", more=False)

    async def _relay(self, events: AsyncIterator[Entry], listener: Listener, ends: set[asyncio.Task[bool]], send: Send) -> None:
        following = asyncio.create_task(_next(events))
        writing = asyncio.create_task(listener.changed.wait())
        try:
            while True:
                waited_for = {following, writing, *ends}
                done, _ = await asyncio.wait(waited_for, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
                if done & ends:
                    return
                chunks = [] if done else [b": still here\n\n"]
                if following in done:
                    entry = following.result()
                    if entry is None:
                        return
                    chunks.append(self._entry(entry))
                    following = asyncio.create_task(_next(events))
                if writing in done:
                    chunks.append(self._writing(*listener.take()))
                    writing = asyncio.create_task(listener.changed.wait())
                await _write(send, b"".join(chunks))
        finally:
            await _cancel({following, writing})

    def _entry(self, entry: Entry) -> bytes:
        self._sent.entry(entry)
        return b"event: entry\nid: %d\ndata: %s\n\n" % (entry.seq, msgspec.json.encode(entry))

    def _writing(self, name: str, text: str) -> bytes:
        writing = self._sent.writing(name, text)
        return b"event: writing\ndata: %s\n\n" % msgspec.json.encode(writing) if writing else b""


async def _write(send: Send, chunk: bytes, more: bool = True) -> None:
    if chunk or not more:
        await send({"type": "http.response.body", "body": chunk, "more_body": more})


async def _next(events: AsyncIterator[Entry]) -> Entry | None:
    return await anext(events, None)


async def _left(receive: Receive) -> bool:
    """Return when the reader is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    return True


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)  # a failure nobody waited for any more has no reader
