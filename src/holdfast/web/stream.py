"""The stream of one conversation's events to one reader (server-sent events).

    event: entry      id: SEQ   a committed entry
    event: writing    a `Writing`
    event: progress   a `Progress`; at most ten times a second
    event: standing   a `Stands`
    event: list       {}: some conversation changed; at most one a second

Entries come from the journal, in order and without a gap, however slow the reader; what is being written may be skipped, and each character of it is
sent once. Before anything is sent it is asked whether the reader is still allowed to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import Any, Final, Literal, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from holdfast.core.entries import AssistantMessage, Entry
from holdfast.errors import HoldfastError
from holdfast.ports import Clock, Gateway, Standing
from holdfast.web.platform import Listener, WebPlatform
from holdfast.web.wire import KEEP_ALIVE_S, Progress, Stands, Writing
from holdfast.web.words import stands

LIST_S_MIN: Final = 1.0
"""How long after a `list` event the next one may come."""
PROGRESS_S_MIN: Final = 0.1
HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back for seconds
]


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
    """The response that goes on until the reader leaves or may not read any more (`allowed`), or the gateway stops (`stopping`)."""

    def __init__(
        self,
        gateway: Gateway,
        platform: WebPlatform,
        clock: Clock,
        conversation: str,
        after: int,
        stopping: asyncio.Event,
        allowed: Callable[[], bool],
    ) -> None:
        self._gateway = gateway
        self._platform = platform
        self._clock = clock
        self._conversation = conversation
        self._after = after
        self._stopping = stopping
        self._allowed = allowed
        self._sent = Sent()
        self._standing: Standing | None = None
        self._stands: Stands | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 the signature is ASGI's
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await write(send, b": open\n\n")
        events, changes = self._gateway.follow(self._conversation, self._after), self._gateway.changes()
        ends = {asyncio.create_task(left(receive)), asyncio.create_task(self._stopping.wait())}
        with self._platform.listen(self._conversation) as listener:
            try:
                await self._relay(events, changes, listener, ends, send)
            except HoldfastError:
                pass  # the journal or the gateway is ending: the reader comes again, and goes on after the last entry it has
            finally:
                await cancel(ends)
                for source in (events, changes):
                    if isinstance(source, AsyncGenerator):
                        await source.aclose()
        await write(send, b"", more=False)

    async def _relay(
        self,
        events: AsyncIterator[Entry | Standing],
        changes: AsyncIterator[None],
        listener: Listener,
        ends: set[asyncio.Task[bool]],
        send: Send,
    ) -> None:
        following = asyncio.create_task(next_of(events))
        writing = asyncio.create_task(listener.changed.wait())
        progressed = asyncio.create_task(listener.progressed.wait())
        changed = asyncio.create_task(next_of(changes))
        try:
            while True:
                waited_for = {following, writing, progressed, changed, *ends}
                done, _ = await asyncio.wait(waited_for, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
                if done & ends or not self._allowed():
                    return
                chunks = [] if done else [b": still here\n\n"]
                if following in done:
                    event = following.result()
                    if event is None:
                        return
                    chunks.append(self._told(event))
                    following = asyncio.create_task(next_of(events))
                if writing in done:
                    chunks.append(self._writing(*listener.take()))
                    writing = asyncio.create_task(listener.changed.wait())
                if progressed in done:
                    chunks += [_progress(*one) for one in listener.take_progress().items()]
                    progressed = asyncio.create_task(_set(listener.progressed, PROGRESS_S_MIN))
                if changed in done:
                    chunks.append(b"event: list\ndata: {}\n\n")
                    changed = asyncio.create_task(next_of(changes, LIST_S_MIN))
                chunks.append(self._how_it_stands())
                await write(send, b"".join(chunks))
        finally:
            await cancel((following, writing, progressed, changed))

    def _told(self, event: Entry | Standing) -> bytes:
        if isinstance(event, Standing):
            self._standing = event
            return b""
        return self._entry(event)

    def _how_it_stands(self) -> bytes:
        """The words, whenever they are others: time alone can change them."""
        if self._standing is None:
            return b""
        now_stands = stands(self._standing, self._clock.now())
        if now_stands == self._stands:
            return b""
        self._stands = now_stands
        return b"event: standing\ndata: %s\n\n" % msgspec.json.encode(now_stands)

    def _entry(self, entry: Entry) -> bytes:
        self._sent.entry(entry)
        return b"event: entry\nid: %d\ndata: %s\n\n" % (entry.seq, msgspec.json.encode(entry))

    def _writing(self, name: str, text: str) -> bytes:
        writing = self._sent.writing(name, text)
        return b"event: writing\ndata: %s\n\n" % msgspec.json.encode(writing) if writing else b""


async def write(send: Send, chunk: bytes, more: bool = True) -> None:
    if chunk or not more:
        await send({"type": "http.response.body", "body": chunk, "more_body": more})


T = TypeVar("T")


async def next_of(source: AsyncIterator[T], after_s: float = 0.0) -> T | None:
    """The next one, not before some time has passed; None if there is no more."""
    await asyncio.sleep(after_s)
    return await anext(source, None)


async def _set(event: asyncio.Event, after_s: float) -> Literal[True]:
    """Return when it is set, not before some time has passed."""
    await asyncio.sleep(after_s)
    return await event.wait()


def _progress(call: str, text: str) -> bytes:
    return b"event: progress\ndata: %s\n\n" % msgspec.json.encode(Progress(call, text))


async def left(receive: Receive) -> bool:
    """Return when the reader is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    return True


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)  # a failure nobody waited for any more has no reader
