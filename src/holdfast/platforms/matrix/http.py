"""The client-server API of a Matrix homeserver: one request, one answer, or one of three ways in which there was none. Nothing is tried twice here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx2
import msgspec

from holdfast import environment
from holdfast.errors import Config

CONNECT_S_MAX: Final = 10.0
ASK_S_MAX: Final = 30.0
JSON_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one answer: the members of the largest rooms there are take a fraction of it."""
WHY_CHARS_MAX: Final = 300
IDLE_S_MAX: Final = 15.0
"""A connection that was idle for longer is not used again: servers close theirs after a minute or so, and a request may cross that."""

_NEVER_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)
_AWAY: Final = frozenset({408, 425, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530})
"""Said by what stands before the homeserver, not by it."""


class Refused(Exception):
    """The homeserver said no. `code` is Matrix's name of the reason; `away`: what said so stands before it."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.status = status
        self.code = str(body.get("errcode") or "")
        said = " ".join(str(body.get("error") or "no reason given").split())
        self.why = f"{said[:WHY_CHARS_MAX]} ({self.code or f'HTTP status {status}'})"
        self.soft_logout = body.get("soft_logout") is True
        self.away = status in _AWAY and not self.code
        self.retry_after_s = _retry_after_s(body, headers)
        super().__init__(self.why)


class Unreached(Exception):
    """There was no connection: the request was certainly not sent."""


class Lost(Exception):
    """The request may have been sent, and no answer came."""


def _retry_after_s(body: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    said_ms, said_s = body.get("retry_after_ms"), headers.get("retry-after", "")
    if isinstance(said_ms, int | float) and not isinstance(said_ms, bool):
        return max(said_ms / 1000, 0.0)
    return float(said_s) if said_s.isdecimal() else None


def path(*parts: str) -> str:
    """Of the API, with what ids may hold made harmless."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


class Homeserver:
    """Where it is, and the token by which it knows us. Raises `Config` if the address, or the way to it, can't be used."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.token = ""
        try:
            self._http = environment.client(
                self.url,
                timeout=httpx2.Timeout(None, connect=CONNECT_S_MAX, pool=CONNECT_S_MAX),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=IDLE_S_MAX),
                headers={"user-agent": "holdfast"},
            )
        except environment.Unusable as unusable:
            raise Config(f"{self.url} can't be reached: {unusable}.") from None  # what caused it may quote a password

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str] | None = None,
        within_s: float = ASK_S_MAX,
    ) -> dict[str, Any]:
        """A request of `/_matrix/client/v3`, and the object that is answered. Raises `Refused`, `Unreached` or `Lost`."""
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"content-type": "application/json"}
        request = self._http.build_request(
            method, f"{self.url}/_matrix/client/v3{path}", params=parameters, content=content, headers=headers
        )
        async with self._answered(request, within_s) as response:
            return _object(await _read(response, JSON_BYTES_MAX))

    async def upload(self, name: str, media_type: str, data: bytes, within_s: float) -> str:
        """Put a file on the homeserver. Returns its address there. Raises as `ask` does."""
        url = f"{self.url}/_matrix/media/v3/upload"
        request = self._http.build_request("POST", url, params={"filename": name}, content=data, headers={"content-type": media_type})
        async with self._answered(request, within_s) as response:
            return str(_object(await _read(response, JSON_BYTES_MAX)).get("content_uri", ""))

    @asynccontextmanager
    async def download(self, server: str, media: str, within_s: float) -> AsyncGenerator[AsyncIterator[bytes]]:
        """The pieces of a file. Raises as `ask` does."""
        url = f"{self.url}/_matrix/client/v1/media/download{path(server, media)}"
        async with self._answered(self._http.build_request("GET", url), within_s) as response:
            yield response.aiter_bytes()

    @asynccontextmanager
    async def _answered(self, request: httpx2.Request, within_s: float) -> AsyncGenerator[httpx2.Response]:
        """Within, the answer's body can be read; what goes wrong there with the connection is `Lost`, too."""
        if self.token:
            request.headers["authorization"] = f"Bearer {self.token}"
        response: httpx2.Response | None = None
        try:
            async with asyncio.timeout(within_s):
                response = await self._http.send(request, stream=True)
                if response.is_error or response.is_redirect:
                    raise Refused(response.status_code, await _said(response), response.headers)
                yield response
        except _NEVER_SENT as error:
            raise Unreached(f"{self.url} can't be reached: {_plainly(error)}") from error
        except TimeoutError as error:
            raise Lost(f"{self.url} did not answer within {within_s:g} s") from error
        except httpx2.HTTPError as error:
            raise Lost(f"the connection to {self.url} broke off: {_plainly(error)}") from error
        finally:
            if response is not None:
                await response.aclose()


def _plainly(error: BaseException) -> str:
    """Why there was no answer, in words for people where it is one of the usual reasons; else the last cause in its own."""
    text, cause = str(error), error.__cause__ or error.__context__
    while cause is not None:
        match cause:
            case ConnectionRefusedError():
                return "connection refused; is it running?"
            case socket.gaierror():
                return "its name is not known (DNS)"
            case _:
                text, cause = str(cause) or text, cause.__cause__ or cause.__context__
    return text or type(error).__name__


async def _read(response: httpx2.Response, most: int) -> bytes:
    data = bytearray()
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) > most:
            raise Lost(f"an answer of the homeserver is larger than {most} bytes")
    return bytes(data)


async def _said(response: httpx2.Response) -> Mapping[str, Any]:
    """What an error's body says; nothing if it is none of Matrix's."""
    try:
        body = msgspec.json.decode(await _read(response, JSON_BYTES_MAX))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _object(data: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Lost("what was answered is not JSON: there is something else than a Matrix homeserver") from error
    if not isinstance(body, dict):
        raise Lost("what was answered is not a JSON object: there is something else than a Matrix homeserver")
    return body
