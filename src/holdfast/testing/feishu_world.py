"""What a Feishu server knows: apps, chats, what everybody sees, and what the app has not answered for yet. Kept in SQLite, so that it outlives its process."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from holdfast.testing.fake_server import Json, Truth
from holdfast.testing.feishu_cards import Refused, checked, seen

UUID_CHARS_MAX: Final = 50
FILE_BYTES_MAX: Final = 30 * 1024 * 1024
PICTURES: Final = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
KEY_HOLDS_S: Final = 3600.0
ANSWER_S: Final = 3.0
"""What is not answered within so long comes again."""
AGAIN_S: Final = 0.3
"""What could not be brought is tried again so often. (Feishu: after 15 s, 5 min, 1 h, 6 h.)"""

_SCHEMA: Final = """
create table if not exists app(id text primary key, secret text, bot text, name text, revoked int default 0, alone int default 1, may_list int default 1,
    hook text default '{}', config text default '{}');
create table if not exists token(value text primary key, dead int default 0);
create table if not exists person(id text primary key, name text);
create table if not exists chat(id text primary key, mode text, refuses int default 0);
create table if not exists message(n integer primary key autoincrement, id text unique, chat text, author text, kind text, root text default '',
    parent text default '', thread text default '', mentions text default '[]', at int, updated int default 0, gone int default 0, mine int default 0);
create table if not exists version(n integer primary key autoincrement, message text, content text);
create table if not exists key(uuid text primary key, message text, at real);
create table if not exists event(n integer primary key autoincrement, id text, type text, body text, once int default 0, due real, tries int default 0,
    answered text);
