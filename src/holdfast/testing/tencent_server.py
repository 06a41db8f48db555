"""WeCom with one application, or WeChat with one Official Account: what people see, and what the platform does. A process of its own; see `fake_server`.

    python -m holdfast.testing.tencent_server --db FILE --kind wecom|official [--plain] [--retry-s 5] [--tries 3] [--quota 5] [--port 0]

It calls whoever listens as the platform does: signed, sealed (unless `--plain`), three times, five seconds apart; who does not say by then that it is kept
loses it. It shares no code with the adapters.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import httpx2
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from holdfast.testing import bringing
from holdfast.testing.fake_server import Json, arguments, serve, under_faults

RECEIVER: Final = "wwcorp1234567890"
AGENT: Final = 1000002
SECRET: Final = "the-secret-of-a-test"  # noqa: S105 - of nobody
TOKEN: Final = "QDG6eK"  # noqa: S105 - as above
AES_KEY: Final = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
TEXT_BYTES_MAX: Final = 2048
WINDOW_S: Final = 48 * 3600
ORDERS: Final = ("age", "attach", "event", "expire", "meet", "move", "put", "refuse", "revoke", "sent_files", "shown", "verify", "write")

_SCHEMA: Final = """
create table if not exists token(token text primary key, until real);
create table if not exists revoked(code int);
create table if not exists said(n integer primary key autoincrement, chat text, body text);
create table if not exists media(id text primary key, kind text, name text, data blob);
create table if not exists person(id text primary key, refuses int default 0, wrote real default 0, used int default 0);
"""


class Refused(Exception):
    """What is answered instead of a result."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code, self.said = code, said


@dataclass(frozen=True)
class Kind:
    """How the platform behaves."""

    official: bool
    plain: bool
    quota: int


