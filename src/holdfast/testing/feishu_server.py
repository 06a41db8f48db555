"""A Feishu server, faithful where it hurts: a process of its own that keeps the truth in SQLite, survives being killed, and fails on order.

    python -m holdfast.testing.feishu_server --db FILE [--port 0] [--app ID:SECRET]

See `fake_server`; what `POST /control/NAME` takes is in `feishu_world`. Methods, for faults: token, info, send, reply, patch, list, get, resource, react,
image, file, chat, endpoint, connection. The fault "status" with a value over 999 is that code of Feishu's. Besides, the long connection obeys four orders:
`close_lines` (they end), `deafen` (they answer pings, and bring nothing), `split` (events come in so many frames) and `come_late`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import random
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import httpx2
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from holdfast.platforms.feishu.frames import CONTROL, DATA, Frame, decode, encode
from holdfast.testing.fake_server import Json, arguments, control, serve, under_faults
from holdfast.testing.feishu_cards import Refused
from holdfast.testing.feishu_world import AGAIN_S, ANSWER_S, World

ORDERS: Final = frozenset(
    {
        "an_hour_passes",
        "answers",
        "app",
        "calls",
        "chat",
        "close_lines",
        "come_late",
        "deafen",
        "edit",
        "expire_tokens",
        "fault",
        "person",
        "press",
    }
    | {
        "reactions",
        "recall",
        "refuse",
        "reset",
        "sent_files",
        "set_app",
        "seven_hours_pass",
        "shown",
        "split",
        "tell",
        "unanswered",
        "upload",
        "write",
    }
)
HOOK_S_MAX: Final = 3.0
TOKEN_S: Final = 7200


class Lines(World):
    """The world, and the long connections into it."""

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        super().__init__(path, changed)
        self.open: dict[WebSocket, set[str]] = {}
        """With the events that each was brought, and has not answered."""
        self.deaf, self.late, self.pieces = False, False, 1

    def close_lines(self) -> None:
        for line in self.open:
            asyncio.get_running_loop().create_task(line.close())

    def deafen(self, deaf: bool = True) -> None:
        self.deaf = deaf
        self.changed()

    def come_late(self) -> None:
        self.late = True

    def split(self, pieces: int) -> None:
        self.pieces = pieces

    def reset(self) -> None:
        self.deaf, self.late, self.pieces = False, False, 1
        super().reset()


class FeishuServer:
    """The HTTP of it."""

    def __init__(self, db: Path) -> None:
        self._news = asyncio.Event()
        self.world = Lines(db, self._changed)
        self.app = Starlette(
            routes=[
                Route("/open-apis/auth/v3/tenant_access_token/internal", self._token, methods=["POST"]),
                Route("/callback/ws/endpoint", self._endpoint, methods=["POST"]),
                WebSocketRoute("/line", self._line),
                Route("/open-apis/{path:path}", self._api, methods=["GET", "POST", "PATCH"]),
                control(self.world, ORDERS),
            ],
            lifespan=self._lifespan,
        )

    def _changed(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        bringing = asyncio.create_task(self._bring())
        yield
        bringing.cancel()

    # --- requests -------------------------------------------------------------------------------------------------------------------

    async def _token(self, request: Request) -> Response:
        said = json.loads(await request.body())

        async def heed() -> Response:
            app = self.world.the_app
            known = said.get("app_id") == app["id"] and said.get("app_secret") == app["secret"] and not app["revoked"]
            self.world.note("", "token", {}, 200)
            if not known:
                return JSONResponse({"code": 10014, "msg": "app secret invalid"})
            live = self.world.row("select value from token where not dead")
            value = live["value"] if live else f"t-{secrets.token_hex(8)}"
            self.world.rows("insert or ignore into token(value) values (?)", value)
            return JSONResponse({"code": 0, "msg": "ok", "tenant_access_token": value, "expire": TOKEN_S})

        return await under_faults(request, self.world.next_fault("token"), heed, _broken)

    async def _endpoint(self, request: Request) -> Response:
        said = json.loads(await request.body())

        async def heed() -> Response:
            app = self.world.the_app
            self.world.note("", "endpoint", {}, 200)
            if said.get("AppID") != app["id"] or said.get("AppSecret") != app["secret"] or app["revoked"]:
                return JSONResponse({"code": 10014, "msg": "app secret invalid"})
            url = f"ws://{request.headers['host']}/line?device_id=1&service_id=33&access_key={secrets.token_hex(8)}"
            config = {"ReconnectCount": -1, "ReconnectInterval": 1, "ReconnectNonce": 1, "PingInterval": 120} | json.loads(app["config"])
            return JSONResponse({"code": 0, "msg": "", "data": {"URL": url, "ClientConfig": config}})

        return await under_faults(request, self.world.next_fault("endpoint"), heed, _broken)

    async def _api(self, request: Request) -> Response:
        path = request.path_params["path"]
        body, files = await _read(request)
        method, ids = _method(request.method, path)
        chat = body.get("receive_id") or request.query_params.get("container_id", "")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")

        async def heed() -> Response:
            status = 200
            try:
                self.world.let_in(token)
                answer = self._heed(method, ids, dict(request.query_params), body, files)
            except Refused as refused:
                answer, status = (
                    JSONResponse({"code": refused.code, "msg": refused.msg, "error": {"log_id": "1"}}, refused.status),
                    refused.status,
                )
            self.world.note(token, method, {**request.query_params, **body, "ids": ids}, status)
            return answer

        return await under_faults(request, self.world.next_fault(method, chat), heed, _broken)

    def _heed(self, method: str, ids: list[str], query: Json, body: Json, files: dict[str, tuple[str, bytes]]) -> Response:
        world = self.world
        data: dict[str, Callable[[], Json]] = {
            "send": lambda: world.send(body["receive_id"], body),
            "reply": lambda: world.reply(ids[0], body),
            "patch": lambda: world.patch(ids[0], body),
            "get": lambda: world.found(ids[0], names=query.get("with_sender_name") == "true"),
            "list": lambda: world.history(query),
            "react": lambda: world.react(ids[0], body["reaction_type"]["emoji_type"]),
            "image": lambda: {"image_key": world.receive("image", *files["image"])},
            "file": lambda: {"file_key": world.receive("file", *files["file"])},
            "chat": lambda: {"chat_mode": world.mode(ids[0]), "name": "A chat"},
            "connection": lambda: {"online_instance_cnt": len(world.open) + (not world.the_app["alone"])},
        }
        if method == "info":
            bot = {"activate_status": 2, "app_name": world.the_app["name"], "open_id": world.the_app["bot"]}
            return JSONResponse({"code": 0, "msg": "ok", "bot": bot})
        if method == "resource":
            return Response(world.file(ids[1])["data"], media_type="application/octet-stream")
        return JSONResponse({"code": 0, "msg": "success", "data": data[method]()})

    # --- bringing events ------------------------------------------------------------------------------------------------------------

    async def _bring(self) -> None:
        """Each to one of the connections, at random, or to where we are to call; again until it is answered, but for a press. To a connection that
        opens all that waits is brought in order, unless it is to `come_late`: behind what is new, as Feishu brings what has to come again."""
        async with httpx2.AsyncClient(trust_env=False, timeout=HOOK_S_MAX) as http:
            while True:
                news = self._news
                for event in self.world.rows("select * from event where answered is null and due <= ? order by n", time.time()):
                    hook = json.loads(self.world.the_app["hook"])
                    answer = await self._call(http, hook, event["body"]) if hook else await self._push(event)
                    if answer is not None:
                        self.answered(event["id"], answer)
                    elif event["once"] and (hook or event["tries"]):
                        self.world.rows("delete from event where n = ?", event["n"])
                    elif hook:
                        break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), AGAIN_S)

    def answered(self, id_: str, answer: str) -> None:
        self.world.rows("update event set answered = ? where id = ? and answered is null", answer, id_)

    async def _push(self, event: Json) -> str | None:
        lines = list(self.world.open)
        if not lines or self.world.deaf:
            self.world.rows("update event set due = ? where n = ?", time.time() + AGAIN_S, event["n"])
            return None
        self.world.rows("update event set due = ?, tries = tries + 1 where n = ?", time.time() + ANSWER_S, event["n"])
        line = random.choice(lines)  # noqa: S311 - as it comes
        self.world.open[line].add(event["id"])
        body = event["body"].encode()
        size = -(-len(body) // self.world.pieces)
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        for seq, piece in enumerate(pieces):
            headers = {"type": "event", "message_id": event["id"], "trace_id": "t", "sum": str(len(pieces)), "seq": str(seq)}
            if event["type"] == "card.action.trigger" and self.world.pieces == 1 and event["n"] % 2:
                headers["type"] = "card"  # it is told of either way
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await line.send_bytes(encode(Frame(DATA, 33, headers, piece, event["n"], 1)))
        return None

    async def _call(self, http: httpx2.AsyncClient, hook: Json, event: str) -> str | None:
        body = event.encode()
        if hook.get("encrypted", True):
            body = json.dumps({"encrypt": encrypted(hook["key"], body)}).encode()
        try:
            answer = await http.post(hook["url"], content=body, headers=signed(hook["key"], body))
        except httpx2.HTTPError:
            return None
        return answer.text if answer.is_success else None

    async def _line(self, socket: WebSocket) -> None:
        kind, value = self.world.next_fault("line")
        if kind:
            headers = {"handshake-status": "514" if value else "403", "handshake-msg": "refused", "handshake-autherrcode": str(int(value))}
            await socket.send_denial_response(Response("", 514 if value else 403, headers))
            return
        await socket.accept()
        self.world.open[socket] = set()
        if not self.world.late:
            under_way = {id_ for brought in self.world.open.values() for id_ in brought}
            for event in self.world.rows("select id from event where answered is null"):
                self.world.rows("update event set due = 0 where id = ?", "" if event["id"] in under_way else event["id"])
        self._changed()
        try:
            while True:
                await self._hear(socket, decode(await socket.receive_bytes()))
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass
        finally:
            for id_ in self.world.open.pop(socket):
                self.world.rows("update event set due = ? where id = ?", time.time() + AGAIN_S, id_)

    async def _hear(self, socket: WebSocket, frame: Frame) -> None:
        if frame.method == CONTROL:
            pong = Frame(CONTROL, frame.service, {"type": "pong"}, b'{"PingInterval": 120}')
            await socket.send_bytes(encode(pong))
            return
        said = json.loads(frame.payload)
        if said["code"] == 200 and "biz_rt" in frame.headers:
            id_ = frame.headers["message_id"]
            self.answered(id_, base64.b64decode(said.get("data") or "").decode())
            self.world.open[socket].discard(id_)


def encrypted(key: str, body: bytes) -> str:
    padder, iv = padding.PKCS7(128).padder(), os.urandom(16)
    encryptor = Cipher(algorithms.AES(hashlib.sha256(key.encode()).digest()), modes.CBC(iv)).encryptor()
    return base64.b64encode(iv + encryptor.update(padder.update(body) + padder.finalize()) + encryptor.finalize()).decode()


def signed(key: str, body: bytes) -> dict[str, str]:
    at, nonce = str(int(time.time())), secrets.token_hex(4)
    signature = hashlib.sha256(f"{at}{nonce}{key}".encode() + body).hexdigest()
    return {
        "x-lark-request-timestamp": at,
        "x-lark-request-nonce": nonce,
        "x-lark-signature": signature,
        "content-type": "application/json",
    }


_METHODS: Final = (
    ("info", "GET", r"bot/v3/info"),
    ("send", "POST", r"im/v1/messages"),
    ("list", "GET", r"im/v1/messages"),
    ("reply", "POST", r"im/v1/messages/(\w+)/reply"),
    ("react", "POST", r"im/v1/messages/(\w+)/reactions"),
    ("resource", "GET", r"im/v1/messages/(\w+)/resources/(\w+)"),
    ("get", "GET", r"im/v1/messages/(\w+)"),
    ("patch", "PATCH", r"im/v1/messages/(\w+)"),
    ("image", "POST", r"im/v1/images"),
    ("file", "POST", r"im/v1/files"),
    ("chat", "GET", r"im/v1/chats/(\w+)"),
    ("connection", "GET", r"event/v1/connection"),
)


def _method(verb: str, path: str) -> tuple[str, list[str]]:
    """The name by which faults and calls know it, and the ids in its path."""
    found = ((name, re.fullmatch(pattern, path)) for name, of, pattern in _METHODS if of == verb)
    return next(((name, list(match.groups())) for name, match in found if match), (path, []))


def _broken(kind: str, value: float) -> Response:
    if kind == "limit":
        limited = {"code": 99991400, "msg": "request trigger frequency limit"}
        return JSONResponse(limited, 429, {"x-ogw-ratelimit-limit": "100", "x-ogw-ratelimit-reset": str(int(value))})
    if value > 999:
        return JSONResponse({"code": int(value), "msg": "as ordered"}, 400)
    return Response("upstream trouble", int(value))


async def _read(request: Request) -> tuple[Json, dict[str, tuple[str, bytes]]]:
    if request.headers.get("content-type", "").startswith("multipart/"):
        async with request.form() as form:
            files = {name: (value.filename or name, await value.read()) for name, value in form.items() if isinstance(value, UploadFile)}
            return {name: value for name, value in form.items() if isinstance(value, str)}, files
    body = await request.body()
    return json.loads(body) if body else {}, {}


async def run(db: Path, port: int, app: str) -> None:
    server = FeishuServer(db)
    id_, _, secret = app.partition(":")
    server.world.app(id_, secret)
    await serve(server.app, port)


def main() -> None:
    parser = arguments("feishu")
    parser.add_argument("--app", default="cli_fake:secret", metavar="ID:SECRET", help="the app that exists")
    given = parser.parse_args()
    asyncio.run(run(given.db, given.port, given.app))


if __name__ == "__main__":
    main()
