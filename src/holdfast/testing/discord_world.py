"""What a Discord server knows: bots and their sessions, servers and channels, what everybody sees. Kept in SQLite, so that it outlives its process."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from holdfast.testing.discord_shapes import GUILD, INTERACTION, MESSAGE, ROLE, USER, member_of
from holdfast.testing.fake_server import Json, Truth

EPOCH_MS: Final = 1_420_070_400_000
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 0, 1 << 9, 1 << 12, 1 << 15
EVERY_INTENT: Final = (1 << 26) - 1
NONCE_S: Final = 300.0
BEAT_MS: Final = 41_250
DIRECT, THREAD = 1, 11

_SCHEMA: Final = """
create table if not exists setting(name text primary key, value real);
create table if not exists bot(id text primary key, token text unique, username text, revoked int default 0, intents int default 67108863,
    starts int default 1000, reset_after_ms int default 14400000, commands text default '[]');
create table if not exists person(id text primary key, username text, global_name text);
create table if not exists session(id text primary key, bot text, intents int, seq int default 0, alive int default 1);
create table if not exists event(session text, seq int, type text, body text, primary key (session, seq));
create table if not exists guild(id text primary key, name text, away int default 0);
create table if not exists role(id text primary key, guild text, name text, bot text);
create table if not exists channel(id text primary key, type int, guild text, parent text, person text, name text, last text, refuses int default 0,
    hidden int default 0, archived int default 0);
create table if not exists message(id text primary key, channel text, author text, bot int, gone int default 0, nonce text default '', at real,
    reactions text default '[]');
create table if not exists version(n integer primary key autoincrement, id text, body text);
create table if not exists file(id text primary key, name text, type text, data blob);
create table if not exists interaction(id text primary key, token text, bot text, channel text, type int, message text, at real, answer text default '');
create table if not exists allowance(route text primary key, most int, window_s real);
create table if not exists sent(route text, at real);
"""

_LISTS: Final = {"channels": False, "threads": True}
_MENTION: Final = re.compile(r"<@!?(\d+)>")
_ROLE: Final = re.compile(r"<@&(\d+)>")


class Refused(Exception):
    """What is answered instead of a result."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "code": code, **more}


def at(snowflake: str) -> float:
    return ((int(snowflake) >> 22) + EPOCH_MS) / 1000


