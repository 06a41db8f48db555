"""Feishu's API over HTTP: one request, one outcome. The app's token is got when it is needed, and anew when it is refused; nothing else is tried twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec

from holdfast.platforms.asking import Failure, Http, NotSent, Unanswered
from holdfast.platforms.feishu.wire import Endpoint, Endpoints, Said, Token
from holdfast.ports import Clock

CALL_S_MAX: Final = 20.0
FILE_S_MAX: Final = 120.0

PAGE_BYTES_MAX: Final = 32 * 1024 * 1024
"""A page of messages, cards and all."""
RENEW_BEFORE_S: Final = 300.0
"""A token holds for two hours. It is renewed so long before its end."""

TOKENS_REFUSED: Final = frozenset({99991661, 99991663, 99991664, 99991665, 99991668, 99991671, 99991677})
"""Codes that say that the token does not hold (any more)."""

_SAYS_WHEN: Final = ("x-ogw-ratelimit-reset", "retry-after")

T = TypeVar("T")


class Refused(Failure):
    """Feishu says no: `code` is its own name of the reason (0: it gave none), and the text its own words. `to_the_app`: it was its token that it did not get."""

    def __init__(self, status: int, code: int, said: str, retry_after_s: float | None = None, *, to_the_app: bool = False) -> None:
        words = " ".join(said.split())[:300] or HTTPStatus(status).phrase
        super().__init__(f"{words} (code {code})" if code else f"{words} (status {status})")
        self.status, self.code, self.retry_after_s, self.to_the_app = status, code, retry_after_s, to_the_app


class Api:
    """What one app may ask."""

    def __init__(self, base_url: str, app_id: str, secret: str, clock: Clock) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = Http(self.base_url, answer_bytes_max=PAGE_BYTES_MAX)
        self.host: Final = self._http.host
        self._app_id, self._secret, self._clock = app_id, secret, clock
        self._token, self._token_until = "", 0.0
        self._getting = asyncio.Lock()

    async def get(self, path: str, answer: type[T], query: Mapping[str, str] | None = None) -> T:
        return await self._call("GET", path, answer, CALL_S_MAX, params=query)

    async def post(
        self, path: str, answer: type[T], body: Mapping[str, Any], query: Mapping[str, str] | None = None, s_max: float = CALL_S_MAX
    ) -> T:
        return await self._call("POST", path, answer, s_max, params=query, **_json(body))

    async def patch(self, path: str, body: Mapping[str, Any]) -> None:
        await self._call("PATCH", path, Said, CALL_S_MAX, **_json(body))

    async def upload(self, path: str, answer: type[T], fields: Mapping[str, str], field: str, name: str, data: bytes) -> T:
        return await self._call("POST", path, answer, FILE_S_MAX, data=dict(fields), files={field: (name, data)})

    async def download(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The bytes of a file. Raises `Failure`."""
        token = await self.token()
        for last in (False, True):
            headers = {"authorization": f"Bearer {token}"}
            async with self._http.asked("GET", f"/open-apis{path}", FILE_S_MAX, params=query, headers=headers) as response:
                if response.status_code == HTTPStatus.OK:
                    async for piece in response.aiter_bytes():
                        yield piece
                    return
                refused = _refused(response.status_code, await response.aread(), response.headers)
            if last or refused.code not in TOKENS_REFUSED:
                raise refused
            token = await self.token(renew=self._token == token)

    async def endpoint(self) -> Endpoint:
        """Where a long connection of this app begins. Raises `Failure`."""
        body = {"AppID": self._app_id, "AppSecret": self._secret}
        status, said, headers = await self._send(
            "POST", "/callback/ws/endpoint", CALL_S_MAX, headers={"locale": "en"}, content=msgspec.json.encode(body)
        )
        return _answer(status, said, headers, Endpoints).data

    async def token(self, *, renew: bool = False) -> str:
        """The app's. Raises `NotSent`, or `Refused` where the app is refused."""
        async with self._getting:
            if renew or not self._token or self._clock.monotonic() > self._token_until:
                body = {"app_id": self._app_id, "app_secret": self._secret}
                try:
                    status, said, headers = await self._send(
                        "POST", "/open-apis/auth/v3/tenant_access_token/internal", CALL_S_MAX, content=msgspec.json.encode(body)
                    )
                    got = _answer(status, said, headers, Token)
                except Unanswered as failure:
                    raise NotSent(str(failure)) from None
                except Refused as refused:
                    refused.to_the_app = True
                    raise
                self._token = got.tenant_access_token
                self._token_until = self._clock.monotonic() + max(got.expire - RENEW_BEFORE_S, 0.0)
            return self._token

    async def _call(self, method: str, path: str, answer: type[T], s_max: float, **request: Any) -> T:
        token = await self.token()
        try:
            return await self._ask(method, path, answer, s_max, token, request)
        except Refused as refused:
            if refused.code not in TOKENS_REFUSED:
                raise
        return await self._ask(method, path, answer, s_max, await self.token(renew=self._token == token), request)

    async def _ask(self, method: str, path: str, answer: type[T], s_max: float, token: str, request: Mapping[str, Any]) -> T:
        headers = {**request.get("headers", {}), "authorization": f"Bearer {token}"}
        return _answer(*await self._send(method, f"/open-apis{path}", s_max, **{**request, "headers": headers}), answer)

    async def _send(self, method: str, path: str, s_max: float, **request: Any) -> tuple[int, bytes, Mapping[str, str]]:
        response, body = await self._http.ask(method, path, s_max, **request)
        return response.status_code, body, response.headers

    async def close(self) -> None:
        await self._http.close()


def _json(body: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in body.items() if value not in (None, "")}
    return {"content": msgspec.json.encode(given), "headers": {"content-type": "application/json; charset=utf-8"}}


def _answer(status: int, body: bytes, headers: Mapping[str, str], answer: type[T]) -> T:
    """Raises `Refused`, or `Unanswered` where that is none of Feishu's."""
    try:
        said = msgspec.json.decode(body, type=Said)
        if not said.code and status < HTTPStatus.BAD_REQUEST:
            return msgspec.json.decode(body, type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if status < HTTPStatus.BAD_REQUEST:
            raise Unanswered(f"it answered with status {status} and something that is not of Feishu's API") from None
    raise _refused(status, body, headers)


def _refused(status: int, body: bytes, headers: Mapping[str, str]) -> Refused:
    try:
        said = msgspec.json.decode(body, type=Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = Said()
    waits = [headers.get(name, "") for name in _SAYS_WHEN]
    return Refused(status, said.code, said.msg, next((float(wait) for wait in waits if wait.isdecimal()), None))
