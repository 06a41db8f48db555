"""How a conversation stands, in words: rendered from its row and the weather at its gates, and from nothing else. Page and `holdfast show` say the same."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from holdfast.core.weather import GateRow
from holdfast.ports import Standing
from holdfast.web.wire import Listed, Stands, conversation_name

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


def stands(standing: Standing, now: float) -> Stands:
    """What this conversation does, waits for (and why, and since when), or asks."""
    row = standing.row
    if row.running:
        return Stands("working", "Working on it.")
    if row.due is not None and row.due <= now:
        return Stands("working", "About to go on.")
    if row.asks:
        return Stands("asking", "Waiting for your answer to a question.", row.due or 0.0)
    if row.turn_gate:
        words = f"Waiting for {_gates(row.turn_gate, standing, now)}. Everything is saved, and it goes on by itself."
        return Stands("waiting", words, _until(row.turn_gate, standing, now))
    if row.speech_gate:
        words = f"The answer is ready, and waits for {_gates(row.speech_gate, standing, now)}. It is delivered by itself."
        return Stands("waiting", words, _until(row.speech_gate, standing, now))
    if row.due is not None:
        return Stands("waiting", "Waiting a while. It goes on by itself.", row.due)
    return Stands("idle", "Ready.")


def listed(standing: Standing, now: float, excerpt: str = "") -> Listed:
    """The conversation as an item of the list."""
    how, row = stands(standing, now), standing.row
    return Listed(**asdict(row), name=conversation_name(row.key), state=how.state, words=how.words, until=how.until, excerpt=excerpt)


def _until(names: str, standing: Standing, now: float) -> float:
    """When the first of these gates is tried again; 0 if that is now, or soon."""
    untils = [gate.until for gate in standing.gates if gate.name in names.split()]
    first = min((*untils, *([standing.row.due] if standing.row.due else [])), default=0.0)
    return first if first > now else 0.0


def _gates(names: str, standing: Standing, now: float) -> str:
    known = {gate.name: gate for gate in standing.gates}
    return " or ".join(_gate(name, known.get(name), now) for name in names.split())


def _gate(name: str, gate: GateRow | None, now: float) -> str:
    """`main, which has been away for 2 minutes (connection refused)`; a mistake or a limit is called so."""
    called = name.removeprefix("route:").removeprefix("account:")
    if gate is None or not gate.streak:
        return called
    why = " ".join(gate.why.split()).removesuffix(".")
    if len(why) > WHY_CHARS_MAX:
        why = f"{why[: WHY_CHARS_MAX - 1]}…"
    because = f" ({why})" if why else ""
    match gate.kind:
        case "config":
            return f"{called}, which can't be used as it is configured{because}"
        case "quota":
            return f"{called}, which has no credit left{because}"
        case "rate-limit":
            return f"{called}, which is at its limit{because}"
        case _:
            return f"{called}, which has been away for {_span(now - gate.since)}{because}"


def _span(length_s: float) -> str:
    return next((words for at_least_s, words in _SPANS if length_s >= at_least_s), "less than a minute")
