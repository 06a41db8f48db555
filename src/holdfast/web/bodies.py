"""Bodies of requests and answers: read with a limit and with an end to patience, written as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from holdfast import errors
from holdfast.web.wire import TooLong

PAUSE_S_MAX: Final = 20.0
"""How long a body may stand still."""
BODY_S_MAX: Final = 600.0
"""How long it may take in all: the largest file over a slow line."""

T = TypeVar("T")


class TooSlow(errors.Temporary):
    """The body did not come."""


async def chunks(request: Request, bytes_max: int, too_long: TooLong) -> AsyncIterator[bytes]:
    """The body as it comes. Raises `too_long` as soon as it is over the limit or says that it will be, `TooSlow` if it does not come."""
    declared = request.headers.get("content-length", "0")
    if len(declared) > 18 or int(declared) > bytes_max:  # digits: the server has checked it
        raise too_long
    size, ends = 0, asyncio.get_running_loop().time() + BODY_S_MAX
    stream = request.stream()
    while True:
        patience_s = min(PAUSE_S_MAX, ends - asyncio.get_running_loop().time())
        try:
            chunk = await asyncio.wait_for(anext(stream, None), patience_s)
        except (TimeoutError, ClientDisconnect) as error:
            raise TooSlow("The request was not sent to its end. Nothing of it is kept; send it again.") from error
        if chunk is None:
            return
        size += len(chunk)
        if size > bytes_max:
            raise too_long
        yield chunk


async def decoded(request: Request, kind: type[T], bytes_max: int, too_long: TooLong, example: str) -> T:
    """The body's JSON. Raises as `chunks` does, or `Request` if it is something else than the example."""
    body = b"".join([chunk async for chunk in chunks(request, bytes_max, too_long)])
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise errors.Request(f"The request can not be read ({error}). Send {example} as JSON.") from error


def json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def http_error(request: Request, error: HTTPException) -> Response:  # noqa: ARG001 the signature is starlette's
    return json({"error": error.detail}, error.status_code)


async def our_error(request: Request, error: errors.HoldfastError) -> Response:  # noqa: ARG001 the signature is starlette's
    match error:
        case TooLong():
            status = 413
        case TooSlow():
            status = 408
        case errors.Request():
            status = 400
        case errors.Config():
            status = 422
        case _:
            status = 503
    return json({"error": str(error)}, status)
