"""Where the answers go: to the output as they are for good, on a terminal also as they grow; everything else to the error output."""

from __future__ import annotations

import os
from typing import Final, TextIO

BEGUN_ANEW: Final = "(The answer was begun anew after an interruption. This is the whole of it:)"
BROKEN_OFF: Final = "(That answer was broken off.)"


def plain(text: str) -> str:
    """Without the characters by which a text could take over a terminal."""
    return "".join(char for char in text if char.isprintable() or char in "\n\t")


def in_a_line(text: str) -> str:
    """On one line, and with nothing that a terminal would obey."""
    return " ".join(plain(text).split())


class Screen:
    """Prints answers once each, a blank line between them."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._err = err
        self._live = out.isatty()
        self._dim = err.isatty() and not os.environ.get("NO_COLOR")
        self._answers = 0
        self._name = ""
        self._shown = ""

    def writing(self, name: str, text: str) -> None:
        """The answer `name` reads `text` so far."""
        if not self._live or (self._shown and name != self._name):
            return  # an answer that was shown before this one is not yet settled
        text = plain(text)
        if self._shown.startswith(text):
            return  # begun anew, and so far the same
        if not text.startswith(self._shown):
            self._begin_anew()
        if not self._shown:
            self._separate()
        self._out.write(text[len(self._shown) :])
        self._out.flush()
        self._name, self._shown = name, text

    def answer(self, name: str, text: str, late: bool = False) -> None:
        """The answer `name` reads `text`, for good. A `late` one is not printed, but finished if it was shown growing."""
        if late and not self._shown:
            self.note("(An earlier message was answered meanwhile.)")
            return
        text = plain(text) if self._live else text
        if self._shown and (name != self._name or not text.startswith(self._shown)):
            self._begin_anew()
        if not self._shown:
            self._separate()
        self._out.write(text[len(self._shown) :] + "\n")
        self._out.flush()
        self._shown = ""
        self._answers += 1
        if late:
            self.note("(That was the answer to an earlier message.)")

    def reply(self, text: str) -> None:
        """The gateway's answer to a command."""
        self._end_line()
        self._separate()
        self._out.write((plain(text) if self._live else text) + "\n")
        self._out.flush()
        self._answers += 1

    def dropped(self) -> None:
        """What was shown growing is no answer."""
        if self._shown:
            self.note(BROKEN_OFF)
            self._shown = ""

    def note(self, text: str) -> None:
        """A word beside the answers."""
        self._end_line()
        self._err.write(f"\x1b[2m{plain(text)}\x1b[0m\n" if self._dim else f"{plain(text)}\n")
        self._err.flush()

    def _begin_anew(self) -> None:
        self.note(BEGUN_ANEW)
        self._shown = ""

    def _end_line(self) -> None:
        if self._shown:
            self._out.write("\n")
            self._out.flush()

    def _separate(self) -> None:
        if self._answers:
            self._out.write("\n")
