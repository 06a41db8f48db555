"""The HTTP APIs of WeCom and WeChat: every request carries a token that holds for two hours, and is answered with a code. No error quotes either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from holdfast.platforms.asking import Http, Unanswered
from holdfast.ports import Clock

CALL_S_MAX: Final = 30.0
FILE_S_MAX: Final = 120.0
SOON_S: Final = 300.0
"""A token that holds no longer than this is renewed before it is used."""

STALE: Final = frozenset({40001, 40014, 42001})
"""The token is not taken. (Or, from Official Accounts, the secret is not; the next token tells.)"""


class Refused(Exception):
    """It says no. The text is its own description."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"{' '.join(said.split())[:200]} ({code})")
        self.code = code


Tokens = Callable[[Http], Awaitable[Mapping[str, Any]]]
"""Asks for a token: `access_token` and `expires_in`."""


class Api:
    """Requests with a token, which `tokens` gets. One that is not taken any more is renewed, and the request made once more: it was not heeded."""

    def __init__(self, base_url: str, tokens: Tokens, clock: Clock) -> None:
        self.http = Http(base_url.rstrip("/"))
        self._tokens, self._clock = tokens, clock
        self._token, self._until = "", 0.0
        self._renewing = asyncio.Lock()

    async def token(self, stale: str = "") -> str:
        """One that holds, and is not `stale`. Raises `Refused` or `Failure`."""
        async with self._renewing:
            if self._token in {"", stale} or self._clock.monotonic() > self._until - SOON_S:
                given = await self._tokens(self.http)
                self._token = _text(given, "access_token")
                self._until = self._clock.monotonic() + float(_text(given, "expires_in"))
            return self._token

    async def call(self, path: str, said: Mapping[str, Any], s_max: float = CALL_S_MAX) -> dict[str, Any]:
        """What is answered. Raises `Refused` or `Failure`."""
        return await self._with_token(lambda token: answered(self.http, "POST", f"{path}?access_token={token}", s_max, **as_json(said)))

    async def upload(self, kind: str, name: str, media_type: str, data: bytes) -> str:
        """The id under which it keeps the file, for three days. Raises as `call` does."""
        file = {"media": (name, data, media_type or "application/octet-stream")}
        given = await self._with_token(
            lambda token: answered(self.http, "POST", f"/cgi-bin/media/upload?access_token={token}&type={kind}", FILE_S_MAX, files=file)
        )
        return _text(given, "media_id")

    async def download(self, media_id: str) -> AsyncIterator[bytes]:
        """The bytes of a file that somebody sent. Raises as `call` does."""
        token = await self.token()
        for again in (False, True):
            try:
                async for piece in self._download(media_id, token):
                    yield piece
            except Refused as refused:
                if again or refused.code not in STALE:
                    raise
                token = await self.token(stale=token)
            else:
                return

    async def _download(self, media_id: str, token: str) -> AsyncIterator[bytes]:
        params = {"access_token": token, "media_id": media_id}
        async with self.http.asked("GET", "/cgi-bin/media/get", FILE_S_MAX, params=params) as response:
            if "content-disposition" in response.headers:
                async for piece in response.aiter_bytes():
                    yield piece
                return
            given = _checked(response.status_code, await response.aread())
        url = str(given.get("video_url", ""))
        if not url.startswith(("https://", "http://")):
            raise Unanswered("it answered with something else than a file")
        elsewhere = Http(url)  # videos of Official Accounts lie there
        try:
            async with elsewhere.asked("GET", "", FILE_S_MAX) as response:
                if response.status_code != HTTPStatus.OK:
                    raise Unanswered(f"the video's download ended with status {response.status_code}")
                async for piece in response.aiter_bytes():
                    yield piece
        finally:
            await elsewhere.close()

    async def _with_token(self, ask: Callable[[str], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        token = await self.token()
        try:
            return await ask(token)
        except Refused as refused:
            if refused.code not in STALE:
                raise
        return await ask(await self.token(stale=token))

    async def close(self) -> None:
        await self.http.close()


def as_json(said: Mapping[str, Any]) -> dict[str, Any]:
    """How a request carries this: without characters as numbers, which they don't take."""
    return {"content": msgspec.json.encode(said), "headers": {"content-type": "application/json"}}


async def answered(http: Http, method: str, path: str, s_max: float, **carried: Any) -> dict[str, Any]:
    """What is answered. Raises `Refused` or `Failure`."""
    response, body = await http.ask(method, path, s_max, **carried)
    return _checked(response.status_code, body)


def _checked(status: int, body: bytes) -> dict[str, Any]:
    try:
        given = msgspec.json.decode(body, type=dict[str, Any])
        code = int(given.get("errcode", 0))
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError):
        raise Unanswered(f"it answered with status {status} and something that is not of its API") from None
    if code:
        raise Refused(code, str(given.get("errmsg", "")))
    if status != HTTPStatus.OK:
        raise Unanswered(f"it answered with status {status}")
    return given


def _text(given: Mapping[str, Any], name: str) -> str:
    if name not in given:
        raise Unanswered(f"it answered without {name}")
    return str(given[name])
