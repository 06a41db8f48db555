"""How a browser logs in and out, and how it is known again."""

from __future__ import annotations

import logging
from typing import Final

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from holdfast.ports import Clock
from holdfast.web.bodies import decoded, json
from holdfast.web.login import COOKIE_S_MAX, Login
from holdfast.web.wire import TooLong

WRONG_S: Final = 1.0
"""How long a wrong code is thought about. A right one never waits, so nobody can be locked out by others' guesses."""
WRONG_AT_ONCE_MAX: Final = 8
LOGIN_BYTES_MAX: Final = 1024

log = logging.getLogger(__name__)


class Cookies:
    """Cookies on requests and answers. `secure`: the browser reaches us over TLS."""

    def __init__(self, login: Login, secure: bool) -> None:
        self._login = login
        self._secure = secure

    def allow(self, scope: Scope) -> bool:
        """Does this request come from a browser that is logged in? Asked anew as long as an event stream lasts."""
        name = self._name(scope)
        pairs = (pair.partition("=") for header in Headers(scope=scope).getlist("cookie") for pair in header.split(";"))
        return any(self._login.knows(value.strip()) for given, _, value in pairs if given.strip() == name)

    def give(self, scope: Scope, response: Response, value: str, age_s_max: int) -> None:
        """Put it on the answer; with an age of 0 the browser drops it."""
        response.set_cookie(self._name(scope), value, age_s_max, path="/", secure=self._secure, httponly=True, samesite="strict")

    def _name(self, scope: Scope) -> str:
        """With our port, because a browser sends a cookie to every port of its host; a `__Host-` cookie it takes from this very host, over TLS."""
        return f"{'__Host-' if self._secure else ''}holdfast-{scope['server'][1]}"


class Code(msgspec.Struct, frozen=True):
    """What a link carries behind `#login=`."""

    code: str


class LoginDoor:
    """POST /v1/login, and POST /v1/logout."""

    def __init__(self, login: Login, cookies: Cookies, clock: Clock) -> None:
        self._login, self._cookies, self._clock = login, cookies, clock
        self._thought_about = 0

    async def login(self, request: Request) -> Response:
        given = await decoded(request, Code, LOGIN_BYTES_MAX, TooLong("That is no code of a link."), '{"code": "..."}')
        cookie = self._login.redeem(given.code)
        if cookie is None:
            return await self._wrong()
        log.info("A browser has logged in.")
        response = json({})
        self._cookies.give(request.scope, response, cookie, COOKIE_S_MAX)
        return response

    async def _wrong(self) -> Response:
        if self._thought_about >= WRONG_AT_ONCE_MAX:
            return json({"error": "Too many wrong codes at once. Wait a moment."}, 429)
        self._thought_about += 1
        try:
            await self._clock.sleep(WRONG_S)
        finally:
            self._thought_about -= 1
        return json({"error": "This link was used already, or is too old. Run `holdfast login` for a new one."}, 401)

    async def logout(self, request: Request) -> Response:
        response = json({})
        self._cookies.give(request.scope, response, "", 0)
        return response
