"""What makes an answer complete, once its stream has ended as it should: the same rules for every dialect."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.core.entries import Usage
from holdfast.models.wire import Broken
from holdfast.ports import Answer


def object_text(tool: str, text: str, *, cut: bool) -> str:
    """The arguments of a call: the text of a JSON object. Nothing at all means no arguments, unless the answer was cut by its limit of length."""
    if not text and not cut:
        return "{}"
    try:
        msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Broken(f"sent a call of the tool {tool!r} whose arguments are not a JSON object") from error
    return text


def answer(text: str, calls: tuple[tuple[str, str], ...], usage: Usage, provider_data: str, ended: str) -> Answer:
    """The answer, if it is one: neither text nor calls is none. `ended` says how the provider says that it ended."""
    if not text.strip():
        text = ""
    if not text and not calls:
        raise Broken(f"sent an empty answer ({ended})")
    return Answer(text, calls, usage, provider_data)
