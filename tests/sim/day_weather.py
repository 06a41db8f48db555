"""How providers fail on a simulated day: the weather of each route, what it means, and what came of each call. It outlives every gateway."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from holdfast.core.failure import Failure
from holdfast.ports import RawFailure
from holdfast.testing.scripted_model import Break

ROUTES: Final = ("main", "spare", "mute", "tiny")
"""`mute` can call no tools, `tiny` reads little. Who chooses nothing is answered by main, else by spare."""

CHAINS: Final = {"default": ("main", "spare"), "quick": ("tiny", "main", "spare"), "plain": ("mute", "spare")}
TINY_TOKENS: Final = 300

MOODS: Final[dict[str, tuple[str, float | None]]] = {
    "refuses": ("transient", None),
    "breaks": ("cut", None),
    "hangs": ("transient", None),
    "is busy": ("rate-limit", 0.0),
    "is at its limit": ("rate-limit", 70.0),
    "has no credit": ("quota", None),
    "has no credit for a while": ("quota", 400.0),
    "is not configured right": ("config", None),
    "speaks in riddles": ("unknown", None),
}
"""What a route may be like, the class of that, and the seconds that it names."""

OUTAGES: Final = ("refuses", "breaks", "hangs")
"""What several of them may be at once."""

WAITS_S: Final = {"has no credit": 3600.0, "has no credit for a while": 400.0, "is at its limit": 70.0, "is not configured right": 300.0}
"""So long after the last failure nobody may have looked whether it works again."""

MARKS: Final = {"config": "can't be used as it is configured", "quota": "has no credit left", "unknown": "in a way that I don't know"}
"""What the owner is told of, and how."""

ENOUGH_S: Final = 5.0
"""Whoever lives so long after a failure has told the owner of it."""


def classify(failure: RawFailure, _dialect: str, _worked_before: bool) -> Failure:
    """What the day's providers say needs no interpretation."""
    if failure.why in MOODS:
        kind, hint = MOODS[failure.why]
        return Failure(kind, hint, failure.why)  # type: ignore[arg-type] # they are kinds
    return Failure(failure.why, reason=f"it is {failure.why}")  # type: ignore[arg-type] # as above


def fails(mood: str, rng: random.Random) -> Break:
    match mood:
        case "breaks":
            return Break(why=mood, text="Well,", takes_s=rng.uniform(0.1, 3.0), status=200)
        case "hangs":
            return Break(why=mood, takes_s=30.0, status=None)
        case _:
            return Break(why=mood, takes_s=rng.choice((0.0, 0.01, 0.3)), status=400)


@dataclass(slots=True)
class Outcome:
    """What came of a call, if whoever made it lived to see it. `kind`: "ok", "own" (the fault is the conversation's), or the class of its failure."""

    kind: str
    began: float
    ended: float
    configuration: int

    def has_just_ended(self, at: float) -> bool:
        return self.ended <= at <= self.ended + ENOUGH_S


@dataclass
class Seen:
    """What came of all calls of each route."""

    outcomes: defaultdict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))

    def judge(self, notes: list[tuple[float, str]], own: list[tuple[float, str, str]], ended_at: list[float]) -> list[str]:
        """The owner was told of each closing that only an owner can mend, once. `own`: what was taken for a conversation's own fault (when, route, class)."""
        flaws = []
        for route in ROUTES:
            at_most = self._runs(route, lambda one: one.kind in {"ok", "own"})
            at_least = self._runs(route, lambda one: one.kind == "ok" and not _killed(one, ended_at))
            for kind, mark in MARKS.items():
                about = [at for at, text in notes if text.startswith(f"{route} ") and mark in text]
                closings = sum(any(one.kind == kind for one in run) for run in at_most)
                if len(about) > closings:
                    flaws.append(f"the owner was told {len(about)} times that {route} fails ({kind}): it closed {closings} times")
                theirs = [at for at, failed_at, failed_with in own if (failed_at, failed_with) == (route, kind)]
                for run in at_least:
                    told = any(run[0].began <= at <= run[-1].ended + ENOUGH_S for at in about)
                    sure = [one for one in run if one.kind == kind and _closes(one, run, ended_at)]
                    if kind != "unknown" and not told and any(not any(map(one.has_just_ended, theirs)) for one in sure):
                        flaws.append(f"nobody told the owner that {route} fails ({kind}) since {run[0].began:.0f}")
        return flaws

    def _runs(self, route: str, ends: Callable[[Outcome], bool]) -> list[list[Outcome]]:
        """Failures in a row, of one configuration, in the order in which they came to their end."""
        runs: list[list[Outcome]] = [[]]
        configuration = 0
        for one in sorted(self.outcomes[route], key=lambda one: one.ended):
            if ends(one) or one.configuration != configuration:
                runs.append([])
            configuration = one.configuration
            if one.kind not in {"ok", "own"}:
                runs[-1].append(one)
        return [run for run in runs if run]


def _killed(one: Outcome, ended_at: list[float]) -> bool:
    """Whoever made it may not have lived to see what came of it, and to say so."""
    return any(one.began <= end <= one.ended + ENOUGH_S for end in ended_at)


def _closes(one: Outcome, run: list[Outcome], ended_at: list[float]) -> bool:
    """It was seen, and no other failure closed the gate while it was under way."""
    return not _killed(one, ended_at) and not any(one.began <= other.ended <= one.ended for other in run if other is not one)
