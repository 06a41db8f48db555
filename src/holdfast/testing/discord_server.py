"""A Discord server, faithful where it hurts: REST and gateway, in a process of its own that keeps the truth in SQLite, survives being killed, and fails on order.

    python -m holdfast.testing.discord_server --db FILE [--port 0] [--bot TOKEN:USERNAME ...]

See `fake_server`; what `POST /control/NAME` takes is in `discord_world`. The API is under /api/v10, the gateway under /.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from holdfast.testing.discord_gateway import Connection
from holdfast.testing.discord_methods import OPEN, ROUTES, Method, Uploads
from holdfast.testing.discord_world import Refused, World
from holdfast.testing.fake_server import Json, arguments, control, serve, under_faults

ORDERS: Final = frozenset(
    {
        "about_bot",
        "allow",
        "archive",
        "calls",
        "connections",
        "direct",
        "edit",
        "end_sessions",
        "fault",
        "guild",
        "heal",
        "interactions",
        "press",
        "push",
    }
    | {
        "refuse",
        "remove",
        "reset",
        "revoke",
        "role",
        "sent_files",
        "sessions",
        "set",
        "shown",
        "slash",
        "thread",
        "unfurl",
        "upload",
        "write",
    }
)


class DiscordServer:
    """The doors of it."""

    def __init__(self, db: Path) -> None:
        self.world = World(db, self._changed, self._ordered)
        self._news = asyncio.Event()
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.app = Starlette(
            routes=[
                Route("/api/v10/{path:path}", self._method, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
                Route("/cdn/{file}", self._download),
                control(self.world, ORDERS),
                WebSocketRoute("/", self._gateway),
            ]
        )

    def _changed(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _ordered(self, what: str, code: int) -> None:
        for connection in self._connections:
            task = asyncio.get_running_loop().create_task(connection.ordered(what, code))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _gateway(self, socket: WebSocket) -> None:
        connection = Connection(self.world, socket, lambda: self._news)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def _download(self, request: Request) -> Response:
        row = self.world.row("select * from file where id = ?", request.path_params["file"])
        if row is None or "authorization" in request.headers:  # files are had without a name, and nobody says who they are
            return Response(status_code=404)
        return Response(row["data"], media_type=row["type"])

    async def _method(self, request: Request) -> Response:
        path, token = f"/{request.path_params['path']}", request.headers.get("authorization", "").removeprefix("Bot ")
        body, files = await _body(request)
        name, method, said = self._route(request, path)
        headers: dict[str, str] = {}

        async def heeded() -> Response:
            try:
                bot = self.world.known_bot(token) if name not in OPEN else {}
                headers.update(self._spend(name, said.get("channel", "")))
                result = self._entrance(request, bot) if method is None else method(self.world, bot, said, body, files)
                answer, status = result, 204 if result is None else 200
            except Refused as refused:
                answer, status = refused.body, refused.status
            self.world.note(token, name, {**said, **(body if isinstance(body, dict) else {"list": body})}, status)
            if status == 429:
                headers["retry-after"] = str(answer["retry_after"])
            return Response(b"" if status == 204 else _json(request, answer), status, headers, "application/json")

        def broken(kind: str, value: float) -> Response:
            self.world.note(token, name, said, 429 if kind == "limit" else int(value))
            if kind == "limit":
                limited = {"message": "You are being rate limited.", "retry_after": value, "global": False, "code": 0}
                return JSONResponse(limited, 429, {"retry-after": f"{value:g}", "x-ratelimit-scope": "user"})
            return Response(b"upstream connect error", int(value), media_type="text/plain")

        return await under_faults(request, self.world.next_fault(name, said.get("channel", "")), heeded, broken)

    def _route(self, request: Request, path: str) -> tuple[str, Method | None, Json]:
        if path in {"/gateway", "/gateway/bot"}:
            return "gateway", None, {}
        for verb, pattern, name, method in ROUTES:
            found = re.fullmatch(pattern, path)
            if found is not None and verb == request.method:
                return name, method, {**{key: unquote(value) for key, value in found.groupdict().items()}, **request.query_params}
        return "unknown", _unknown, {}

    def _entrance(self, request: Request, bot: Json) -> Json:
        limit = {"total": 1000, "remaining": bot["starts"], "reset_after": bot["reset_after_ms"], "max_concurrency": 1}
        return {"url": str(request.base_url).replace("http", "ws", 1).rstrip("/"), "shards": 1, "session_start_limit": limit}

    def _spend(self, name: str, channel: str) -> dict[str, str]:
        """One more call of this route. What is left of it is said; raises `Refused` if nothing is."""
        allowance = self.world.row("select * from allowance where route = ?", name)
        if allowance is None:
            return {}
        route, now = f"{name} {channel}", time.time()
        since = now - allowance["window_s"]
        sent = self.world.rows("select at from sent where route = ? and at > ? order by at", route, since)
        reset = (sent[0]["at"] if sent else now) - since
        left = allowance["most"] - len(sent)
        if left < 1:
            raise Refused(429, 0, "You are being rate limited.", retry_after=round(reset, 3), **{"global": False})
        self.world.rows("insert into sent values (?, ?)", route, now)
        said = {"limit": allowance["most"], "remaining": left - 1, "reset": now + reset, "reset-after": round(reset, 3), "bucket": name}
        return {f"x-ratelimit-{key}": str(value) for key, value in said.items()}


def _unknown(*_: Any) -> Any:
    raise Refused(404, 0, "404: Not Found")


def _json(request: Request, answer: Any) -> bytes:
    return json.dumps(answer).replace('"/cdn/', f'"{request.base_url}cdn/').encode()


async def _body(request: Request) -> tuple[Any, Uploads]:
    """As JSON, or as a form with files."""
    if not request.headers.get("content-type", "").startswith("multipart/"):
        return json.loads(await request.body() or b"{}"), ()
    async with request.form() as form:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        uploads = [(one.filename or "", one.content_type or "", await one.read()) for one in files]
        return json.loads(str(form["payload_json"])), uploads


def main() -> None:
    parser = arguments("discord")
    parser.add_argument("--bot", action="append", default=[], metavar="TOKEN:USERNAME", help="a bot that exists")
    given = parser.parse_args()
    server = DiscordServer(given.db)
    for bot in given.bot:
        token, _, username = bot.rpartition(":")
        server.world.bot(token, username)
    asyncio.run(serve(server.app, given.port))


if __name__ == "__main__":
    main()
