"""A command on a pseudo-terminal, and what a person would see there.

    with Terminal(command, environ, columns=40) as terminal:
        terminal.until("connected")
        terminal.type("Hello\\r")
        terminal.until("Hello!")
        terminal.text                # what has scrolled away, and the screen

Understands what line-wise programs send: text of any width, cursor movements, erasing. Colours are left out.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

from wcwidth import wcwidth

UNTIL_S_MAX: Final = 40.0
AGAIN_S: Final = 2.0
_LOOK_S: Final = 0.05
_CONTROL: Final = re.compile(r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|\]([^\x07\x1b]*)(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")
_HALF: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)?$")


class Screen:
    """The cells of a terminal, and the lines that have left it at the top."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self.gone: list[str] = []
        self.titles: list[str] = []
        """What was sent to the terminal itself (OSC): nobody's words should."""
        self._cells = [[" "] * columns for _ in range(rows)]
        self._x = self._y = 0
        self._wraps = True
        self._rest = ""

    @property
    def lines(self) -> list[str]:
        """What the screen shows, without the empty rows at its end."""
        lines = ["".join(row).rstrip() for row in self._cells]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def resize(self, columns: int, rows: int) -> None:
        """Rows keep their beginnings; nothing is wrapped anew."""
        self._cells = [(row + [" "] * columns)[:columns] for row in self._cells]
        while len(self._cells) > rows and self._y > 0:
            self.gone.append("".join(self._cells.pop(0)).rstrip())
            self._y -= 1
        self._cells = (self._cells + [[" "] * columns for _ in range(rows)])[:rows]
        self.columns, self.rows = columns, rows

    def feed(self, text: str) -> None:
        text, at = self._rest + text, 0
        self._rest = ""
        while at < len(text):
            if text[at] != "\x1b":
                self._char(text[at])
                at += 1
                continue
            found = _CONTROL.match(text, at)
            if found is None and _HALF.match(text, at):
                self._rest = text[at:]
                return
            assert found is not None, f"a terminal would not know what to do with {text[at : at + 20]!r}"
            if found[2]:
                self._control(found[1], found[2])
            elif found[3] is not None:
                self.titles.append(found[3])
            at = found.end()

    def _char(self, char: str) -> None:
        match char:
            case "\r":
                self._x = 0
            case "\n":
                self._down()
            case "\b":
                self._x = max(0, self._x - 1)
            case "\x07":
                self.titles.append("bell")
            case _:
                self._put(char, wcwidth(char))

    def _put(self, char: str, width: int) -> None:
        if width <= 0:
            if width == 0 and self._x:
                self._cells[self._y][self._x - 1] += char
            return
        if self._x + width > self.columns:
            if self._wraps:
                self._x = 0
                self._down()
            else:
                self._x = self.columns - width
        self._cells[self._y][self._x : self._x + width] = [char, *[""] * (width - 1)]
        self._x += width

    def _down(self) -> None:
        if self._y < self.rows - 1:
            self._y += 1
            return
        self.gone.append("".join(self._cells.pop(0)).rstrip())
        self._cells.append([" "] * self.columns)

    def _control(self, arguments: str, what: str) -> None:  # noqa: C901 one case for each control
        numbers = [int(number or 0) for number in arguments.split(";")] if arguments.replace(";", "").isdigit() else [0]
        many = max(1, numbers[0])
        match what:
            case "A":
                self._y = max(0, self._y - many)
            case "B":
                self._y = min(self.rows - 1, self._y + many)
            case "C":
                self._x = min(self.columns - 1, self._x + many)
            case "D":
                self._x = max(0, self._x - many)
            case "G":
                self._x = min(self.columns, many) - 1
            case "H":
                self._y, self._x = min(self.rows, many) - 1, min(self.columns, max(1, numbers[-1] if len(numbers) > 1 else 1)) - 1
            case "J":
                self._erase_line(numbers[0])
                for y in range(self.rows):
                    if numbers[0] == 2 or (y > self._y if numbers[0] == 0 else y < self._y):
                        self._cells[y] = [" "] * self.columns
            case "K":
                self._erase_line(numbers[0])
            case "h" | "l" if arguments == "?7":
                self._wraps = what == "h"
            case _:
                pass  # colours, and modes that change nothing here

    def _erase_line(self, how: int) -> None:
        row = self._cells[self._y]
        begin, end = [(self._x, self.columns), (0, self._x + 1), (0, self.columns)][how]
        row[begin:end] = [" "] * (end - begin)


class Terminal:
    """The command, started on a terminal of its own; ended with the block."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], columns: int = 80, rows: int = 24) -> None:
        self.screen = Screen(columns, rows)
        self.raw = ""
        """All that the command wrote."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ours, self._theirs = pty.openpty()
        self._tell_size()
        self.process = subprocess.Popen(  # noqa: S603 - the command under test
            command, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs, env={"TERM": "xterm-256color", **environ}
        )

    @property
    def text(self) -> str:
        """What has scrolled away, and what the screen shows."""
        return "\n".join([*self.screen.gone, *self.screen.lines])

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(columns, rows)
        self._tell_size()
        self.process.send_signal(signal.SIGWINCH)

    def until(self, what: str | Callable[[Terminal], bool], within_s: float = UNTIL_S_MAX) -> None:
        """Return when the text has this, or this is so. Raises `TimeoutError` with what is seen instead."""
        seen = what if callable(what) else lambda terminal: what in terminal.text
        end = time.monotonic() + within_s
        while not seen(self):
            if time.monotonic() > end or (not self._read() and self.process.poll() is not None and not self._read() and not seen(self)):
                raise TimeoutError(f"not seen: {what!r}\n{self.text}")

    def ended(self, within_s: float = UNTIL_S_MAX) -> int:
        """The exit code, once everything it wrote was read."""
        end = time.monotonic() + within_s
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise TimeoutError(f"it has not ended\n{self.text}")
            self._read()
        while self._read():
            pass
        return self.process.wait()

    def ended_by(self, act: Callable[[], object], within_s: float = UNTIL_S_MAX) -> int:
        """The same after this, which is done again and again: a signal that comes just before Python begins to read is heeded only with the next one."""
        end = time.monotonic() + within_s
        while True:
            act()
            try:
                return self.ended(AGAIN_S)
            except TimeoutError:
                if time.monotonic() > end:
                    raise

    def _read(self) -> bool:
        """Take in what there is, waiting a little. False if there was nothing."""
        if not select.select([self._ours], [], [], _LOOK_S)[0]:
            return False
        text = self._decoder.decode(os.read(self._ours, 65536))
        self.raw += text
        self.screen.feed(text)
        return True

    def _tell_size(self) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", self.screen.rows, self.screen.columns, 0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)
