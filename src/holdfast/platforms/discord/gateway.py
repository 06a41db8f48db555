"""One connection to Discord's gateway. It is never connected anew here."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from holdfast import environment
from holdfast.errors import Temporary
from holdfast.platforms.discord.session import Session
from holdfast.ports import Clock

CONNECT_S_MAX: Final = 15.0
CLOSE_S_MAX: Final = 1.0
EVENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Large servers are described in one event."""
GOING_ON: Final = 4000
"""How we close: 1000 would end the session."""

GUILDS: Final = 1 << 0
GUILD_MESSAGES: Final = 1 << 9
DIRECT_MESSAGES: Final = 1 << 12
MESSAGE_CONTENT: Final = 1 << 15
INTENTS: Final = GUILDS | GUILD_MESSAGES | DIRECT_MESSAGES | MESSAGE_CONTENT

_BEAT, _IDENTIFY, _RESUME, _HELLO = 1, 2, 6, 10
_FORGOTTEN: Final = frozenset({4003, 4007, 4009})
"""Close codes after which the session is not known any more."""
_FATAL: Final = frozenset({4004, 4010, 4011, 4012, 4013, 4014})


class SessionOver(Exception):
    """There is nothing to go on with: a new session has to be begun."""


class Unreached(Temporary):
    """There was no connection."""


class Shut(Exception):
    """The gateway lets nobody in who comes like this. `code` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the gateway closed the connection with code {code}")
        self.code = code


class Event(msgspec.Struct, frozen=True, rename={"name": "t", "seq": "s", "data": "d"}):
    """Something that the gateway says."""

    op: int
    name: str | None = None
    seq: int | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Hello(msgspec.Struct, frozen=True):
    heartbeat_interval: float


class Wire:
    """The connection. `seq` is what `beat` tells Discord that we have."""

    def __init__(self, socket: ClientConnection, clock: Clock) -> None:
        self._socket, self._clock = socket, clock
        self._every_s = 0.0
        self._answered = True
        self.seq: int | None = None
        self.heard: Callable[[], None] = lambda: None
        """Told of every sign of life."""

    async def identify(self, token: str) -> None:
        """Begin a session."""
        properties = {"os": "linux", "browser": "holdfast", "device": "holdfast"}
        await self._say(_IDENTIFY, {"token": token, "intents": INTENTS, "properties": properties, "large_threshold": 50})

    async def resume(self, token: str, session: Session) -> None:
        """Go on with one."""
        self.seq = session.seq
        await self._say(_RESUME, {"token": token, "session_id": session.id, "seq": session.seq})

    async def hello(self) -> None:
        event = await self._hear()
        if event.op != _HELLO:
            raise Temporary("Discord's gateway did not say hello.")
        self._every_s = msgspec.json.decode(event.data, type=_Hello).heartbeat_interval / 1000

    async def next(self) -> Event:
        """What happens next. Raises `SessionOver`, `Shut`, or `Temporary`."""
        while True:
            event = await self._hear()
            self.heard()
            match event.op:
                case 0:  # something happened
                    return event
                case 1:  # beat now
                    await self._say(_BEAT, self.seq)
                case 7:  # reconnect
                    raise Temporary("Discord asked us to connect anew.")
                case 9:  # the session is invalid
                    if msgspec.json.decode(event.data) is True:
                        raise Temporary("Discord asked us to take up the session anew.")
                    raise SessionOver("it does not know it")
                case 11:  # our beat was heard
                    self._answered = True
                case _:
                    pass

    async def beat(self) -> None:
        """Tell Discord that we are there, for ever. Raises `Temporary` when it does not answer."""
        await self._clock.sleep(self._every_s * random.random())  # noqa: S311 - so that not all bots beat at once
        while True:
            if not self._answered:
                raise Temporary("Discord's gateway is silent.")
            self._answered = False
            await self._say(_BEAT, self.seq)
            await self._clock.sleep(self._every_s)

    async def _hear(self) -> Event:
        try:
            raw = await self._socket.recv(decode=False)
        except ConnectionClosed as closed:
            raise _ended(closed) from None
        try:
            return msgspec.json.decode(raw, type=Event)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Event(0, "", None, msgspec.Raw(msgspec.json.encode([raw.decode("utf-8", "replace"), str(error)])))

    async def _say(self, op: int, data: Any) -> None:
        try:
            await self._socket.send(msgspec.json.encode({"op": op, "d": data}), text=True)
        except ConnectionClosed as closed:
            raise _ended(closed) from None


def _ended(closed: ConnectionClosed) -> Exception:
    code = closed.rcvd.code if closed.rcvd is not None else 0
    if code in _FATAL:
        return Shut(code)
    if code in _FORGOTTEN:
        return SessionOver(f"the gateway closed with code {code}")
    return Temporary(f"The connection to Discord's gateway ended{f' with code {code}' if code else ''}.")


@asynccontextmanager
async def connected(url: str, clock: Clock) -> AsyncIterator[Wire]:
    """A connection to this gateway, which has said hello. Raises `Unreached`."""
    try:
        socket = await _connect(url)
    except environment.Unusable as unusable:
        raise Unreached(f"Discord's gateway can't be reached: {unusable}.") from None
    except (OSError, WebSocketException, EOFError) as error:
        raise Unreached(f"Discord's gateway can't be reached: {error or type(error).__name__}.") from None
    except ImportError:
        what = "the proxy speaks SOCKS, which needs one more package. Run: pip install python-socks"
        raise Unreached(f"Discord's gateway can't be reached: {what}.") from None
    try:
        wire = Wire(socket, clock)
        await wire.hello()
        yield wire
    finally:
        try:
            await socket.close(GOING_ON)
        finally:
            socket.transport.abort()  # be it that we are told to end while we wait for Discord to say goodbye


async def _connect(url: str) -> ClientConnection:
    """By the ways that the environment names. The gateway's own heartbeats say whether it lives."""
    web = url.replace("ws", "http", 1)
    return await connect(
        f"{url.rstrip('/')}/?v=10&encoding=json",
        proxy=environment.proxy_for(web) or None,
        ssl=environment.trusted() if url.startswith("wss:") else None,
        compression=None,
        max_size=EVENT_BYTES_MAX,
        open_timeout=CONNECT_S_MAX,
        ping_interval=None,
        close_timeout=CLOSE_S_MAX,
    )
