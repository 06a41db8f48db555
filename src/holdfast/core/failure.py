"""Why a model call gave no answer, as the classes of DESIGN.md section 7, and which of them are the weather's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["transient", "rate-limit", "quota", "config", "overflow", "bad-transcript", "refused", "cut", "unknown"]

OWN: Final[frozenset[Kind]] = frozenset({"overflow", "bad-transcript", "refused"})
"""The fault is this conversation's: the route stays open for all others."""

MAY_BE_OWN: Final[frozenset[Kind]] = frozenset({"transient", "cut", "unknown"})
"""The route's fault, unless others get through on it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong: its class, in a few words for people, and when to try again if the provider said so."""

    kind: Kind
    reason: str
    retry_after_s: float | None = None
