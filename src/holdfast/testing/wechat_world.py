"""What WeChat knows of the bots of personal accounts: pictures that are scanned, sessions, messages, and for how long somebody can be answered.

It misbehaves as people have seen it do: a message is handed over once (`forgets`), or again to whoever asks from where they had been; a second signing in
ends the first session; what is sent without the token of a message vanishes, and is said to be sent.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7

from holdfast.testing.fake_server import Json, Truth

ANN: Final = "o9-ann@im.wechat"
HOLDS_S: Final = 24 * 3600
ANSWERS_MAX: Final = 10
CHARS_MAX: Final = 2048
FIRST_ID: Final = 7_448_678_501_208_393_000
HERE: Final = "http://cdn.invalid"
"""Stands in addresses for that of the server."""

_SCHEMA: Final = """
create table if not exists setting(name text primary key, value text);
create table if not exists picture(n integer primary key autoincrement, code text unique, status text, number text default '', person text default '');
create table if not exists session(n integer primary key autoincrement, token text unique, bot text, person text, ended int default 0);
create table if not exists message(n integer primary key autoincrement, person text, body text, handed int default 0);
create table if not exists window(token text primary key, person text, at real, answers int default 0);
create table if not exists said(n integer primary key autoincrement, person text, item text, client_id text);
create table if not exists stored(param text primary key, key text, size int, md5 text, data blob);
create table if not exists sign(n integer primary key autoincrement, person text, status int);
"""


class Refused(Exception):
    """A refusal, as it is answered: with status 200."""

    def __init__(self, code: int, words: str = "") -> None:
        super().__init__(words)
        self.body: Json = {"errcode": code, "errmsg": words} if code == ENDED else {"ret": code, "errmsg": words}


ENDED: Final = -14
DECLINED: Final = -2


def _cipher(key: str) -> Cipher[ECB]:
    return Cipher(AES(bytes.fromhex(key)), ECB())  # noqa: S305 - the interface's own


def encrypted(data: bytes, key: str) -> bytes:
    padder, encryptor = PKCS7(128).padder(), _cipher(key).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def decrypted(data: bytes, key: str) -> bytes:
    unpadder, decryptor = PKCS7(128).unpadder(), _cipher(key).decryptor()
    return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()


class World(Truth):
    """Everything that is so, in a file. What a test may order is `ORDERS`."""

    def __init__(self, path: Path, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(path, _SCHEMA, changed)

    def reset(self) -> None:
        """Nothing was ever said, and nobody is signed in."""
        self.forget()

    def setting(self, name: str, otherwise: str = "") -> str:
        row = self.row("select value from setting where name = ?", name)
        return str(row["value"]) if row else otherwise

    def set(self, name: str, value: str) -> None:
        """`forgets`: "yes" if a message is handed over once. `redirect`: "yes" if who scans is to be asked about elsewhere. `hold_s`: how long a poll is kept."""
        self.rows("insert or replace into setting values (?, ?)", name, value)
        self.changed()

    # --- signing in ---------------------------------------------------------------------------------------------------------------------

    def picture(self) -> Json:
        """Another one to be scanned."""
        code = secrets.token_hex(8)
        self.rows("insert into picture(code, status) values (?, 'wait')", code)
        self.changed()
        return {"ret": 0, "qrcode": code, "qrcode_img_content": f"https://liteapp.weixin.example/q/{code}?bot_type=3"}

    def pictures(self) -> list[str]:
        """The codes of those that were shown, the newest last."""
        return [row["code"] for row in self.rows("select code from picture order by n")]

    def scan(self, person: str = ANN, number: str = "", code: str = "") -> None:
        """Somebody scans the newest picture (or this one). `number`: their phone shows it, and wants it to be typed where the picture is."""
        sql = "update picture set status = ?, person = ?, number = ? where code = ?"
        self.rows(sql, "need_verifycode" if number else "scaned", person, number, code or self.pictures()[-1])
        self.changed()

    def confirm(self, code: str = "") -> None:
        """Whoever scanned it says yes."""
        self.rows("update picture set status = 'confirmed' where code = ?", code or self.pictures()[-1])
        self.changed()

    def expire(self, code: str = "") -> None:
        self.rows("update picture set status = 'expired' where code = ?", code or self.pictures()[-1])
        self.changed()

    def looked_at(self, code: str, given: str, here: str, *, elsewhere: bool) -> Json:
        """What is said to whoever asks how a picture fares. `given`: a number."""
        row = self.row("select * from picture where code = ?", code)
        if row is None:
            return {"ret": 0, "status": "expired"}
        if row["status"] == "need_verifycode" and given == row["number"]:
            self.rows("update picture set status = 'scaned' where code = ?", code)
            row["status"] = "scaned"
        if row["status"] == "confirmed":
            if self.setting("redirect") and not elsewhere:
                return {"ret": 0, "status": "scaned_but_redirect", "redirect_host": here.partition("//")[2]}
            return {"ret": 0, "status": "confirmed", **self.sign_in(row["person"]), "baseurl": here}
        return {"ret": 0, "status": row["status"]}

    def sign_in(self, person: str = ANN) -> Json:
        """A session of the bot of this person: the only one from now on."""
        token, bot = f"{secrets.token_hex(6)}@im.bot:{secrets.token_hex(24)}", f"{secrets.token_hex(6)}@im.bot"
        self.rows("update session set ended = 1 where person = ?", person)
        self.rows("insert into session(token, bot, person) values (?, ?, ?)", token, bot, person)
        self.changed()
        return {"bot_token": token, "ilink_bot_id": bot, "ilink_user_id": person}

    def end(self, person: str = ANN) -> None:
        """Their session is over."""
        self.rows("update session set ended = 1 where person = ?", person)
        self.changed()

    def session(self, token: str) -> Json:
        row = self.row("select * from session where token = ? and not ended", token)
        if row is None:
            raise Refused(ENDED, "session timeout")
        return row

    # --- what people do -----------------------------------------------------------------------------------------------------------------

    def write(self, person: str = ANN, text: str = "", items: list[Json] | None = None, ago_s: float = 0.0, **more: Any) -> int:
        """Somebody writes. `ago_s`: it was so long ago. `more`: any field of a message. Returns its id."""
        at = time.time() - ago_s
        row = self.row("select coalesce(max(n), 0) as n from message") or {"n": 0}
        message = {
            "seq": row["n"] + 1,
            "message_id": FIRST_ID + row["n"] + 1,
            "from_user_id": person,
            "client_id": secrets.token_hex(8),
            "create_time_ms": int(at * 1000) | 1,
            "message_type": 1,
            "message_state": 2,
            "item_list": [*([{"type": 1, "text_item": {"text": text}}] if text else []), *(items or [])],
            "context_token": self.token(person, at),
        } | more
        return self._hand_out(person, message)

    def write_raw(self, body: str, person: str = ANN) -> None:
        """Something that may be no message at all."""
        self.rows("insert into message(person, body) values (?, ?)", person, body)
        self.changed()

    def again(self, person: str = ANN, message_id: int | None = None) -> int:
        """What they wrote last is handed over once more, perhaps under another id, with another token."""
        row = self.row("select body from message where person = ? order by n desc limit 1", person)
        assert row is not None, "something was written"
        message = json.loads(row["body"])
        message["context_token"] = self.token(person, message["create_time_ms"] / 1000)
        return self._hand_out(person, message | ({"message_id": message_id} if message_id else {}))

    def handled(self) -> None:
        """What was written so far is handed to nobody any more."""
        self.rows("update message set handed = 2")

    def _hand_out(self, person: str, message: Json) -> int:
        self.rows("insert into message(person, body) values (?, ?)", person, json.dumps(message))
        self.changed()
        return int(message.get("message_id", 0))

    def token(self, person: str, at: float) -> str:
        token = secrets.token_urlsafe(90)
        self.rows("insert into window(token, person, at) values (?, ?, ?)", token, person, at)
        return token

    def age(self, seconds: float, person: str = ANN) -> None:
        """So much later, as far as answers to them go."""
        self.rows("update window set at = at - ? where person = ?", seconds, person)

    def use_up(self, person: str = ANN) -> None:
        """They can be answered no more, until they write."""
        self.rows("update window set answers = ? where person = ?", ANSWERS_MAX, person)

    def file(self, name: str, data: bytes, kind: str = "file") -> Json:
        """A file of somebody's, as an item of a message."""
        key, param = secrets.token_hex(16), secrets.token_urlsafe(24)
        digits = base64.b64encode(key.encode()).decode()
        raw = base64.b64encode(bytes.fromhex(key)).decode()
        self.rows("insert into stored values (?, ?, ?, ?, ?)", param, key, len(data), "", encrypted(data, key))
        address = {"encrypt_query_param": param, "full_url": f"{HERE}/c2c/download?encrypted_query_param={param}"}
        match kind:
            case "picture":
                return {"type": 2, "image_item": {"media": {**address, "aes_key": raw}, "aeskey": key}}
            case "voice":
                return {"type": 3, "voice_item": {"media": {**address, "aes_key": digits}, "encode_type": 6, "playtime": 1200}}
            case "video":
                return {"type": 5, "video_item": {"media": {**address, "aes_key": digits}}}
            case _:
                return {"type": 4, "file_item": {"media": {**address, "aes_key": digits}, "file_name": name, "len": str(len(data))}}

    # --- what bots do -------------------------------------------------------------------------------------------------------------------

    def updates(self, person: str, buf: str) -> list[Json]:
        """What they wrote, in order: since `buf`; or, where it is forgotten, what nobody was handed."""
        forgets, since = self.setting("forgets") == "yes", int(base64.b64decode(buf)) if buf else 0
        sql = "select * from message where person = ? and handed < 2 and iif(?, not handed, n > ?) order by n limit 20"
        found = self.rows(sql, person, forgets, since)
        for row in found:
            self.rows("update message set handed = max(handed, 1) where n = ?", row["n"])
        return found

    def say(self, message: Json) -> Json:
        """A bot says something. Raises `Refused`."""
        person, token, items = message["to_user_id"], message.get("context_token"), message["item_list"]
        assert (message["message_type"], message["message_state"]) == (2, 2), message
        if not token:
            return {}  # it is nowhere to be seen
        window = self.row("select * from window where token = ? and person = ?", token, person)
        if window is None or time.time() > window["at"] + HOLDS_S or window["answers"] >= ANSWERS_MAX:
            raise Refused(DECLINED)
        if self.row("select 1 from said where client_id = ?", message["client_id"]):
            raise Refused(DECLINED)
        for item in items:
            if len(item.get("text_item", {}).get("text", "")) > CHARS_MAX:
                raise Refused(-3, "text too long")
            if (media := media_of(item)) is not None and not self.row("select 1 from stored where param = ?", media["encrypt_query_param"]):
                raise Refused(-3, "no such file")
        self.rows("update window set answers = answers + 1 where token = ?", token)
        for item in items:
            self.rows("insert into said(person, item, client_id) values (?, ?, ?)", person, json.dumps(item), message["client_id"])
        self.changed()
        return {"message_id": str(FIRST_ID + 10**6 + len(self.rows("select n from said")))}

    def upload_place(self, params: Json) -> str:
        param = secrets.token_urlsafe(24)
        assert params["media_type"] in {1, 2, 3}, params
        assert params["no_need_thumb"], params
        values = (param, params["aeskey"], params["filesize"], params["rawfilemd5"])
        self.rows("insert into stored(param, key, size, md5) values (?, ?, ?, ?)", *values)
        return param

    def upload(self, param: str, data: bytes) -> str:
        """Returns what is wrong with it."""
        row = self.row("select * from stored where param = ?", param)
        if row is None or len(data) != row["size"]:
            return "size mismatch"
        if hashlib.md5(decrypted(data, row["key"]), usedforsecurity=False).hexdigest() != row["md5"]:
            return "md5 mismatch"
        self.rows("update stored set data = ? where param = ?", data, param)
        return ""

    def sign(self, person: str, status: int) -> None:
        self.rows("insert into sign(person, status) values (?, ?)", person, status)

    def signs(self, person: str = ANN) -> list[int]:
        """1 for each time it was shown that the bot types, 2 for each that it does no more."""
        return [row["status"] for row in self.rows("select status from sign where person = ? order by n", person)]

    def shown(self, person: str = ANN) -> list[str]:
        """The texts that a bot said to them."""
        items = [json.loads(row["item"]) for row in self.rows("select item from said where person = ? order by n", person)]
        return [item["text_item"]["text"] for item in items if item["type"] == 1]

    def sent_files(self, person: str = ANN) -> list[Json]:
        """The files that a bot sent them: `type`, `name`, and `data` in base64."""
        items = [json.loads(row["item"]) for row in self.rows("select item from said where person = ? order by n", person)]
        return [self._file(item) for item in items if item["type"] != 1]

    def _file(self, item: Json) -> Json:
        media = media_of(item)
        assert media is not None
        row = self.row("select * from stored where param = ?", media["encrypt_query_param"])
        assert row is not None
        key = base64.b64decode(media["aes_key"]).decode()
        data = decrypted(row["data"], key)
        name = item.get("file_item", {}).get("file_name", "")
        return {"type": item["type"], "name": name, "data": base64.b64encode(data).decode()}


def media_of(item: Json) -> Json | None:
    """Where the bytes of an item are; None if it has none."""
    return next((dict(item[kind]["media"]) for kind in ("image_item", "video_item", "file_item") if kind in item), None)


ORDERS: Final = frozenset(
    {
        "again",
        "age",
        "calls",
        "confirm",
        "end",
        "expire",
        "fault",
        "file",
        "handled",
        "pictures",
        "reset",
        "scan",
        "sent_files",
        "set",
        "shown",
        "sign_in",
        "signs",
        "use_up",
        "write",
        "write_raw",
    }
)