create table if not exists file(key text primary key, name text, kind text, data blob);
create table if not exists reaction(message text, emoji text);
"""


class World(Truth):
    """The truth, of one app."""

    def __init__(self, path: Path, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(path, _SCHEMA, changed)

    def app(self, id: str, secret: str, name: str = "Holdfast") -> None:  # noqa: A002 - the wire's word
        self.rows("insert or ignore into app(id, secret, bot, name) values (?, ?, ?, ?)", id, secret, f"ou_bot_{id}", name)
        self.meet()

    @property
    def the_app(self) -> Json:
        app = self.row("select * from app")
        assert app is not None
        return app

    # --- what people and time do: what a test may order ---------------------------------------------------------------------------------

    def reset(self) -> None:
        """Nothing was ever said, or ordered. Ann has a chat with the bot, and there is a group."""
        self.forget("app")
        self.meet()
        self.rows("update app set revoked = 0, alone = 1, may_list = 1, hook = '{}', config = '{}'")
        self.changed()

    def meet(self) -> None:
        self.person("ou_ann", "Ann")
        self.chat("oc_direct", "p2p")
        self.chat("oc_group")

    def set_app(self, **said: Any) -> None:
        """`revoked`, `alone` (no other program is connected), `may_list` (the history of groups), `hook`, `config`."""
        for name, value in said.items():
            given = json.dumps(value) if isinstance(value, dict) else value
            self.rows(f"update app set {name} = ?", given)  # noqa: S608 - a column
        if said.get("revoked"):
            self.expire_tokens()
        self.changed()

    def expire_tokens(self) -> None:
        self.rows("update token set dead = 1")

    def an_hour_passes(self) -> None:
        """Keys are forgotten."""
        self.rows("delete from key")

    def seven_hours_pass(self) -> None:
        """What was not answered does not come again."""
        self.rows("delete from event where answered is null")

    def chat(self, id: str, mode: str = "group") -> None:  # noqa: A002 - the wire's word
        self.rows("insert or ignore into chat(id, mode) values (?, ?)", id, mode)

    def refuse(self, chat: str, code: int = 230002) -> None:
        """The chat takes nothing from the bot (0 takes that back)."""
        self.rows("update chat set refuses = ? where id = ?", code, chat)

    def person(self, id: str, name: str) -> None:  # noqa: A002 - the wire's word
        self.rows("insert or replace into person values (?, ?)", id, name)

    def write(self, chat: str, text: str = "", author: str = "ou_ann", **more: Any) -> str:
        """Somebody writes. "@Holdfast" in the text mentions the bot; `mentions` are other people (id, name), as @_user_2 and on. `thread`: the message it
        begins with; `parent`: the one that it replies to. `kind` and `content`: of what is no text. `silent`: nobody is told."""
        app = self.the_app
        named = [{"id": app["bot"], "name": app["name"]}] if f"@{app['name']}" in text else []
        people = [{"key": f"@_user_{number}", **one} for number, one in enumerate(more.get("mentions", ()), 2)]
        found = [*({"key": "@_user_1", **one} for one in named), *people]
        said = more.get("content") or {"text": text.replace(f"@{app['name']}", "@_user_1")}
        id_ = self._begin(chat, author, more.get("kind", "text"), said, {**more, "mentions": found})
        if not more.get("silent") and (self.mode(chat) == "p2p" or named):
            self.tell("im.message.receive_v1", self._event(id_))
        return id_

    def edit(self, message: str, text: str) -> None:
        self._put(message, {"text": text})
        row = self._row(message)
        self.tell("im.message.updated_v1", {"message": {"message_id": message, "chat_id": row["chat"], "message_type": row["kind"]}})

    def recall(self, message: str) -> None:
        self.rows("update message set gone = 1 where id = ?", message)
        now = str(int(1000 * time.time()))
        row = self._row(message)
        self.tell(
            "im.message.recalled_v1", {"message_id": message, "chat_id": row["chat"], "recall_time": now, "recall_type": "message_owner"}
        )

    def press(self, message: str, option: str, author: str = "ou_ann") -> str:
        """Somebody presses the button that says `option`. Returns the event's id: it is brought once."""
        row = self._row(message)
        buttons = [one for one in self.content(message)["body"]["elements"] if one["tag"] == "button"]
        button = next(one for one in buttons if one["text"]["content"] == option)
        return self.tell(
            "card.action.trigger",
            {
                "operator": {"tenant_key": "t", "open_id": author, "union_id": f"on_{author}"},
                "token": secrets.token_hex(8),
                "action": {"tag": "button", "value": button["behaviors"][0]["value"]},
                "host": "im_message",
                "context": {"open_message_id": message, "open_chat_id": row["chat"]},
            },
            once=True,
        )

    def tell(self, type: str, event: Json, *, once: bool = False) -> str:  # noqa: A002 - the wire's word
        """Something for the app. `once`: it does not come again."""
        id_ = secrets.token_hex(8)
        app = self.the_app
        header = {
            "event_id": id_,
            "event_type": type,
            "token": "v",
            "create_time": str(int(1000 * time.time())),
            "tenant_key": "t",
            "app_id": app["id"],
        }
        body = json.dumps({"schema": "2.0", "header": header, "event": event}, ensure_ascii=False)
        self.rows("insert into event(id, type, body, once, due) values (?, ?, ?, ?, 0)", id_, type, body, once)
        self.changed()
        return id_

    def upload(self, name: str, data: bytes, kind: str = "file") -> str:
        """A file of somebody's, or (by the API) of the bot's."""
        key = f"{'img' if kind == 'image' else 'file'}_{secrets.token_hex(8)}"
        self.rows("insert into file values (?, ?, ?, ?)", key, name, kind, data)
        return key

    # --- what a test may ask --------------------------------------------------------------------------------------------------------------

    def shown(self, chat: str) -> list[Json]:
        """Every message that is there: what people see of it now, and all that it said before."""
        found = self.rows("select * from message where chat = ? and not gone order by n", chat)
        return [{**row, **seen(row["kind"], self.content(row["id"])), "texts": self._texts(row)} for row in found]

    def _texts(self, row: Json) -> list[str]:
        versions = self.rows("select content from version where message = ? order by n", row["id"])
        return [seen(row["kind"], json.loads(one["content"]))["text"] for one in versions]

    def sent_files(self, chat: str) -> list[str]:
        """The bytes of the files that the bot sent there, in base64."""
        mine = [self.content(row["id"]) for row in self.rows("select id from message where chat = ? and mine order by n", chat)]
        keys = [content.get("file_key") or content.get("image_key") for content in mine]
        return [base64.b64encode(self.file(key)["data"]).decode() for key in keys if key]

    def reactions(self) -> list[Json]:
        return self.rows("select * from reaction")

    def unanswered(self) -> int:
        return len(self.rows("select 1 from event where answered is null"))

    def answers(self, event: str) -> str:
        """What a press was answered with."""
        found = self.row("select answered from event where id = ?", event)
        return str(found["answered"]) if found and found["answered"] is not None else ""

    # --- messages -------------------------------------------------------------------------------------------------------------------------

    def mode(self, chat: str) -> str:
        found = self.row("select mode from chat where id = ?", chat)
        if found is None:
            raise Refused(230001, "Your request contains an invalid request parameter, ext=invalid receive_id.")
        return str(found["mode"])

    def _row(self, message: str) -> Json:
        row = self.row("select * from message where id = ?", message)
        if row is None:
            raise Refused(230001, "Your request contains an invalid request parameter, ext=invalid message_id.")
        return row

    def content(self, message: str, *, first: bool = False) -> Any:
        order = "asc" if first else "desc"
        row = self.row(f"select content from version where message = ? order by n {order} limit 1", message)  # noqa: S608 - one of two words
        assert row is not None
        return json.loads(row["content"])

    def _put(self, message: str, content: Any) -> None:
        updated = max(int(1000 * time.time()), self._row(message)["updated"] + 1)
        self.rows("insert into version(message, content) values (?, ?)", message, json.dumps(content))
        self.rows("update message set updated = ? where id = ?", updated, message)

    def _begin(self, chat: str, author: str, kind: str, content: Any, more: Mapping[str, Any]) -> str:
        thread, root = more.get("thread", ""), ""
        if parent := more.get("parent") or thread:
            above = self._row(parent)
            root = above["root"] or above["id"]
            thread = thread or (root if above["thread"] else "")
        name = f"omt_{thread.removeprefix('om_')}" if thread else ""
        if thread:
            self.rows("update message set thread = ? where id = ?", name, thread)
        newest = self.row("select max(at) as at from message")
        now = more.get("at") or max(int(1000 * time.time()), (newest["at"] if newest and newest["at"] else 0) + 1)
        id_, mentions = f"om_{secrets.token_hex(8)}", json.dumps(more.get("mentions", []))
        values = (id_, chat, author, kind, root, parent, name, mentions, now, now, more.get("mine", False))
        columns = "id, chat, author, kind, root, parent, thread, mentions, at, updated, mine"
        self.rows(f"insert into message({columns}) values ({', '.join('?' * len(values))})", *values)  # noqa: S608 - ours
        self.rows("insert into version(message, content) values (?, ?)", id_, json.dumps(content))
        return id_

    def _event(self, message: str) -> Json:
        row, mode = self._row(message), self.mode(self._row(message)["chat"])
        mentions = [
            {
                "key": one["key"],
                "id": {"open_id": one["id"], "union_id": f"on_{one['id']}", "user_id": ""},
                "name": one["name"],
                "tenant_key": "t",
            }
            for one in json.loads(row["mentions"])
        ]
        said = {
            "message_id": row["id"],
            "create_time": str(row["at"]),
            "update_time": str(row["updated"]),
            "chat_id": row["chat"],
            "chat_type": mode,
            "message_type": row["kind"],
            "content": json.dumps(self.content(message), ensure_ascii=False),
            **{name: row[column] for name, column in _ABOVE.items() if row[column]},
            **({"mentions": mentions} if mentions else {}),
        }
        sender = {
            "sender_id": {"open_id": row["author"], "union_id": f"on_{row['author']}", "user_id": None},
            "sender_type": "user",
            "tenant_key": "t",
        }
        return {"sender": sender, "message": said}

    def item(self, row: Json, *, cards: bool, names: bool) -> Json:
        """As the history has it. Of a card that was changed it has what was sent."""
        content = self.content(row["id"], first=row["kind"] == "interactive")
        if row["kind"] == "interactive" and not cards:
            content = {"title": "", "elements": [[{"tag": "text", "text": "请升级至最新版本客户端，以查看内容"}]]}  # noqa: RUF001 - its own words
        app = self.the_app
        sender = {"id": app["id"] if row["mine"] else row["author"], "id_type": "app_id" if row["mine"] else "open_id", "tenant_key": "t"}
        person = self.row("select name from person where id = ?", row["author"])
        if names and person:
            sender["sender_name"] = person["name"]
        mentions = [{"key": one["key"], "id": one["id"], "id_type": "open_id", "name": one["name"]} for one in json.loads(row["mentions"])]
        return {
            "message_id": row["id"],
            "msg_type": row["kind"],
            "create_time": str(row["at"]),
            "update_time": str(row["updated"]),
            "deleted": bool(row["gone"]),
            "updated": row["updated"] > row["at"],
            "chat_id": row["chat"],
            "sender": {**sender, "sender_type": "app" if row["mine"] else "user"},
            "body": {"content": "This message was recalled" if row["gone"] else json.dumps(content, ensure_ascii=False)},
            **{name: row[column] for name, column in _ABOVE.items() if row[column]},
            **({"mentions": mentions} if mentions else {}),
        }

    def file(self, key: str) -> Json:
        found = self.row("select * from file where key = ?", key)
        if found is None:
            raise Refused(234003, "File not in msg.")
        return found

    # --- what the app does ----------------------------------------------------------------------------------------------------------------

    def let_in(self, token: str) -> None:
        """Raises `Refused`."""
        if self.row("select 1 from token where value = ? and not dead", token) is None:
            raise Refused(99991663, "Invalid access token for authorization. Please make a test attempt.")

    def react(self, message: str, emoji: str) -> Json:
        self.rows("insert into reaction values (?, ?)", self._row(message)["id"], emoji)
        return {"reaction_id": "1"}

    def receive(self, kind: str, name: str, data: bytes) -> str:
        """An upload of the bot's: its key. Raises `Refused`."""
        if not data or len(data) > FILE_BYTES_MAX:
            raise Refused(234010, "File's size can't be 0." if not data else "File size exceeds the limit.")
        if kind == "image" and not data.startswith(PICTURES):
            raise Refused(234011, "Can't recognize the image format.")
        return self.upload(name, data, kind)

    def send(self, chat: str, said: Json, parent: str = "") -> Json:
        """Raises `Refused`."""
        if known := self.row("select message from key where uuid = ? and at > ?", said.get("uuid", ""), time.time() - KEY_HOLDS_S):
            return {"message_id": known["message"]}
        self.mode(chat)
        if refuses := (self.row("select refuses from chat where id = ?", chat) or {"refuses": 0})["refuses"]:
            raise Refused(refuses, "Bot/User can NOT be out of the chat.")
        if len(said.get("uuid", "")) > UUID_CHARS_MAX:
            raise Refused(230001, "Your request contains an invalid request parameter, ext=uuid is too long.")
        content = checked(said.get("msg_type", ""), said.get("content", ""))
        if key := content.get("file_key") or content.get("image_key"):
            self.file(key)
        thread = ""
        if parent:
            above = self._row(parent)
            if above["gone"]:
                raise Refused(230011, "The message was recalled.")
            thread = (above["root"] or above["id"]) if said.get("reply_in_thread") or above["thread"] else ""
        id_ = self._begin(chat, self.the_app["bot"], said["msg_type"], content, {"parent": parent, "thread": thread, "mine": True})
        if said.get("uuid"):
            self.rows("insert or replace into key values (?, ?, ?)", said["uuid"], id_, time.time())
        return {"message_id": id_}

    def reply(self, message: str, said: Json) -> Json:
        return self.send(self._row(message)["chat"], said, message)

    def patch(self, message: str, said: Json) -> Json:
        row = self._row(message)
        if row["gone"]:
            raise Refused(230011, "The message was recalled.")
        if not row["mine"] or row["kind"] != "interactive":
            raise Refused(230054, "This operation is not supported for this message type.")
        self._put(message, checked("interactive", said.get("content", "")))
        return {}

    def found(self, message: str, *, names: bool) -> Json:
        row = self._row(message)
        inner = self.content(message).get("inner", ()) if row["kind"] == "merge_forward" else ()
        rows = [row, *(self._row(id_) for id_ in inner)]
        return {"items": [self.item(one, cards=False, names=names) for one in rows]}

    def history(self, asked: Mapping[str, str]) -> Json:
        """A page of a chat, or of a thread. Raises `Refused`."""
        id_, thread = asked["container_id"], asked["container_id_type"] == "thread"
        if thread and "start_time" in asked:
            raise Refused(230001, "Your request contains an invalid request parameter, ext=thread takes no start_time.")
        column = "thread" if thread else "chat"
        first = self.row(f"select chat from message where {column} = ?", id_)  # noqa: S608 - one of two words
        if first and self.mode(first["chat"]) != "p2p" and not self.the_app["may_list"]:
            raise Refused(230027, "Lack of necessary permissions, ext=need scope: im:message.group_msg")
        where = "thread = ?" if thread else "chat = ? and (thread = '' or root = '')"
        order = "desc" if asked.get("sort_type") == "ByCreateTimeDesc" else "asc"
        sql = f"select * from message where {where} and at >= ? order by at {order}"  # noqa: S608 - ours
        rows = self.rows(sql, id_, 1000 * int(asked.get("start_time", "0")))
        begin, size = int(asked.get("page_token", "0")), min(int(asked.get("page_size", "20")), 50)
        cards, names = asked.get("card_msg_content_type") == "user_card_content", asked.get("with_sender_name") == "true"
        items = [self.item(row, cards=cards, names=names) for row in rows[begin : begin + size]]
        return {"items": items, "has_more": len(rows) > begin + size, "page_token": str(begin + size)}


_ABOVE: Final = {"root_id": "root", "parent_id": "parent", "thread_id": "thread"}
