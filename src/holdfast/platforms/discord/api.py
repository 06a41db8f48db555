"""Discord's REST API: one request, one outcome. Nothing is tried again here, and no error quotes the token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import httpx2
import msgspec

from holdfast.platforms.asking import Failure, Http, Unanswered
from holdfast.platforms.discord.limits import EVERYWHERE, Limits, route_of, seconds
from holdfast.ports import Clock

CALL_S_MAX: Final = 30.0
DOWNLOAD_S_MAX: Final = 120.0
WAIT_S_MAX: Final = 5.0
"""So long a request waits until Discord takes it; if that is longer, it is not made."""
PAGE_BYTES_MAX: Final = 32 * 1024 * 1024
"""A hundred messages, each with all that it embeds."""
WHY_CHARS_MAX: Final = 300
AGENT: Final = "DiscordBot (holdfast, 1)"
"""Discord wants this form."""

_TOO_MANY: Final = 429
_GONE: Final = frozenset({403, 404, 410})
"""Of files."""

T = TypeVar("T")


class Refused(Failure):
    """Discord says no. `code` is its own number for the reason (0: it gave none, so what spoke stands before the API); `everywhere`: of a limit, that it is
    one on everything we do."""

    def __init__(self, status: int, code: int, why: str, retry_after_s: float | None = None, *, everywhere: bool = False) -> None:
        super().__init__(why)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.everywhere = everywhere


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it is sent."""

    name: str
    media_type: str
    data: bytes


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    code: int = 0
    errors: msgspec.Raw = msgspec.Raw(b"")
    retry_after: float | None = None
    everywhere: bool = msgspec.field(default=False, name="global")


class Api:
    """The API, as one bot may use it."""

    def __init__(self, base_url: str, token: str, clock: Clock) -> None:
        self._http = Http(base_url.rstrip("/"), {"authorization": f"Bot {token}", "user-agent": AGENT}, answer_bytes_max=PAGE_BYTES_MAX)
        self._clock = clock
        self._limits = Limits(clock)
        self._ahead_s = 0.0
        self.host: Final = self._http.host

    def theirs(self, at: float) -> float:
        """This instant of our clock by Discord's."""
        return at - self._ahead_s

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        uploads: Sequence[Upload] = (),
        s_max: float = CALL_S_MAX,
    ) -> T:
        """What is answered to a request. Raises `Failure`."""
        route = route_of(method, path.partition("?")[0])
        wait_s = self._limits.wait_s(route)
        if wait_s > WAIT_S_MAX:
            raise Refused(_TOO_MANY, 0, "this is more than Discord takes now", wait_s)
        if wait_s:
            await self._clock.sleep(wait_s)
        response, said = await self._request(method, path, body, uploads, s_max)
        self._limits.note(route, response.headers)
        if response.is_error or response.is_redirect:
            raise self._refused(route, response, said)
        try:
            return msgspec.json.decode(said or b"null", type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Unanswered(f"it answered with status {response.status_code} and something that is not of Discord's API") from None

    def _refused(self, route: str, response: httpx2.Response, said: bytes) -> Refused:
        try:
            error = msgspec.json.decode(said, type=_Error)
        except (msgspec.DecodeError, UnicodeDecodeError):
            error = _Error()
        why = error.message or f"status {response.status_code}, without a word of Discord's"
        if bytes(error.errors):
            why += f" {bytes(error.errors).decode('utf-8', 'replace')}"
        retry_after_s = error.retry_after if error.retry_after is not None else seconds(response.headers.get("retry-after", ""))
        everywhere = error.everywhere or (response.status_code == _TOO_MANY and not error.message)
        if response.status_code == _TOO_MANY and retry_after_s is not None:
            self._limits.shut(EVERYWHERE if everywhere else route, retry_after_s)
        return Refused(response.status_code, error.code, why[:WHY_CHARS_MAX], retry_after_s, everywhere=everywhere)

    async def _request(
        self, method: str, path: str, body: Mapping[str, Any] | Sequence[Any] | None, uploads: Sequence[Upload], s_max: float
    ) -> tuple[httpx2.Response, bytes]:
        response, said = await self._http.ask(method, path, s_max, **_body(body, uploads))
        self._look_at_clock(response.headers.get("date", ""))
        return response, said

    def _look_at_clock(self, date: str) -> None:
        try:
            self._ahead_s = self._clock.now() - parsedate_to_datetime(date).timestamp()
        except ValueError:
            return  # it says none

    async def download(self, url: str) -> AsyncIterator[bytes]:
        """The bytes of a file, wherever Discord keeps it: there nobody needs to know who we are. Raises `Failure`."""
        elsewhere = Http(url, follows=True)
        try:
            async with elsewhere.asked("GET", "", DOWNLOAD_S_MAX) as response:
                if response.status_code in _GONE:
                    raise Refused(response.status_code, 0, f"the download ended with status {response.status_code}")
                if response.status_code != httpx2.codes.OK:
                    raise Unanswered(f"the download ended with status {response.status_code}")
                async for piece in response.aiter_bytes():
                    yield piece
        finally:
            await elsewhere.close()

    async def close(self) -> None:
        await self._http.close()


def _body(body: Mapping[str, Any] | Sequence[Any] | None, uploads: Sequence[Upload]) -> dict[str, Any]:
    """How a request carries this: as JSON, or with files as a form."""
    if body is None:
        return {}
    said = msgspec.json.encode(body)
    if not uploads:
        return {"content": said, "headers": {"content-type": "application/json"}}
    files = {f"files[{index}]": (one.name, one.data, one.media_type) for index, one in enumerate(uploads)}
    return {"data": {"payload_json": said.decode()}, "files": files}
