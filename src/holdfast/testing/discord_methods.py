"""What Discord's REST API does. Each method takes the world, the bot, what its path and query name, its body and files, and returns a result or raises `Refused`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from holdfast.testing.discord_world import Refused, World
from holdfast.testing.fake_server import Json

Bot = Mapping[str, Any]
Said = Mapping[str, Any]
"""The ids of the path, the parameters of the query."""
Uploads = Sequence[tuple[str, str, bytes]]
"""Names, media types and bytes."""
Method = Callable[[World, Bot, Said, Any, Uploads], Any]

TEXT_CHARS_MAX: Final = 2000
UPLOAD_BYTES_MAX: Final = 10 * 1024 * 1024
FILES_MAX: Final = 10
INTERACTION_S_MAX: Final = 3.0
_NEVER: Final = "9" * 18


def invalid(field: str, code: str, message: str) -> Refused:
    return Refused(400, 50035, "Invalid Form Body", errors={field: {"_errors": [{"code": code, "message": message}]}})


def me(world: World, bot: Bot, _said: Said, _body: Any, _files: Uploads) -> Json:
    return world.user_of(bot)


def application(world: World, bot: Bot, _said: Said, _body: Any, _files: Uploads) -> Json:
    about = {"id": bot["id"], "name": bot["username"], "icon": None, "description": "", "bot_public": True, "bot_require_code_grant": False}
    return about | {
        "verify_key": "0" * 64,
        "flags": 0,
        "team": None,
        "bot": world.user_of(bot),
        "owner": world.person("7"),
        "rpc_origins": [],
    }


def roles(world: World, _bot: Bot, said: Said, _body: Any, _files: Uploads) -> list[Json]:
    return world.roles(said["guild"])


def overwrite_commands(world: World, bot: Bot, said: Said, body: Any, _files: Uploads) -> list[Json]:
    for index, one in enumerate(body):
        if not re.fullmatch(r"[-_a-z0-9]{1,32}", one["name"]) or not 1 <= len(one["description"]) <= 100:
            raise invalid(str(index), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
        for option in one.get("options", ()):
            if not re.fullmatch(r"[-_a-z0-9]{1,32}", option["name"]) or not 1 <= len(option["description"]) <= 100:
                raise invalid(str(index), "APPLICATION_COMMAND_INVALID_NAME", "Option name is invalid")
    commands = [{**one, "id": world.new_id(), "application_id": said["application"], "version": "1"} for one in body]
    world.rows("update bot set commands = ? where id = ?", json.dumps(commands), bot["id"])
    return commands


# --- channels -------------------------------------------------------------------------------------------------------------------------


def open_direct(world: World, _bot: Bot, _said: Said, body: Any, _files: Uploads) -> Json:
    found = world.row("select id from channel where type = 1 and person = ?", str(body["recipient_id"]))
    return world.channel_of(found["id"] if found is not None else world.direct(str(body["recipient_id"])))


def channel(world: World, _bot: Bot, said: Said, _body: Any, _files: Uploads) -> Json:
    _seen(world, said["channel"])
    return world.channel_of(said["channel"])


def history(world: World, _bot: Bot, said: Said, _body: Any, _files: Uploads) -> list[Json]:
    """The newest first; of those after one, the oldest."""
    _seen(world, said["channel"])
    limit, after, before = int(said.get("limit", 50)), int(said.get("after", 0)), int(said.get("before", _NEVER + "0"))
    if not 1 <= limit <= 100:
        raise invalid("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
    order = "asc" if "after" in said else "desc"
    sql = f"""select id from message where channel = ? and not gone and cast(id as integer) > ? and cast(id as integer) < ?
        order by cast(id as integer) {order} limit ?"""  # noqa: S608 - one of these
    found = [row["id"] for row in world.rows(sql, said["channel"], after, min(before, 2**63 - 1), limit)]
    return [_as_told(world, id_) for id_ in sorted(found, key=int, reverse=True)]


def message(world: World, _bot: Bot, said: Said, _body: Any, _files: Uploads) -> Json:
    _seen(world, said["channel"])
    return _as_told(world, said["message"])


def _as_told(world: World, id_: str) -> Json:
    """Nonces are not kept."""
    return {name: value for name, value in world.newest(id_).items() if name != "nonce"}


def _seen(world: World, channel_: str) -> Json:
    row = world.channel_row(channel_)
    if row["hidden"]:
        raise Refused(403, 50001, "Missing Access")
    return row


_SHUT: Final = {50007: "Cannot send messages to this user", 50001: "Missing Access", 50013: "Missing Permissions"}


def _writable(world: World, channel_: str) -> Json:
    row = _seen(world, channel_)
    if row["refuses"]:
        raise Refused(403, row["refuses"], _SHUT.get(row["refuses"], "Forbidden"))
    return row


# --- what a bot says ------------------------------------------------------------------------------------------------------------------


def create_message(world: World, bot: Bot, said: Said, body: Any, files: Uploads) -> Json:
    row = _writable(world, said["channel"])
    nonce = str(body.get("nonce") or "")
    if len(nonce) > 25:
        raise invalid("nonce", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    if nonce and body.get("enforce_nonce"):
        since = time.time() - world.setting("nonce_s", 300.0)
        sql = "select id from message where author = ? and channel = ? and nonce = ? and at > ?"
        there = world.row(sql, bot["id"], row["id"], nonce, since)
        if there is not None:
            return world.newest(there["id"])
    content = _content(world, body, files)
    if not (content["content"] or content.get("attachments")):
        raise Refused(400, 50006, "Cannot send an empty message")
    reference = body.get("message_reference") or {}
    reply = _reply(world, row, reference)
    new = world.begin(row["id"], world.user_of(bot), nonce) | content | reply | ({"nonce": nonce} if nonce else {})
    world.rows("update channel set archived = 0 where id = ?", row["id"])
    world.put(new)
    world.tell_message("MESSAGE_CREATE", new)
    return new


def _reply(world: World, row: Json, reference: Mapping[str, Any]) -> Json:
    if not reference:
        return {}
    there = world.row("select 1 from message where id = ? and channel = ? and not gone", str(reference["message_id"]), row["id"])
    if there is None:
        if reference.get("fail_if_not_exists", True):
            raise invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return {}
    pointed = world.mentions(row, "", str(reference["message_id"]))
    return {name: pointed[name] for name in ("type", "referenced_message", "message_reference")}


def _content(world: World, body: Mapping[str, Any], files: Uploads) -> Json:
    content = str(body.get("content") or "").strip()
    if len(content) > TEXT_CHARS_MAX:
        raise invalid("content", "BASE_TYPE_MAX_LENGTH", f"Must be {TEXT_CHARS_MAX} or fewer in length.")
    if len(files) > FILES_MAX:
        raise invalid("files", "MAX_FILES", "Too many files")
    if sum(len(data) for _, _, data in files) > UPLOAD_BYTES_MAX:
        raise Refused(413, 40005, "Request entity too large")
    made: Json = {"content": content, "components": _components(body.get("components") or ()), "flags": body.get("flags") or 0}
    if (body.get("allowed_mentions") or {}).get("parse", ["everyone"]):
        made |= {"mention_everyone": "@everyone" in content}
    if files:
        made["attachments"] = [world.file_of(world.upload(name, data, type_)) for name, type_, data in files]
    return made


def _components(rows: Sequence[Mapping[str, Any]]) -> list[Json]:
    ids = [button["custom_id"] for row in rows for button in row["components"]]
    labels = [button["label"] for row in rows for button in row["components"]]
    if len(rows) > 5 or any(not 1 <= len(row["components"]) <= 5 for row in rows):
        raise invalid("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    if len(ids) != len(set(ids)):
        raise invalid("components", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    if any(len(id_) > 100 for id_ in ids) or any(len(label) > 80 for label in labels):
        raise invalid("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    return [dict(row) for row in rows]


def edit_message(world: World, bot: Bot, said: Said, body: Any, files: Uploads) -> Json:
    _writable(world, said["channel"])
    now = world.newest(said["message"])
    if now["author"]["id"] != bot["id"]:
        raise Refused(403, 50005, "Cannot edit a message authored by another user")
    new = _content(world, {**now, **body}, files) | {"edited_timestamp": _now()}
    world.put(now | new)
    world.tell_message("MESSAGE_UPDATE", now | new)
    return now | new


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 10**9 // 1000:06d}+00:00"


def delete_message(world: World, _bot: Bot, said: Said, _body: Any, _files: Uploads) -> None:
    world.newest(said["message"])
    world.remove(message=said["message"])


def typing(world: World, _bot: Bot, said: Said, _body: Any, _files: Uploads) -> None:
    _writable(world, said["channel"])


def react(world: World, _bot: Bot, said: Said, _body: Any, _files: Uploads) -> None:
    world.newest(said["message"])
    row = world.row("select reactions from message where id = ?", said["message"])
    assert row is not None
    reactions = [*json.loads(row["reactions"]), said["emoji"]]
    world.rows("update message set reactions = ? where id = ?", json.dumps(reactions), said["message"])


def answer_interaction(world: World, _bot: Bot, said: Said, body: Any, _files: Uploads) -> Json | None:
    row = world.row("select * from interaction where id = ? and token = ?", said["interaction"], said["token"])
    if row is None or time.time() - row["at"] > INTERACTION_S_MAX:
        raise Refused(404, 10062, "Unknown interaction")
    if row["answer"]:
        raise Refused(400, 40060, "Interaction has already been acknowledged.")
    if body["type"] not in {4, 5, 6}:
        raise invalid("type", "BASE_TYPE_CHOICES", "not one of these")
    world.rows("update interaction set answer = ? where id = ?", json.dumps(body), row["id"])
    if body["type"] == 4:
        bot = world.row("select * from bot where id = ?", row["bot"])
        assert bot is not None
        new = world.begin(row["channel"], world.user_of(bot)) | _content(world, body["data"], ()) | {"type": 20}
        world.put(new)
        world.tell_message("MESSAGE_CREATE", new)
    if said.get("with_response") not in {"true", "1"}:
        return None
    return {"interaction": {"id": row["id"], "type": row["type"], "response_message_loading": False, "response_message_ephemeral": False}}


ROUTES: Final[Sequence[tuple[str, str, str, Method]]] = (
    ("GET", r"/users/@me", "me", me),
    ("GET", r"/oauth2/applications/@me", "application", application),
    ("GET", r"/applications/@me", "application", application),
    ("POST", r"/users/@me/channels", "open_direct", open_direct),
    ("PUT", r"/applications/(?P<application>\d+)/commands", "overwrite_commands", overwrite_commands),
    ("GET", r"/guilds/(?P<guild>\d+)/roles", "roles", roles),
    ("GET", r"/channels/(?P<channel>\d+)", "channel", channel),
    ("GET", r"/channels/(?P<channel>\d+)/messages", "history", history),
    ("POST", r"/channels/(?P<channel>\d+)/messages", "create_message", create_message),
    ("GET", r"/channels/(?P<channel>\d+)/messages/(?P<message>\d+)", "message", message),
    ("PATCH", r"/channels/(?P<channel>\d+)/messages/(?P<message>\d+)", "edit_message", edit_message),
    ("DELETE", r"/channels/(?P<channel>\d+)/messages/(?P<message>\d+)", "delete_message", delete_message),
    ("POST", r"/channels/(?P<channel>\d+)/typing", "typing", typing),
    ("PUT", r"/channels/(?P<channel>\d+)/messages/(?P<message>\d+)/reactions/(?P<emoji>[^/]+)/@me", "react", react),
    ("POST", r"/interactions/(?P<interaction>\d+)/(?P<token>[^/]+)/callback", "answer_interaction", answer_interaction),
)
OPEN: Final = frozenset({"answer_interaction"})
"""Methods that need no token: their address is a secret."""
