"""A program that talks with the gateway by HTTP, as its documentation says: it signs what it sends, sends it again until it is taken, and keeps each message
that it is called with once, by its key. It signs and checks by itself: no code is shared with the adapter.

    python -m holdfast.testing.webhook_server --db FILE --secret SECRET [--port 0]

is called at /callback. See `fake_server`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from holdfast.testing import bringing
from holdfast.testing.fake_server import Json, arguments, serve, under_faults

_SCHEMA: Final = """
create table if not exists told(n integer primary key autoincrement, key text unique, chat text, body text, times int default 1);
create table if not exists refuses(chat text primary key);
create table if not exists gone(at real);
"""


def sign(secret: str, key: str, at: str, body: bytes) -> str:
    signed = hmac.new(secret.encode(), b".".join((key.encode(), at.encode(), body)), hashlib.sha256)
    return "v1," + base64.b64encode(signed.digest()).decode()


class Program(bringing.Bringing):
    """What it was told, and what it has to say."""

    def __init__(self, secret: str, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.secret = secret

    def request(self, body: str) -> tuple[str, dict[str, str], bytes]:
        said = json.loads(body)
        key, at, data = said.pop("key"), str(int(time.time())), json.dumps(said).encode()
        headers = {"webhook-id": key, "webhook-timestamp": at, "webhook-signature": sign(self.secret, key, at, data)}
        return "", headers, data

    # --- orders -------------------------------------------------------------------------------------------------------------------------

    def write(self, chat: str, text: str = "", name: str = "", data: bytes = b"", **more: Any) -> None:
        """Say something, with a file perhaps."""
        files = [{"name": name, "data": base64.b64encode(data).decode()}] if name else []
        self.bring(chat, json.dumps({"key": uuid.uuid4().hex, "chat": chat, "text": text, "files": files, **more}))

    def choose(self, chat: str, question: int, option: str) -> None:
        self.bring(chat, json.dumps({"key": uuid.uuid4().hex, "chat": chat, "choose": question, "option": option}))

    def refuse(self, chat: str) -> None:
        self.rows("insert or ignore into refuses values (?)", chat)

    def revoke(self) -> None:
        """It is gone for good."""
        self.rows("insert into gone values (?)", time.time())

    def told(self, chat: str) -> list[Json]:
        return [json.loads(row["body"]) for row in self.rows("select body from told where chat = ? order by n", chat)]

    # --- being called -------------------------------------------------------------------------------------------------------------------

    async def called(self, request: Request) -> Response:
        data, headers = await request.body(), request.headers
        said = json.loads(data)

        async def heed() -> Response:
            status = self._heed(said, headers.get("webhook-id", ""), headers.get("webhook-timestamp", ""), headers, data)
            self.note("", "callback", said, status)
            return Response(status_code=status)

        def broken(kind: str, value: float) -> Response:
            if kind == "limit":
                return JSONResponse({}, 429, headers={"retry-after": str(int(value))})
            return JSONResponse({}, int(value))

        return await under_faults(request, self.next_fault("callback", said["chat"]), heed, broken)

    def _heed(self, said: Json, key: str, at: str, headers: Any, data: bytes) -> int:
        if not hmac.compare_digest(headers.get("webhook-signature", ""), sign(self.secret, key, at, data)):
            return 401
        if abs(time.time() - int(at)) > 300 or key != said["key"]:
            return 400
        if self.rows("select 1 from gone"):
            return 410
        if self.rows("select 1 from refuses where chat = ?", said["chat"]):
            return 403
        sql = "insert into told(key, chat, body) values (?, ?, ?) on conflict(key) do update set times = times + 1"
        self.rows(sql, key, said["chat"], data.decode())
        return 204


def main(words: Sequence[str] | None = None) -> None:
    parser = arguments("webhook")
    parser.add_argument("--secret", required=True)
    given = parser.parse_args(words)
    program = Program(given.secret, given.db, _SCHEMA, answer_s=1.0)
    orders = ("choose", "refuse", "revoke", "told", "write")
    asyncio.run(serve(program.app(orders, Route("/callback", program.called, methods=["POST"])), given.port))


if __name__ == "__main__":
    main()
