"""How many requests Discord takes, as it says in every answer: who knows that the next one is too many does not make it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from holdfast.ports import Clock

EVERYWHERE: Final = ""
"""For Discord's limit on all routes together."""
SHUT_MAX: Final = 1_000
"""So many shut routes are remembered before those are forgotten that are open again."""

_ID: Final = re.compile(r"(?<=/)\d+")
_MAJOR: Final = re.compile(r"/(?:channels|guilds)/\d+")


def route_of(method: str, path: str) -> str:
    """What Discord counts together: a method, a kind of path, and the channel or server in it."""
    major = _MAJOR.match(path)
    begin = major.end() if major is not None else 0
    return f"{method} {path[:begin]}{_ID.sub('ID', path[begin:])}"


class Limits:
    """Which routes are shut, and until when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shut: dict[str, float] = {}

    def wait_s(self, route: str) -> float:
        """How long until this route takes a request (0: it does now)."""
        return max(max(self._shut.get(one, 0.0) for one in (route, EVERYWHERE)) - self._clock.monotonic(), 0.0)

    def note(self, route: str, headers: Mapping[str, str]) -> None:
        """What an answer says of its route."""
        if headers.get("x-ratelimit-remaining") == "0":
            self.shut(route, seconds(headers.get("x-ratelimit-reset-after", "")) or 0.0)

    def shut(self, route: str, for_s: float) -> None:
        now = self._clock.monotonic()
        if len(self._shut) > SHUT_MAX:
            self._shut = {one: until for one, until in self._shut.items() if until > now}
        self._shut[route] = now + for_s


def seconds(said: str) -> float | None:
    """A number of seconds in a header; None if it is none."""
    try:
        return max(float(said), 0.0)
    except ValueError:
        return None