def iso(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat()


class World(Truth):
    """The truth. `changed` is called when a session has something to be told; `connections` does something to those that are open."""

    def __init__(
        self, path: Path, changed: Callable[[], None] = lambda: None, connections: Callable[[str, int], None] = lambda *_: None
    ) -> None:
        super().__init__(path, _SCHEMA, changed)
        self._connections = connections
        newest = self.row("select max(cast(id as integer)) as id from message")
        self._last = int((newest or {}).get("id") or 0)

    def new_id(self) -> str:
        self._last = max(self._last + 1, (int(time.time() * 1000) - EPOCH_MS) << 22)
        return str(self._last)

    def setting(self, name: str, otherwise: float) -> float:
        row = self.row("select value from setting where name = ?", name)
        return float(row["value"]) if row is not None else otherwise

    # --- what a test may order ------------------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Nothing was ever said, or ordered."""
        self.forget("bot")
        self.rows("update bot set revoked = 0, intents = ?, starts = 1000, commands = '[]'", EVERY_INTENT)
        self._connections("cut", 0)

    def set(self, name: str, value: float) -> None:
        """`nonce_s`: how long keys are known; `beat_ms`: how often beats are wanted; `deaf`: beats are not answered."""
        self.rows("insert or replace into setting values (?, ?)", name, value)

    def bot(self, token: str, username: str) -> str:
        id_ = base64.urlsafe_b64decode(token.partition(".")[0] + "==").decode()
        self.rows("insert or ignore into bot(id, token, username) values (?, ?, ?)", id_, token, username)
        return id_

    def revoke(self, token: str) -> None:
        """It stays connected as long as nothing is asked."""
        self.rows("update bot set revoked = 1 where token = ?", token)

    def about_bot(self, token: str, **change: int) -> Json:
        """`intents` that it may have, `starts` that it has left, `reset_after_ms`."""
        for name, value in change.items():
            assert name in {"intents", "starts", "reset_after_ms"}
            self.rows(f"update bot set {name} = ? where token = ?", value, token)  # noqa: S608 - one of these
        bot = self.row("select * from bot where token = ?", token)
        assert bot is not None
        return {**bot, "commands": json.loads(bot["commands"])}

    def connections(self, what: str, code: int = 0) -> None:
        """To all that are open: `reconnect` (op 7), `invalid` (op 9; code 1: it may be gone on with), `close` with a code, `cut`."""
        self._connections(what, code)

    def heal(self) -> None:
        """Nothing befalls any call any more."""
        self.rows("delete from fault")

    def end_sessions(self) -> None:
        """They are known no more; who is connected is cut."""
        self.rows("update session set alive = 0")
        self._connections("cut", 0)

    def sessions(self) -> int:
        return len(self.rows("select 1 from session"))

    def guild(self, guild: str, name: str = "A server", channels: Sequence[str] = (), away: bool = False) -> None:
        self.rows("insert or replace into guild values (?, ?, ?)", guild, name, away)
        for channel in channels:
            self.rows("insert or ignore into channel(id, type, guild, name) values (?, 0, ?, 'general')", channel, guild)
        if not away:
            self.tell("GUILD_CREATE", self.guild_of(guild), GUILDS)

    def role(self, role: str, guild: str, name: str, bot: str = "") -> None:
        self.rows("insert or replace into role values (?, ?, ?, ?)", role, guild, name, bot)

    def thread(self, thread: str, parent: str, quiet: bool = False) -> None:
        """One begins under a channel. `quiet`: bots are not told."""
        above = self.channel_row(parent)
        sql = "insert or replace into channel(id, type, guild, parent, name) values (?, ?, ?, ?, 'a thread')"
        self.rows(sql, thread, THREAD, above["guild"], parent)
        if not quiet:
            self.tell("THREAD_CREATE", self.channel_of(thread) | {"newly_created": True}, GUILDS)

    def archive(self, thread: str) -> None:
        self.rows("update channel set archived = 1 where id = ?", thread)

    def refuse(self, channel: str, code: int = 50007, hidden: bool = False) -> None:
        """The channel takes nothing from the bot (0 takes that back); `hidden`: it does not see it, either."""
        self.rows("update channel set refuses = ?, hidden = ? where id = ?", code, hidden, channel)

    def direct(self, person: str, name: str = "Ann") -> str:
        """The person's chat with the bot."""
        self.rows("insert or replace into person values (?, ?, ?)", person, name.lower(), name)
        found = self.row("select id from channel where type = ? and person = ?", DIRECT, person)
        if found is not None:
            return str(found["id"])
        channel = self.new_id()
        self.rows("insert into channel(id, type, person) values (?, ?, ?)", channel, DIRECT, person)
        return channel

    def write(
        self, channel: str, text: str = "", author: str = "", name: str = "Ann", file: str = "", reply_to: str = "", **more: Any
    ) -> str:
        """Somebody writes. `more` is put into the message as it is."""
        row = self.channel_row(channel)
        author = author or row["person"] or "7"
        self.rows("insert or replace into person values (?, ?, ?)", author, name.lower(), name)
        self.rows("update channel set archived = 0, refuses = case when type = 1 then 0 else refuses end where id = ?", channel)
        message = self.begin(channel, self.person(author)) | {"content": text, **self.mentions(row, text, reply_to), **more}
        if file:
            message["attachments"] = [self.file_of(one) for one in file.split()]
        self.put(message)
        self.tell_message("MESSAGE_CREATE", message, nick=more.get("nick"))
        return str(message["id"])

    def edit(self, message: str, text: str) -> None:
        now = self.newest(message)
        edited = max(time.time(), datetime.fromisoformat(now["edited_timestamp"] or now["timestamp"]).timestamp() + 0.001)
        now |= {"content": text, "edited_timestamp": iso(edited)} | self.mentions(self.channel_row(now["channel_id"]), text, "")
        self.put(now)
        self.tell_message("MESSAGE_UPDATE", now)

    def unfurl(self, message: str) -> None:
        """A link in it is shown: that is told as an update, too."""
        now = self.newest(message) | {"embeds": [{"type": "link", "title": "A page"}]}
        self.put(now)
        self.tell_message("MESSAGE_UPDATE", now)

    def remove(self, *, message: str = "", messages: Sequence[str] = ()) -> None:
        """Somebody deletes a message, or a moderator many."""
        every = [message, *messages] if message else [*messages]
        channel = self.channel_row(self.newest(every[0])["channel_id"])
        for one in every:
            self.rows("update message set gone = 1 where id = ?", one)
        where = {"channel_id": channel["id"], **({"guild_id": channel["guild"]} if channel["guild"] else {})}
        what = ("MESSAGE_DELETE", {"id": message, **where}) if message else ("MESSAGE_DELETE_BULK", {"ids": every, **where})
        self.tell(*what, GUILD_MESSAGES if channel["guild"] else DIRECT_MESSAGES)

    def press(self, message: str, option: str, author: str = "", name: str = "Ann") -> str:
        """Somebody presses the button that says `option`. Returns the id of the interaction."""
        now = self.newest(message)
        buttons = [button for row in now["components"] for button in row["components"]]
        button = next(button for button in buttons if button["label"] == option)
        data = {"custom_id": button["custom_id"], "component_type": 2}
        return self._interact(3, now["channel_id"], data, author, name, {"message": now})

    def slash(self, channel: str, command: str, value: str = "", author: str = "", name: str = "Ann") -> str:
        """Somebody gives a command, one of those that the bot has registered. Returns the id of the interaction."""
        known = next(one for bot in self.rows("select * from bot") for one in json.loads(bot["commands"]) if one["name"] == command)
        options = [{"name": known["options"][0]["name"], "type": 3, "value": value}] if value else []
        return self._interact(2, channel, {"id": known["id"], "name": command, "type": 1, "options": options}, author, name, {})

    def _interact(self, kind: int, channel: str, data: Json, author: str, name: str, more: Json) -> str:
        row, bot = self.channel_row(channel), self.rows("select * from bot")[0]
        author = author or row["person"] or "7"
        self.rows("insert or replace into person values (?, ?, ?)", author, name.lower(), name)
        id_, token = self.new_id(), f"interaction-token-{self.new_id()}"
        message = more.get("message", {}).get("id", "")
        self.rows(
            "insert into interaction(id, token, bot, channel, type, message, at) values (?, ?, ?, ?, ?, ?, ?)",
            *(id_, token, bot["id"], channel, kind, message, time.time()),
        )
        user = self.person(author)
        who = {"member": member_of(user, None), "guild_id": row["guild"]} if row["guild"] else {"user": user}
        body = {"id": id_, "application_id": bot["id"], "type": kind, "data": data, "token": token, "version": 1, "channel_id": channel}
        body |= {"channel": self.channel_of(channel), **INTERACTION, **who, **more}
        self.tell("INTERACTION_CREATE", body, 0)
        return id_

    def push(self, type: str, body: Json) -> None:  # noqa: A002 - Discord's word
        """Any event, as it is."""
        self.tell(type, body, 0)

    def upload(self, name: str, data: bytes, type: str = "text/plain") -> str:  # noqa: A002 - Discord's word
        id_ = self.new_id()
        self.rows("insert into file values (?, ?, ?, ?)", id_, name, type, data)
        return id_

    def allow(self, route: str, most: int, window_s: float) -> None:
        """At most so many calls of a method in so many seconds, in each channel."""
        self.rows("insert or replace into allowance values (?, ?, ?)", route, most, window_s)

    # --- what a test may ask --------------------------------------------------------------------------------------------------------------

    def shown(self, channel: str) -> list[Json]:
        """Every message of the channel: its id, whether a bot wrote it, whether it is gone, its reactions, and all its versions."""
        found = self.rows("select * from message where channel = ? order by cast(id as integer)", channel)
        sql = "select body from version where id = ? order by n"
        return [
            {**row, "reactions": json.loads(row["reactions"]), "versions": [json.loads(v["body"]) for v in self.rows(sql, row["id"])]}
            for row in found
        ]

    def sent_files(self, channel: str) -> list[str]:
        """What bots sent there, in base64."""
        messages = [row["versions"][-1] for row in self.shown(channel) if row["bot"] and not row["gone"]]
        found = [self.row("select data from file where id = ?", file["id"]) for message in messages for file in message["attachments"]]
        return [base64.b64encode(file["data"]).decode() for file in found if file is not None]

    def interactions(self) -> list[Json]:
        return self.rows("select id, type, answer from interaction order by cast(id as integer)")

    # --- what the API says of things --------------------------------------------------------------------------------------------------------

    def known_bot(self, token: str) -> Json:
        bot = self.row("select * from bot where token = ? and not revoked", token)
        if bot is None:
            raise Refused(401, 0, "401: Unauthorized")
        return bot

    def user_of(self, bot: Mapping[str, Any]) -> Json:
        return {**USER, "id": bot["id"], "username": bot["username"], "bot": True, "verified": True, "mfa_enabled": False, "flags": 0}

    def person(self, id_: str) -> Json:
        row = self.row("select * from person where id = ?", id_) or {"id": id_, "username": f"person{id_}", "global_name": None}
        return {**USER, **row}

    def anybody(self, id_: str) -> Json:
        bot = self.row("select * from bot where id = ?", id_)
        return self.user_of(bot) if bot is not None else self.person(id_)

    def channel_row(self, channel: str) -> Json:
        row = self.row("select * from channel where id = ?", channel)
        if row is None:
            raise Refused(404, 10003, "Unknown Channel")
        return row

    def channel_of(self, channel: str) -> Json:
        row = self.channel_row(channel)
        body: Json = {"id": row["id"], "type": row["type"], "last_message_id": row["last"], "flags": 0}
        if row["type"] == DIRECT:
            return body | {"recipients": [self.person(row["person"])]}
        body |= {"guild_id": row["guild"], "name": row["name"], "parent_id": row["parent"], "rate_limit_per_user": 0}
        if row["type"] != THREAD:
            return body | {"position": 0, "permission_overwrites": [], "nsfw": False, "topic": None}
        archived = {
            "archived": bool(row["archived"]),
            "auto_archive_duration": 1440,
            "archive_timestamp": iso(time.time()),
            "locked": False,
        }
        return body | {"owner_id": "7", "message_count": 1, "member_count": 1, "thread_metadata": archived}

    def guild_of(self, guild: str) -> Json:
        row = self.row("select * from guild where id = ?", guild)
        assert row is not None
        inside = self.rows("select id, type from channel where guild = ? and not archived and not hidden", guild)
        lists = {
            name: [self.channel_of(one["id"]) for one in inside if (one["type"] == THREAD) == thread] for name, thread in _LISTS.items()
        }
        bots = [member_of(self.user_of(bot), None) for bot in self.rows("select * from bot where not revoked")]
        return {**GUILD, "id": guild, "name": row["name"], "roles": self.roles(guild), "members": bots, **lists}

    def roles(self, guild: str) -> list[Json]:
        found = [{"id": guild, "name": "@everyone", "bot": ""}, *self.rows("select * from role where guild = ?", guild)]
        tags = [{"tags": {"bot_id": one["bot"]}, "managed": True} if one["bot"] else {} for one in found]
        return [ROLE | {"id": one["id"], "name": one["name"]} | tag for one, tag in zip(found, tags, strict=True)]

    def mentions(self, channel: Mapping[str, Any], text: str, reply_to: str) -> Json:
        """What a text and a reply point at."""
        people = dict.fromkeys(_MENTION.findall(text))
        said: Json = {"mention_roles": list(dict.fromkeys(_ROLE.findall(text)))}
        if reply_to:
            replied = self.newest(reply_to)
            said |= {"type": 19, "referenced_message": {**replied, "referenced_message": None}}
            said["message_reference"] = {"type": 0, "message_id": reply_to, "channel_id": channel["id"], "guild_id": channel["guild"]}
        return said | {"mentions": [self.anybody(one) for one in people]}

    def file_of(self, id_: str) -> Json:
        row = self.row("select id, name, type, length(data) as size from file where id = ?", id_)
        assert row is not None
        return {
            "id": row["id"],
            "filename": row["name"],
            "size": row["size"],
            "content_type": row["type"],
            "url": f"/cdn/{row['id']}",
            "proxy_url": "",
        }

    def begin(self, channel: str, author: Json, nonce: str = "") -> Json:
        """A message with a number of its own."""
        id_, now = self.new_id(), time.time()
        self.rows(
            "insert into message(id, channel, author, bot, nonce, at) values (?, ?, ?, ?, ?, ?)",
            *(id_, channel, author["id"], bool(author.get("bot")), nonce, now),
        )
        self.rows("update channel set last = ? where id = ?", id_, channel)
        return {**MESSAGE, "id": id_, "channel_id": channel, "author": author, "timestamp": iso(now)}

    def put(self, message: Json) -> None:
        self.rows("insert into version(id, body) values (?, ?)", message["id"], json.dumps(message))

    def newest(self, message: str) -> Json:
        found = self.row(
            "select v.body from version v join message m on m.id = v.id where v.id = ? and not m.gone order by n desc", message
        )
        if found is None:
            raise Refused(404, 10008, "Unknown Message")
        return dict(json.loads(found["body"]))

    # --- telling sessions -------------------------------------------------------------------------------------------------------------------

    def tell_message(self, type_: str, message: Json, nick: str | None = None) -> None:
        channel = self.channel_row(message["channel_id"])
        if channel["guild"]:
            message = message | {"guild_id": channel["guild"], "member": member_of(message["author"], nick)}
        self.tell(type_, message, GUILD_MESSAGES if channel["guild"] else DIRECT_MESSAGES)

    def tell(self, type_: str, body: Json, intent: int) -> None:
        """Every session that wants to hear of this."""
        for session in self.rows("select * from session where alive"):
            if not intent or session["intents"] & intent:
                self.tell_session(session["id"], type_, self.as_seen(body, session) if type_.startswith("MESSAGE_") else body)
        self.changed()

    def as_seen(self, message: Json, session: Mapping[str, Any]) -> Json:
        """Without the intent, what is said in a server and not to the bot has no words."""
        to_it = "guild_id" not in message or session["bot"] in {
            message.get("author", {}).get("id"),
            *(u["id"] for u in message.get("mentions", ())),
        }
        if to_it or session["intents"] & MESSAGE_CONTENT:
            return message
        return message | {"content": "", "attachments": [], "embeds": [], "components": []}

    def tell_session(self, session: str, type_: str, body: Json) -> None:
        self.rows("update session set seq = seq + 1 where id = ?", session)
        self.rows("insert into event select id, seq, ?, ? from session where id = ?", type_, json.dumps(body), session)
