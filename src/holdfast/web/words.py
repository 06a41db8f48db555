"""How a conversation stands, in words: rendered from its row, the weather at its gates and what holds it, and from nothing else. Page and `holdfast show` say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, assert_never

from holdfast.core.weather import GateRow
from holdfast.core.words import RESTING, TRYING, no_account
from holdfast.ports import ConversationRow, Hold, Standing
from holdfast.web.wire import Listed, Stands, Wait, conversation_name

WHY_CHARS_MAX: Final = 200

_SPANS: Final = (
    *((days * 86400.0, f"{days} days") for days in (30, 14, 7, 4, 3, 2)),
    (86400.0, "a day"),
    *((hours * 3600.0, f"{hours} hours") for hours in (18, 12, 8, 6, 4, 3, 2)),
    (3600.0, "an hour"),
    *((minutes * 60.0, f"{minutes} minutes") for minutes in (45, 30, 20, 10, 5, 3, 2)),
    (60.0, "a minute"),
)
"""Coarse, so that what is read aloud does not change at every look."""


_KINDS: Final = {
    "config": "can't be used as it is configured",
    "quota": "has no credit left",
    "rate-limit": "is at its limit",
    "stopped": "has stopped",
}
"""What is said of a gate that is closed, whenever that began."""
_KINDS_SINCE: Final = {
    "loading": "has been loading its model",
    "unknown": "has been failing in a way that I don't know",
}
"""And what is said with the time for which it is so. Every other gate has been away."""


def stands(standing: Standing, now: float) -> Stands:
    """What this conversation does, waits for (and why, and since when), or asks."""
    row, held = standing.row, standing.held
    if row.running:
        return _at_work(standing, now)
    if held is not None and (told := _held(row, held, now)):
        return told
    if row.due is not None and row.due <= now:
        return Stands("working", "About to go on.")
    if row.asks:
        return Stands("asking", "Waiting for your answer to a question.", row.due or 0.0)
    waits = _waits(row.turn_gate or row.speech_gate, standing, now)
    by_itself, until = "by itself", _until(waits) if waits else row.due or 0.0
    if held is not None and held.why == "stopped":
        by_itself, until = "when the gateway is started", 0.0
    if row.turn_gate:
        return Stands("waiting", f"Waiting for {_told(waits, now)} Everything is saved, and it goes on {by_itself}.", until, waits)
    if row.speech_gate:
        return Stands("waiting", f"The answer is ready, and waits for {_told(waits, now)} It is delivered {by_itself}.", until, waits)
    if row.due is not None:
        return Stands("waiting", f"Waiting a while. It goes on {by_itself}.", until)
    return Stands("idle", "Ready.")


def _held(row: ConversationRow, held: Hold, now: float) -> Stands | None:
    """How it stands because of what holds it; None if that makes no difference to what it waits for, or asks."""
    due, waits = row.due is not None and row.due <= now, bool(row.turn_gate or row.speech_gate or (row.due is not None and not row.asks))
    match held.why:
        case "no account":
            owes = due or waits or row.asks
            return Stands("waiting" if owes else "idle", no_account(row.account, owes=owes), held=True)
        case "safe mode" if due or waits:
            return Stands("waiting", RESTING, held.until, held=True)
        case "safe mode" if not row.asks:
            return Stands("idle", "Safe mode: no turn runs now.", held=True)
        case "trying" if due:
            return Stands("waiting", TRYING, held.until, held=True)
        case "stopped" if due:
            return Stands("waiting", "It goes on when the gateway is started.", held=True)
        case "stopped" if not (waits or row.asks):
            return Stands("idle", "Everything is answered.")
        case "safe mode" | "trying" | "stopped":
            return None
        case _:
            assert_never(held.why)


def listed(standing: Standing, now: float, excerpt: str = "") -> Listed:
    """The conversation as an item of the list."""
    how, row = stands(standing, now), standing.row
    return Listed(**asdict(row), name=conversation_name(row.key), state=how.state, words=how.words, until=how.until, excerpt=excerpt)


def _at_work(standing: Standing, now: float) -> Stands:
    """Also the try of a route that has failed: until it answers, that is what is waited for."""
    waits = _waits(standing.row.turn_gate, standing, now)
    if waits and all(wait.what and not wait.until for wait in waits):
        return Stands("working", f"Trying {' or '.join(wait.name for wait in waits)} again.", 0.0, waits)
    return Stands("working", "Working on it.")


def _waits(names: str, standing: Standing, now: float) -> tuple[Wait, ...]:
    known = {gate.name: gate for gate in standing.gates}
    return tuple(_wait(name, known.get(name), now) for name in names.split())


def _wait(gate: str, row: GateRow | None, now: float) -> Wait:
    kind, _, name = gate.partition(":")
    if row is None or not row.streak:
        return Wait(gate, name)
    why = " ".join(row.why.split()).removesuffix(".")
    if len(why) > WHY_CHARS_MAX:
        why = f"{why[: WHY_CHARS_MAX - 1]}…"
    what, since = _KINDS.get(row.kind, ""), 0.0
    if not what:
        what, since = _KINDS_SINCE.get(row.kind, "has been away"), row.since
    return Wait(
        gate, name, row.kind, what, since, why, _mend(kind, name, row.kind), row.until if now < row.until and row.kind != "stopped" else 0.0
    )


def _mend(kind: str, name: str, trouble: str) -> str:
    """What a person can do; "" if it mends itself."""
    if (kind, trouble) == ("route", "config"):
        return f"Look under [routes.{name}]; `holdfast check` says what to change."
    return f"When that is mended: `holdfast platforms retry {name}`." if trouble == "stopped" else ""


def _until(waits: Sequence[Wait]) -> float:
    """When the first of these is tried again; 0 if that is now, or soon. (The row's `due` is about what is to be said of it.)"""
    return min(wait.until for wait in waits)


def _told(waits: Sequence[Wait], now: float) -> str:
    """`main, which has been away for 2 minutes (connection refused).`, and what a person can do."""
    return " ".join((f"{' or '.join(_in_full(wait, now) for wait in waits)}.", *(wait.mend for wait in waits if wait.mend)))


def _in_full(wait: Wait, now: float) -> str:
    lasts = f" for {_span(now - wait.since)}" if wait.since else ""
    return wait.name + (f", which {wait.what}{lasts}" if wait.what else "") + (f" ({wait.why})" if wait.why else "")


def _span(length_s: float) -> str:
    return next((words for at_least_s, words in _SPANS if length_s >= at_least_s), "less than a minute")
