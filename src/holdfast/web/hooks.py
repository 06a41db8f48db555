"""The listener for platforms that call us. Nothing else is served here, so that a proxy in front of it exposes nothing else: no page, no door."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast import errors
from holdfast.ports import Hook, HookReply
from holdfast.web.bodies import TooSlow, chunks, json, our_error
from holdfast.web.wire import TooLong

BODY_BYTES_MAX: Final = 2 * 1024 * 1024
"""What one call of a platform may bring: files are fetched, not brought."""
ANSWER_S_MAX: Final = 25.0
"""How long one call may take. It is durable then, or the platform comes again."""


def hooks(accounts: Mapping[str, Hook]) -> Starlette:
    """The application: /hooks/KIND/ACCOUNT for each account (`telegram:mybot`) that is called."""

    async def called(request: Request) -> Response:
        hook = accounts.get(f"{request.path_params['kind']}:{request.path_params['account']}")
        if hook is None:
            return json({"error": "There is no such account here."}, 404)
        too_long = TooLong(f"A call may bring {BODY_BYTES_MAX:,} bytes.")
        try:
            body = b"".join([chunk async for chunk in chunks(request, BODY_BYTES_MAX, too_long)])
        except (TooLong, TooSlow) as failure:
            return await our_error(request, failure)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers.raw}
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                reply = await hook.hook(request.method, request.url.query, headers, body)
        except (TimeoutError, errors.Temporary) as failure:
            reply = HookReply(503, msgspec.json.encode({"error": str(failure) or "This takes too long just now."}), "application/json")
        return Response(reply.body, reply.status, media_type=reply.media_type)

    return Starlette(routes=[Route("/hooks/{kind}/{account}", called, methods=["GET", "POST"])])
