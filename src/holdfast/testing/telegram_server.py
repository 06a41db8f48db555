"""A Telegram Bot API server, faithful where it hurts: a process of its own that keeps the truth in SQLite, survives being killed, and fails on order.

    python -m holdfast.testing.telegram_server --db FILE [--port 0] [--bot TOKEN:USERNAME ...]

prints its address. Beside the Bot API it has `POST /control/NAME`: what `telegram_world.World` lets a test order and ask, with arguments in JSON
(`telegram_client` speaks to it). Faults, by `World.fault`, befall the next calls of a method:

    delay         the call is answered `value` seconds later          delay_before   it is heeded `value` seconds later
    drop          it is heeded, its answer lost with the connection   drop_before    the connection is lost before it is heeded
    status        it is answered with the error `value`               status_after   the same, and heeded
    limit         too many: retry after `value` seconds               garbage        something that is no JSON is answered
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from holdfast.testing.telegram_methods import METHODS, Uploads, confirm, next_updates
from holdfast.testing.telegram_world import Json, Refused, World

POLL_S_MAX: Final = 50
HOOK_RETRY_S: Final = 0.2
HOOK_S_MAX: Final = 10.0
ORDERS: Final = frozenset(
    {
        "about_bot",
        "allow",
        "bot",
        "calls",
        "close_topic",
        "edit",
        "fault",
        "group",
        "meet",
        "migrate",
        "press",
        "push",
        "recycle",
        "refuse",
        "remove",
        "reset",
        "revoke",
    }
    | {"sent_files", "shown", "unconfirmed", "upload", "write"}
)
_JSON: Final = (
    "allowed_updates",
    "caption_entities",
    "commands",
    "entities",
    "link_preview_options",
    "media",
    "reaction",
    "reply_markup",
    "reply_parameters",
)


class _Protocol(H11Protocol):
    """Connections can be looked up by who is at their other end, to be cut."""

    open: Final[dict[tuple[str, int], asyncio.Transport]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # narrower, as uvicorn's own
        super().connection_made(transport)
        self.open[transport.get_extra_info("peername")] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.pop(self.transport.get_extra_info("peername"), None)
        super().connection_lost(exc)


class TelegramServer:
    """The HTTP of it."""

    def __init__(self, db: Path) -> None:
        self.world = World(db, self._changed)
        self._news = asyncio.Event()
        self._polls: defaultdict[int, list[asyncio.Event]] = defaultdict(list)
        self.app = Starlette(
            routes=[
                Route("/bot{token}/{method}", self._method, methods=["GET", "POST"]),
                Route("/file/bot{token}/{path:path}", self._download),
                Route("/control/{order}", self._control, methods=["POST"]),
            ],
            lifespan=self._lifespan,
        )

    def _changed(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        hooks = asyncio.create_task(self._call_hooks())
        yield
        hooks.cancel()

    async def _control(self, request: Request) -> Response:
        order, said = request.path_params["order"], json.loads(await request.body() or b"{}")
        if order not in ORDERS:
            return JSONResponse({"error": f"there is no order {order}"}, 404)
        if order == "upload":
            said["data"] = base64.b64decode(said["data"])
        return JSONResponse(getattr(self.world, order)(**said))

    async def _download(self, request: Request) -> Response:
        try:
            self.world.known_bot(request.path_params["token"])
            return Response(self.world.data(request.path_params["path"].removeprefix("documents/")))
        except Refused as refused:
            return JSONResponse(refused.body, 404 if refused.status == HTTPStatus.BAD_REQUEST else refused.status)

    async def _method(self, request: Request) -> Response:
        params, files = await _parameters(request)
        method = request.path_params["method"]
        kind, value = self.world.next_fault(method, params.get("chat_id", 0))
        if kind == "delay_before":
            await asyncio.sleep(value)
        if kind == "drop_before":
            return _cut(request)
        try:
            _befall(kind, value)
            bot = self.world.known_bot(request.path_params["token"])
            answer: Json = {"ok": True, "result": await self._heed(bot, method.lower(), params, files)}
            status = 200
        except Refused as refused:
            answer, status = refused.body, refused.status
        self.world.note(request.path_params["token"], method, params, status)
        if kind == "delay":
            await asyncio.sleep(value)
        if kind == "drop":
            return _cut(request)
        if kind == "status_after":
            broken = _broken(value)
            return JSONResponse(broken.body, broken.status)
        if kind == "garbage":
            return Response("<html><body>Please log in to this network.</body></html>", media_type="text/html")
        return Response(json.dumps(answer), status, media_type="application/json")  # halves of characters as escapes, as Telegram may

    async def _heed(self, bot: Mapping[str, Any], method: str, params: Json, files: Uploads) -> Any:
        if method == "getupdates":
            return await self._poll(bot, params)
        if method not in METHODS:
            raise Refused(404, "Not Found")
        return METHODS[method](self.world, bot, params, files)

    async def _poll(self, bot: Mapping[str, Any], params: Json) -> list[Json]:
        """Long polling. Whoever asks ends the poll of anybody else."""
        if json.loads(bot["webhook"]):
            hint = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
            raise Refused(409, f"Conflict: {hint}")
        for other in self._polls[bot["id"]]:
            other.set()
        confirm(self.world, bot, params)
        ended = asyncio.Event()
        self._polls[bot["id"]].append(ended)
        deadline = time.monotonic() + min(float(params.get("timeout") or 0), POLL_S_MAX)
        try:
            while True:
                news = self._news
                self.world.known_bot(bot["token"])
                updates = next_updates(self.world, bot, params)
                if updates or time.monotonic() >= deadline:
                    return updates
                await _first(news, ended, deadline - time.monotonic())
                if ended.is_set():
                    raise Refused(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")
        finally:
            self._polls[bot["id"]].remove(ended)

    async def _call_hooks(self) -> None:
        """Bring what bots with a webhook were not told yet, in order, until they say that they have it."""
        async with httpx2.AsyncClient(trust_env=False, timeout=HOOK_S_MAX) as http:
            while True:
                news, failed = self._news, False
                for bot in self.world.rows("select * from bot where webhook != '{}' and not revoked"):
                    failed = failed or not await self._call_hook(http, bot)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), HOOK_RETRY_S if failed else None)

    async def _call_hook(self, http: httpx2.AsyncClient, bot: Mapping[str, Any]) -> bool:
        hook = json.loads(bot["webhook"])
        headers = {"x-telegram-bot-api-secret-token": hook["secret_token"]} if hook["secret_token"] else {}
        for update in self.world.pending(bot["id"], 0, 100):
            try:
                answer = await http.post(hook["url"], json=update, headers=headers)
                why = "" if answer.is_success else f"Wrong response from the webhook: {answer.status_code} {answer.reason_phrase}"
            except httpx2.HTTPError as error:
                why = f"Connection failed: {type(error).__name__}"
            if why:
                said = hook | {"last_error_date": int(time.time()), "last_error_message": why}
                sql = "update bot set webhook = ? where id = ? and webhook = ?"
                self.world.rows(sql, json.dumps(said), bot["id"], bot["webhook"])
                return False
            self.world.rows("delete from pending where bot = ? and id = ?", bot["id"], update["update_id"])
        return True


async def _first(news: asyncio.Event, ended: asyncio.Event, most_s: float) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (news, ended)]
    try:
        await asyncio.wait(waits, timeout=most_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _befall(kind: str, value: float) -> None:
    """The errors that come instead of an answer. Raises `Refused`."""
    if kind == "status":
        raise _broken(value)
    if kind == "limit":
        raise Refused(429, f"Too Many Requests: retry after {value:g}", retry_after=int(value))


def _broken(status: float) -> Refused:
    return Refused(int(status), HTTPStatus(int(status)).phrase)


def _cut(request: Request) -> Response:
    """The connection is gone, in the middle of it."""
    assert request.client is not None
    _Protocol.open[request.client.host, request.client.port].abort()
    return Response()


async def _parameters(request: Request) -> tuple[Json, Uploads]:
    """As JSON, or as a form whose structured fields are JSON; files only in a form."""
    params: Json = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/json"):
        return params | json.loads(await request.body() or b"{}"), {}
    files: dict[str, tuple[str, bytes]] = {}
    async with request.form() as form:
        for name, value in form.items():
            if isinstance(value, UploadFile):
                files[name] = (value.filename or name, await value.read())
            else:
                params[name] = json.loads(value) if name in _JSON else value
    return params, files


async def serve(db: Path, port: int, bots: list[str]) -> None:
    """Serve, and print the address once connections are taken."""
    server = TelegramServer(db)
    for bot in bots:
        token, _, username = bot.rpartition(":")
        server.world.bot(token, username)
    listener = socket.create_server(("127.0.0.1", port))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201 - whoever started it reads this
    options = uvicorn.Config(server.app, http=_Protocol, log_level="warning", lifespan="on", timeout_graceful_shutdown=1)
    await uvicorn.Server(options).serve([listener])


def main() -> None:
    parser = argparse.ArgumentParser(prog="telegram_server", description="A Telegram Bot API server for tests.")
    parser.add_argument("--db", type=Path, required=True, help="where the truth is kept")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bot", action="append", default=[], metavar="TOKEN:USERNAME", help="a bot that exists")
    given = parser.parse_args()
    asyncio.run(serve(given.db, given.port, given.bot))


if __name__ == "__main__":
    main()
