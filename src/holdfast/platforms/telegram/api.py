"""The Bot API over HTTP: one request, one outcome. Nothing is tried again here, and no error quotes the URL, which holds the token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from holdfast.platforms.asking import Failure, Http, Unanswered, sound

CALL_S_MAX: Final = 30.0
DOWNLOAD_S_MAX: Final = 120.0

UPDATES_BYTES_MAX: Final = 32 * 1024 * 1024
"""A hundred updates, each with all that it quotes."""

_TOO_LARGE: Final = 413

T = TypeVar("T")


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


class Api:
    """The methods of one bot."""

    def __init__(self, base_url: str, token: str) -> None:
        self._http = Http(base_url.rstrip("/"), answer_bytes_max=UPDATES_BYTES_MAX)
        self._token = token
        self.host: Final = self._http.host

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
        response, body = await self._http.ask("POST", f"/bot{self._token}/{method}", s_max, **_body(params, uploads))
        return response.status_code, body

    async def download(self, path: str) -> AsyncIterator[bytes]:
        """The bytes of a file that getFile named. Raises `Failure`."""
        async with self._http.asked("GET", f"/file/bot{self._token}/{quote(path)}", DOWNLOAD_S_MAX) as response:
            if response.status_code != HTTPStatus.OK:
                raise Refused(response.status_code, f"the download ended with status {response.status_code}")
            async for piece in response.aiter_bytes():
                yield piece

    async def close(self) -> None:
        await self._http.close()


def _body(params: Mapping[str, Any], uploads: Mapping[str, Upload]) -> dict[str, Any]:
    """How a request carries this: as JSON, or with files as a form whose structured fields are JSON."""
    if not uploads:
        return {"content": msgspec.json.encode(params), "headers": {"content-type": "application/json"}}
    fields = {name: value if isinstance(value, str) else msgspec.json.encode(value).decode() for name, value in params.items()}
    return {"data": fields, "files": {name: (one.name, one.data, one.media_type) for name, one in uploads.items()}}
