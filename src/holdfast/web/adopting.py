"""Conversations that are brought here with their past: on the socket alone."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast import errors
from holdfast.core.entries import Entry
from holdfast.core.exported import BYTES_MAX, Head, Unusable, check, parsed
from holdfast.ports import Gateway
from holdfast.web.bodies import chunks, json
from holdfast.web.wire import ACCOUNT, Adopted, TooLong, conversation_key


def adoption_route(gateway: Gateway) -> Route:
    """POST /v1/adopt."""

    async def adopt(request: Request) -> Response:
        too_long = TooLong(f"The conversation is larger than {BYTES_MAX // 1024 // 1024} MB, and is not taken.")
        body = b"".join([chunk async for chunk in chunks(request, BYTES_MAX, too_long)])
        head, entries = await asyncio.to_thread(_read, body)
        return json(Adopted(new=await gateway.adopt(head.conversation, head.account, head.address, entries)))

    return Route("/v1/adopt", adopt, methods=["POST"])


def _read(body: bytes) -> tuple[Head, tuple[Entry, ...]]:
    try:
        head, entries = parsed(body)
        check(head, entries)
    except Unusable as error:
        raise errors.Request(f"The conversation is not taken: {error}.") from error
    if head.account == ACCOUNT and conversation_key(head.address) != head.conversation:
        raise errors.Request(f"The conversation is not taken: the address of {head.conversation!r} is its name.")
    return head, entries
