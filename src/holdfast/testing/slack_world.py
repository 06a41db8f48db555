"""What a workspace of Slack knows: people, chats, what everybody sees, files; and what one app in it is to be told. Kept in SQLite, so that it outlives its
process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from holdfast.testing.bringing import Bringing
from holdfast.testing.fake_server import Json

TEAM: Final = "T0FAKE"
APP: Final = "A0FAKE"
BOT: Final = "B0FAKE"
US: Final = "U0HOLDFAST"
NAME: Final = "holdfast"

CALLS_MAX: Final = 4
"""So often Slack brings one event by the Events API: at once, again at once, and (here sooner) after one minute and after five."""

_SCHEMA: Final = """
create table if not exists state(name text primary key, value text);
create table if not exists person(id text primary key, name text);
create table if not exists chat(id text primary key, kind text, member int default 1, refuses text default '');
create table if not exists message(chat text, ts text, gone int default 0, primary key (chat, ts));
create table if not exists version(n integer primary key autoincrement, chat text, ts text, body text);
create table if not exists file(id text primary key, name text, mimetype text, data blob, shares text default '{}', uploaded int default 1);
create table if not exists event(n integer primary key autoincrement);
"""


class Refused(Exception):
    """What is answered instead of a result."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.body: Json = {"ok": False, "error": code, **more}


