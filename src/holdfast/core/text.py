"""Splitting of texts by platform limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limit:
    """How long one part may be, and in which unit the platform counts."""

    length: int = 1_000_000
    unit: Literal["characters", "utf16", "bytes"] = "characters"
