"""The two doors: the Unix socket, for the command line, and the port, for browsers. One API on both, in JSON; a refusal is `{"error": "a sentence"}`.

    GET  /                                   the page: a static shell (`page.py`); GET /assets/{path} its files
    GET  /v1/conversations?search=TEXT       a list of `Listed`, the most recently changed first, at most 200; without a search also those after
                                             ?before=KEY, whose last change was ?at=INSTANT
    GET  /v1/conversations/{key}/entries     a `Page`: the first ?most=N after ?after=SEQ, or the last before ?before=SEQ;
                                             404 where there is no such conversation, except that nothing was said *before* one begins
    GET  /v1/conversations/{key}/events      server-sent events after `Last-Event-ID` or ?after=SEQ (`stream.py`)
    POST /v1/conversations/{name}/messages   a `Post`; answered with `Saved`, only after the commit
    POST /v1/files?name=NAME                 the bytes; answered with `Uploaded` when they are on disk
    GET  /v1/files/{sha256}?name=NAME        the bytes again, to be shown if they are a picture, else to be saved
    GET  /v1/owing                           a list of `Listed`: those in which something is owed, the longest first; ?most=N
    GET  /v1/used?since=S&before=S           a list of `ports.Used`
    GET  /v1/status
    GET  /v1/reload                          {"differences"}: what the configuration says otherwise by now; 422 if no gateway could start with it
    POST /v1/reload                          the same, and it is taken if there are any
    POST /v1/safe-mode/leave
    GET  /v1/routes                          a list of `ports.RouteState`
    GET  /v1/tools                           a list of `ports.Offer`
    POST /v1/tools/{name}/retry
    GET  /v1/platforms                       a list of `ports.PlatformState`
    POST /v1/platforms/{name}/retry
    POST /v1/platforms/{name}/sign-in        server-sent events: the steps, until it is done (`signing_in.py`)
    POST /v1/platforms/{name}/sign-in/answer {"said"}
    GET  /v1/people                          a list of `ports.Access`
    POST /v1/people/approve {"code"}         the `ports.Person` who is let in
    DELETE /v1/people/{account}/{person}
    GET  /v1/conversations/{key}/why         a `Why`
    POST /v1/gates/{name}/retry
    POST /v1/demo/{action}                   in `holdfast demo`

The socket's mode is its guard; it alone makes links, and is asked what `keeping.py` does:

    POST /v1/login/codes                     a `Link`
    POST /v1/adopt                           a conversation as `core.exported` writes it, with all its entries, at rest; answered with `Adopted`
    POST /v1/backups {"file"}                a `ports.Backup`, when it is whole and durable
    POST /v1/vacuum                          a `ports.Freed`
    DELETE /v1/conversations/{key}           erases it; a `ports.Forgot`

The port's guard is `guard.py`; its two own requests give a browser the cookie and take it back:

    POST /v1/login {"code"}                  200 and the cookie, or 401
    POST /v1/logout
"""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from holdfast import errors
from holdfast.config import Web
from holdfast.ports import Clock, Gateway, Keeper
from holdfast.web.adopting import adoption_route
from holdfast.web.api import Api, Demo
from holdfast.web.bodies import http_error, json, our_error
from holdfast.web.cookies import Cookies, LoginDoor
from holdfast.web.files import FileDoor
from holdfast.web.guard import Guard
from holdfast.web.keeping import keeping_routes
from holdfast.web.login import Login
from holdfast.web.page import page_routes
from holdfast.web.platform import WebPlatform


def door(
    gateway: Gateway, platform: WebPlatform, login: Login, clock: Clock, demo: Demo | None = None, keeper: Keeper | None = None
) -> ASGIApp:
    """The application of the Unix socket: whoever can open it may do everything."""

    async def codes(request: Request) -> Response:  # noqa: ARG001 the signature is starlette's
        return json(login.link())

    api = Api(gateway, platform, clock, lambda _: True, demo)
    own = [Route("/v1/login/codes", codes, methods=["POST"]), adoption_route(gateway), *(keeping_routes(keeper) if keeper else [])]
    return _application([*page_routes(), *own, *_api_routes(api, FileDoor(gateway.files), demo)])


def port(gateway: Gateway, platform: WebPlatform, login: Login, clock: Clock, web: Web, demo: Demo | None = None) -> ASGIApp:
    """The application of the port, behind its guard."""
    cookies = Cookies(login, secure=web.certificate is not None or web.behind_proxy)
    entrance = LoginDoor(login, cookies, clock)
    api = Api(gateway, platform, clock, cookies.allow, demo)
    public = [*page_routes(), Route("/v1/login", entrance.login, methods=["POST"])]
    closed = [Route("/v1/logout", entrance.logout, methods=["POST"]), *_api_routes(api, FileDoor(gateway.files), demo)]
    return Guard(_application([*public, *closed]), public, cookies, web.url)


def _api_routes(api: Api, files: FileDoor, demo: Demo | None) -> list[Route]:
    return [
        Route("/v1/conversations", api.conversations, methods=["GET"]),
        Route("/v1/conversations/{name}/messages", api.send, methods=["POST"]),
        Route("/v1/conversations/{key:path}/entries", api.entries, methods=["GET"]),
        Route("/v1/conversations/{key:path}/events", api.events, methods=["GET"]),
        Route("/v1/conversations/{key:path}/why", api.why, methods=["GET"]),
        Route("/v1/routes", api.routes, methods=["GET"]),
        Route("/v1/tools", api.tools, methods=["GET"]),
        Route("/v1/tools/{name:path}/retry", api.retry_tools, methods=["POST"]),
        Route("/v1/platforms", api.platforms, methods=["GET"]),
        Route("/v1/platforms/{name}/retry", api.retry_platform, methods=["POST"]),
        Route("/v1/platforms/{name}/sign-in", api.sign_in, methods=["POST"]),
        Route("/v1/platforms/{name}/sign-in/answer", api.answer_sign_in, methods=["POST"]),
        Route("/v1/people", api.people, methods=["GET"]),
        Route("/v1/people/approve", api.approve, methods=["POST"]),
        Route("/v1/people/{account}/{person:path}", api.remove, methods=["DELETE"]),
        Route("/v1/files", files.put, methods=["POST"]),
        Route("/v1/files/{sha256}", files.get, methods=["GET"]),
        Route("/v1/status", api.status, methods=["GET"]),
        Route("/v1/owing", api.owing, methods=["GET"]),
        Route("/v1/used", api.used, methods=["GET"]),
        Route("/v1/reload", api.compared, methods=["GET"]),
        Route("/v1/reload", api.reload, methods=["POST"]),
        Route("/v1/safe-mode/leave", api.leave_safe_mode, methods=["POST"]),
        Route("/v1/gates/{name:path}/retry", api.retry, methods=["POST"]),
        *([Route("/v1/demo/{action}", api.break_it, methods=["POST"])] if demo else []),
    ]


def _application(routes: list[Route]) -> Starlette:
    handlers: dict[Any, Any] = {HTTPException: http_error, errors.HoldfastError: our_error}
    application = Starlette(routes=routes, exception_handlers=handlers)
    application.router.redirect_slashes = False
    return application
