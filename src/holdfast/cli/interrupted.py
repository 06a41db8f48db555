"""Ctrl-C and SIGTERM while a command is at work: nothing is left half done, and a sentence says how things are."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def as_ctrl_c() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does, so that it clears up. (Where Ctrl-C is ignored, as in the background of a shell, too.)"""

    def end(number: int, frame: FrameType | None) -> None:
        handler = signal.getsignal(signal.SIGINT)
        (handler if callable(handler) else signal.default_int_handler)(number, frame)

    with _handled(end, signal.SIGTERM):
        yield


@contextmanager
def saying(how_things_are: str) -> Iterator[None]:
    """Whoever ends it here is told this."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(how_things_are) from None


@contextmanager
def finishing(what: str) -> Iterator[None]:
    """What makes no sense by halves, and takes a moment: it is finished, and whoever wants to end it here is told so."""

    def tell(_number: int, _frame: FrameType | None) -> None:
        print(f"holdfast: {what}", file=sys.stderr, flush=True)

    with _handled(tell, signal.SIGINT, signal.SIGTERM):
        yield


@contextmanager
def _handled(handler: Handler, *numbers: signal.Signals) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, one)
