"""What a person typed: a message, a command or a choice. Every platform asks this one function."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from holdfast.core.entries import Choice, Command, UserMessage


class Known(NamedTuple):
    """A command, what is written after it, and what it does."""

    name: str
    args: str
    does: str


COMMANDS: Final = (
    Known("new", "", "starts afresh here (the history is kept, the agent no longer sees it)"),
    Known("stop", "", "stops what is being done and what is not answered yet"),
    Known("title", "NAME", "gives this conversation another name"),
    Known("retry", "", "answers your last message again"),
    Known("model", "NAME", "uses another model here from now on; without a name it says which there are"),
    Known("status", "", "says what this conversation is doing"),
    Known("choose", "NUMBER OPTION", "answers a question that was asked"),
    Known("help", "", "shows this"),
)

_COMMAND: Final = re.compile(r"/([A-Za-z][A-Za-z0-9_-]*)(?:\s+(.*))?", re.DOTALL)
_CHOICE: Final = re.compile(r"(\d{1,18})\s+(.*\S)", re.DOTALL)


def parse(text: str, author: str, id: str) -> UserMessage | Command | Choice:  # noqa: A002 the entries' word
    """`/stop` is a command, `/choose 41 go on` a choice, everything else a message.

    `//x` is the message `/x`. What only looks like a command (`/etc/hosts is empty`) is a message; a `/choose` that names no question and
    option stays a command, whose reply says how it is written.
    """
    if text.startswith("//"):
        return UserMessage(author=author, id=id, text=text[1:])
    found = _COMMAND.fullmatch(text.rstrip())
    if found is None:
        return UserMessage(author=author, id=id, text=text)
    name, args = found[1].lower(), (found[2] or "").strip()
    chosen = _CHOICE.fullmatch(args) if name == "choose" else None
    if chosen is not None:
        return Choice(author=author, id=id, question=int(chosen[1]), option=chosen[2])
    return Command(author=author, id=id, name=name, args=args)
