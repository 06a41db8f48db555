"""A route whose dialect we speak ourselves: one call, for the dialects that have one shape and one owner (docs/decisions/006-dialects.md).

A dialect makes the body of a request and reads the events of its answer; what is the same for all is here: the wire, whose turn it is on the loop,
and the second request where only something of ours was refused that the answer does not need.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final, Protocol

import httpx2
import msgspec

from holdfast.core.request import Assistant, Message, Request, Result, User
from holdfast.models.attached import Said, what_is_said
from holdfast.models.complete import AllThought
from holdfast.models.visible import Shown, ThinkFilter
from holdfast.models.wire import YIELD_AFTER_S, Broken, Connection, Exchange, now, refused
from holdfast.ports import Answer, Files

Body = dict[str, Any]

_REFUSALS: Final = {400, 404, 422}
"""What servers say to a request that they don't like (404: "Item with id 'rs_...' not found")."""


class Reader(Protocol):
    """Reads the events of one answer."""

    begun: bool
    """An event came that belongs to an answer. (A ping does not.)"""
    complete: bool
    """The terminal marker came: nothing can follow."""

    def take(self, event: dict[str, Any]) -> None:
        """Read an event. Raises `Broken`."""

    def answer(self) -> Answer:
        """The complete answer. Raises `Broken` if it is none."""


class Dialect(Protocol):
    """How a provider wants to be spoken to. Knows what this server did not accept, and never tries that again."""

    def headers(self, body: Body) -> Mapping[str, str]:
        """Headers that only some requests have."""

    def body(self, request: Request, said: Mapping[int, Said]) -> Body: ...

    def gives_way(self, body: Body, refusal: str) -> bool:
        """Was something refused that we can do without (or ask for otherwise)? Then from now on we do."""

    def reader(self, visible: Visible) -> Reader: ...


class Native:
    """An open route. See `holdfast.models.lazy.Opened`."""

    def __init__(self, connection: Connection, files: Files, dialect: Dialect) -> None:
        self._connection = connection
        self._files = files
        self._dialect = dialect
        self._route = connection.endpoint.name
        self._guards = not _is_closed(connection.endpoint.model)

    async def close(self) -> None:
        await self._connection.close()

    async def call(self, request: Request, on_event: Callable[[str], None]) -> Answer:
        """See `holdfast.ports.Model.call`."""
        exchange = Exchange(self._connection)
        try:
            await self._send(exchange, guarded(request) if self._guards else request)
            return await self._read(exchange, Visible(Shown(on_event)))
        except Broken as broken:
            if isinstance(broken, AllThought) and request.answer_tokens_max:
                return Answer("", usage=broken.usage)
            raise exchange.failure(broken) from None  # what caused it may quote the key
        finally:
            await exchange.close()

    async def _send(self, exchange: Exchange, request: Request) -> None:
        """Send the request, and again where only something was refused that can be left out: twice more at most."""
        said = await what_is_said(request.messages, self._files, self._connection.endpoint.images, harmless if self._guards else str)
        while True:
            body = self._dialect.body(request, said)
            status = await exchange.send(msgspec.json.encode(body), self._dialect.headers(body))
            if status == httpx2.codes.OK:
                return
            refusal = exchange.body()
            if status not in _REFUSALS:
                raise refused(status, refusal)
            if self._dialect.gives_way(body, refusal):
                continue
            plain = without_provider_data(request, self._route)
            if plain == request:
                raise refused(status, refusal)
            request = plain  # another model or account may stand at the end of the route now: it can't read what the one before left

    async def _read(self, exchange: Exchange, visible: Visible) -> Answer:
        reader = self._dialect.reader(visible)
        worked_since = now()
        async with aclosing(exchange.events()) as events:
            async for event in events:
                reader.take(event)
                exchange.complete = reader.complete
                if reader.begun:
                    exchange.heard()
                    visible.begin()
                if reader.complete:
                    exchange.ended()
                if now() - worked_since > YIELD_AFTER_S:
                    await asyncio.sleep(0)
                    worked_since = now()
        return reader.answer()


class Visible:
    """The text of the answer as it grows, without what is not for the user. What stands apart is a paragraph of its own."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._think = ThinkFilter()
        self._apart = False
        self._any = False

    def begin(self) -> None:
        self._shown.begin()

    def apart(self) -> None:
        """What follows does not belong to the same text."""
        self._apart = self._any

    def add(self, piece: str) -> None:
        if piece and self._apart:
            piece, self._apart = f"\n\n{piece}", False
        self._any = self._any or bool(piece)
        self._shown.add(self._think.feed(piece))

    def whole(self) -> str:
        self._shown.add(self._think.rest())
        return self._shown.flush()


# --- what only the provider understands ---------------------------------------------------------------------------------------------


class Kept(msgspec.Struct, frozen=True):
    """What stands in `provider_data`: the parts of the answer exactly as they came, tagged with the dialect."""

    dialect: str
    parts: list[dict[str, Any]]

    def text(self) -> str:
        return msgspec.json.encode(self).decode()


def kept_parts(message: Assistant, route: str, dialect: str, call: str) -> list[dict[str, Any]]:
    """The parts that came with this answer, if this very route wrote them in this dialect, and they have a part of type `call` for each call."""
    if not message.provider_data or message.route != route:
        return []
    try:
        kept = msgspec.json.decode(message.provider_data, type=Kept)
    except msgspec.DecodeError:
        return []
    fits = kept.dialect == dialect and sum(part.get("type") == call for part in kept.parts) == len(message.calls)
    return kept.parts if fits else []


def without_provider_data(request: Request, route: str) -> Request:
    """The same request, without what rides along."""

    def plain(message: Message) -> Message:
        return replace(message, provider_data="") if isinstance(message, Assistant) and message.route == route else message

    return replace(request, messages=tuple(map(plain, request.messages)))


# --- control tokens -----------------------------------------------------------------------------------------------------------------

_CONTROL: Final = re.compile(r"<(?=\|[\w-]{1,64}\|>|\uff5c[^\uff5c\n]{1,64}\uff5c>)")
_JOINER: Final = "\u200d"
_JOINED: Final = re.compile(r"<\u200d(?=[|\uff5c])")
_CLOSED: Final = ("claude", "gpt-", "chatgpt", "codex", "o1", "o3", "o4")


def _is_closed(model: str) -> bool:
    """Its makers run it themselves, and let no text become a control token."""
    name = model.lower().rpartition("/")[2]
    return name.startswith(_CLOSED) and not name.startswith("gpt-oss")


def guarded(request: Request) -> Request:
    """The request without control tokens in what people and tools say: servers of open models would take `<|im_start|>` there for a new message."""
    return replace(request, messages=tuple(_guarded(request.messages)))


def _guarded(messages: tuple[Message, ...]) -> Iterator[Message]:
    for message in messages:
        if isinstance(message, (User, Result)) and (text := harmless(message.text)) != message.text:
            yield replace(message, text=text)
        else:
            yield message


def harmless(text: str) -> str:
    return _CONTROL.sub(f"<{_JOINER}", text)


def mended(text: str) -> str:
    """Arguments in which a model repeats what was made harmless, as it was meant."""
    return _JOINED.sub("<", text)
