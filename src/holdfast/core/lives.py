"""Lives of the gateway, from a start to an end: when it had better rest than kill itself again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HEALTHY_AFTER_S: Final = 120.0
WITHIN_S: Final = 600.0
UNHEALTHY_MAX: Final = 3
RESTS_S: Final = 1800.0
"""How long safe mode lasts, unless somebody ends it."""


@dataclass(frozen=True, slots=True)
class Life:
    """One life: `alive` is when it last said so, `ended` whether it ended in order, `safe` whether it was in safe mode (last)."""

    began: float
    alive: float
    ended: bool = False
    safe: bool = False

    @property
    def healthy(self) -> bool:
        return self.ended or self.alive - self.began >= HEALTHY_AFTER_S


def needs_rest(before: Sequence[Life], now: float) -> bool:
    """Does a life that begins now, after these (newest first), begin in safe mode?

    After three short lives in ten minutes, all of which ended by themselves; and until safe mode was left alive, or somebody stopped the gateway.
    """
    if before and before[0].safe and not before[0].ended:
        return True
    short = 0
    for life in before:
        if life.healthy or now - life.began > WITHIN_S:
            break
        short += 1
    return short >= UNHEALTHY_MAX
