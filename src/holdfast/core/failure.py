"""What kind of failure a model call ended with: the classes of DESIGN.md section 7, by what each of them calls for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["transient", "rate-limit", "quota", "config", "overflow", "bad-transcript", "refused", "cut", "unknown", "ok"]
"""`ok` is a healthy answer: no failure at all."""

OWN: Final[frozenset[Kind]] = frozenset({"overflow", "bad-transcript", "refused"})
"""The fault is the conversation's: the route stays open for all others."""

MAY_BE_OWN: Final[frozenset[Kind]] = frozenset({"transient", "cut", "unknown", "config"})
"""The route's fault, unless others get through on it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Its class, the seconds after which the server says it is worth trying again (None: it does not say), and a sentence for people without secrets.

    `loading`: it is only getting ready. `cause`: why, as one of the classifier's own phrases, without what the server said.
    """

    kind: Kind
    retry_after_s: float | None = None
    reason: str = ""
    loading: bool = False
    cause: str = ""
