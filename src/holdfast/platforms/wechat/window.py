"""How long people can be answered, and how far an account has been received. Pure.

Each message brings a token, without which nothing can be said to its author. It holds for a day, and for about ten messages of ours. The tokens stand in the
account's cursor: what is received and what lets us answer it are one fact, committed at once, and a restart finds both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Self

import msgspec

HOLDS_S: Final = 24 * 3600.0
"""So long after a person wrote they can be answered."""
WINDOWS_MAX: Final = 100
"""So many people's tokens are kept: those who wrote last. (A bot's own person is the usual one, and the only one.)"""


class Window(msgspec.Struct, frozen=True, array_like=True):
    """Somebody can be answered with this token, since they wrote at `at`."""

    token: str
    at: float


class Reached(msgspec.Struct, frozen=True):
    """An account's cursor. `buf` is what WeChat calls it, and belongs to the session of this bot: each signing in makes another one."""

    bot: str = ""
    buf: str = ""
    windows: Mapping[str, Window] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, cursor: str) -> Self:
        return msgspec.json.decode(cursor, type=cls) if cursor else cls()

    @property
    def cursor(self) -> str:
        return msgspec.json.encode(self).decode()

    def as_bot(self, bot: str) -> Reached:
        """For this session."""
        return self if bot == self.bot else Reached(bot, "", self.windows)

    def window(self, person: str, now: float) -> Window | None:
        """What lets us answer them; None if nothing does, until they write again."""
        window = self.windows.get(person)
        return window if window is not None and now < window.at + HOLDS_S else None

    def after(self, buf: str, heard: Iterable[tuple[str, Window]], now: float) -> Reached:
        """With what these people wrote; what came again late takes no window away that is newer."""
        windows = {**self.windows}
        for person, window in heard:
            if person not in windows or windows[person].at <= window.at:
                windows[person] = window
        newest = sorted(windows.items(), key=lambda one: one[1].at)[-WINDOWS_MAX:]
        return Reached(self.bot, buf or self.buf, {person: window for person, window in newest if now < window.at + HOLDS_S})
