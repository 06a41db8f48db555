"""The iLink interface over HTTP: one request, one outcome. Nothing is tried again here, and no error quotes a token or a URL."""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec

from holdfast.platforms.asking import Failure, Http, Unanswered, sound
from holdfast.platforms.wechat.wire import Envelope

CALL_S_MAX: Final = 30.0
TRANSFER_S_MAX: Final = 120.0
"""For a file, there or back."""

UPDATES_BYTES_MAX: Final = 32 * 1024 * 1024

VERSION: Final = (2, 4, 8)
"""Of the interface, as it was documented when this was written."""
APP: Final = {"iLink-App-Id": "bot", "iLink-App-ClientVersion": str(VERSION[0] << 16 | VERSION[1] << 8 | VERSION[2])}
"""Without these it takes every session for ended."""
BASE_INFO: Final = {"channel_version": ".".join(map(str, VERSION)), "bot_agent": "Holdfast/1"}

T = TypeVar("T")


class Refused(Failure):
    """WeChat says no, with a code of its own (negative) or a status of HTTP."""

    def __init__(self, code: int, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.code = code
        self.retry_after_s = retry_after_s


class Servers:
    """Connections to whatever servers there are."""

    def __init__(self) -> None:
        self._servers: dict[str, Http] = {}

    async def ask(
        self, method: str, url: str, content: bytes = b"", headers: Mapping[str, str] | None = None, s_max: float = CALL_S_MAX
    ) -> tuple[httpx2.Response, bytes]:
        """The answer, whole, if it is a good one. Raises `Failure`."""
        server, path = self._server(url)
        response, body = await server.ask(method, path, s_max, content=content, headers=headers)
        _check(response)
        return response, body

    async def download(self, url: str) -> AsyncIterator[bytes]:
        """The bytes that are there, as they come. Raises `Failure`."""
        server, path = self._server(url)
        async with server.asked("GET", path, TRANSFER_S_MAX) as response:
            _check(response)
            async for piece in response.aiter_bytes():
                yield piece

    def _server(self, url: str) -> tuple[Http, str]:
        parts = urlsplit(url)
        where = f"{parts.scheme}://{parts.netloc}"
        if where not in self._servers:
            self._servers[where] = Http(where, answer_bytes_max=UPDATES_BYTES_MAX)
        return self._servers[where], url.removeprefix(where)

    async def close(self) -> None:
        for server in self._servers.values():
            await server.close()


def _check(response: httpx2.Response) -> None:
    """Raises unless the status is a good one."""
    status, after = response.status_code, response.headers.get("retry-after", "")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unanswered(f"it answered with status {status}")
    if not response.is_success:
        raise Refused(status, f"it answered with status {status}", float(after) if after.isdecimal() else None)


class Api:
    """The methods of the interface at this address; with a token, those of one bot."""

    def __init__(self, http: Servers, base_url: str, token: str = "") -> None:
        self._http, self._base_url, self._token = http, base_url.rstrip("/"), token
        self.host: Final = urlsplit(base_url).netloc

    async def call(self, method: str, answer: type[T], s_max: float = CALL_S_MAX, **said: Any) -> T:
        """The result of a method. Raises `Failure`."""
        number = base64.b64encode(str(secrets.randbits(32)).encode()).decode()  # the interface wants another one at each call
        headers = {**APP, "content-type": "application/json", "AuthorizationType": "ilink_bot_token", "X-WECHAT-UIN": number}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        body = msgspec.json.encode({**said, "base_info": BASE_INFO})
        _, said_back = await self._http.ask("POST", f"{self._base_url}/ilink/bot/{method}", body, headers, s_max)
        return _decoded(said_back, answer)

    async def look(self, query: str, answer: type[T], s_max: float) -> T:
        """The same for what is only asked. Raises `Failure`."""
        _, said_back = await self._http.ask("GET", f"{self._base_url}/ilink/bot/{query}", headers=APP, s_max=s_max)
        return _decoded(said_back, answer)


def _decoded(body: bytes, answer: type[T]) -> T:
    """An answer without a word says yes. Raises `Refused`, or `Unanswered` if it is no answer of this interface."""
    try:
        said = _without_nulls(msgspec.json.decode(sound(body or b"{}")))
        envelope = msgspec.convert(said, Envelope, strict=False)
        if not (code := envelope.errcode or envelope.ret):
            return msgspec.convert(said, answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unanswered("it answered something that is not of the bot interface") from None
    raise Refused(code, f"{envelope.errmsg or 'no reason given'} ({code})")


def _without_nulls(value: Any) -> Any:
    """What says that it is nothing is not there."""
    match value:
        case dict():
            return {name: _without_nulls(one) for name, one in value.items() if one is not None}
        case list():
            return [_without_nulls(one) for one in value if one is not None]
        case _:
            return value
