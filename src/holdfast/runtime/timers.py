"""When a time has come: what the conversation is told, and when it comes again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Final

from msgspec.structs import replace as with_changes

from holdfast.core import words
from holdfast.core.entries import UserMessage
from holdfast.local_time import LocalTime
from holdfast.ports import Timer

LATE_S: Final = 60.0
"""Later than this is said."""

DAY_S: Final = 86_400.0


def fired(timer: Timer, now: float, local: LocalTime) -> tuple[Timer, float | None]:
    """The occurrence in words, and when the next one is. Occurrences that were missed are one, and it says that it is late."""
    body = timer.arrival.body
    if isinstance(body, UserMessage):
        late = now - timer.at > LATE_S
        text = words.late(body.text, local.said(timer.at), local.said(now)) if late else words.due_now(body.text)
        body = with_changes(body, text=text, id=f"{body.id} {timer.at!r}", scheduled=True)
    return replace(timer, arrival=replace(timer.arrival, body=body)), _next(timer, now, local)


def _next(timer: Timer, now: float, local: LocalTime) -> float | None:
    """The first occurrence after now.

    All are counted from the first one, so that none shifts the others. Whole days are days of the calendar: what comes at nine comes at nine, in summer
    and in winter.
    """
    if not timer.every_s:
        return None
    since, after = timer.since or timer.at, max(now, timer.at)
    days, rest = divmod(timer.every_s, DAY_S)

    def occurrence(number: int) -> float:
        return since + timer.every_s * number if rest else local.instant(local.at(since) + timedelta(days=days * number))

    passed = int((after - since) // timer.every_s)
    return next(at for number in count(max(passed - 1, 1)) if (at := occurrence(number)) > after)
