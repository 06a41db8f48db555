"""Socket Mode: the connection over which Slack brings events.

It is ours and not the library's: its client opens another one whenever it sees fit, keeps an unbounded queue, and logs and swallows what goes wrong while an
event is taken. Here a connection that ends is an error, whoever takes an event can fail, and nothing is acknowledged before it was taken.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp
import msgspec

from holdfast.errors import Config, Temporary
from holdfast.platforms.slack import wire
from holdfast.platforms.slack.api import Api, Refused, without_nulls
from holdfast.platforms.slack.receipts import STOPPED
from holdfast.platforms.slack.receiving import Delivery
from holdfast.ports import Inbox

HELLO_S_MAX: Final = 20.0
PING_S: Final = 20.0
WAITING_MAX: Final = 200
"""So many events wait to be taken; then no more are read."""

log = logging.getLogger("holdfast.slack")


class _Frame(msgspec.Struct, frozen=True):
    type: str = ""
    envelope_id: str = ""
    payload: dict[str, Any] = {}
    reason: str = ""
    num_connections: int = 1


@dataclass(frozen=True, slots=True)
class Envelope:
    """A delivery, and what it is acknowledged by."""

    id: str
    delivery: Delivery


class Socket:
    """One connection."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, account: str) -> None:
        self._ws, self._account = ws, account
        self._waiting: asyncio.Queue[Envelope] = asyncio.Queue(WAITING_MAX)

    @classmethod
    @asynccontextmanager
    async def opened(cls, api: Api, account: str) -> AsyncIterator[Self]:
        """Within, events are brought. Raises `Failure`, `Temporary` or `Config`."""
        ws = await api.socket(await _address(api, account))
        try:
            socket = cls(ws, account)
            await socket._greeted()
            yield socket
        finally:
            await ws.close()

    async def _greeted(self) -> None:
        try:
            async with asyncio.timeout(HELLO_S_MAX):
                while (hello := await self._frame()) is None:
                    pass
        except TimeoutError:
            raise Temporary(f"Slack took the connection and said nothing for {HELLO_S_MAX:g} s.") from None
        if hello.type != "hello":
            raise Temporary(f"Slack began a connection with {hello.type!r}.")
        if hello.num_connections > 1:
            log.warning(
                "%s: %d connections are open with this app-level token: of another program, or one of ours that Slack does not miss yet. It brings each "
                "event to one of them; what others get, we find later.",
                self._account,
                hello.num_connections,
            )

    async def read(self, inbox: Inbox) -> None:
        """Until it ends. Raises `Temporary` or `Config`."""
        while True:
            frame = await self._frame()
            inbox.alive()
            if frame is None:
                continue
            match frame.type:
                case "events_api" | "interactive" | "slash_commands" as kind:
                    await self._waiting.put(Envelope(frame.envelope_id, Delivery(kind, frame.payload)))
                case "disconnect":
                    raise self._ended(frame.reason)
                case _:
                    log.debug("%s: a frame of type %s", self._account, frame.type)

    async def _frame(self) -> _Frame | None:
        """The next one; None if it was only a sign of life."""
        message = await self._ws.receive()
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                try:
                    return msgspec.convert(without_nulls(json.loads(message.data)), _Frame)
                except (ValueError, msgspec.ValidationError):
                    raise Temporary("Slack sent a frame that is none of Socket Mode.") from None
            case aiohttp.WSMsgType.PING:
                await self._say(self._ws.pong(message.data))
                return None
            case aiohttp.WSMsgType.PONG | aiohttp.WSMsgType.BINARY:
                return None
            case _:
                raise Temporary("Slack closed the connection.")

    def _ended(self, reason: str) -> Temporary | Config:
        if reason == "link_disabled":
            return Config(
                f"Socket Mode is switched off for the app of {self._account}. Switch it on (api.slack.com/apps, Socket Mode), and start the account again: "
                f"holdfast platforms retry {self._account}."
            )
        return Temporary(f"Slack asks for a new connection ({reason}).")

    async def waiting(self) -> Sequence[Envelope]:
        """What was brought, once there is something."""
        first = await self._waiting.get()
        return [first, *(self._waiting.get_nowait() for _ in range(self._waiting.qsize()))]

    async def acknowledge(self, envelope: Envelope, reply: str = "") -> None:
        payload = {"payload": {"text": reply}} if reply else {}
        await self._say(self._ws.send_json({"envelope_id": envelope.id, **payload}))

    async def keep_alive(self) -> None:
        """Ask for a sign of life, now and then, until cancelled."""
        while True:
            await asyncio.sleep(PING_S)
            await self._say(self._ws.ping())

    async def _say(self, saying: Any) -> None:
        try:
            await saying
        except (aiohttp.ClientError, OSError) as error:
            raise Temporary(f"the connection to Slack broke: {error}.") from None


async def _address(api: Api, account: str) -> str:
    try:
        return (await api.call("apps.connections.open", wire.Address, as_app=True)).url
    except Refused as refused:
        if refused.code not in STOPPED:
            raise
        raise Config(
            f"Slack does not take the app-level token of {account} ({refused}). Make one with the scope connections:write (api.slack.com/apps, Basic "
            f"Information, App-Level Tokens; it begins with xapp-), put it where `app_token` says, and start me again."
        ) from None
