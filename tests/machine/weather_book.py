"""What a route may be asked, by DESIGN.md section 7 and in numbers of its own: the truth that the walk of the weather judges by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NEVER: Final = float("-inf")
PRESSED_S: Final = 30.0


class Flaw(Exception):
    """What must never be."""


def told(how: str) -> tuple[str, float | None]:
    """A failure as a scenario writes it: its class, and the seconds that the server names."""
    kind, _, hint = how.partition(" ")
    return kind, float(hint) if hint else None


def longest_s(kind: str) -> float:
    """No route rests longer after a failure of this class."""
    return {"rate-limit": 86_400.0, "quota": 32 * 86_400.0, "config": 300.0}.get(kind, 120.0)


def shortest_s(how: str, streak: int, draw: float, *, worked: bool = False) -> float:
    """It rests at least so long after this failure, the `streak`-th in a row; `worked`: it had worked before."""
    kind, hint = told(how)
    if kind == "config":
        return PRESSED_S if worked and streak == 1 else 300.0
    if hint is not None:
        return min(hint, longest_s(kind))
    return 3600.0 if kind == "quota" else draw * min(2.0 ** (streak - 1), 120.0)


def calls_at_most(how: str, span_s: float) -> float:
    """So often a route that always fails so is called in such a span: by what its class says, or by what may be spent on trying again
    (ten saved, one in ten seconds, and a fifth of all calls)."""
    kind, hint = told(how)
    if kind == "config" or (kind == "quota" and hint is None):
        return 3.0 + span_s / shortest_s(how, 2, 0.0)
    return 1.0 + (10.0 + span_s / 10.0) / 0.8


@dataclass
class Book:
    """One route's account. `allowance`: how many may be under way. `answers`: how many calls came to their end."""

    places: int
    worked: bool
    allowance: int = 1
    until: float = 0.0
    streak: int = 0
    kind: str = ""
    tried: float = NEVER
    answers: int = 0
    spoke: bool = False

    def __post_init__(self) -> None:
        self.allowance = self.places if self.worked else 1

    def enter(self, under_way: int, now: float, *, wrote: bool) -> bool:
        """A call begins; `under_way` counts it; `wrote`: somebody has written for whom no mistake was tried since. Is that so still?"""
        if under_way > self.allowance:
            raise Flaw(f"{under_way} calls are under way, and {self.allowance} of {self.places} may be")
        if now >= self.until:
            return wrote
        if self.kind != "config":
            raise Flaw(f"a route is called {self.until - now:.1f} s before its time")
        if self.tried <= now < self.tried + PRESSED_S:
            raise Flaw(f"a mistake is tried again after {now - self.tried:.1f} s")
        if not wrote:
            raise Flaw("a mistake is tried before its time, and nobody has written since it was")
        return False

    def began_to_answer(self) -> None:
        self.allowance, self.spoke = min(self.allowance + 1, self.places), True

    def answered(self) -> None:
        self.until, self.streak, self.kind, self.tried, self.worked = 0.0, 0, "", NEVER, True
        self.answers += 1

    def failed(self, how: str, draw: float, began: float, now: float) -> None:
        if began < self.tried <= now:
            return  # it was under way together with the one that closed the route
        self.streak += 1
        wait_s = shortest_s(how, self.streak, draw, worked=self.worked)
        self.until, self.kind, self.tried, self.allowance = now + wait_s, told(how)[0], now, 1
        self.worked = self.worked or self.spoke

    def ordered(self) -> None:
        """Somebody wants it tried now."""
        if self.streak:
            self.until, self.streak = 0.0, 1

    def begun_again(self, now: float) -> None:
        """The process has died: what stands in the gate's row is known still."""
        self.until, self.spoke = min(self.until, now + longest_s(self.kind)), False
        self.allowance = self.places if self.worked and not self.streak else 1