class World(bringing.Bringing):
    """The truth, and the platform's API."""

    def __init__(self, path: Path, kind: Kind, tries: float, retry_s: float) -> None:
        super().__init__(path, _SCHEMA, tries, retry_s, answer_s=min(retry_s, 5.0))
        self.kind = kind

    # --- what people and time do: what a test may order ---------------------------------------------------------------------------------

    def write(self, chat: str, text: str, **more: str) -> None:
        """Somebody writes. `more` is put into the message as it is."""
        self._tell(chat, MsgType="text", Content=text, **more)

    def attach(self, chat: str, kind: str, name: str, data: bytes) -> None:
        media = self._put(kind, name, data)
        self._tell(chat, MsgType=kind, MediaId=media, **({"FileName": name} if kind == "file" else {}))

    def event(self, chat: str, event: str, key: str = "") -> None:
        self.meet(chat)
        self.bring(chat, self._xml(chat, MsgType="event", Event=event, EventKey=key))

    def put(self, chat: str, fields: Json) -> None:
        """Whatever the platform may send."""
        self._tell(chat, **fields)

    def refuse(self, chat: str, code: int = 0) -> None:
        """They take nothing any more, for that reason (0: the usual one)."""
        self.meet(chat)
        self.rows("update person set refuses = ? where id = ?", code or (40003 if self.kind.official else 81013), chat)

    def age(self, chat: str, by_s: float) -> None:
        """They wrote so much earlier."""
        self.rows("update person set wrote = wrote - ? where id = ?", by_s, chat)

    def expire(self) -> None:
        """No token that was given holds any more."""
        self.rows("delete from token")

    def revoke(self, code: int = 40001) -> None:
        """The secret, or this machine, is not taken any more."""
        self.rows("insert into revoked values (?)", code)
        self.expire()

    def move(self) -> None:
        """What was revoked holds again."""
        self.rows("delete from revoked")

    def verify(self, echo: str) -> str:
        """The query that is asked when the address is set."""
        if self.kind.official:
            at, nonce = _now()
            return urlencode({"signature": _sha1(TOKEN, at, nonce), "timestamp": at, "nonce": nonce, "echostr": echo})
        return self._signed(_seal(echo.encode()), "echostr")

    def shown(self, chat: str) -> list[Json]:
        return [json.loads(row["body"]) for row in self.rows("select body from said where chat = ? order by n", chat)]

    def sent_files(self, chat: str) -> list[str]:
        ids = [said[said["msgtype"]].get("media_id") for said in self.shown(chat)]
        found = [self.row("select data from media where id = ?", one) for one in ids if one]
        return [base64.b64encode(row["data"]).decode() for row in found if row]

    # --- calling ------------------------------------------------------------------------------------------------------------------------

    def meet(self, chat: str) -> None:
        """They did something just now."""
        self.rows(
            "insert into person(id, wrote) values (?, ?) on conflict(id) do update set wrote = excluded.wrote, used = 0",
            chat,
            time.time(),
        )

    def _tell(self, chat: str, **fields: str) -> None:
        self.meet(chat)
        self.rows("update person set refuses = 0 where id = ?", chat)
        self.bring(chat, self._xml(chat, MsgId=str(secrets.randbits(62)), **fields))

    def _xml(self, chat: str, **fields: str) -> str:
        to = "gh_0123456789ab" if self.kind.official else RECEIVER
        agent = {} if self.kind.official else {"AgentID": str(AGENT)}
        whole = {"ToUserName": to, "FromUserName": chat, "CreateTime": str(int(time.time())), **fields, **agent}
        lines = "".join(f"<{name}>{_cdata(value)}</{name}>" for name, value in whole.items())
        return f"<xml>{lines}</xml>"

    def request(self, body: str) -> tuple[str, dict[str, str], bytes]:
        at, nonce = _now()
        plain = {"signature": _sha1(TOKEN, at, nonce), "timestamp": at, "nonce": nonce}
        if self.kind.plain:
            return f"?{urlencode(plain)}", {"content-type": "text/xml"}, body.encode()
        sealed = _seal(body.encode())
        more = {**plain, "encrypt_type": "aes"} if self.kind.official else {"timestamp": at, "nonce": nonce}
        query = urlencode({**more, "msg_signature": _sha1(TOKEN, at, nonce, sealed)})
        return (
            f"?{query}",
            {"content-type": "text/xml"},
            f"<xml><ToUserName>x</ToUserName><Encrypt>{_cdata(sealed)}</Encrypt></xml>".encode(),
        )

    def _signed(self, sealed: str, name: str) -> str:
        at, nonce = _now()
        return urlencode({"msg_signature": _sha1(TOKEN, at, nonce, sealed), "timestamp": at, "nonce": nonce, name: sealed})

    def takes(self, answer: httpx2.Response) -> bool:
        return answer.status_code == httpx2.codes.OK and answer.text in ({"", "success"} if self.kind.official else {""})

    # --- the API ------------------------------------------------------------------------------------------------------------------------

    def give_token(self, receiver: str, secret: str) -> Json:
        for row in self.rows("select code from revoked"):
            raise Refused(row["code"], "invalid credential")
        if receiver != RECEIVER:
            raise Refused(40013, "invalid appid" if self.kind.official else "invalid corpid")
        if secret != SECRET:
            raise Refused(40125 if self.kind.official else 40001, "invalid secret")
        known = self.row("select token from token where until > ?", time.time())
        token = known["token"] if known else secrets.token_urlsafe(32)
        self.rows("insert or ignore into token values (?, ?)", token, time.time() + 7200)
        return {"access_token": token, "expires_in": 7200}

    def check_token(self, token: str) -> None:
        if self.row("select 1 from token where token = ? and until > ?", token, time.time()) is None:
            raise Refused(40001 if self.kind.official else 40014, "invalid access_token")

    def send(self, said: Json) -> Json:
        kind, chat = said["msgtype"], said["touser"]
        if not self.kind.official and said.get("agentid") != AGENT:
            raise Refused(40056, "invalid agentid")
        content = said[kind]
        text = content.get("content", content.get("head_content", ""))
        if kind in {"text", "markdown"} and not text:
            raise Refused(44004, "empty content")
        if len(text.encode()) > TEXT_BYTES_MAX:
            raise Refused(45002, "content size out of limit")
        if "media_id" in content and self.row("select 1 from media where id = ? and kind = ?", content["media_id"], kind) is None:
            raise Refused(40007, "invalid media_id")
        person = self.row("select * from person where id = ?", chat)
        if person is None or person["refuses"]:
            raise Refused(person["refuses"] if person else (40003 if self.kind.official else 81013), "no such person for you")
        if self.kind.official:
            self._check_window(person)
        self.rows("insert into said(chat, body) values (?, ?)", chat, json.dumps(said))
        return {} if self.kind.official else {"msgid": secrets.token_urlsafe(16)}

    def _check_window(self, person: Json) -> None:
        if time.time() - person["wrote"] > WINDOW_S:
            raise Refused(45015, "response out of time limit or subscription is canceled")
        if person["used"] >= self.kind.quota:
            raise Refused(45047, "out of response count limit")
        self.rows("update person set used = used + 1 where id = ?", person["id"])

    def _put(self, kind: str, name: str, data: bytes) -> str:
        media = secrets.token_urlsafe(24)
        self.rows("insert into media values (?, ?, ?, ?)", media, kind, name, data)
        return media

    def upload(self, kind: str, name: str, data: bytes) -> Json:
        if len(data) <= 5:
            raise Refused(40006, "invalid media size")
        if kind not in ({"image"} if self.kind.official else {"image", "file"}):
            raise Refused(40004, "invalid media type")
        return {"type": kind, "media_id": self._put(kind, name, data), "created_at": int(time.time())}