class World(Bringing):
    """The truth. `socket` brings something over a connection, if there is one."""

    def __init__(self, path: Path, signing_secret: str, socket: Callable[[str, Json], None] = lambda *_: None) -> None:
        super().__init__(path, _SCHEMA, tries_max=CALLS_MAX, answer_s=3.0)
        self._secret, self._socket = signing_secret, socket
        self._last = 0

    # --- what people and time do: what a test may order ---------------------------------------------------------------------------------

    def state(self, name: str) -> str:
        row = self.row("select value from state where name = ?", name)
        return str(row["value"]) if row is not None else ""

    def become(self, name: str, value: str) -> None:
        """`revoked` ("token", of which the app is told, or "app"), `scopes` (what the bot may do)."""
        if value == "token":
            self.push({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [US]}, "event_ts": self.now()})
        self.rows("insert or replace into state values (?, ?)", name, value)

    def person(self, id: str, name: str) -> None:  # noqa: A002 - Slack's word
        self.rows("insert or replace into person values (?, ?)", id, name)

    def group(self, chat: str, kind: str = "public_channel", member: bool = True) -> None:
        self.rows("insert or replace into chat(id, kind, member) values (?, ?, ?)", chat, kind, member)

    def meet(self, chat: str) -> None:
        """A direct chat with the bot is there."""
        self.rows("insert or ignore into chat(id, kind) values (?, 'im')", chat)

    def refuse(self, chat: str, code: str = "is_archived") -> None:
        """The chat takes nothing from the bot ("" takes that back)."""
        self.rows("update chat set refuses = ? where id = ?", code, chat)

    def write(self, chat: str, text: str = "", author: str = "UANN", thread: str = "", files: Sequence[str] = (), **more: Any) -> str:
        """Somebody writes, in Slack's own encoding (`<@U1> &amp; you`). `more` is put into the message as it is. Returns its ts."""
        if chat.startswith("D"):
            self.meet(chat)
        message = {"type": "message", "user": author, "text": text, "ts": self.now(), "team": TEAM, **more}
        if thread:
            message |= {"thread_ts": thread, "parent_user_id": self.newest(chat, thread)["user"]}
            self._note_reply(chat, thread, message["ts"])
        if files:
            message |= {"subtype": "file_share", "files": [self.file(id_) for id_ in files]}
            for id_ in files:
                self.share(id_, chat, message["ts"])
        self.put(chat, message)
        self.tell(chat, message)
        if f"<@{US}>" in text and not chat.startswith("D"):
            self.tell(chat, {**message, "type": "app_mention"})
        return str(message["ts"])

    def edit(self, chat: str, ts: str, text: str, author: str = "") -> None:
        was = self.newest(chat, ts)
        now = was | {"text": text, "edited": {"user": author or was["user"], "ts": self.now()}}
        self.put(chat, now)
        self.changed_message(chat, now, was)

    def changed_message(self, chat: str, now: Json, was: Json) -> None:
        self.tell(chat, {"subtype": "message_changed", "hidden": True, "message": now, "previous_message": was, "ts": self.now()})

    def remove(self, chat: str, ts: str) -> None:
        """Somebody deletes a message. One with a thread below it leaves a stone."""
        was = self.newest(chat, ts)
        if was.get("reply_count"):
            stone = was | {"subtype": "tombstone", "text": "This message was deleted.", "user": "USLACKBOT", "hidden": True}
            self.put(chat, stone)
            self.changed_message(chat, stone, was)
            return
        self.rows("update message set gone = 1 where chat = ? and ts = ?", chat, ts)
        self.tell(chat, {"subtype": "message_deleted", "hidden": True, "deleted_ts": ts, "previous_message": was, "ts": self.now()})

    def press(self, chat: str, ts: str, option: str, author: str = "UANN") -> None:
        """Somebody presses the button that says `option`."""
        shown = self.newest(chat, ts)
        buttons = [one for block in shown.get("blocks", []) if block["type"] == "actions" for one in block["elements"]]
        button = next(one for one in buttons if one["text"]["text"] == option)
        thread = {"thread_ts": shown["thread_ts"]} if "thread_ts" in shown else {}
        payload: Json = {
            "type": "block_actions",
            "user": {"id": author, "username": author.lower(), "name": author.lower(), "team_id": TEAM},
            "api_app_id": APP,
            "container": {"type": "message", "message_ts": ts, "channel_id": chat, "is_ephemeral": False, **thread},
            "trigger_id": f"{self._number()}.1.abc",
            "channel": {"id": chat, "name": "directmessage" if chat.startswith("D") else "privategroup"},
            "message": shown,
            "actions": [{**button, "block_id": "b1", "action_ts": self.now()}],
        }
        self.deliver("interactive", chat, payload)

    def slash(self, chat: str, text: str, author: str = "UANN", trigger: str = "") -> None:
        payload = {"command": "/holdfast", "text": text, "channel_id": chat, "channel_name": "directmessage", "user_id": author}
        payload |= {"user_name": author.lower(), "team_id": TEAM, "api_app_id": APP, "trigger_id": trigger or f"{self._number()}.2.abc"}
        self.deliver("slash_commands", chat, payload)

    def migrate(self, chat: str, to: str) -> None:
        """The chat has another id from now on."""
        for table in ("message", "version"):
            self.rows(f"update {table} set chat = ? where chat = ?", to, chat)  # noqa: S608 - one of these
        self.rows("update chat set id = ? where id = ?", to, chat)
        event = {"type": "channel_id_changed", "old_channel_id": chat, "new_channel_id": to, "event_ts": self.now()}
        self.deliver("events_api", to, self._callback(event))

    def push(self, event: Json, user: str = US) -> None:
        """Any event, as it is."""
        self.deliver("events_api", str(event.get("channel", "")), self._callback(event, user))

    def upload(self, name: str, data: bytes, mimetype: str = "text/plain", **more: Any) -> str:
        """A file of somebody's. `more` is put over what is said of it."""
        id_ = f"F{self._number()}"
        self.rows("insert into file(id, name, mimetype, data) values (?, ?, ?, ?)", id_, name, mimetype, data)
        if more:
            self.become(f"file {id_}", json.dumps(more))
        return id_

    # --- what a test may ask --------------------------------------------------------------------------------------------------------------

    def shown(self, chat: str) -> list[Json]:
        """Every message of the chat: its ts, whether it is gone, and all its versions."""
        found = self.rows("select * from message where chat = ? order by ts", chat)
        sql = "select body from version where chat = ? and ts = ? order by n"
        return [{**row, "versions": [json.loads(one["body"]) for one in self.rows(sql, chat, row["ts"])]} for row in found]

    def sent_files(self, chat: str) -> list[str]:
        """The bytes of the files that the bot sent there, in base64."""
        bodies = [one["versions"][-1] for one in self.shown(chat)]
        ids = [file["id"] for body in bodies if body.get("user") == US for file in body.get("files", [])]
        return [base64.b64encode(self.row("select data from file where id = ?", id_)["data"]).decode() for id_ in ids]  # type: ignore[index]  # it is there

    # --- for the server -------------------------------------------------------------------------------------------------------------------

    def now(self) -> str:
        """An instant, later than every other."""
        self._last = max(self._last + 1, int(time.time() * 1_000_000))
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06}"

    def _number(self) -> int:
        self.rows("insert into event default values")
        return int(self.rows("select max(n) n from event")[0]["n"])

    def chat(self, chat: str) -> Json:
        """The chat that the bot is in. Raises `Refused`."""
        row = self.row("select * from chat where id = ?", chat)
        if row is None or (not row["member"] and row["kind"] != "public_channel"):
            raise Refused("channel_not_found")
        return row

    def put(self, chat: str, message: Json) -> None:
        self.rows("insert or ignore into message(chat, ts) values (?, ?)", chat, message["ts"])
        self.rows("insert into version(chat, ts, body) values (?, ?, ?)", chat, message["ts"], json.dumps(message))

    def newest(self, chat: str, ts: str) -> Json:
        """The message as it is now. Raises `Refused`."""
        sql = "select body from version natural join message where chat = ? and ts = ? and not gone order by n desc"
        found = self.row(sql, chat, ts)
        if found is None:
            raise Refused("message_not_found")
        return dict(json.loads(found["body"]))

    def post(self, chat: str, message: Json) -> Json:
        """The bot writes."""
        message = {"type": "message", "user": US, "bot_id": BOT, "app_id": APP, "team": TEAM, "ts": self.now(), **message}
        if "thread_ts" in message:
            self._note_reply(chat, message["thread_ts"], message["ts"])
        self.put(chat, message)
        self.tell(chat, message)
        return message

    def _note_reply(self, chat: str, thread: str, ts: str) -> None:
        parent = self.newest(chat, thread)
        self.put(chat, parent | {"thread_ts": thread, "reply_count": parent.get("reply_count", 0) + 1, "latest_reply": ts})

    def share(self, id_: str, chat: str, ts: str) -> None:
        row = self.row("select shares from file where id = ?", id_)
        shares = json.loads(row["shares"]) if row is not None else {}
        shares.setdefault("private", {})[chat] = [{"ts": ts}]
        self.rows("update file set shares = ? where id = ?", json.dumps(shares), id_)

    def file(self, id_: str) -> Json:
        row = self.row("select * from file where id = ? and uploaded", id_)
        if row is None:
            raise Refused("file_not_found")
        url = f"{self.state('address')}/files-pri/{id_}/download/{row['name']}"
        said = {
            "id": id_,
            "name": row["name"],
            "title": row["name"],
            "mimetype": row["mimetype"],
            "mode": "hosted",
            "size": len(row["data"]),
        }
        said |= {"url_private": url, "url_private_download": url, "shares": json.loads(row["shares"])}
        more: Json = json.loads(self.state(f"file {id_}") or "{}")
        return said | more

    def tell(self, chat: str, event: Json) -> None:
        """The app hears of what happened in a chat that it is in."""
        row = self.row("select kind, member from chat where id = ?", chat)
        if row is not None and row["member"]:
            kind = {"im": "im", "mpim": "mpim", "private_channel": "group"}.get(row["kind"], "channel")
            event = {"type": "message", "channel": chat, "channel_type": kind, "event_ts": event["ts"], **event}
            self.deliver("events_api", chat, self._callback(event))

    def _callback(self, event: Json, user: str = US) -> Json:
        authorization = {"enterprise_id": None, "team_id": TEAM, "user_id": user, "is_bot": True}
        outer = {
            "type": "event_callback",
            "team_id": TEAM,
            "api_app_id": APP,
            "event_id": f"Ev{self._number()}",
            "event_time": int(time.time()),
        }
        return {**outer, "event": event, "authorizations": [authorization]}

    def deliver(self, kind: str, chat: str, payload: Json) -> None:
        """By the way that the app has chosen; events may get lost by a fault ("event", "drop")."""
        if self.state("revoked") == "token" or self.next_fault("event", chat)[0] == "drop":
            return
        if self.row("select 1 from hook"):
            self.bring(chat, json.dumps({"kind": kind, "payload": payload}))
        else:
            self._socket(kind, payload)

    def request(self, body: str) -> tuple[str, dict[str, str], bytes]:
        """How the Events API brings it: signed, events as JSON, the rest as a form."""
        said = json.loads(body)
        match said["kind"]:
            case "events_api":
                kind, content = "application/json", json.dumps(said["payload"]).encode()
            case "interactive":
                kind, content = "application/x-www-form-urlencoded", urlencode({"payload": json.dumps(said["payload"])}).encode()
            case _:
                kind, content = "application/x-www-form-urlencoded", urlencode(said["payload"]).encode()
        return "", {"content-type": kind, **signed(self._secret, content)}, content


def signed(secret: str, body: bytes, at: float | None = None) -> dict[str, str]:
    """The headers of a call of Slack's."""
    stamp = f"{time.time() if at is None else at:.0f}"
    signature = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={signature}"}
