"""The terminal's end of the door: what `client` is for one message, without ever blocking the loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import httpx2
import msgspec

from holdfast.cli.client import REPLY_S_MAX, SILENCE_S_MAX, SILENT, Away, Event, Events, Missing, away, decoded, event_of, quoted, refusal
from holdfast.core.entries import Entry
from holdfast.errors import Config, Temporary
from holdfast.ports import RouteState
from holdfast.web.wire import Page, Post, Saved

SEQ_MAX: Final = 10**18 - 1
"""Later than every entry."""


class AsyncClient:
    """Asks the gateway behind the door at `path`. All methods raise `Away` if it does not answer, `Request` if it refuses."""

    def __init__(self, path: Path) -> None:
        self._path = path
        transport = httpx2.AsyncHTTPTransport(uds=str(path), verify=False, limits=httpx2.Limits(max_keepalive_connections=0))
        self._http = httpx2.AsyncClient(transport=transport, base_url="http://holdfast/v1", timeout=REPLY_S_MAX, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, name: str, post: Post) -> Saved:
        """Send a message; when this returns it is on disk. Safe to repeat with the same key."""
        return decoded(await self._ask("POST", f"/conversations/{quoted(name)}/messages", msgspec.json.encode(post)), Saved)

    async def routes(self) -> tuple[RouteState, ...]:
        """How each route is, and in which chains."""
        return decoded(await self._ask("GET", "/routes"), tuple[RouteState, ...])

    async def newest(self, key: str, most: int) -> tuple[Entry, ...]:
        """The last entries of the conversation; none if there is no such conversation yet."""
        try:
            body = await self._ask("GET", f"/conversations/{quoted(key)}/entries?before={SEQ_MAX}&most={most}")
        except Missing:
            return ()
        return decoded(body, Page).entries

    async def events(self, key: str, after: int) -> AsyncGenerator[Event | None, None]:
        """What is committed after `after`, and what is being written; None is a sign of life. Ends if the gateway stops."""
        headers = {"last-event-id": str(after)}
        timeout = httpx2.Timeout(REPLY_S_MAX, read=SILENCE_S_MAX)
        events: Events[Event] = Events(event_of)
        try:
            async with self._http.stream("GET", f"/conversations/{quoted(key)}/events", headers=headers, timeout=timeout) as response:
                if response.status_code != httpx2.codes.OK:
                    raise refusal(response.status_code, await response.aread())
                async for piece in response.aiter_bytes():
                    for event in events.feed(piece):
                        yield event
        except httpx2.TransportError as error:
            raise self._away(error) from error

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        try:
            response = await self._http.request(method, path, content=body)
        except httpx2.TransportError as error:
            raise self._away(error) from error
        if response.status_code != httpx2.codes.OK:
            raise refusal(response.status_code, response.content)
        if not response.content:
            raise Away(SILENT)
        return response.content

    def _away(self, error: BaseException) -> Temporary | Config:
        """What to raise for what the library made of an `OSError`."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__ or cause.__context__
        return away(cause or error, self._path)
