"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is as it should be, or is not.

    `check` names what was looked at, the same for ever, and `about` the part of the configuration that it belongs to ("routes.main"). `mend` is
    the command or the line that mends it. `away`: of an error, that it may pass without a change of the configuration.
    """

    level: Level
    check: str
    about: str
    what: str
    cause: str = ""
    mend: str = ""
    away: bool = False


def verdict(findings: Iterable[Finding]) -> Literal["ok", "away", "change"]:
    """What all of them come to: nothing is wrong, something is away just now, or something has to be changed."""
    wrong = [finding for finding in findings if finding.level == "error"]
    if not wrong:
        return "ok"
    return "away" if all(finding.away for finding in wrong) else "change"
