"""Slack's Web API: one request, one outcome. Nothing is tried again here: the library's own handlers, which would, are left out.

The library reads the environment's proxy too, but heeds no `NO_PROXY`: it is told by us which one to take.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

import aiohttp
import msgspec
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from holdfast import environment
from holdfast.platforms.asking import CONNECT_S_MAX, KEEP_S, Failure, NotSent, Unanswered

CALL_S_MAX: Final = 30.0
FILE_S_MAX: Final = 120.0
FRAME_BYTES_MAX: Final = 4 * 1024 * 1024
"""What one event may bring."""
GOODBYE_S_MAX: Final = 2.0

_NEVER_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError, aiohttp.InvalidURL)
_NOBODY_KNOWS: Final = ("internal_error", "fatal_error", "request_timeout", "service_unavailable")
"""Slack says of these that some of what was asked for may have been done."""

T = TypeVar("T")


class Refused(Failure):
    """Slack says no. The text is its code for it, with what is lacking where that is said."""

    def __init__(self, code: str, lacking: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(f"{code} ({lacking})" if lacking else code)
        self.code, self.lacking, self.retry_after_s = code, lacking, retry_after_s


class Api:
    """The methods of one app. `now` is the time by Slack's clock when it last answered (0: it has not)."""

    def __init__(self, base_url: str, token: str, app_token: str = "") -> None:
        self._base_url = base_url.rstrip("/") + "/"
        self._tokens = {False: token, True: app_token}
        self._session: aiohttp.ClientSession | None = None
        self.host: Final = base_url.partition("//")[2].partition("/")[0]
        self.now = 0.0
        self.scopes: frozenset[str] = frozenset()
        """What the token may do, as Slack said last."""

    async def call(self, method: str, answer: type[T], *, s_max: float = CALL_S_MAX, as_app: bool = False, **params: Any) -> T:
        """The result of a method, asked for with the bot's token (`as_app`: the app's). Raises `Failure`."""
        fields = {name: _field(value) for name, value in params.items() if value not in (None, "")}
        async with self._asked(self._base_url, s_max) as (session, way):
            client = AsyncWebClient(self._tokens[as_app], self._base_url, ssl=way["ssl"], session=session, retry_handlers=[])
            client.proxy = way["proxy"]
            try:
                response = await client.api_call(method, data=fields)
            except SlackApiError as error:
                raise _refusal(error) from None
        self._heard(response.headers)
        try:
            return msgspec.convert(without_nulls(response.data), answer)
        except msgspec.ValidationError as error:
            raise Unanswered(f"it answered {method} with something unexpected: {error}") from None

    def _heard(self, headers: Mapping[str, str]) -> None:
        self.scopes = frozenset(headers.get("x-oauth-scopes", "").replace(" ", "").split(",")) - {""}
        try:
            self.now = parsedate_to_datetime(headers["date"]).timestamp()
        except (KeyError, ValueError):
            self.now = 0.0

    async def upload(self, url: str, data: bytes) -> None:
        """Bring a file to where Slack wants it. Raises `Failure`."""
        async with self._asked(url, FILE_S_MAX) as (session, way), session.post(url, data=data, **way) as response:
            if response.status != HTTPStatus.OK:
                raise Unanswered(f"the upload ended with status {response.status}")

    async def download(self, url: str, media_type: str) -> AsyncIterator[bytes]:
        """The bytes of a file of this type that Slack keeps. Raises `Failure`."""
        headers = {"authorization": f"Bearer {self._tokens[False]}"}
        async with (
            self._asked(url, FILE_S_MAX) as (session, way),
            session.get(url, headers=headers, allow_redirects=False, **way) as response,  # it would lead to a page for signing in
        ):
            if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status == HTTPStatus.TOO_MANY_REQUESTS:
                raise Unanswered(f"the download ended with status {response.status}")
            if response.status != HTTPStatus.OK or (response.content_type == "text/html" != media_type):
                raise Refused(f"the download ended with status {response.status} and {response.content_type}")
            async for piece in response.content.iter_any():
                yield piece

    async def socket(self, url: str) -> aiohttp.ClientWebSocketResponse:
        """The connection over which events come. Pings are answered, and told of. Raises `Failure`."""
        async with self._asked(url, CALL_S_MAX) as (session, way):
            connection: aiohttp.ClientWebSocketResponse = await session.ws_connect(
                url, autoping=False, max_msg_size=FRAME_BYTES_MAX, timeout=aiohttp.ClientWSTimeout(ws_close=GOODBYE_S_MAX), **way
            )
            return connection

    @asynccontextmanager
    async def _asked(self, url: str, s_max: float) -> AsyncIterator[tuple[aiohttp.ClientSession, dict[str, Any]]]:
        """Within, what goes wrong on the way to this URL is a `Failure`."""
        try:
            async with asyncio.timeout(s_max):
                yield self._shared(), _way(url)
        except environment.Unusable as unusable:
            raise NotSent(str(unusable)) from None
        except _NEVER_SENT as error:
            raise NotSent(_plainly(error)) from None
        except TimeoutError:
            raise Unanswered(f"it said nothing for {s_max:g} s") from None
        except aiohttp.ClientError as error:
            raise Unanswered(_plainly(error)) from None

    def _shared(self) -> aiohttp.ClientSession:
        """A session needs a running loop: it is made when it is first needed."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_S)
            timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S_MAX)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def without_nulls(value: Any) -> Any:
    """The same JSON without what is null: to Slack that is as good as absent."""
    match value:
        case dict():
            return {name: without_nulls(one) for name, one in value.items() if one is not None}
        case list():
            return [without_nulls(one) for one in value]
        case _:
            return value


def _field(value: Any) -> str:
    """As a form carries it. (Slack's reading methods take no JSON.)"""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _way(url: str) -> dict[str, Any]:
    """Through which proxy, and trusting whom. Raises `environment.Unusable`."""
    proxy = environment.proxy_for(url)
    if proxy and not proxy.startswith("http://"):
        raise environment.Unusable(
            f"the proxy {environment.name_of(proxy)} is none of plain HTTP, and Slack's library takes no other. Name one as http://HOST:PORT"
        )
    return {"proxy": proxy or None, "ssl": environment.trusted() if url.startswith(("https:", "wss:")) else True}


def _refusal(error: SlackApiError) -> Failure:
    """What the library calls an error: Slack's no, or something that is not of Slack at all."""
    response = error.response
    status = getattr(response, "status_code", getattr(response, "status", 0))
    said = getattr(response, "data", None)
    code = said.get("error") if isinstance(said, dict) else None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Refused("ratelimited", retry_after_s=_seconds(response.headers.get("retry-after", "")))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _NOBODY_KNOWS:
        return Unanswered(f"it answered with {code or f'status {status}'}")
    if not isinstance(code, str):
        return Unanswered(f"it answered with status {status} and something that is not of Slack's API")
    return Refused(code, str(said.get("needed", "") if isinstance(said, dict) else ""))


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _plainly(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
