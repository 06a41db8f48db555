"""The gateway of the Discord server: one connection, from hello to whatever ends it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from holdfast.testing.discord_world import BEAT_MS, EVERY_INTENT, GUILDS, MESSAGE_CONTENT, World
from holdfast.testing.fake_server import Json, cut

PRIVILEGED: Final = (1 << 1) | (1 << 8) | MESSAGE_CONTENT


class Closed(Exception):
    """The connection ends, with this code (0: it is cut)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Connection:
    """See above. `news` gives what is set when there is something to tell."""

    def __init__(self, world: World, socket: WebSocket, news: Callable[[], asyncio.Event]) -> None:
        self._world, self._socket, self._news = world, socket, news
        self._deflate = zlib.compressobj() if socket.query_params.get("compress") == "zlib-stream" else None
        self._session, self._told = "", 0
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        await self._socket.accept()
        tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._tell())]
        try:
            await self._say(10, {"heartbeat_interval": int(self._world.setting("beat_ms", BEAT_MS)), "_trace": []})
            await asyncio.wait({*tasks, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            next(one for one in (*tasks, self._ended) if one.done()).result()
        except Closed as closed:
            if closed.code:
                await self._socket.close(closed.code)
            else:
                cut(self._socket)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the other end is gone
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            _ = self._ended.cancel() or self._ended.exception()

    async def ordered(self, what: str, code: int) -> None:
        """By a test."""
        match what:
            case "reconnect" | "invalid":
                with contextlib.suppress(WebSocketDisconnect):
                    await (self._say(7, None) if what == "reconnect" else self._say(9, bool(code)))
            case "close" | "cut":
                if not self._ended.done():
                    self._ended.set_exception(Closed(code if what == "close" else 0))
            case _:
                raise AssertionError(what)

    async def _say(self, op: int, data: Any, seq: int | None = None, type_: str | None = None) -> None:
        home = str(self._socket.base_url).replace("ws", "http", 1)
        said = json.dumps({"op": op, "d": data, "s": seq, "t": type_}).replace('"/cdn/', f'"{home}cdn/')
        if self._deflate is None:
            await self._socket.send_text(said)
        else:
            await self._socket.send_bytes(self._deflate.compress(said.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH))

    async def _tell(self) -> None:
        """What the session was not told yet."""
        while True:
            news = self._news()
            sql = "select * from event where session = ? and seq > ? order by seq"
            for event in self._world.rows(sql, self._session, self._told):
                await self._say(0, json.loads(event["body"]), event["seq"], event["type"])
                self._told = event["seq"]
            await news.wait()

    async def _hear(self) -> None:
        while True:
            raw = await self._socket.receive()
            if raw["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            said = json.loads(raw.get("text") or raw["bytes"])
            match said["op"]:
                case 1:
                    self._world.note(self._session, "beat", {"seq": said["d"]}, 200)
                    if not self._world.setting("deaf", 0):
                        await self._say(11, None)
                case 2:
                    await self._identify(said["d"])
                case 6:
                    await self._resume(said["d"])
                case 3 | 4:
                    pass  # a status, a voice
                case _:
                    raise Closed(4001)

    async def _identify(self, said: Json) -> None:
        world = self._world
        world.note(said["token"], "identify", {"intents": said["intents"]}, 200)
        bot = world.row("select * from bot where token = ? and not revoked", said["token"])
        if bot is None:
            raise Closed(4004)
        if said["intents"] & ~EVERY_INTENT:
            raise Closed(4013)
        if said["intents"] & PRIVILEGED & ~bot["intents"]:
            raise Closed(4014)
        world.rows("update bot set starts = starts - 1 where id = ?", bot["id"])
        if bot["starts"] < 1:
            world.rows("update bot set revoked = 1 where id = ?", bot["id"])  # as Discord does
            raise Closed(4004)
        session = f"session{world.new_id()}"
        world.rows("insert into session(id, bot, intents) values (?, ?, ?)", session, bot["id"], said["intents"])
        self._begin(session, bot, said["intents"])

    def _begin(self, session: str, bot: Mapping[str, Any], intents: int) -> None:
        world, home = self._world, str(self._socket.base_url).rstrip("/")
        guilds = world.rows("select id from guild") if intents & GUILDS else []
        ready = {
            "v": 10,
            "user": world.user_of(bot),
            "guilds": [{"id": one["id"], "unavailable": True} for one in guilds],
            "session_id": session,
            "session_type": "normal",
            "resume_gateway_url": home,
            "application": {"id": bot["id"], "flags": 0},
            "private_channels": [],
            "relationships": [],
            "shard": [0, 1],
        }
        world.tell_session(session, "READY", ready)
        for one in guilds:
            if not world.rows("select 1 from guild where id = ? and away", one["id"]):
                world.tell_session(session, "GUILD_CREATE", world.guild_of(one["id"]))
        self._session = session
        world.changed()

    async def _resume(self, said: Json) -> None:
        world = self._world
        world.note(said["token"], "resume", {"session": said["session_id"], "seq": said["seq"]}, 200)
        bot = world.row("select * from bot where token = ? and not revoked", said["token"])
        if bot is None:
            raise Closed(4004)
        session = world.row("select * from session where id = ? and bot = ? and alive", said["session_id"], bot["id"])
        if session is None or int(said["seq"] or 0) > session["seq"]:
            await self._say(9, False)
            return
        self._told = int(said["seq"] or 0)
        world.tell_session(session["id"], "RESUMED", {"_trace": []})
        self._session = session["id"]
        world.changed()
