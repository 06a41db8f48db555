"""The listener for whoever watches over this: its numbers, whether it lives, and whether it receives. Nothing else is served here, and nothing is changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from holdfast.errors import Temporary

Told = Callable[[], Awaitable[str]]

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


def metrics(numbers: Told, ready: Told) -> Starlette:
    """The application. `ready` says how it stands in a line, or raises `Temporary` if it can't receive."""

    async def shown(_: Request) -> PlainTextResponse:
        return PlainTextResponse(await numbers(), media_type=TEXT_FORMAT)

    async def lives(_: Request) -> PlainTextResponse:
        return PlainTextResponse("The loop turns.\n")

    async def receives(_: Request) -> PlainTextResponse:
        try:
            return PlainTextResponse(f"{await ready()}\n")
        except Temporary as failure:
            return PlainTextResponse(f"{failure}\n", 503)

    return Starlette(routes=[Route("/metrics", shown), Route("/livez", lives), Route("/readyz", receives)])
