"""HTTP with a tool server: one request and its response at a time, each on a connection of its own.

A kept connection may be closed at the other end just as we write, and then nobody could say what became of a call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import mcp_types as types

from holdfast import environment
from holdfast.tools.events import Events, TooLarge
from holdfast.tools.link import MESSAGE_BYTES_MAX, Unanswered, read, too_large
from holdfast.tools.refusals import Place, broken

REFUSAL_BYTES_MAX: Final = 64 * 1024
EVENTS_PER_S_MAX: Final = 500
"""Of one stream; more wait in the network."""
AGAIN_S_MIN: Final = 0.5
AGAIN_S_MAX: Final = 60.0
"""The bounds of the pause before a stream is opened again, whatever the server says."""

_SAME_ORIGIN: Final = frozenset({307, 308})


@dataclass(slots=True)
class Sending:
    """A request under way, or a stream: what is known of it."""

    session: str = ""
    """Under which it was sent."""
    written: bool = False
    """A byte of it may have been sent."""
    last_event: str = ""
    again_s: float = AGAIN_S_MIN


class Http:
    """The client of one server. It follows no redirect, and knows nothing of MCP but how it is packed.

    Raises `Unusable` if the environment names a proxy that can't be used, or a file of authorities.
    """

    def __init__(self, place: Place, url: httpx2.URL, connect_timeout_s: float) -> None:
        self.url = url
        self._place = place
        self._connect_timeout_s = connect_timeout_s
        self._client = environment.client(
            str(url),
            timeout=httpx2.Timeout(None, write=connect_timeout_s),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
            headers={
                "user-agent": "holdfast",
                **{name.lower(): value for name, value in place.headers.items()},
                "accept-encoding": "identity",
            },
        )

    async def close(self) -> None:
        await self._client.aclose()

    @contextlib.asynccontextmanager
    async def exchange(self, sending: Sending, method: str, content: bytes, headers: Mapping[str, str]) -> AsyncIterator[httpx2.Response]:
        """Send a request; the response's body is still to come. Raises `Unanswered`.

        A connection is waited for as long as is configured, the name's look-up included, and the response without limit.
        """

        async def on_step(step: str, info: dict[str, Any]) -> None:
            if step == "http11.send_request_headers.started" and info["request"].method != b"CONNECT":  # that goes to a proxy
                sending.written = True
                if not patience.expired():
                    patience.reschedule(None)

        sending.written = False
        request = self._client.build_request(method, self.url, headers=headers, content=content, extensions={"trace": on_step})
        try:
            async with asyncio.timeout(self._connect_timeout_s) as patience:
                response = await self._client.send(request, stream=True)
        except (TimeoutError, httpx2.TransportError, OSError, UnicodeError) as failure:  # UnicodeError: of a name that can be no host's
            error = broken(self._place, failure, self._connect_timeout_s)
            raise Unanswered("unknown" if sending.written else "not sent", error) from failure
        try:
            yield response
        finally:
            await response.aclose()

    async def body(self, response: httpx2.Response) -> bytes:
        """The body of an answer; of a refusal, its beginning. Raises `Unanswered`."""
        bytes_max = MESSAGE_BYTES_MAX if response.is_success else REFUSAL_BYTES_MAX
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in response.aiter_raw():
                pieces.append(piece)
                size += len(piece)
                if size > bytes_max:
                    break
        except httpx2.TransportError as failure:
            if response.is_success:
                raise Unanswered("unknown", broken(self._place, failure, self._connect_timeout_s)) from failure
        if size > bytes_max and response.is_success:
            raise too_large(self._place.server)
        return b"".join(pieces)[:bytes_max]

    async def messages(self, sending: Sending, response: httpx2.Response) -> AsyncGenerator[types.JSONRPCMessage, None]:
        """The messages of a stream of events, until it ends, for whatever reason. Raises `Unanswered` for one that is too large."""
        loop = asyncio.get_running_loop()
        second, count, events = loop.time(), 0, Events(MESSAGE_BYTES_MAX)
        try:
            async for piece in response.aiter_bytes():
                for event in events.feed(piece):
                    count += 1
                    if count == EVENTS_PER_S_MAX:
                        await asyncio.sleep(max(0.0, second + 1 - loop.time()))
                        second, count = loop.time(), 0
                    sending.last_event = event.id or sending.last_event
                    if event.retry_ms is not None:
                        sending.again_s = min(max(event.retry_ms / 1000, AGAIN_S_MIN), AGAIN_S_MAX)
                    if event.kind == "message" and event.data:
                        with contextlib.suppress(ValueError):  # chatter
                            yield await read(event.data)
        except TooLarge as failure:
            raise too_large(self._place.server) from failure
        except httpx2.TransportError:
            return  # it broke off


def is_stream(response: httpx2.Response) -> bool:
    return response.is_success and content_type(response) == "text/event-stream"


def content_type(response: httpx2.Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def moved_to(response: httpx2.Response) -> httpx2.URL | None:
    """Where the request should have gone, if that is of the very scheme, host and port that our keys are for."""
    if response.status_code not in _SAME_ORIGIN or response.next_request is None:
        return None
    target, sent = response.next_request.url, response.request.url
    same = (target.scheme, target.host, target.port, target.userinfo) == (sent.scheme, sent.host, sent.port, sent.userinfo)
    return target if same else None
