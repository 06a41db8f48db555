"""What a Telegram server knows: bots, chats, what everybody sees, what bots were not told yet. Kept in SQLite, so that it outlives its process."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdfast.testing.fake_server import Json, Truth

TEXT_UNITS_MAX: Final = 4096
CAPTION_UNITS_MAX: Final = 1024
TOLD_BY_DEFAULT: Final = ("message", "edited_message", "channel_post", "edited_channel_post", "callback_query", "my_chat_member")
DOWNLOAD_BYTES_MAX: Final = 20 * 1024 * 1024

_SCHEMA: Final = """
create table if not exists bot(id integer primary key, token text unique, username text, revoked int default 0, next_update int default 500,
    allowed text default '[]', webhook text default '{}', commands text default '[]');
create table if not exists pending(n integer primary key autoincrement, bot int, id int, body text);
create table if not exists chat(id integer primary key, body text, refuses text default '', moved_to int, next_message int default 1,
    topics text default '[]');
create table if not exists message(chat int, id int, mine int, gone int default 0, primary key (chat, id));
create table if not exists version(n integer primary key autoincrement, chat int, id int, body text);
create table if not exists file(id text primary key, name text, size int, data blob);
create table if not exists query(id text primary key, bot int, answered int default 0);
create table if not exists allowance(chat int, most int, window_s real);
create table if not exists sent(chat int, at real);
"""

_COMMAND: Final = re.compile(r"(?<!\S)/[A-Za-z0-9_]{1,32}(?:@\w{3,32})?")
_MENTION: Final = re.compile(r"(?<![\w/@])@\w{3,32}")


class Refused(Exception):
    """What is answered instead of a result."""

    def __init__(self, status: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.body: Json = {"ok": False, "error_code": status, "description": description}
        if parameters:
            self.body["parameters"] = parameters
        self.status = status


def bad(description: str, **parameters: Any) -> Refused:
    return Refused(400, f"Bad Request: {description}", **parameters)


def units(text: str) -> int:
    """How long Telegram takes a text for: in UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class World(Truth):
    """The truth. `changed` is called when a bot has something to be told."""

    def __init__(self, path: Path, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(path, _SCHEMA, changed)

    # --- what people and time do: what a test may order ---------------------------------------------------------------------------------

    def reset(self) -> None:
        """Nothing was ever said, or ordered."""
        self.forget("bot")
        self.rows("update bot set revoked = 0, next_update = 500, allowed = '[]', webhook = '{}', commands = '[]'")
        self.changed()

    def bot(self, token: str, username: str) -> int:
        bot = int(token.partition(":")[0])
        self.rows("insert or ignore into bot(id, token, username) values (?, ?, ?)", bot, token, username)
        return bot

    def revoke(self, token: str, revoked: bool = True) -> None:
        self.rows("update bot set revoked = ? where token = ?", revoked, token)
        self.changed()

    def group(self, chat: int, title: str = "A group", kind: str = "supergroup", forum: bool = False, topics: Sequence[int] = ()) -> None:
        body = {"id": chat, "type": kind, "title": title} | ({"is_forum": True} if forum else {})
        self.rows("insert or replace into chat(id, body, topics) values (?, ?, ?)", chat, json.dumps(body), json.dumps(list(topics)))

    def meet(self, person: int, name: str = "Ann") -> None:
        """The person's chat with the bot is there."""
        body = {"id": person, "type": "private", "first_name": name}
        self.rows("insert or ignore into chat(id, body) values (?, ?)", person, json.dumps(body))

    def write(self, chat: int, text: str = "", author: int = 0, name: str = "Ann", username: str = "", **more: Any) -> int:
        """Somebody writes. `more` is put into the message as it is, but for `thread`, `reply_to` (an id) and `file` (see `upload`)."""
        author = author or abs(chat)
        person: Json = {"id": author, "is_bot": False, "first_name": name} | ({"username": username} if username else {})
        self.meet(chat, name)
        if chat > 0:
            self.rows("update chat set refuses = '' where id = ?", chat)
        message = self.begin(chat, person, mine=False)
        if text:
            message["text"] = text
            message["entities"] = more.pop("entities", None) or entities_in(text)
        message |= self._context(chat, more.pop("thread", 0), more.pop("reply_to", 0)) | self._attached(more.pop("file", "")) | more
        self.put(chat, message)
        self.tell({"message": message})
        return int(message["message_id"])

    def edit(self, chat: int, message: int, text: str) -> None:
        now = self.newest(chat, message)
        field, entities = ("caption", "caption_entities") if "caption" in now else ("text", "entities")
        edited = max(int(time.time()), now.get("edit_date", 0) + 1)
        now |= {field: text, entities: entities_in(text), "edit_date": edited}
        self.put(chat, now)
        self.tell({"edited_message": now})

    def press(self, chat: int, message: int, option: str, author: int = 0, name: str = "Ann") -> str:
        """Somebody presses the button that says `option`. Returns the id of the press."""
        shown = self.newest(chat, message)
        buttons = [button for line in shown["reply_markup"]["inline_keyboard"] for button in line]
        data = next(button["callback_data"] for button in buttons if button["text"] == option)
        query = str(10**15 + len(self.rows("select 1 from query")))
        self.rows("insert into query(id) values (?)", query)
        person = {"id": author or abs(chat), "is_bot": False, "first_name": name}
        self.tell({"callback_query": {"id": query, "from": person, "message": shown, "chat_instance": "1", "data": data}})
        return query

    def remove(self, chat: int, message: int) -> None:
        """Somebody deletes a message. Bots are not told."""
        self.rows("update message set gone = 1 where chat = ? and id = ?", chat, message)

    def refuse(self, chat: int, description: str = "bot was blocked by the user") -> None:
        """The chat takes nothing from the bot ("" takes that back)."""
        self.rows("update chat set refuses = ? where id = ?", description, chat)

    def close_topic(self, chat: int, thread: int) -> None:
        topics = [topic for topic in self._topics(chat) if topic != thread]
        self.rows("update chat set topics = ? where id = ?", json.dumps(topics), chat)

    def migrate(self, chat: int, to: int) -> None:
        """The group becomes a supergroup, with another id."""
        self.group(to)
        old = self.begin(chat, ANONYMOUS, mine=False) | {"migrate_to_chat_id": to}
        self.rows("update chat set moved_to = ? where id = ?", to, chat)
        self.put(chat, old)
        self.tell({"message": old})
        new = self.begin(to, ANONYMOUS, mine=False) | {"migrate_from_chat_id": chat}
        self.put(to, new)
        self.tell({"message": new})

    def push(self, update: Json) -> None:
        """Any update, as it is."""
        self.tell(update)

    def recycle(self, next_update: int) -> None:
        """Updates are numbered from here, as after a silent week."""
        self.rows("update bot set next_update = ?", next_update)

    def upload(self, name: str, data: bytes, size: int = 0) -> str:
        """A file of somebody's. `size`: what is said of it, if it is a lie."""
        id_ = f"file{len(self.rows('select 1 from file')) + 1}"  # noqa: S608 - an id, of Telegram's
        self.rows("insert into file values (?, ?, ?, ?)", id_, name, size or len(data), data)
        return id_

    def allow(self, most: int, window_s: float, chat: int = 0) -> None:
        """At most so many sends in so many seconds, to this chat or (0) to all. 0 of them: as many as one likes."""
        self.rows("delete from allowance where chat = ?", chat)
        if most:
            self.rows("insert into allowance values (?, ?, ?)", chat, most, window_s)

    # --- what a test may ask --------------------------------------------------------------------------------------------------------------

    def shown(self, chat: int) -> list[Json]:
        """Every message of the chat: its id, whose it is, whether it is gone, and all its versions."""
        found = self.rows("select * from message where chat = ? order by id", chat)
        sql = "select body from version where chat = ? and id = ? order by n"
        return [{**row, "versions": [json.loads(v["body"]) for v in self.rows(sql, chat, row["id"])]} for row in found]

    def unconfirmed(self) -> int:
        return len(self.rows("select 1 from pending"))

    def about_bot(self, token: str) -> Json:
        bot = self.row("select * from bot where token = ?", token)
        assert bot is not None
        return {**bot, "webhook": json.loads(bot["webhook"]), "commands": json.loads(bot["commands"])}

    # --- for the server -------------------------------------------------------------------------------------------------------------------

    def known_bot(self, token: str) -> Json:
        if not re.fullmatch(r"\d+:[\w-]{3,}", token):
            raise Refused(404, "Not Found")
        bot = self.row("select * from bot where token = ? and not revoked", token)
        if bot is None:
            raise Refused(401, "Unauthorized")
        return bot

    def tell(self, update: Json) -> None:
        """Every bot that wants to hear of this kind."""
        kind = next(iter(update), "")
        for bot in self.rows("select * from bot"):
            allowed = json.loads(bot["allowed"]) or (*TOLD_BY_DEFAULT, kind if kind not in {"message_reaction", "chat_member"} else "")
            if kind not in allowed and "odd" not in update:
                continue
            body = {"update_id": bot["next_update"], **update}
            self.rows("insert into pending(bot, id, body) values (?, ?, ?)", bot["id"], bot["next_update"], json.dumps(body))
            self.rows("update bot set next_update = next_update + 1 where id = ?", bot["id"])
        self.changed()

    def confirm(self, bot: int, offset: int) -> None:
        self.rows("delete from pending where bot = ? and id < ?", bot, offset)

    def pending(self, bot: int, offset: int, limit: int) -> list[Json]:
        found = self.rows("select body from pending where bot = ? and id >= ? order by n limit ?", bot, offset, limit)
        return [json.loads(row["body"]) for row in found]

    def begin(self, chat: int, sender: Json, *, mine: bool) -> Json:
        """A message with a number of its own."""
        row = self.row("select * from chat where id = ?", chat)
        assert row is not None, f"there is no chat {chat}"
        self.rows("update chat set next_message = next_message + 1 where id = ?", chat)
        self.rows("insert into message(chat, id, mine) values (?, ?, ?)", chat, row["next_message"], mine)
        return {"message_id": row["next_message"], "date": int(time.time()), "chat": json.loads(row["body"]), "from": sender}

    def put(self, chat: int, message: Json) -> None:
        self.rows("insert into version(chat, id, body) values (?, ?, ?)", chat, message["message_id"], json.dumps(message))

    def newest(self, chat: int, message: int) -> Json:
        found = self.row("select body from version where chat = ? and id = ? order by n desc", chat, message)
        assert found is not None, f"there is no message {message} in {chat}"
        return dict(json.loads(found["body"]))

    def writable(self, chat_id: Any) -> int:
        """The chat that a bot may write to. Raises `Refused`."""
        try:
            chat = self.row("select * from chat where id = ?", int(chat_id))
        except (TypeError, ValueError):
            chat = None
        if chat is None:
            raise bad("chat not found")
        if chat["moved_to"] is not None:
            raise bad("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat["moved_to"])
        if chat["refuses"].startswith("Bad Request: "):
            raise bad(chat["refuses"].removeprefix("Bad Request: "))
        if chat["refuses"]:
            raise Refused(403, f"Forbidden: {chat['refuses']}")
        return int(chat["id"])

    def spend(self, chat: int) -> None:
        """One more send. Raises `Refused` if that is more than allowed."""
        now = time.time()
        for allowance in self.rows("select * from allowance where chat in (0, ?)", chat):
            since = now - allowance["window_s"]
            sql = "select at from sent where at > ? and ? in (0, chat) order by at"
            sent = self.rows(sql, since, allowance["chat"])
            if len(sent) >= allowance["most"]:
                wait = max(1, round(sent[-allowance["most"]]["at"] - since + 0.5))
                raise Refused(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        self.rows("insert into sent values (?, ?)", chat, now)

    def _topics(self, chat: int) -> list[int]:
        row = self.row("select topics from chat where id = ?", chat)
        return list(json.loads(row["topics"])) if row is not None else []

    def _context(self, chat: int, thread: int, reply_to: int) -> Json:
        found: Json = {}
        if thread:
            found |= {"message_thread_id": thread, "is_topic_message": True}
            found["reply_to_message"] = {"message_id": thread, "date": 1, "chat": {"id": chat, "type": "supergroup"}, "from": ANONYMOUS}
            found["reply_to_message"]["forum_topic_created"] = {"name": "A topic", "icon_color": 7322096}
        if reply_to:
            found["reply_to_message"] = {k: v for k, v in self.newest(chat, reply_to).items() if k != "reply_to_message"}
        return found

    def context_of(self, chat: int, params: Mapping[str, Any]) -> Json:
        """Where in the chat a bot's message stands. Raises `Refused`."""
        thread = int(params.get("message_thread_id") or 0)
        if thread and thread not in self._topics(chat):
            raise bad("message thread not found")
        reply = params.get("reply_parameters") or {}
        to = int(reply.get("message_id", 0))
        there = self.row("select 1 from message where chat = ? and id = ? and not gone", chat, to)
        if to and there is None and not reply.get("allow_sending_without_reply"):
            raise bad("message to be replied not found")
        context = self._context(chat, thread, 0)
        return context | (self._context(chat, 0, to) if there else {})

    def _attached(self, id_: str) -> Json:
        if not id_:
            return {}
        return {"document": self.file(id_) | {"file_name": self._file(id_)["name"]}}

    def _file(self, id_: str) -> Json:
        row = self.row("select * from file where id = ?", id_)
        if row is None:
            raise bad("wrong file_id or the file is temporarily unavailable")
        return row

    def file(self, id_: str) -> Json:
        return {"file_id": id_, "file_unique_id": f"u{id_}", "file_size": self._file(id_)["size"]}

    def file_path(self, id_: str) -> Json:
        """What getFile answers. Raises `Refused`."""
        if self._file(id_)["size"] > DOWNLOAD_BYTES_MAX:
            raise bad("file is too big")
        return {**self.file(id_), "file_path": f"documents/{id_}"}

    def sent_files(self, chat: int) -> list[str]:
        """The bytes of the files that bots sent there, in base64."""
        bodies = [shown["versions"][-1] for shown in self.shown(chat) if shown["mine"]]
        files = [body.get("document") or (body.get("photo") or [None])[-1] for body in bodies]
        return [base64.b64encode(self.data(file["file_id"])).decode() for file in files if file]

    def data(self, id_: str) -> bytes:
        return bytes(self._file(id_)["data"])


ANONYMOUS: Final[Json] = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
"""Who speaks for a group."""


def entities_in(text: str) -> list[Json]:
    """What a client marks by itself."""
    found = [
        (match.start(), match.group(), kind) for kind, p in (("bot_command", _COMMAND), ("mention", _MENTION)) for match in p.finditer(text)
    ]
    return [{"type": kind, "offset": units(text[:at]), "length": units(what)} for at, what, kind in sorted(found)]
