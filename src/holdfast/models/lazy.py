"""A route whose dialect is imported when it is wanted: by `warm`, or by the first call."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from typing import Protocol

from holdfast.core.request import Request
from holdfast.ports import Answer, ModelFailed


class Opened(Protocol):
    """An open route."""

    async def call(self, request: Request, on_event: Callable[[str], None]) -> Answer:
        """See `holdfast.ports.Model.call`."""

    async def close(self) -> None: ...


class LazyModel:
    """One route. `load` imports what its dialect needs, and opens it. See `holdfast.ports.Model`."""

    def __init__(self, load: Callable[[], Opened]) -> None:
        self._load = load
        self._model: Opened | None = None
        self._opening = asyncio.Lock()

    async def call(self, request: Request, on_event: Callable[[str], None]) -> Answer:
        model = self._model or await self._opened()
        return await model.call(request, on_event)

    async def warm(self) -> None:
        with contextlib.suppress(ModelFailed):  # what is wrong is said by the call, which looks again
            await self._opened()

    async def close(self) -> None:
        async with self._opening:
            model, self._model = self._model, None
            if model is not None:
                await model.close()

    async def _opened(self) -> Opened:
        async with self._opening:
            if self._model is None:
                self._model = await asyncio.to_thread(_uncollected, self._load)
            return self._model


def _uncollected(load: Callable[[], Opened]) -> Opened:
    """Load what takes up to most of a second: so in a thread, and without the garbage collector.

    The library's 100,000 objects live for ever, and each full garbage collection that walks them stops the event loop for 50 ms. So none happens
    while they are made, and then they are frozen: no later one looks at them.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        model = load()
        gc.freeze()
        return model
    finally:
        if collects:
            gc.enable()
