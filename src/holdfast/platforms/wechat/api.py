"""The iLink interface over HTTP: one request, one outcome. Nothing is tried again here, and no error quotes a token or a URL."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec

from holdfast import environment
from holdfast.platforms.wechat.wire import Envelope

CALL_S_MAX: Final = 30.0
CONNECT_S_MAX: Final = 10.0
TRANSFER_S_MAX: Final = 120.0
"""For a file, there or back."""

KEEP_S: Final = 15.0
"""A connection that idled for longer is not used again: the server may close it just then, and nobody could tell what became of a send."""

VERSION: Final = (2, 4, 8)
"""Of the interface, as it was documented when this was written."""
APP: Final = {"iLink-App-Id": "bot", "iLink-App-ClientVersion": str(VERSION[0] << 16 | VERSION[1] << 8 | VERSION[2])}
"""Without these it takes every session for ended."""
BASE_INFO: Final = {"channel_version": ".".join(map(str, VERSION)), "bot_agent": "Holdfast/1"}

T = TypeVar("T")


class Failure(Exception):
    """There is no result. The text says why, as the end of a sentence."""


class NotSent(Failure):
    """The request certainly never got there."""


class Unanswered(Failure):
    """The request may have been heeded."""


class Refused(Failure):
    """WeChat says no, with a code of its own (negative) or a status of HTTP."""

    def __init__(self, code: int, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.code = code
        self.retry_after_s = retry_after_s


class Http:
    """Connections to whatever servers there are."""

    def __init__(self) -> None:
        self._clients: dict[str, httpx2.AsyncClient] = {}

    async def ask(
        self, method: str, url: str, content: bytes = b"", headers: Mapping[str, str] | None = None, s_max: float = CALL_S_MAX
    ) -> httpx2.Response:
        """The answer, whole, if it is a good one. Raises `Failure`."""
        begun = False

        async def seen(event: str, info: Mapping[str, Any]) -> None:
            nonlocal begun
            begun = begun or (event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT")

        try:
            http = self._client(url)
            request = http.build_request(method, url, content=content, headers=headers)
            request.extensions = {**request.extensions, "trace": seen}
            async with asyncio.timeout(s_max):
                response = await http.send(request)
        except environment.Unusable as unusable:
            raise NotSent(str(unusable)) from None
        except TimeoutError:
            raise (Unanswered if begun else NotSent)(f"it said nothing for {s_max:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise (Unanswered if begun else NotSent)(f"{type(error).__name__}: {error}".rstrip(": ")) from None
        _check(response)
        return response

    async def download(self, url: str) -> AsyncIterator[bytes]:
        """The bytes that are there, as they come. Raises `Failure`."""
        try:
            async with asyncio.timeout(TRANSFER_S_MAX), self._client(url).stream("GET", url) as response:
                _check(response)
                async for piece in response.aiter_bytes():
                    yield piece
        except environment.Unusable as unusable:
            raise NotSent(str(unusable)) from None
        except TimeoutError:
            raise Unanswered(f"the download took longer than {TRANSFER_S_MAX:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unanswered(f"{type(error).__name__}: {error}".rstrip(": ")) from None

    def _client(self, url: str) -> httpx2.AsyncClient:
        """Made when it is first needed: what the environment names may be unusable, and then that is said where it matters."""
        parts = urlsplit(url)
        where = f"{parts.scheme}://{parts.netloc}"
        if where not in self._clients:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=4, keepalive_expiry=KEEP_S)
            timeout = httpx2.Timeout(None, connect=CONNECT_S_MAX)
            self._clients[where] = environment.client(url, timeout=timeout, limits=limits, headers={"user-agent": "holdfast"})
        return self._clients[where]

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


def _check(response: httpx2.Response) -> None:
    """Raises unless the status is a good one."""
    status, after = response.status_code, response.headers.get("retry-after", "")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unanswered(f"it answered with status {status}")
    if not response.is_success:
        raise Refused(status, f"it answered with status {status}", float(after) if after.isdecimal() else None)


class Api:
    """The methods of the interface at this address; with a token, those of one bot."""

    def __init__(self, http: Http, base_url: str, token: str = "") -> None:
        self._http, self._base_url, self._token = http, base_url.rstrip("/"), token
        self.host: Final = urlsplit(base_url).netloc

    async def call(self, method: str, answer: type[T], s_max: float = CALL_S_MAX, **said: Any) -> T:
        """The result of a method. Raises `Failure`."""
        number = base64.b64encode(str(secrets.randbits(32)).encode()).decode()  # the interface wants another one at each call
        headers = {**APP, "content-type": "application/json", "AuthorizationType": "ilink_bot_token", "X-WECHAT-UIN": number}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        body = msgspec.json.encode({**said, "base_info": BASE_INFO})
        response = await self._http.ask("POST", f"{self._base_url}/ilink/bot/{method}", body, headers, s_max)
        return _decoded(response.content, answer)

    async def look(self, query: str, answer: type[T], s_max: float) -> T:
        """The same for what is only asked. Raises `Failure`."""
        return _decoded((await self._http.ask("GET", f"{self._base_url}/ilink/bot/{query}", headers=APP, s_max=s_max)).content, answer)


def _decoded(body: bytes, answer: type[T]) -> T:
    """An answer without a word says yes. Raises `Refused`, or `Unanswered` if it is no answer of this interface."""
    try:
        said = _without_nulls(msgspec.json.decode(_sound(body or b"{}")))
        envelope = msgspec.convert(said, Envelope, strict=False)
        if not (code := envelope.errcode or envelope.ret):
            return msgspec.convert(said, answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unanswered("it answered something that is not of the bot interface") from None
    raise Refused(code, f"{envelope.errmsg or 'no reason given'} ({code})")


def _sound(body: bytes) -> bytes:
    """The same JSON without halves of characters, which no text can hold: one of them must not lose the messages beside it."""
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError:
        try:
            return json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace")
        except ValueError:
            pass  # it is no JSON, as whoever reads it will find
    return body


def _without_nulls(value: Any) -> Any:
    """What says that it is nothing is not there."""
    match value:
        case dict():
            return {name: _without_nulls(one) for name, one in value.items() if one is not None}
        case list():
            return [_without_nulls(one) for one in value if one is not None]
        case _:
            return value
