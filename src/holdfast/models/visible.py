"""What the user may see of an answer while it is being written: the text without the model's `<think>` parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"


class ThinkFilter:
    """Takes `<think>...</think>` out of a text that comes in pieces, wherever the pieces are cut.

    What could be the beginning of a tag is held back until it is known. What was opened and never closed stays hidden.
    """

    def __init__(self) -> None:
        self._held = ""
        self._hidden = False
        self._begun = False

    def feed(self, piece: str) -> str:
        """The visible text that this piece adds."""
        text, self._held = self._held + piece, ""
        visible: list[str] = []
        while text:
            tag = _CLOSE if self._hidden else _OPEN
            at = text.find(tag)
            if at < 0:
                kept = len(text) - _overlap(text, tag)
                text, self._held = text[:kept], text[kept:]
            if not self._hidden:
                visible.append(text if at < 0 else text[:at])
            if at < 0:
                break
            text = text[at + len(tag) :]
            self._hidden = not self._hidden
        return self._without_leading_space("".join(visible))

    def rest(self) -> str:
        """What was held back, now that nothing can follow."""
        held, self._held = self._held, ""
        return "" if self._hidden else self._without_leading_space(held)

    def _without_leading_space(self, text: str) -> str:
        """Models put empty lines between their thoughts and the answer; alone they are no answer."""
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        return text


def _overlap(text: str, tag: str) -> int:
    """The length of the longest end of `text` that `tag` begins with."""
    for length in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0


class Shown:
    """The visible text so far, shown as it grows.

    A long text is not shown again for every word (that would copy it each time): only when it grew by 1/64, or 50 ms went by.
    """

    def __init__(self, show: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._monotonic = monotonic
        self._pieces: list[str] = []
        self._new = 0
        self._length = 0
        self._next = 0.0
        self._begun = False

    def begin(self) -> None:
        """The first event came, and carried no text."""
        if not self._begun:
            self._begun = True
            self._show("")

    def add(self, piece: str) -> None:
        if not piece:
            return
        self._pieces.append(piece)
        self._new += len(piece)
        if self._new * 64 >= self._length or self._monotonic() >= self._next:
            self.flush()

    def flush(self) -> str:
        """Show what has not been shown. Returns the whole text."""
        text = "".join(self._pieces)
        if self._new:
            self._pieces, self._new, self._length = [text], 0, len(text)
            self._next = self._monotonic() + 0.05
            self._begun = True
            self._show(text)
        return text
