"""What a measurement says: figures, each with the conditions it was taken under and the target it is to reach."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `target` is the most it may be (the least, where `least`); None where it is only for comparison."""

    name: str
    value: float
    unit: str
    conditions: str
    target: float | None = None
    least: bool = False

    @property
    def reached(self) -> bool:
        if self.target is None:
            return True
        return self.value >= self.target if self.least else self.value <= self.target

    def __str__(self) -> str:
        goal = "" if self.target is None else f"{'>=' if self.least else '<='} {self.target:g}"
        mark = "" if self.target is None else "ok" if self.reached else "NOT REACHED"
        return f"{self.name:<58} {_rounded(self.value):>9} {self.unit:<8} {goal:<8} {mark:<12} {self.conditions}"


def _rounded(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of these do not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def median_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000
