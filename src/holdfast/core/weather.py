"""The weather of one gate (a route, an account): open, closed until an instant, and how many it lets through on the way back.

A failure closes the gate. For how long, its class says: an outage for a while that doubles from 1 s to 2 min, drawn in full by the runtime and written
down; a limit until the provider's own time, where it names one; a mistake in the configuration for five minutes, since worlds heal too. When that time
has come the gate admits one: the probe. Each success adds one, so that waves of 1, 2, 4 ... pass until all its places are open again: recovery is
no stampede.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from holdfast.core.failure import Failure

BACK_OFF_S_MIN: Final = 1.0
BACK_OFF_S_MAX: Final = 120.0
WAIT_S_MIN: Final = 0.25
"""No draw and no word of a server makes a wait so short that the step which failed takes this route again, and not its next one."""
QUOTA_S: Final = 3600.0
MISTAKE_S: Final = 300.0
MISTAKE_PRESSED_S: Final = 30.0
"""While a mistake stands, a person who writes may have it tried again, but all together not more often than this."""

RETRIES_PER_CALL: Final = 0.2
RETRIES_PER_S: Final = 0.1
RETRIES_SAVED_MAX: Final = 10.0

STOPPED_S: Final = 100 * 365 * 86_400.0

WAIT_S_MAX: Final[Mapping[str, float]] = {"rate-limit": 86_400.0, "quota": 32 * 86_400.0, "config": MISTAKE_S, "stopped": STOPPED_S}
"""The longest wait of a class, whatever was said or written down; of all others `BACK_OFF_S_MAX`."""


@dataclass(frozen=True, slots=True)
class GateRow:
    """The weather of one route or account, as it survives a restart (DESIGN.md section 7).

    `until`: closed until then. `streak`: failures in a row. `since`: when it began to be away (0: it is not). `last_ok`: when it last worked under
    this `fingerprint` (0: never). `kind`: the class of the last failure, "loading", or "stopped". `tried`: when that was.
    """

    name: str
    fingerprint: str = ""
    until: float = 0.0
    streak: int = 0
    since: float = 0.0
    last_ok: float = 0.0
    why: str = ""
    kind: str = ""
    tried: float = 0.0


@dataclass(frozen=True, slots=True)
class Retries:
    """What may be spent on trying again: a fifth of all calls, and one in ten seconds. Nothing that fails at once and asks to be tried at once can spin."""

    at: float
    saved: float = RETRIES_SAVED_MAX

    def called(self) -> Retries:
        """A call was made."""
        return replace(self, saved=min(self.saved + RETRIES_PER_CALL, RETRIES_SAVED_MAX))

    def spent(self, now: float) -> tuple[Retries, float]:
        """One more is to be tried again; and after how many seconds at the earliest."""
        saved = min(self.saved + max(now - self.at, 0.0) * RETRIES_PER_S, RETRIES_SAVED_MAX)
        return Retries(now, saved - 1.0), max((1.0 - saved) / RETRIES_PER_S, 0.0)


def wait_s_max(kind: str) -> float:
    return WAIT_S_MAX.get(kind, BACK_OFF_S_MAX)


def back_off_s(streak: int) -> float:
    """The longest wait after the `streak`-th failure in a row. The runtime draws one between 0 and this; `WAIT_S_MIN` it is at least."""
    return min(BACK_OFF_S_MIN * 2.0 ** min(streak - 1, 32), BACK_OFF_S_MAX)


def wait_s(failure: Failure, streak: int, draw: float, *, proven: bool = False) -> float:
    """How long the gate stays closed after the `streak`-th failure in a row; `draw` is between 0 and 1. `proven`: it had worked under this configuration:
    then it may be one conversation that its provider complains about, and the others soon show it."""
    if failure.kind == "config":
        return MISTAKE_PRESSED_S if proven and streak == 1 else MISTAKE_S
    if failure.retry_after_s is not None:
        return min(max(failure.retry_after_s, WAIT_S_MIN), wait_s_max(failure.kind))
    return QUOTA_S if failure.kind == "quota" else max(back_off_s(streak) * draw, WAIT_S_MIN)


def failed(gate: GateRow, now: float, delay_s: float, failure: Failure) -> GateRow:
    """It failed: closed for `delay_s`."""
    kind = "loading" if failure.loading else failure.kind
    return replace(gate, until=now + delay_s, streak=gate.streak + 1, since=gate.since or now, why=failure.reason, kind=kind, tried=now)


def stopped(gate: GateRow, now: float, why: str) -> GateRow:
    """Nobody but a person can open it again."""
    return replace(gate, until=now + STOPPED_S, streak=gate.streak + 1, since=gate.since or now, why=why, kind="stopped", tried=now)


def succeeded(gate: GateRow, now: float) -> GateRow:
    """It works."""
    return GateRow(gate.name, gate.fingerprint, last_ok=now)


def is_closed(gate: GateRow, now: float) -> bool:
    """Its time has not come."""
    return now < gate.until


def may_be_pressed(gate: GateRow, now: float) -> bool:
    """May a person who writes have it tried before its time? Only a mistake: an outage is not over sooner because somebody writes."""
    return gate.kind == "config" and not gate.tried <= now < gate.tried + MISTAKE_PRESSED_S


def admits(gate: GateRow, now: float, allowance: int, taken: int) -> int:
    """How many more the gate lets through now: its allowance (1 for a probe, then 2, 4, 8 ..., then its places) less the places taken."""
    return 0 if is_closed(gate, now) else max(allowance - taken, 0)


def allowance_after_success(allowance: int, places: int) -> int:
    """The ramp: one more for each success, so that each wave is twice the one before."""
    return min(allowance + 1, places)
