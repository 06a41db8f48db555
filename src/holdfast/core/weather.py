"""The weather of one gate (a route, an account): open, closed until an instant, and how many it lets through on the way back.

A failure closes the gate for a while that doubles from 1 s to 2 min, drawn in full by the runtime and written down. When that time has come the
gate admits one: the probe. Each success adds one, so that waves of 1, 2, 4 ... pass until all its places are open again: recovery is no stampede.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

BACK_OFF_S_MIN: Final = 1.0
BACK_OFF_S_MAX: Final = 120.0


@dataclass(frozen=True, slots=True)
class GateRow:
    """The weather of one route or account, as it survives a restart (DESIGN.md section 7).

    `until`: closed until then. `streak`: failures in a row. `since`: when it began to be away (0: it is not). `last_ok`: when it last worked under
    this `fingerprint` (0: never).
    """

    name: str
    fingerprint: str = ""
    until: float = 0.0
    streak: int = 0
    since: float = 0.0
    last_ok: float = 0.0
    why: str = ""


def back_off_s(streak: int) -> float:
    """The longest wait after the `streak`-th failure in a row. The runtime draws one between 0 and this."""
    return min(BACK_OFF_S_MIN * 2.0 ** min(streak - 1, 32), BACK_OFF_S_MAX)


def failed(gate: GateRow, now: float, delay_s: float, why: str) -> GateRow:
    """It failed: closed for `delay_s`."""
    return replace(gate, until=now + delay_s, streak=gate.streak + 1, since=gate.since or now, why=why)


def succeeded(gate: GateRow, now: float) -> GateRow:
    """It works."""
    return replace(gate, until=0.0, streak=0, since=0.0, last_ok=now, why="")


def is_closed(gate: GateRow, now: float) -> bool:
    """Its time has not come."""
    return now < gate.until


def admits(gate: GateRow, now: float, allowance: int, taken: int) -> int:
    """How many more the gate lets through now: its allowance (1 for a probe, then 2, 4, 8 ..., then its places) less the places taken."""
    return 0 if is_closed(gate, now) else max(allowance - taken, 0)


def allowance_after_success(allowance: int, places: int) -> int:
    """The ramp: one more for each success, so that each wave is twice the one before."""
    return min(allowance + 1, places)
