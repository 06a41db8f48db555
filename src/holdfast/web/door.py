"""The starlette application: on the Unix socket the whole API, on its port the page alone.

    POST /v1/conversations/{name}/messages   a `Post`; answered with `Saved`, only after the commit
    GET  /v1/conversations                   the rows, the most recently changed first
    GET  /v1/conversations/{key}/entries     a `Page`, after `?after=SEQ`
    GET  /v1/conversations/{key}/events      server-sent events, after `Last-Event-ID` or `?after=SEQ`
    GET  /v1/status
    POST /v1/gates/{name}/retry

A refusal is `{"error": "a sentence"}`. The socket's mode is its guard; the page's guards are the loopback address and its `Host`.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast import errors
from holdfast.core.commands import parse
from holdfast.failpoints import failpoint
from holdfast.ports import Arrival, Clock, Gateway
from holdfast.web.page import HEADERS, page_routes
from holdfast.web.platform import WebPlatform
from holdfast.web.stream import EventStream
from holdfast.web.wire import (
    ACCOUNT,
    AUTHOR,
    KEY_CHARS_MAX,
    MESSAGE_BYTES_MAX,
    Page,
    Post,
    Saved,
    TooLong,
    check_text,
    conversation_key,
    too_long,
)

BODY_BYTES_MAX: Final = 7 * MESSAGE_BYTES_MAX
"""JSON may write one byte of a message as six (`\\u0000`)."""
ROWS_MAX: Final = 1000
ENTRIES_AT_ONCE_MAX: Final = 1000
STREAMS_MAX: Final = 200


def door(gateway: Gateway, platform: WebPlatform, clock: Clock) -> Starlette:
    """The application of the Unix socket: the API and the page."""
    api = _Api(gateway, platform, clock)
    routes = [
        Route("/v1/conversations", api.conversations, methods=["GET"]),
        Route("/v1/conversations/{name}/messages", api.send, methods=["POST"]),
        Route("/v1/conversations/{key:path}/entries", api.entries, methods=["GET"]),
        Route("/v1/conversations/{key:path}/events", api.events, methods=["GET"]),
        Route("/v1/status", api.status, methods=["GET"]),
        Route("/v1/gates/{name:path}/retry", api.retry, methods=["POST"]),
        *page_routes(),
    ]
    handlers: dict[Any, Any] = {HTTPException: _http_error, errors.HoldfastError: _our_error}
    return Starlette(routes=routes, exception_handlers=handlers)


def page_only(gateway: Gateway, clock: Clock) -> Starlette:  # noqa: ARG001 the API comes to the port with the login
    """The application of the port: the page, for this machine's own browsers."""
    handlers: dict[Any, Any] = {errors.HoldfastError: _our_error}
    return Starlette(routes=page_routes(), middleware=[Middleware(_Guard)], exception_handlers=handlers)


def is_loopback(host: str) -> bool:
    """Is this name or address always this machine itself?"""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# --- the API --------------------------------------------------------------------------------------------------------------------------


class _Api:
    def __init__(self, gateway: Gateway, platform: WebPlatform, clock: Clock) -> None:
        self._gateway = gateway
        self._platform = platform
        self._clock = clock

    async def send(self, request: Request) -> Response:
        name = request.path_params["name"]
        conversation = conversation_key(name)
        post = await _post(request)
        if not 1 <= len(post.key) <= KEY_CHARS_MAX or not post.key.isprintable():
            raise errors.Request(f"The message's key must have 1 to {KEY_CHARS_MAX} printable characters.")
        check_text(post.text)
        arrival = Arrival(
            conversation=conversation,
            account=ACCOUNT,
            address=name,
            dedupe=f"{conversation}:{post.key}",
            body=parse(post.text, AUTHOR, post.key),
            at=self._clock.now(),
        )
        accepted = await self._gateway.accept([arrival])
        failpoint("acknowledge")
        return _json(Saved(seq=accepted[0].seq, new=accepted[0].new))

    async def conversations(self, request: Request) -> Response:  # noqa: ARG002 the signature is starlette's
        return _json(await self._gateway.conversations(ROWS_MAX))

    async def entries(self, request: Request) -> Response:
        key, after = request.path_params["key"], _after(request)
        entries = (await self._gateway.read(key, after)).entries
        if not entries and not (after and (await self._gateway.read(key)).entries):
            raise HTTPException(404, f"There is no conversation {key!r}. `holdfast show` lists them.")
        return _json(Page(entries=entries[:ENTRIES_AT_ONCE_MAX], more=len(entries) > ENTRIES_AT_ONCE_MAX))

    async def events(self, request: Request) -> EventStream:
        if self._platform.listeners >= STREAMS_MAX:
            raise HTTPException(503, f"{STREAMS_MAX} readers follow conversations already. Close one, or try again later.")
        stopping: asyncio.Event = request.state.stopping
        return EventStream(self._gateway, self._platform, request.path_params["key"], _after(request), stopping)

    async def status(self, request: Request) -> Response:  # noqa: ARG002 the signature is starlette's
        return _json(await self._gateway.status())

    async def retry(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not await self._gateway.retry(name):
            raise HTTPException(404, f"There is no gate {name!r}. `GET /v1/status` names them.")
        return _json({})


async def _post(request: Request) -> Post:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise too_long()
    try:
        return msgspec.json.decode(body, type=Post)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise errors.Request(f'The request can not be read ({error}). Send {{"key": "...", "text": "..."}} as JSON.') from error


def _after(request: Request) -> int:
    """The seq after which the reader wants to read on."""
    value = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise errors.Request(f"`after` and `Last-Event-ID` are the seq of an entry, not {value[:40]!r}.")
    return int(value)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def _http_error(request: Request, error: HTTPException) -> Response:  # noqa: ARG001 the signature is starlette's
    return _json({"error": error.detail}, error.status_code)


async def _our_error(request: Request, error: errors.HoldfastError) -> Response:  # noqa: ARG001 the signature is starlette's
    match error:
        case TooLong():
            status = 413
        case errors.Request():
            status = 400
        case _:
            status = 503
    return _json({"error": str(error)}, status)


# --- the page -------------------------------------------------------------------------------------------------------------------------


class _Guard:
    """Answers only who asked for this machine by a name of its own (a foreign name that resolves to it is DNS rebinding)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] == "http" and not is_loopback(_asked_for(scope)):
            refusal = PlainTextResponse("This page answers on this machine only: ask for localhost or 127.0.0.1.\n", 421)
            await refusal(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)


def _asked_for(scope: Scope) -> str:
    """The host of the request's `Host`, "" if there is not exactly one."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(values) != 1:
        return ""
    value: str = values[0]
    return value[1:].partition("]")[0] if value.startswith("[") else value.partition(":")[0]
