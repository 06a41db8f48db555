"""The methods of Slack's Web API that a bot may use, on a `World`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from holdfast.testing.fake_server import Json
from holdfast.testing.slack_world import BOT, NAME, TEAM, US, Refused, World

UPDATE_BYTES_MAX: Final = 4000
TEXT_CHARS_MAX: Final = 40_000
BLOCK_CHARS_MAX: Final = 3000
NEEDS: Final[Mapping[str, str]] = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "conversations.history": "im:history",
    "conversations.info": "im:read",
    "conversations.replies": "im:history",
    "files.completeUploadExternal": "files:write",
    "files.getUploadURLExternal": "files:write",
    "files.info": "files:read",
    "reactions.add": "reactions:write",
    "users.conversations": "im:read",
    "users.info": "users:read",
}
"""One scope that each needs; others need more."""


def auth_test(_world: World, _params: Json) -> Json:
    return {"url": "https://fake.slack.com/", "team": "Fake", "user": NAME, "team_id": TEAM, "user_id": US, "bot_id": BOT}


def users_info(world: World, params: Json) -> Json:
    row = world.row("select * from person where id = ?", params["user"])
    if row is None:
        raise Refused("user_not_found")
    return {"user": {"id": row["id"], "name": row["id"].lower(), "profile": {"display_name": row["name"], "real_name": row["name"]}}}


# --- chats ------------------------------------------------------------------------------------------------------------------------------


def users_conversations(world: World, params: Json) -> Json:
    kinds = params.get("types", "public_channel").split(",")
    found = [_chat(row) for row in world.rows("select * from chat where member order by id") if row["kind"] in kinds]
    page, more = _page(found, params)
    return {"channels": page, **more}


def conversations_info(world: World, params: Json) -> Json:
    return {"channel": _chat(world.chat(params["channel"]))}


def _chat(row: Mapping[str, Any]) -> Json:
    return {
        "id": row["id"],
        "name": None,
        "is_im": row["kind"] == "im",
        "is_mpim": row["kind"] == "mpim",
        "is_member": bool(row["member"]) and row["kind"] != "im",
    }


def conversations_history(world: World, params: Json) -> Json:
    """The newest first, without what stands in threads alone."""
    chat = _readable(world, params)
    bodies = [body for body in _messages(world, chat, params) if body.get("thread_ts", body["ts"]) == body["ts"]]
    page, more = _page([_seen(body, params) for body in reversed(bodies)], params)
    return {"messages": page, "has_more": "response_metadata" in more, **more}


def conversations_replies(world: World, params: Json) -> Json:
    """The oldest first; always with the message that they stand below."""
    chat, thread = _readable(world, params), params["ts"]
    try:
        parent = world.newest(chat, thread)
    except Refused:
        raise Refused("thread_not_found") from None
    bodies = [body for body in _messages(world, chat, params) if body.get("thread_ts") == thread and body["ts"] != thread]
    page, more = _page([_seen(body, params) for body in (parent, *bodies)], params)
    return {"messages": page, "has_more": "response_metadata" in more, **more}


def _readable(world: World, params: Json) -> str:
    row = world.chat(params["channel"])
    if not row["member"]:
        raise Refused("not_in_channel")
    return str(row["id"])


def _messages(world: World, chat: str, params: Json) -> list[Json]:
    bodies = [one["versions"][-1] for one in world.shown(chat) if not one["gone"]]
    oldest = params.get("oldest", "0")
    return [body for body in bodies if float(body["ts"]) > float(oldest)]


def _seen(body: Json, params: Json) -> Json:
    """Metadata only where it is asked for."""
    return body if params.get("include_all_metadata") in {"1", "true"} else {k: v for k, v in body.items() if k != "metadata"}


def _page(rows: list[Json], params: Json) -> tuple[list[Json], Json]:
    begin, limit = int(params.get("cursor", "at0")[2:]), min(int(params.get("limit", 100)), 999)
    more = {"response_metadata": {"next_cursor": f"at{begin + limit}"}} if begin + limit < len(rows) else {}
    return rows[begin : begin + limit], more


# --- messages ---------------------------------------------------------------------------------------------------------------------------


def chat_post_message(world: World, params: Json) -> Json:
    chat = _writable(world, params)
    if not params.get("text") and not params.get("blocks"):
        raise Refused("no_text")
    message: Json = {"text": params.get("text", "")[:TEXT_CHARS_MAX]}
    blocks = _blocks(params)
    message |= {"blocks": blocks} if blocks else {}
    message |= {"metadata": _metadata(params["metadata"])} if "metadata" in params else {}
    if "thread_ts" in params:
        try:
            message["thread_ts"] = world.newest(chat, params["thread_ts"]).get("thread_ts", params["thread_ts"])
        except Refused:
            raise Refused("thread_not_found") from None
    sent = world.post(chat, message)
    return {"channel": chat, "ts": sent["ts"], "message": sent}


def chat_update(world: World, params: Json) -> Json:
    chat = _writable(world, params)
    was = world.newest(chat, params["ts"])
    if was["user"] != US:
        raise Refused("cant_update_message")
    if len(params.get("text", "").encode()) > UPDATE_BYTES_MAX:
        raise Refused("msg_too_long")
    now = {k: v for k, v in was.items() if k != "blocks" or "blocks" not in params}
    now |= {"text": params.get("text", ""), "edited": {"user": US, "ts": world.now()}}
    blocks = _blocks(params)
    now |= {"blocks": blocks} if blocks else {}
    now |= {"metadata": _metadata(params["metadata"])} if "metadata" in params else {}
    world.put(chat, now)
    world.changed_message(chat, now, was)
    return {"channel": chat, "ts": was["ts"], "text": now["text"], "message": now}


def _writable(world: World, params: Json) -> str:
    row = world.chat(params["channel"])
    if row["refuses"]:
        raise Refused(row["refuses"])
    if not row["member"]:
        raise Refused("not_in_channel")
    return str(row["id"])


def _blocks(params: Json) -> list[Json]:
    """As Slack takes them. Raises `Refused`."""
    blocks: list[Json] = json.loads(params.get("blocks", "[]"))
    for block in blocks:
        if block["type"] == "section" and not 0 < len(block["text"]["text"]) <= BLOCK_CHARS_MAX:
            raise Refused("invalid_blocks")
        buttons = block.get("elements", [])
        if any(len(one["text"]["text"]) > 75 or len(one["value"]) > 2000 for one in buttons) or len(buttons) > 25:
            raise Refused("invalid_blocks")
    return blocks


def _metadata(text: str) -> Json:
    metadata: Json = json.loads(text)
    if set(metadata) != {"event_type", "event_payload"}:
        raise Refused("invalid_metadata_format")
    return metadata


def reactions_add(world: World, params: Json) -> Json:
    chat = str(world.chat(params["channel"])["id"])
    message = world.newest(chat, params["timestamp"])
    if any(US in one["users"] for one in message.get("reactions", [])):
        raise Refused("already_reacted")
    world.put(chat, message | {"reactions": [{"name": params["name"], "users": [US], "count": 1}]})
    return {}


# --- files ------------------------------------------------------------------------------------------------------------------------------


def files_get_upload_url(world: World, params: Json) -> Json:
    id_ = world.upload(params["filename"], b"", "application/octet-stream")
    world.rows("update file set uploaded = 0 where id = ?", id_)
    return {"upload_url": f"{world.state('address')}/upload/v1/{id_}", "file_id": id_}


def files_complete(world: World, params: Json) -> Json:
    ids = [one["id"] for one in json.loads(params["files"])]
    if any(world.row("select 1 from file where id = ? and length(data)", id_) is None for id_ in ids):
        raise Refused("file_not_found")
    chat = _writable(world, {"channel": params["channel_id"]})
    for id_ in ids:
        world.rows("update file set uploaded = 1 where id = ?", id_)
    thread = {"thread_ts": params["thread_ts"]} if "thread_ts" in params else {}
    sent = world.post(chat, {"subtype": "file_share", "text": "", "files": [world.file(id_) for id_ in ids], **thread})
    for id_ in ids:
        world.share(id_, chat, sent["ts"])
    return {"files": [{"id": id_} for id_ in ids]}


def files_info(world: World, params: Json) -> Json:
    return {"file": world.file(params["file"])}


METHODS: Final[Mapping[str, Callable[[World, Json], Json]]] = {
    "auth.test": auth_test,
    "chat.postMessage": chat_post_message,
    "chat.update": chat_update,
    "conversations.history": conversations_history,
    "conversations.info": conversations_info,
    "conversations.replies": conversations_replies,
    "files.completeUploadExternal": files_complete,
    "files.getUploadURLExternal": files_get_upload_url,
    "files.info": files_info,
    "reactions.add": reactions_add,
    "users.conversations": users_conversations,
    "users.info": users_info,
}
