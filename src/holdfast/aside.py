"""Work on a disk that may hang for ever, as one of another machine does: nobody who ends waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")
T = TypeVar("T")


def aside(work: Callable[[], R]) -> asyncio.Future[R]:
    """Its result or its error, from a thread of its own that ends with the process. Being cancelled does not end the work.

    (The loop's own threads are waited for at its end: one that hangs would keep the process from ending.)
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # of what was given up nobody wants to know how it ended

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - not handled here: handed to the caller, whose it is, across the thread
            tell(future.set_exception, error)
        else:
            tell(future.set_result, result)

    def tell(how: Callable[[T], None], what: T) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody is left to be told
            loop.call_soon_threadsafe(lambda: None if future.done() else how(what))

    threading.Thread(target=run, name="aside", daemon=True).start()
    return future
