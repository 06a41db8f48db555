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
    Known("status", "", "says what this conversation is doing, or waits for (so does /why)"),
    Known("approve", "NUMBER", "lets a tool run that asked; with “always” behind the number, from now on with the same arguments"),
    Known("deny", "NUMBER", "does not let it run"),
    Known("choose", "NUMBER OPTION", "answers another question that was asked"),
    Known("queue", "WAY", "says what becomes of messages that come while I work: “queue”, “steer” or “interrupt”"),
    Known("quiet", "", "no word about waiting, and no answers that grow, until you write it again"),
    Known("usage", "", "says what you used today"),
    Known("help", "", "shows this"),
)

_COMMAND: Final = re.compile(r"/([A-Za-z][A-Za-z0-9_-]*)(?:\s+(.*))?", re.DOTALL)
HIDDEN: Final = ("why", "pair")
"""Commands that /help need not name: another word for one that it does, and one for owners."""

_CHOICE: Final = re.compile(r"(\d{1,18})\s+(.*\S)", re.DOTALL)
_APPROVAL: Final = re.compile(r"(\d{1,18})(?:\s+(once|always))?")

_STOP: Final = frozenset(
    {"stop", "stop it", "cancel", "abort", "halt", "stopp", "abbrechen", "arrête", "para", "basta", "стоп", "停", "停止"}
)


def sounds_like_stop(text: str) -> bool:
    """A message that says nothing else: whoever writes it may want the command."""
    return len(text) < 32 and text.strip(" .!…。！").casefold() in _STOP


def parse(text: str, author: str, id: str) -> UserMessage | Command | Choice:  # noqa: A002 the entries' word
    """`/stop` is a command, `/choose 41 go on` a choice, everything else a message.

    `/approve 41`, `/approve 41 always` and `/deny 41` are choices, too. `//x` is the message `/x`. What only looks like a command (`/etc/hosts is empty`) is a message; a `/choose` that names no question and
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
    approved = _APPROVAL.fullmatch(args.casefold()) if name in {"approve", "deny"} else None
    if approved is not None and not (name == "deny" and approved[2]):
        return Choice(author=author, id=id, question=int(approved[1]), option="deny" if name == "deny" else approved[2] or "once")
    return Command(author=author, id=id, name=name, args=args)
