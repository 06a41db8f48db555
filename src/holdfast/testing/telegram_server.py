"""A Telegram Bot API server, faithful where it hurts: a process of its own that keeps the truth in SQLite, survives being killed, and fails on order.

    python -m holdfast.testing.telegram_server --db FILE [--port 0] [--bot TOKEN:USERNAME ...]

See `fake_server`; what `POST /control/NAME` takes is in `telegram_world`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from holdfast.testing.fake_server import Json, arguments, control, serve, under_faults
from holdfast.testing.telegram_methods import METHODS, Uploads, confirm, next_updates
from holdfast.testing.telegram_world import Refused, World

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
                control(self.world, ORDERS),
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

    async def _download(self, request: Request) -> Response:
        try:
            self.world.known_bot(request.path_params["token"])
            return Response(self.world.data(request.path_params["path"].removeprefix("documents/")))
        except Refused as refused:
            return JSONResponse(refused.body, 404 if refused.status == HTTPStatus.BAD_REQUEST else refused.status)

    async def _method(self, request: Request) -> Response:
        params, files = await _parameters(request)
        method, token = request.path_params["method"], request.path_params["token"]

        async def heeded() -> Response:
            try:
                answer: Json = {"ok": True, "result": await self._heed(self.world.known_bot(token), method.lower(), params, files)}
                status = 200
            except Refused as refused:
                answer, status = refused.body, refused.status
            self.world.note(token, method, params, status)
            return Response(json.dumps(answer), status, media_type="application/json")  # halves of characters as escapes, as Telegram may

        def broken(kind: str, value: float) -> Response:
            refused = _broken(kind, value)
            self.world.note(token, method, params, refused.status)
            return JSONResponse(refused.body, refused.status)

        return await under_faults(request, self.world.next_fault(method, params.get("chat_id", "")), heeded, broken)

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


def _broken(kind: str, value: float) -> Refused:
    if kind == "limit":
        return Refused(429, f"Too Many Requests: retry after {value:g}", retry_after=int(value))
    return Refused(int(value), HTTPStatus(int(value)).phrase)


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


def main() -> None:
    parser = arguments("telegram")
    parser.add_argument("--bot", action="append", default=[], metavar="TOKEN:USERNAME", help="a bot that exists")
    given = parser.parse_args()
    server = TelegramServer(given.db)
    for bot in given.bot:
        token, _, username = bot.rpartition(":")
        server.world.bot(token, username)
    asyncio.run(serve(server.app, given.port))


if __name__ == "__main__":
    main()
