"""What stands before the port: who may ask, from where, and what every answer carries.

The Unix socket has its mode. The port can be reached by every program on this machine, by every page that is open in a browser on it, and, where it is
served to others, by everybody. So, in this order:

    one length            said twice, differently, a proxy and we could take the rest of a request for another one
    no upgrade            there is no WebSocket here
    `Host`                one of ours: a foreign name that leads here is DNS rebinding
    `Origin`              ours, wherever there is one; a change without one needs a cookie (a browser always sends it)
    `Sec-Fetch-Site`      the page itself asks the API, or the person who types its address
    methods               GET, HEAD, POST, DELETE; and what changes something with `x-holdfast: 1`, which a foreign page can't send
    login                 everything but the shell, its files and the login itself: a route that nobody thought of is closed

There is no CORS: a foreign page reads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.values import is_loopback
from holdfast.web.cookies import Cookies
from holdfast.web.page import HEADERS

CHANGES: Final = ("POST", "DELETE")
METHODS: Final = ("GET", "HEAD", *CHANGES)
API_HEADERS: Final = {
    **HEADERS,
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
    "cache-control": "no-store",
}


class Guard:
    """Lets through to `app` who may go through. `public` are the routes that need no login."""

    def __init__(self, app: ASGIApp, public: Sequence[BaseRoute], cookies: Cookies, url: str | None) -> None:
        """`url` is how people reach the page from elsewhere, if they can."""
        self._app = app
        self._public = public
        self._cookies = cookies
        self._own_origin = _origin(url) if url else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the server speaks nothing else"
        public = any(route.matches(scope)[0] is Match.FULL for route in self._public)
        shell = public and scope["method"] not in CHANGES
        carried = HEADERS if shell else API_HEADERS

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in carried.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope, public, shell)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, public: bool, shell: bool) -> Response | None:
        headers, method = Headers(scope=scope), scope["method"]
        if "transfer-encoding" in headers and "content-length" in headers:
            return _refused(400, "A request says its length once: with `content-length`, or by coming in chunks.", {"connection": "close"})
        if "websocket" in headers.get("upgrade", "").lower():
            return _refused(400, "There is no WebSocket here. Events come from /v1/conversations/KEY/events.")
        if not self._is_own_host(headers):
            return _refused(
                421, "This page does not answer to that name. Ask for 127.0.0.1 or localhost, or for the url in [web] of the configuration."
            )
        if not self._is_own_origin(scope, headers, shell):
            return _refused(
                403,
                "Another page asked for this. If it was Holdfast's own, set `url` in [web] of the configuration to the address that the browser shows.",
            )
        if method not in METHODS:
            return _refused(405, f"{method[:20]} is not understood here.", {"allow": ", ".join(METHODS)})
        if method in CHANGES and headers.get("x-holdfast") != "1":
            return _refused(403, f"A {method} needs the header `x-holdfast: 1`.")
        if not public and not self._cookies.allow(scope):
            return _refused(401, "You are not logged in. Run `holdfast login`, and open the link it prints.")
        return None

    def _is_own_host(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            return False
        name = _name(hosts[0].lower())
        return is_loopback(name) or (self._own_origin != "" and name == _name(self._own_origin.partition("://")[2]))

    def _is_own_origin(self, scope: Scope, headers: Headers, shell: bool) -> bool:
        origins, host = headers.getlist("origin"), headers["host"].lower()
        own = {self._own_origin, f"{scope['scheme']}://{host}" if is_loopback(_name(host)) else ""} - {""}
        if any(origin.lower() not in own for origin in origins):
            return False
        if scope["method"] in CHANGES and not origins and not self._cookies.allow(scope):
            return False
        return shell or headers.get("sec-fetch-site", "none") in {"same-origin", "none"}


def _origin(url: str) -> str:
    """The origin that a browser names for the pages of this URL."""
    parts = urlsplit(url.lower())
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}"


def _name(host: str) -> str:
    """The name or address in a `Host`, without its port."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _refused(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode({"error": sentence}), status, headers, media_type="application/json")
