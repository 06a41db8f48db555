"""What a Feishu server takes for the content of a message, and what people see of it."""

from __future__ import annotations

import html
import json
import re
from typing import Any, Final

from holdfast.testing.fake_server import Json

CARD_BYTES_MAX: Final = 30 * 1024
TABLES_MAX: Final = 5

_ELEMENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,19}")
_TABLE: Final = re.compile(r"^\|(?: --- \|)+$", re.MULTILINE)
_CODE: Final = re.compile(r"(`{3,})[^\n]*\n(.*?)\n\1|`([^`]+)`", re.DOTALL)


class Refused(Exception):
    """What is answered instead of data."""

    def __init__(self, code: int, msg: str, status: int = 400) -> None:
        super().__init__(msg)
        self.code, self.msg, self.status = code, msg, status


def checked(kind: str, content: str) -> Any:
    """What is sent, as it is kept. Raises `Refused`."""
    try:
        said = json.loads(content)
    except ValueError:
        raise Refused(230001, "Your request contains an invalid request parameter, ext=content is not a string in json format.") from None
    if kind == "interactive":
        if len(content.encode()) > CARD_BYTES_MAX or len(json.dumps(content, ensure_ascii=False).encode()) > CARD_BYTES_MAX:
            raise Refused(230025, "The length of the message content reaches its limit.")
        _check_card(said)
    return said


def _check_card(card: Json) -> None:
    elements = card.get("body", {}).get("elements", [])
    if card.get("schema") != "2.0" or card.get("config", {}).get("update_multi") is not True or not elements:
        raise Refused(230099, "Failed to create card content, ext=ErrCode: 200621; ErrMsg: parse card json err")
    ids = [element["element_id"] for element in elements if "element_id" in element]
    if len(set(ids)) != len(ids) or not all(_ELEMENT.fullmatch(id_) for id_ in ids):
        raise Refused(230099, "Failed to create card content, ext=ErrCode: 300301; ErrMsg: element_id is invalid")
    for element in elements:
        match element:
            case {"tag": "markdown", "content": str(text)} if text:
                if len(_TABLE.findall(text)) > TABLES_MAX:
                    raise Refused(230099, "Failed to create card content, ext=ErrCode: 11310; ErrMsg: card table number over limit")
            case {"tag": "div", "text": {"tag": "plain_text", "content": str(text)}} if text:
                pass
            case {
                "tag": "button",
                "text": {"tag": "plain_text", "content": str(text)},
                "behaviors": [{"type": "callback", "value": dict()}],
            } if text:
                pass
            case _:
                raise Refused(230099, f"Failed to create card content, ext=ErrCode: 200861; ErrMsg: unsupported {element}")


def seen(kind: str, content: Any) -> Json:
    """What people see of a message: its text, its buttons, and whether it calls anybody."""
    if kind != "interactive":
        return {"text": content.get("text", "") if isinstance(content, dict) else "", "buttons": [], "calls": False}
    said, *_ = content["body"]["elements"]
    buttons = [one["text"]["content"] for one in content["body"]["elements"] if one["tag"] == "button"]
    if said["tag"] == "div":
        return {"text": said["text"]["content"], "buttons": buttons, "calls": False}
    plain = _CODE.sub("", said["content"])
    text = re.sub(r"(?<!\w)\*{1,3}(?=\S)|(?<=\S)\*{1,3}(?!\w)|~~", "", said["content"])
    return {"text": html.unescape(text), "buttons": buttons, "calls": "<at" in plain}
