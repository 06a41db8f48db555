"""How providers fail on a simulated day: the weather of each route, what it means, and what came of each call. It outlives every gateway."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
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

TOLD: Final = {"config": 1, "quota": 1, "unknown": 3}
"""After so many failures in a row the owner is told."""

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
    """What came of a call, if whoever made it lived to see it. `kind`: "ok", or the class of its failure."""

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

    def judge(self, notes: list[tuple[float, str]], own: list[tuple[float, str, str]], killed_at: list[float]) -> list[str]:
        """The owner was told of each closing that only an owner can mend, once. `own`: what was taken for a conversation's own fault (when, route, class)."""
        flaws = []
        for route in ROUTES:
            runs = self._runs(route)
            for kind, least in TOLD.items():
                about = [at for at, text in notes if text.startswith(f"{route} ") and MARKS[kind] in text]
                closings = [[one for one in run if one.kind == kind] for run in runs]
                most = sum(len(run) >= 1 for run in closings)
                if len(about) > most:
                    flaws.append(f"the owner was told {len(about)} times that {route} fails ({kind}): it closed {most} times")
                for run, closing in zip(runs, closings, strict=True):
                    theirs = [at for at, failed_at, failed_with in own if (failed_at, failed_with) == (route, kind)]
                    sure = [one for one in closing if _counts(one, run, killed_at) and not any(one.has_just_ended(at) for at in theirs)]
                    told = any(run[0].began <= at <= run[-1].ended + ENOUGH_S for at in about)
                    if kind != "unknown" and len(sure) >= least and not told:
                        flaws.append(f"nobody told the owner that {route} fails ({kind}) since {run[0].began:.0f}")
        return flaws

    def _runs(self, route: str) -> list[list[Outcome]]:
        """Failures in a row, of one configuration, in the order in which they came to their end."""
        runs: list[list[Outcome]] = [[]]
        outcomes = sorted(self.outcomes[route], key=lambda one: one.ended)
        for before, one in pairwise([None, *outcomes]):
            if before is not None and one is not None and (one.kind == "ok" or one.configuration != before.configuration):
                runs.append([])
            if one is not None and one.kind != "ok":
                runs[-1].append(one)
        return [run for run in runs if run]


MARKS: Final = {"config": "can't be used as it is configured", "quota": "has no credit left", "unknown": "in a way that I don't know"}


def _counts(one: Outcome, run: list[Outcome], killed_at: list[float]) -> bool:
    """It was seen by who made it, and no other closed the gate while it was under way."""
    lived = not any(one.began <= kill <= one.ended + ENOUGH_S for kill in killed_at)
    return lived and not any(one.began <= other.ended <= one.ended for other in run if other is not one)
