"""What the methods of the Bot API do, but for the two that wait: see `telegram_server`. Each takes the world, the bot, and the request's parameters and
files, and returns its result or raises `Refused`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from holdfast.testing.fake_server import Json
from holdfast.testing.telegram_world import CAPTION_UNITS_MAX, TEXT_UNITS_MAX, World, bad, units

Bot = Mapping[str, Any]
Params = Mapping[str, Any]
Uploads = Mapping[str, tuple[str, bytes]]
"""Names and bytes, by field."""

ENTITIES_MAX: Final = 100
UPLOAD_BYTES_MAX: Final = 50 * 1024 * 1024
_REACTIONS: Final = "👍👎❤🔥🥰👏😁🤔🤯😱🤬😢🎉🤩🤮💩🙏👌🕊🤡🥱🥴😍🐳🌚🌭💯🤣⚡🍌🏆💔🤨😐🍓🍾💋🖕😈😴😭🤓👻👀"


def itself(bot: Bot) -> Json:
    return {"id": bot["id"], "is_bot": True, "first_name": "Holdfast", "username": bot["username"]}


def get_me(_world: World, bot: Bot, _params: Params, _files: Uploads) -> Json:
    able = {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}
    return itself(bot) | able | {"can_connect_to_business": False, "has_main_web_app": False}


def send_message(world: World, bot: Bot, params: Params, _files: Uploads) -> Json:
    chat = world.writable(params.get("chat_id"))
    context = world.context_of(chat, params)
    said = _said(params, "text", TEXT_UNITS_MAX)
    if not said.get("text"):
        raise bad("message text is empty")
    return _send(world, bot, chat, context | said | _buttons(params))


def send_photo(world: World, bot: Bot, params: Params, files: Uploads) -> Json:
    return _send_file(world, bot, params, files, "photo")


def send_document(world: World, bot: Bot, params: Params, files: Uploads) -> Json:
    return _send_file(world, bot, params, files, "document")


def send_media_group(world: World, bot: Bot, params: Params, files: Uploads) -> list[Json]:
    chat = world.writable(params.get("chat_id"))
    context, media = world.context_of(chat, params), params.get("media") or []
    if not 2 <= len(media) <= 10:
        raise bad("wrong number of files in the album: it must be from 2 to 10")
    if len({one["type"] for one in media}) > 1:
        raise bad("documents can't be mixed with other types in one album")
    files_ = [_file(world, one["media"], files, one["type"]) | _said(one, "caption", CAPTION_UNITS_MAX) for one in media]
    return [_send(world, bot, chat, context | one | {"media_group_id": "1"}) for one in files_]


def _send_file(world: World, bot: Bot, params: Params, files: Uploads, kind: str) -> Json:
    chat = world.writable(params.get("chat_id"))
    context = world.context_of(chat, params) | _said(params, "caption", CAPTION_UNITS_MAX)
    return _send(world, bot, chat, context | _file(world, str(params.get(kind, f"attach://{kind}")), files, kind) | _buttons(params))


def _file(world: World, named: str, files: Uploads, kind: str) -> Json:
    upload = files.get(named.removeprefix("attach://"))
    if upload is None:
        return {kind: world.file(named)}
    name, data = upload
    if len(data) > UPLOAD_BYTES_MAX:
        raise bad("file is too big")
    if kind == "photo" and not data.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        raise bad("IMAGE_PROCESS_FAILED")
    file = world.file(world.upload(name, data))
    return {"photo": [file | {"width": 90, "height": 90}]} if kind == "photo" else {"document": file | {"file_name": name}}


def _send(world: World, bot: Bot, chat: int, content: Json) -> Json:
    world.spend(chat)
    message = world.begin(chat, itself(bot), mine=True) | content
    world.put(chat, message)
    return message


def edit_message_text(world: World, _bot: Bot, params: Params, _files: Uploads) -> Json:
    chat = world.writable(params.get("chat_id"))
    now = _to_edit(world, chat, params)
    if "text" not in now:
        raise bad("there is no text in the message to edit")
    said = _said(params, "text", TEXT_UNITS_MAX)
    if not said.get("text"):
        raise bad("message text is empty")
    new = (
        {key: value for key, value in now.items() if key not in {"text", "entities", "reply_markup", "edit_date"}} | said | _buttons(params)
    )
    if new == {key: value for key, value in now.items() if key != "edit_date"}:
        same = "specified new message content and reply markup are exactly the same as a current content and reply markup of the message"
        raise bad(f"message is not modified: {same}")
    world.spend(chat)
    new["edit_date"] = int(time.time())
    world.put(chat, new)
    return new


def _to_edit(world: World, chat: int, params: Params) -> Json:
    row = world.row("select * from message where chat = ? and id = ? and not gone", chat, int(params.get("message_id", 0)))
    if row is None:
        raise bad("message to edit not found")
    if not row["mine"]:
        raise bad("message can't be edited")
    return world.newest(chat, row["id"])


def delete_message(world: World, _bot: Bot, params: Params, _files: Uploads) -> bool:
    chat = world.writable(params.get("chat_id"))
    if world.row("select 1 from message where chat = ? and id = ? and not gone", chat, int(params.get("message_id", 0))) is None:
        raise bad("message to delete not found")
    world.remove(chat, int(params["message_id"]))
    return True


def send_chat_action(world: World, _bot: Bot, params: Params, _files: Uploads) -> bool:
    world.context_of(world.writable(params.get("chat_id")), {"message_thread_id": params.get("message_thread_id")})
    if params.get("action") not in {"typing", "upload_photo", "upload_document"}:
        raise bad("wrong parameter action in request")
    return True


def set_message_reaction(world: World, _bot: Bot, params: Params, _files: Uploads) -> bool:
    chat = world.writable(params.get("chat_id"))
    if world.row("select 1 from message where chat = ? and id = ?", chat, int(params.get("message_id", 0))) is None:
        raise bad("message to react not found")
    if any(reaction.get("emoji") not in _REACTIONS for reaction in params.get("reaction") or []):
        raise bad("REACTION_INVALID")
    return True


def answer_callback_query(world: World, bot: Bot, params: Params, _files: Uploads) -> bool:
    query = str(params.get("callback_query_id", ""))
    if world.row("select 1 from query where id = ? and not answered", query) is None:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    world.rows("update query set answered = 1, bot = ? where id = ?", bot["id"], query)
    return True


def set_my_commands(world: World, bot: Bot, params: Params, _files: Uploads) -> bool:
    commands = params.get("commands") or []
    for one in commands:
        if not (one["command"].islower() and one["command"].isascii() and len(one["command"]) <= 32):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(one["description"]) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    world.rows("update bot set commands = ? where id = ?", json.dumps(commands), bot["id"])
    return True


def get_file(world: World, _bot: Bot, params: Params, _files: Uploads) -> Json:
    return world.file_path(str(params.get("file_id", "")))


def set_webhook(world: World, bot: Bot, params: Params, _files: Uploads) -> bool:
    url = str(params.get("url") or "")
    hook = {"url": url, "secret_token": params.get("secret_token", ""), "max_connections": params.get("max_connections", 40)}
    world.rows("update bot set webhook = ? where id = ?", json.dumps(hook if url else {}), bot["id"])
    _will_be_told(world, bot, params)
    if params.get("drop_pending_updates"):
        world.confirm(bot["id"], 2**62)
    world.changed()
    return True


def delete_webhook(world: World, bot: Bot, params: Params, files: Uploads) -> bool:
    return set_webhook(world, bot, {"drop_pending_updates": params.get("drop_pending_updates")}, files)


def get_webhook_info(world: World, bot: Bot, _params: Params, _files: Uploads) -> Json:
    hook = world.about_bot(bot["token"])["webhook"]
    waiting = len(world.rows("select 1 from pending where bot = ?", bot["id"]))
    shown = {key: value for key, value in hook.items() if key != "secret_token"}
    return {"url": "", "has_custom_certificate": False, **shown, "pending_update_count": waiting}


def _will_be_told(world: World, bot: Bot, params: Params) -> None:
    if params.get("allowed_updates") is not None:
        world.rows("update bot set allowed = ? where id = ?", json.dumps(params["allowed_updates"]), bot["id"])


def confirm(world: World, bot: Bot, params: Params) -> None:
    """What getUpdates does before it waits."""
    _will_be_told(world, bot, params)
    world.confirm(bot["id"], int(params.get("offset") or 0))


def next_updates(world: World, bot: Bot, params: Params) -> list[Json]:
    """What it answers now."""
    return world.pending(bot["id"], int(params.get("offset") or 0), min(max(int(params.get("limit") or 100), 1), 100))


# --- what a message says ----------------------------------------------------------------------------------------------------------------


def _said(params: Params, field: str, units_max: int) -> Json:
    """Text and entities, as they are kept. Raises `Refused`."""
    text, name = str(params.get(field) or ""), "entities" if field == "text" else "caption_entities"
    if params.get("parse_mode"):
        raise bad("can't parse entities: this server knows no parse_mode")
    begin, text = units(text) - units(text.lstrip()), text.strip()
    if units(text) > units_max:
        raise bad("message is too long" if field == "text" else "message caption is too long")
    entities = [_entity(text, entity, begin) for entity in (params.get(name) or [])[:ENTITIES_MAX]]
    return ({field: text} if text else {}) | ({name: entities} if entities else {})


def _entity(text: str, entity: Json, begin: int) -> Json:
    offset, length = entity.get("offset"), entity.get("length")
    if not isinstance(offset, int) or not isinstance(length, int) or offset < 0 or length <= 0:
        raise bad(f"entity has a wrong offset or length: {entity}")
    lost = min(max(begin - offset, 0), length - 1)  # blanks before the text go
    offset, length = offset + lost - begin, length - lost
    raw, at = text.encode("utf-16-le"), offset * 2
    try:
        raw[:at].decode("utf-16-le")
        raw[at : at + length * 2].decode("utf-16-le")
    except UnicodeDecodeError:
        raise bad(f"entity begins or ends in the middle of a character: {entity}") from None
    if at < 0 or at + length * 2 > len(raw):
        raise bad(f"entity lies outside of the text: {entity}")
    if entity.get("type") == "text_link" and not str(entity.get("url", "")).startswith(("http://", "https://", "tg://")):
        raise bad(f"wrong URL: {entity}")
    return entity | {"offset": offset, "length": length}


def _buttons(params: Params) -> Json:
    markup = params.get("reply_markup")
    for line in (markup or {}).get("inline_keyboard", ()):
        for button in line:
            if not button.get("text"):
                raise bad("text buttons are unallowed in the inline keyboard")
            if not 1 <= len(button.get("callback_data", "").encode()) <= 64:
                raise bad("BUTTON_DATA_INVALID")
    return {"reply_markup": markup} if markup and markup.get("inline_keyboard") else {}


METHODS: Final[Mapping[str, Callable[[World, Bot, Params, Uploads], Any]]] = {
    "getme": get_me,
    "sendmessage": send_message,
    "sendphoto": send_photo,
    "senddocument": send_document,
    "sendmediagroup": send_media_group,
    "editmessagetext": edit_message_text,
    "deletemessage": delete_message,
    "sendchataction": send_chat_action,
    "setmessagereaction": set_message_reaction,
    "answercallbackquery": answer_callback_query,
    "setmycommands": set_my_commands,
    "getfile": get_file,
    "setwebhook": set_webhook,
    "deletewebhook": delete_webhook,
    "getwebhookinfo": get_webhook_info,
}
"""By their names in lower case: Telegram does not tell upper from lower."""
