"""What kind of failure a model call ended with: the classes of DESIGN.md section 7, by what each of them calls for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["transient", "rate-limit", "quota", "config", "overflow", "bad-transcript", "refused", "cut", "unknown", "ok"]
"""`ok` is a healthy answer: no failure at all."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Its class, the seconds after which the server says it is worth trying again (None: it does not say), and a sentence for people without secrets."""

    kind: Kind
    retry_after_s: float | None = None
    reason: str = ""