class Server:
    """The HTTP of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        names = ["gettoken", "stable_token", "message/send", "message/custom/send", "message/custom/typing", "media/upload", "media/get"]
        routes = [Route(f"/cgi-bin/{name}", self._called, methods=["GET", "POST"]) for name in names]
        self.app = world.app(ORDERS, *routes, Route("/video/{id}", self._video))

    async def _called(self, request: Request) -> Response:
        method = request.url.path.removeprefix("/cgi-bin/")
        query, body, said = dict(request.query_params), await request.body(), dict[str, Any]()
        if body.startswith(b"{"):
            assert b"\\u" not in body, "40033: no characters as numbers"
            said = json.loads(body)

        async def heed() -> Response:
            try:
                given = await self._heed(request, method, query, said)
            except Refused as refused:
                return broken("refused", refused.code)
            self.world.note(query.get("access_token", ""), method, said, 0)
            return given if isinstance(given, Response) else JSONResponse({"errcode": 0, "errmsg": "ok", **given})

        def broken(kind: str, value: float) -> Response:
            code = 45009 if kind == "limit" else int(value)
            self.world.note(query.get("access_token", ""), method, said, code)
            if 0 <= code < 600:
                return JSONResponse({}, code)
            return JSONResponse({"errcode": code, "errmsg": f"no, because of {code}"})

        return await under_faults(request, self.world.next_fault(method, said.get("touser", "")), heed, broken)

    async def _heed(self, request: Request, method: str, query: Json, said: Json) -> Json | Response:
        world = self.world
        match method:
            case "gettoken" if not world.kind.official:
                return world.give_token(query["corpid"], query["corpsecret"])
            case "stable_token" if world.kind.official:
                return world.give_token(said["appid"], said["secret"])
        world.check_token(query.get("access_token", ""))
        for row in world.rows("select code from revoked"):
            raise Refused(row["code"], "not from here")
        match method:
            case "message/send" | "message/custom/send":
                return world.send(said)
            case "message/custom/typing":
                return {}
            case "media/upload":
                async with request.form() as form:
                    file = form["media"]
                    assert isinstance(file, UploadFile)
                    return world.upload(query["type"], file.filename or "", await file.read())
            case _:
                return self._media(request, query["media_id"])

    def _media(self, request: Request, media: str) -> Json | Response:
        row = self.world.row("select * from media where id = ?", media)
        if row is None:
            raise Refused(40007, "invalid media_id")
        if self.world.kind.official and row["kind"] == "video":
            return {"video_url": f"{request.base_url}video/{media}"}
        named = {"content-disposition": f'attachment; filename="{escape(row["name"])}"'}
        return Response(row["data"], headers=named, media_type="application/octet-stream")

    async def _video(self, request: Request) -> Response:
        row = self.world.row("select data from media where id = ?", request.path_params["id"])
        return Response(row["data"] if row else b"", 200 if row else 404)


def _now() -> tuple[str, str]:
    return str(int(time.time())), str(secrets.randbits(31))


def _sha1(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324 - as they do


def _seal(text: bytes) -> str:
    key = base64.b64decode(AES_KEY + "=")
    pad = padding.PKCS7(256).padder()
    whole = pad.update(secrets.token_bytes(16) + len(text).to_bytes(4, "big") + text + RECEIVER.encode()) + pad.finalize()
    cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(cipher.update(whole) + cipher.finalize()).decode()


def _cdata(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def main(words: Sequence[str] | None = None) -> None:
    parser = arguments("tencent")
    parser.add_argument("--kind", choices=("wecom", "official"), required=True)
    parser.add_argument("--plain", action="store_true", help="an Official Account in plain mode")
    parser.add_argument("--tries", type=float, default=3)
    parser.add_argument("--retry-s", type=float, default=5.0)
    parser.add_argument("--quota", type=int, default=5, help="so many messages are taken until a person writes again")
    given = parser.parse_args(words)
    kind = Kind(given.kind == "official", given.plain, given.quota)
    asyncio.run(serve(Server(World(given.db, kind, given.tries, given.retry_s)).app, given.port))


if __name__ == "__main__":
    main()
