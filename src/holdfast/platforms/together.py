"""Tasks that stand and fall together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


async def together(*doing: Awaitable[None]) -> None:
    """Side by side, until one of them ends: as that one does. The others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in doing]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
