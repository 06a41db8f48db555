"""One HTTP request of an adapter, and its one outcome. Nothing is tried again here, and no error quotes a URL, which may hold a secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import msgspec

from holdfast import environment
from holdfast.ports import Receipt

CONNECT_S_MAX: Final = 10.0
KEEP_S: Final = 15.0
"""A connection that idled for longer is not used again: the server may close it just then, and nobody could tell what became of a request."""
ANSWER_BYTES_MAX: Final = 1024 * 1024
AGENT: Final[Mapping[str, str]] = {"user-agent": "holdfast"}


class Failure(Exception):
    """No answer came. The text says why, as the end of a sentence."""


class NotSent(Failure):
    """The request certainly never got there."""


class Unanswered(Failure):
    """The request may have been heeded."""


def unanswered(who: str, failure: Failure) -> Receipt:
    """What became of a send that got no answer."""
    if isinstance(failure, NotSent):
        return Receipt("retry", why=f"{who} can't be reached: {failure}", account="away")
    return Receipt("unknown", why=f"{who} did not answer: {failure}")


class Http:
    """Requests to the server at this URL, and no other (but where one that `follows` is sent). Paths are put behind it as they are."""

    def __init__(
        self, base_url: str, headers: Mapping[str, str] = AGENT, *, answer_bytes_max: int = ANSWER_BYTES_MAX, follows: bool = False
    ) -> None:
        self._base_url, self._headers, self._answer_bytes_max, self._follows = base_url, headers, answer_bytes_max, follows
        self._http: httpx2.AsyncClient | None = None
        self.host: Final = base_url.partition("//")[2].partition("/")[0]

    @asynccontextmanager
    async def asked(self, method: str, path: str, s_max: float, **carried: Any) -> AsyncGenerator[httpx2.Response]:
        """Within, what is answered can be read, as it comes. Raises `Failure`, also for what goes wrong there with the connection."""
        begun = False
        response: httpx2.Response | None = None

        async def seen(event: str, info: Mapping[str, Any]) -> None:
            nonlocal begun
            begun = begun or (event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT")

        try:
            http = self._client()
            request = http.build_request(method, self._base_url + path, **carried)
            request.extensions = {**request.extensions, "trace": seen}
            async with asyncio.timeout(s_max):
                response = await http.send(request, stream=True, follow_redirects=self._follows)
                yield response
        except environment.Unusable as unusable:
            raise NotSent(str(unusable)) from None
        except TimeoutError:
            raise (Unanswered if begun else NotSent)(f"it said nothing for {s_max:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise (Unanswered if begun else NotSent)(f"{type(error).__name__}: {error}".rstrip(": ")) from None
        finally:
            if response is not None:
                await response.aclose()

    async def ask(self, method: str, path: str, s_max: float, **carried: Any) -> tuple[httpx2.Response, bytes]:
        """The answer, and its body. Raises `Failure`."""
        async with self.asked(method, path, s_max, **carried) as response:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > self._answer_bytes_max:
                    raise Unanswered(f"its answer is longer than {self._answer_bytes_max} bytes")
            return response, bytes(body)

    def _client(self) -> httpx2.AsyncClient:
        """Made when it is first needed: what the environment names may be unusable, and then that is said where it matters."""
        if self._http is None:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=4, keepalive_expiry=KEEP_S)
            timeout = httpx2.Timeout(None, connect=CONNECT_S_MAX)
            self._http = environment.client(self._base_url, timeout=timeout, limits=limits, headers=self._headers)
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()


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
