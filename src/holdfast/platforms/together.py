"""Tasks that stand and fall together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from typing import Any


async def together(*doing: Awaitable[None]) -> None:
    """Side by side, until one of them ends: as that one does (of several, the first that is named). The others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in doing]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        next(task for task in tasks if task in done).result()
    finally:
        await end(tasks)


async def end(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Cancel them, and wait until they have ended."""
    tasks = [*tasks]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
