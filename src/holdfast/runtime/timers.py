"""When a time has come: what the conversation is told, and when it comes again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from math import ceil
from typing import Final

from msgspec.structs import replace as with_changes

from holdfast.core import words
from holdfast.core.entries import UserMessage
from holdfast.ports import Timer

LATE_S: Final = 60.0
"""Later than this is said."""

Say = Callable[[float], str]
"""An instant, as people say it where the owner lives."""


def said(at: float) -> str:
    """An instant as people say it, where this machine is set to be."""
    return datetime.fromtimestamp(at).astimezone().strftime("%A, %-d %B %Y, %H:%M")


def fired(timer: Timer, now: float, say: Say) -> tuple[Timer, float | None]:
    """The occurrence in words, and when the next one is. Occurrences that were missed are one, and it says that it is late."""
    body = timer.arrival.body
    if isinstance(body, UserMessage):
        late = now - timer.at > LATE_S
        text = words.late(body.text, say(timer.at), say(now)) if late else words.due_now(body.text)
        body = with_changes(body, text=text, id=f"{body.id} {timer.at!r}", scheduled=True)
    next_at = timer.at + timer.every_s * max(ceil((now - timer.at) / timer.every_s + 1e-9), 1) if timer.every_s else None
    return replace(timer, arrival=replace(timer.arrival, body=body)), next_at
