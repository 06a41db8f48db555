"""Times where the owner lives: what a clock on the wall says there, and when its hands stand so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The time of `zone`; without one, of where this machine is set to be."""

    zone: tzinfo | None = None

    def at(self, instant: float) -> datetime:
        """The clock on the wall at this instant, and its distance from UTC."""
        return datetime.fromtimestamp(instant, self.zone).astimezone(self.zone)

    def instant(self, wall: datetime) -> float:
        """When the clock on the wall says so. Of a time that comes twice (summer time ends) the first; one that is skipped comes an hour later."""
        return wall.replace(tzinfo=self.zone, fold=0).timestamp()

    def said(self, instant: float) -> str:
        """An instant as people say it there."""
        return self.at(instant).strftime("%A, %-d %B %Y, %H:%M (%Z)")

    def day_began(self, instant: float) -> float:
        """When the day of this instant began there."""
        return self.instant(self.at(instant).replace(hour=0, minute=0, second=0, microsecond=0))
