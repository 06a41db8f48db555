"""Between two looks at another process: each costs both sides some milliseconds of work, so the longer it takes, the rarer they are.

looks = Looks()
while not await there():
    await looks.pause()
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

LOOK_S: Final = 0.02
LOOK_S_MAX: Final = 0.1
SHARE: Final = 0.1
"""Of the time that it has taken already: nobody notices so much more."""


class Looks:
    """A wait that has begun now."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    async def pause(self) -> None:
        """Wait for a moment."""
        await asyncio.sleep(min(max(LOOK_S, SHARE * (time.monotonic() - self._began)), LOOK_S_MAX))
