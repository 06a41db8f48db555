"""What makes an answer complete, once its stream has ended as it should: the same rules for every dialect."""

from __future__ import annotations

from holdfast.core.entries import Usage
from holdfast.models.dressed import is_error
from holdfast.models.wire import Broken, parsed
from holdfast.ports import Answer


def object_text(tool: str, text: str, *, cut: bool) -> str:
    """The arguments of a call: the text of a JSON object. Nothing at all means no arguments, unless the answer was cut by its limit of length."""
    if not text and not cut:
        return "{}"
    problem = f"sent a call of the tool {tool!r} whose arguments are not a JSON object"
    try:
        if not isinstance(parsed(text), dict):
            raise Broken(problem)
    except ValueError as error:
        raise Broken(problem) from error
    return text


class AllThought(Broken):
    """Its limit of length ended the answer before it said anything."""

    def __init__(self, why: str, usage: Usage) -> None:
        super().__init__(why)
        self.usage = usage


def answer(text: str, calls: tuple[tuple[str, str], ...], usage: Usage, provider_data: str, ended: str, *, cut: bool) -> Answer:
    """The answer, if it is one: neither text nor calls is none. `ended` says how the provider says that it ended; `cut`: by its limit of length."""
    if not text.strip():
        text = ""
    if not text and not calls:
        why = f"sent an empty answer ({ended})"
        raise AllThought(why, usage) if cut else Broken(why)
    if not calls and is_error(text):
        raise Broken(f"reported an error instead of an answer: {text}")
    return Answer(text, calls, usage, provider_data)
