"""The official client of Feishu, in a process of its own: it blocks, and takes the event loop when it is imported.

    python official_client.py BASE_URL APP SECRET KEY < a call of Feishu's, as JSON

It connects as the app, answers "ping" with a card "pong" (as a reply), changes that card to "pong!", answers a press with a toast, and prints a line for each.
First it says whether it takes the call, which is signed and encrypted with KEY.
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

import lark_oapi as lark  # type: ignore[import-untyped]  # it has no types
from lark_oapi.api.im.v1 import (  # type: ignore[import-untyped]  # it has no types
    CreateMessageRequest,
    CreateMessageRequestBody,
    GetMessageRequest,
    PatchMessageRequest,
    PatchMessageRequestBody,
    ReplyMessageRequest,
    ReplyMessageRequestBody,
)
from lark_oapi.core.model import RawRequest  # type: ignore[import-untyped]  # it has no types
from lark_oapi.event.callback.model.p2_card_action_trigger import P2CardActionTriggerResponse  # type: ignore[import-untyped]  # it has no types

BASE_URL, APP, SECRET, KEY = sys.argv[1:]
CLIENT = lark.Client.builder().app_id(APP).app_secret(SECRET).domain(BASE_URL).build()


def card(text: str) -> str:
    button = {"tag": "button", "text": {"tag": "plain_text", "content": "yes"}, "behaviors": [{"type": "callback", "value": {"a": 1}}]}
    said = {"tag": "markdown", "content": text}
    return json.dumps({"schema": "2.0", "config": {"update_multi": True}, "body": {"elements": [said, button]}})


def told(*words: Any) -> None:
    print(json.dumps(words), flush=True)


def received(data: Any) -> None:
    message = data.event.message
    told("received", json.loads(message.content)["text"], data.event.sender.sender_id.open_id, message.chat_type)
    body = ReplyMessageRequestBody.builder().msg_type("interactive").content(card("pong")).uuid(str(uuid.uuid4())).build()
    replied = CLIENT.im.v1.message.reply(ReplyMessageRequest.builder().message_id(message.message_id).request_body(body).build())
    assert replied.success(), replied.msg
    new = PatchMessageRequestBody.builder().content(card("pong!")).build()
    patched = CLIENT.im.v1.message.patch(PatchMessageRequest.builder().message_id(replied.data.message_id).request_body(new).build())
    assert patched.success(), patched.msg
    read = CLIENT.im.v1.message.get(GetMessageRequest.builder().message_id(replied.data.message_id).build())
    told("said", read.data.items[0].sender.sender_type, read.data.items[0].parent_id == message.message_id)
    same = [CLIENT.im.v1.message.create(created(message.chat_id)).data.message_id for _ in range(2)]
    told("same", same[0] == same[1])


def created(chat: str) -> Any:
    body = CreateMessageRequestBody.builder().receive_id(chat).msg_type("text").content('{"text": "once"}').uuid("one-key").build()
    return CreateMessageRequest.builder().receive_id_type("chat_id").request_body(body).build()


def pressed(data: Any) -> Any:
    told("pressed", data.event.action.value, data.event.operator.open_id)
    return P2CardActionTriggerResponse({"toast": {"type": "info", "content": "so be it"}})


def called(data: Any) -> None:
    told("called", json.loads(data.event.message.content)["text"])


def main() -> None:
    call = json.load(sys.stdin)
    request = RawRequest()
    request.uri, request.body, request.headers = "/", call["body"].encode(), call["headers"]
    hooks = lark.EventDispatcherHandler.builder(KEY, "v").register_p2_im_message_receive_v1(called).build()
    told("answered", hooks.do(request).status_code)
    handler = (
        lark.EventDispatcherHandler.builder("", "").register_p2_im_message_receive_v1(received).register_p2_card_action_trigger(pressed)
    )
    lark.ws.Client(APP, SECRET, event_handler=handler.build(), domain=BASE_URL).start()


main()
