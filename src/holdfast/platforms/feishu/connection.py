"""The long connection: Feishu brings its events through a WebSocket that we open, in frames that we answer once they are durable.

There is no reconnecting here. Feishu lets at most 50 connections of one app be open, and brings each event to one of them, at random.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec

from holdfast import environment
from holdfast.errors import Config, Temporary
from holdfast.platforms.asking import Failure
from holdfast.platforms.feishu.api import Api, Refused
from holdfast.platforms.feishu.frames import DATA, Broken, Frame, decode, encode, ping
from holdfast.platforms.feishu.receipts import is_passing
from holdfast.platforms.feishu.way import Bring, Push, Pushes
from holdfast.platforms.feishu.wire import ClientConfig, Connections
from holdfast.platforms.together import together
from holdfast.ports import Clock

CONNECT_S_MAX: Final = 20.0
PING_S_MAX: Final = 30.0
"""Feishu says every two minutes: so long nobody would notice that the other end is gone."""
SILENCE_S_MAX: Final = 3 * PING_S_MAX
QUIET_S_MAX: Final = 2 * 3600.0
"""Connections were seen that answer every ping, and bring nothing any more. One that has brought nothing for so long is replaced."""
ALONE_S: Final = 300.0
"""When we look whether others are connected as this app, too: a connection whose process was killed is gone by then."""
PARTS_MAX: Final = 64
"""Of events that come in several frames, so many may be incomplete."""
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024

_CONNECTIONS_MAX: Final = 1000040350
_REFUSED: Final = 403
_ANSWERED: Final = ("event", "card")

log = logging.getLogger("holdfast.feishu")


class LongConnection:
    """See `way.Way`."""

    silence_s_max: Final = SILENCE_S_MAX

    def __init__(self, account: str, api: Api, clock: Clock) -> None:
        self._account, self._api, self._clock = account, api, clock

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Bring]:
        """Connected, within. Raises `Temporary` or `Config`."""
        try:
            endpoint = await self._api.endpoint()
        except Refused as refused:
            raise self._why(refused, passing=is_passing(refused) or refused.code == _CONNECTIONS_MAX) from None
        except Failure as failure:
            raise Temporary(f"{self._api.host} can't be reached: {failure}.") from None
        async with aiohttp.ClientSession(trust_env=False) as session:
            socket = await self._connected(session, endpoint.url)
            line = _Line(self._account, socket, endpoint.url, _ping_s(endpoint.config), self._clock)
            try:
                yield lambda pushes, heard: together(line.read(pushes, heard), line.keep(), self._look_for_others())
            finally:
                await socket.close()

    async def _connected(self, session: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
        way = url.replace("ws", "http", 1)
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                return await session.ws_connect(
                    url,
                    proxy=environment.proxy_for(way) or None,
                    ssl=environment.trusted() if way.startswith("https:") else True,
                    max_msg_size=FRAME_BYTES_MAX,
                )
        except TimeoutError:
            raise Temporary(f"Feishu's long connection did not open within {CONNECT_S_MAX:g} s.") from None
        except aiohttp.WSServerHandshakeError as error:
            headers: Mapping[str, str] = error.headers or {}
            code = headers.get("handshake-autherrcode") or headers.get("handshake-status") or "0"
            refused = Refused(error.status, int(code) if code.isdecimal() else 0, headers.get("handshake-msg") or error.message)
            raise self._why(refused, passing=_REFUSED not in {refused.code, error.status}) from None
        except (aiohttp.ClientError, ValueError, environment.Unusable) as error:
            raise Temporary(f"Feishu's long connection can't be opened: {error}.") from None

    def _why(self, refused: Refused, *, passing: bool) -> Temporary | Config:
        if refused.code == _CONNECTIONS_MAX:
            return Temporary(
                f"Feishu lets no more connections of this app in ({refused}). End other programs that use it, or give this gateway an app of its own."
            )
        if passing:
            return Temporary(f"Feishu: {refused}.", refused.retry_after_s)
        return Config(
            f"Feishu refuses {self._account} a long connection: {refused}. Look at the app in the developer console (Credentials; Events and "
            "Callbacks), correct app_id and app_secret, and start me again."
        )

    async def _look_for_others(self) -> None:
        await self._clock.sleep(ALONE_S)
        with contextlib.suppress(Failure):
            if (count := (await self._api.get("/event/v1/connection", Connections)).data.online_instance_cnt) > 1:
                log.warning(
                    "%s: %d programs are connected as this app, and Feishu brings each message to one of them, at random. End the others, or give "
                    "this gateway an app of its own.",
                    self._account,
                    count,
                )
        await asyncio.Event().wait()


class _Line:
    """One open connection."""

    def __init__(self, account: str, socket: aiohttp.ClientWebSocketResponse, url: str, ping_s: float, clock: Clock) -> None:
        self._account, self._socket, self._ping_s, self._clock = account, socket, ping_s, clock
        service = parse_qs(urlsplit(url).query).get("service_id", ["0"])[0]
        self._service = int(service) if service.isdecimal() else 0
        self._parts: dict[str, dict[int, bytes]] = {}
        self._brought_at = clock.monotonic()

    async def read(self, pushes: Pushes, heard: Callable[[], None]) -> None:
        """Until the other end closes it. Raises `Temporary`."""
        async for message in self._socket:
            heard()
            if message.type is aiohttp.WSMsgType.BINARY:
                try:
                    frame = decode(message.data)
                except Broken as broken:
                    raise Temporary(f"Feishu's long connection brought {broken}. It is connected anew.") from None
                await self._take(frame, pushes)
        raise Temporary(f"Feishu closed the long connection ({self._socket.close_code or 'without a word'}).")

    async def _take(self, frame: Frame, pushes: Pushes) -> None:
        if frame.method != DATA:
            if frame.headers.get("type") == "pong" and frame.payload:
                with contextlib.suppress(msgspec.DecodeError):
                    self._ping_s = _ping_s(msgspec.json.decode(frame.payload, type=ClientConfig))
            return
        self._brought_at = self._clock.monotonic()
        whole = self._whole(frame)
        if whole is not None and frame.headers.get("type") in _ANSWERED:
            began = self._clock.monotonic()
            await pushes.put(Push(whole, lambda answer: self._answer(frame, began, answer)))

    def _whole(self, frame: Frame) -> bytes | None:
        """The event, once all its frames are here."""
        headers = frame.headers
        count, at = (int(headers.get(name) or 0) if (headers.get(name) or "0").isdecimal() else 0 for name in ("sum", "seq"))
        if count <= 1:
            return frame.payload
        id_ = headers.get("message_id", "")
        parts = self._parts.setdefault(id_, {})
        parts[at] = frame.payload
        if len(parts) == count:
            del self._parts[id_]
            return b"".join(parts[index] for index in sorted(parts))
        if len(self._parts) > PARTS_MAX:
            del self._parts[next(iter(self._parts))]  # it was not answered, and comes again
        return None

    async def _answer(self, frame: Frame, began: float, answer: bytes) -> None:
        """It is durable. `answer` is what a press is answered with."""
        said = {"code": 200, "headers": {}, "data": b64encode(answer).decode()} if answer else {"code": 200}
        headers = {**frame.headers, "biz_rt": str(int(1000 * (self._clock.monotonic() - began)))}
        answered = Frame(frame.method, frame.service, headers, msgspec.json.encode(said), frame.seq, frame.log, frame.rest)
        await self._send(answered)

    async def keep(self) -> None:
        """Ping. Raises `Temporary` when the connection has been quiet for too long."""
        while self._clock.monotonic() - self._brought_at < QUIET_S_MAX:
            await self._send(ping(self._service))
            await self._clock.sleep(self._ping_s)
        raise Temporary(
            f"{self._account} is connected anew: Feishu brought nothing for {QUIET_S_MAX / 3600:g} hours. That may be so; this makes sure."
        )

    async def _send(self, frame: Frame) -> None:
        try:
            await self._socket.send_bytes(encode(frame))
        except (ConnectionError, aiohttp.ClientError) as error:
            raise Temporary(f"Feishu's long connection broke off: {error}.") from None


def _ping_s(config: ClientConfig | None) -> float:
    try:
        said = float((config.ping_interval if config is not None else None) or PING_S_MAX)
    except ValueError:
        said = PING_S_MAX
    return min(max(said, 1.0), PING_S_MAX)
