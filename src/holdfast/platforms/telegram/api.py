"""The Bot API over HTTP: one request, one outcome. Nothing is tried again here, and no error quotes the URL, which holds the token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from holdfast import environment

CALL_S_MAX: Final = 30.0
CONNECT_S_MAX: Final = 10.0
DOWNLOAD_S_MAX: Final = 120.0

KEEP_S: Final = 15.0
"""A connection that idled for longer is not used again: the server may close it just then, and nobody could tell what became of a send."""

_TOO_LARGE: Final = 413

T = TypeVar("T")


class Failure(Exception):
    """There is no result. The text says why, as the end of a sentence."""


class NotSent(Failure):
    """The request certainly never got there."""


class Unanswered(Failure):
    """The request may have been heeded."""


class Refused(Failure):
    """Telegram says no. The text is its own description."""

    def __init__(self, status: int, description: str, retry_after_s: float | None = None, moved: str = "") -> None:
        super().__init__(description)
        self.status = status
        self.retry_after_s = retry_after_s
        self.moved = moved

    def says(self, *words: str) -> bool:
        """Does the description have one of these? The Bot API has no codes."""
        return any(word in str(self).lower() for word in words)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it is sent."""

    name: str
    media_type: str
    data: bytes


class _Parameters(msgspec.Struct, frozen=True):
    retry_after: float | None = None
    migrate_to_chat_id: int = 0


class _Envelope(msgspec.Struct, frozen=True):
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0
    description: str = ""
    parameters: _Parameters = _Parameters()


def sound(body: bytes) -> bytes:
    """The same JSON without halves of characters, which no text can hold: one of them must not make a whole batch unreadable."""
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError:
        try:
            return json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace")
        except ValueError:
            return body  # it is no JSON, as whoever reads it will find
    return body


class Api:
    """The methods of one bot."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._http: httpx2.AsyncClient | None = None
        self.host: Final = base_url.partition("//")[2].partition("/")[0]

    async def call(
        self,
        method: str,
        answer: type[T],
        params: Mapping[str, Any],
        uploads: Mapping[str, Upload] | None = None,
        s_max: float = CALL_S_MAX,
    ) -> T:
        """The result of a method. Raises `Failure`."""
        given = {name: value for name, value in params.items() if value not in (None, "")}
        status, body = await self._post(method, given, uploads or {}, s_max)
        try:
            envelope = msgspec.json.decode(sound(body), type=_Envelope)
            if envelope.ok:
                return msgspec.json.decode(envelope.result, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if status == _TOO_LARGE:
                raise Refused(status, "the file is too large") from None
            raise Unanswered(f"it answered with status {status} and something that is not of the Bot API") from None
        moved = envelope.parameters.migrate_to_chat_id
        said = envelope.description.partition(": ")[2] or envelope.description
        raise Refused(envelope.error_code or status, said, envelope.parameters.retry_after, str(moved) if moved else "")

    async def _post(self, method: str, params: Mapping[str, Any], uploads: Mapping[str, Upload], s_max: float) -> tuple[int, bytes]:
        begun = False

        async def seen(event: str, info: Mapping[str, Any]) -> None:
            nonlocal begun
            begun = begun or (event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT")

        try:
            http = self._client()
            url = f"{self._base_url}/bot{self._token}/{method}"
            request = http.build_request("POST", url, **_body(params, uploads))
            request.extensions = {**request.extensions, "trace": seen}
            async with asyncio.timeout(s_max):
                response = await http.send(request)
        except environment.Unusable as unusable:
            raise NotSent(str(unusable)) from None
        except TimeoutError:
            raise (Unanswered if begun else NotSent)(f"it said nothing for {s_max:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise (Unanswered if begun else NotSent)(f"{type(error).__name__}: {error}".rstrip(": ")) from None
        return response.status_code, response.content

    async def download(self, path: str) -> AsyncIterator[bytes]:
        """The bytes of a file that getFile named. Raises `Failure`."""
        url = f"{self._base_url}/file/bot{self._token}/{quote(path)}"
        try:
            async with asyncio.timeout(DOWNLOAD_S_MAX), self._client().stream("GET", url) as response:
                if response.status_code != httpx2.codes.OK:
                    raise Refused(response.status_code, f"the download ended with status {response.status_code}")
                async for piece in response.aiter_bytes():
                    yield piece
        except environment.Unusable as unusable:
            raise NotSent(str(unusable)) from None
        except TimeoutError:
            raise Unanswered(f"the download took longer than {DOWNLOAD_S_MAX:g} s") from None
        except httpx2.HTTPError as error:
            raise Unanswered(f"{type(error).__name__}: {error}".rstrip(": ")) from None

    def _client(self) -> httpx2.AsyncClient:
        """Made when it is first needed: what the environment names may be unusable, and then that is said where it matters."""
        if self._http is None:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=4, keepalive_expiry=KEEP_S)
            timeout = httpx2.Timeout(None, connect=CONNECT_S_MAX)
            self._http = environment.client(self._base_url, timeout=timeout, limits=limits, headers={"user-agent": "holdfast"})
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()


def _body(params: Mapping[str, Any], uploads: Mapping[str, Upload]) -> dict[str, Any]:
    """How a request carries this: as JSON, or with files as a form whose structured fields are JSON."""
    if not uploads:
        return {"content": msgspec.json.encode(params), "headers": {"content-type": "application/json"}}
    fields = {name: value if isinstance(value, str) else msgspec.json.encode(value).decode() for name, value in params.items()}
    return {"data": fields, "files": {name: (one.name, one.data, one.media_type) for name, one in uploads.items()}}
