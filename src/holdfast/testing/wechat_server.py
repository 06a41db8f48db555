"""A server of WeChat's bot interface (iLink) and its CDN, faithful where it hurts: a process of its own, with the truth in SQLite.

    python -m holdfast.testing.wechat_server --db FILE [--port 0]

See `fake_server`; what `POST /control/NAME` takes is in `wechat_world`. One fault more: `declined`, what a send is told that is one too many.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from holdfast.testing.fake_server import Json, arguments, control, serve, under_faults
from holdfast.testing.wechat_world import DECLINED, ENDED, HERE, ORDERS, Refused, World

HOLD_S: Final = 30.0
"""How long a poll is kept, if nobody orders otherwise."""
LOOK_S: Final = 1.0
"""How long whoever asks for a picture is kept."""


class WechatServer:
    """The HTTP of it."""

    def __init__(self, db: Path) -> None:
        self.world = World(db, self._changed)
        self._news = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/ilink/bot/get_bot_qrcode", self._picture, methods=["GET", "POST"]),
                Route("/ilink/bot/get_qrcode_status", self._look, methods=["GET"]),
                Route("/ilink/bot/{method:path}", self._method, methods=["POST"]),
                Route("/c2c/upload", self._upload, methods=["POST"]),
                Route("/c2c/download", self._download, methods=["GET"]),
                control(self.world, ORDERS),
            ]
        )

    def _changed(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    @property
    def _hold_s(self) -> float:
        return float(self.world.setting("hold_s") or HOLD_S)

    # --- signing in ---------------------------------------------------------------------------------------------------------------------

    async def _picture(self, request: Request) -> Response:
        assert request.query_params["bot_type"] == "3"

        async def heeded() -> Response:
            return JSONResponse(self.world.picture())

        return await under_faults(request, self.world.next_fault("get_bot_qrcode"), heeded, _broken)

    async def _look(self, request: Request) -> Response:
        """Answered when it has become another."""
        code, given, here = request.query_params["qrcode"], request.query_params.get("verify_code", ""), _here(request)

        async def heeded() -> Response:
            elsewhere = request.headers["host"].startswith("localhost")
            deadline = time.monotonic() + min(self._hold_s, LOOK_S)
            while True:
                news, said = self._news, self.world.looked_at(code, given, here, elsewhere=elsewhere)
                if said["status"] != "wait" or time.monotonic() >= deadline:
                    if "redirect_host" in said:
                        said["redirect_host"] = said["redirect_host"].replace("127.0.0.1", "localhost")
                    return JSONResponse(said)
                await _first(news.wait(), deadline - time.monotonic())

        return await under_faults(request, self.world.next_fault("get_qrcode_status"), heeded, _broken)

    # --- the bot ------------------------------------------------------------------------------------------------------------------------

    async def _method(self, request: Request) -> Response:
        method, params = request.path_params["method"], json.loads(await request.body())
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        fault = self.world.next_fault(method, params.get("msg", {}).get("to_user_id", ""))

        async def heeded() -> Response:
            try:
                _admit(request.headers, fault[0])
                assert params["base_info"]["channel_version"]
                said = await self._heed(request, self.world.session(token)["person"], method, params)
            except Refused as refused:
                said = refused.body
            self.world.note(token, method, params, int(said.get("errcode") or said.get("ret") or 0))
            return Response(json.dumps(said).replace(HERE, _here(request)), media_type="application/json")

        return await under_faults(request, fault, heeded, _broken)

    async def _heed(self, request: Request, person: str, method: str, params: Json) -> Json:
        match method:
            case "getupdates":
                return await self._poll(request, person, params["get_updates_buf"])
            case "sendmessage":
                return self.world.say(params["msg"])
            case "getconfig":
                return {"ret": 0, "typing_ticket": base64.b64encode(params["ilink_user_id"].encode()).decode()}
            case "sendtyping":
                if base64.b64decode(params["typing_ticket"]).decode() != params["ilink_user_id"]:
                    raise Refused(-3, "bad ticket")
                self.world.sign(params["ilink_user_id"], params["status"])
                return {"ret": 0}
            case "getuploadurl":
                param = self.world.upload_place(params)
                url = f"{HERE}/c2c/upload?encrypted_query_param={param}&filekey={params['filekey']}"
                return {"ret": 0, "upload_param": param, "upload_full_url": url}
            case "msg/notifystart" | "msg/notifystop":
                return {"ret": 0}
            case _:
                raise Refused(-3, "no such method")

    async def _poll(self, request: Request, person: str, buf: str) -> Json:
        """Kept until there is something, or the session is over, or whoever asked is gone."""
        token = request.headers["authorization"].removeprefix("Bearer ")
        deadline = time.monotonic() + self._hold_s
        gone = asyncio.create_task(_gone(request))
        try:
            while not gone.done():
                news = self._news
                self.world.session(token)
                found = self.world.updates(person, buf)
                if found or time.monotonic() >= deadline:
                    reached = base64.b64encode(str(found[-1]["n"]).encode()).decode() if found else buf
                    return {
                        "ret": 0,
                        "msgs": [_json(row["body"]) for row in found],
                        "get_updates_buf": reached,
                        "longpolling_timeout_ms": 35_000,
                    }
                waiting = asyncio.create_task(news.wait())
                await asyncio.wait((waiting, gone), timeout=deadline - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
            return {}
        finally:
            gone.cancel()

    # --- the CDN ------------------------------------------------------------------------------------------------------------------------

    async def _upload(self, request: Request) -> Response:
        data, param = await request.body(), request.query_params["encrypted_query_param"]

        async def heeded() -> Response:
            wrong = self.world.upload(param, data)
            return (
                Response(status_code=400, headers={"x-error-message": wrong}) if wrong else Response(headers={"x-encrypted-param": param})
            )

        return await under_faults(request, self.world.next_fault("upload"), heeded, _broken)

    async def _download(self, request: Request) -> Response:
        async def heeded() -> Response:
            row = self.world.row("select data from stored where param = ?", request.query_params["encrypted_query_param"])
            return Response(row["data"]) if row else Response(status_code=404)

        return await under_faults(request, self.world.next_fault("download"), heeded, _broken)


def _admit(headers: Mapping[str, str], fault: str) -> None:
    """Raises `Refused`."""
    if headers.get("ilink-app-id") != "bot" or not headers.get("ilink-app-clientversion"):
        raise Refused(ENDED, "session timeout")
    assert headers["authorizationtype"] == "ilink_bot_token"
    assert base64.b64decode(headers["x-wechat-uin"]).isdigit()
    if fault == "declined":
        raise Refused(DECLINED, "rate limited")


def _here(request: Request) -> str:
    return f"http://{request.headers['host']}"


def _json(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _first(news: Awaitable[Any], most_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(news, most_s)


def _broken(kind: str, value: float) -> Response:
    if kind == "limit":
        return Response(status_code=429, headers={"retry-after": f"{value:g}"})
    return Response(status_code=int(value))


def main() -> None:
    given = arguments("wechat").parse_args()
    asyncio.run(serve(WechatServer(given.db).app, given.port))


if __name__ == "__main__":
    main()
