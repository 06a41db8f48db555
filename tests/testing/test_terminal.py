from __future__ import annotations

import os
import sys

import pytest

from holdfast.testing.terminal import Screen, Terminal


def _screen(text: str, columns: int = 10, rows: int = 3) -> Screen:
    screen = Screen(columns, rows)
    for char in text:  # also half a control, and half of it again
        screen.feed(char)
    return screen


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("12345678901", ["1234567890", "1"]),
        ("\x1b[?7l12345678901", ["1234567891"]),
        ("台灣台灣台灣", ["台灣台灣台", "灣"]),
        ("e\u0301x", ["e\u0301x"]),
        ("abc\rX\x1b[K", ["X"]),
        ("abc\bX", ["abX"]),
        ("a\r\nb\x1b[1A\x1b[2DX", ["X", "b"]),
        ("a\r\nb\r\nc\x1b[2A\r\x1b[J", []),
        ("a\x1b[2Cb\x1b[1;1HX\x1b[2;3HY", ["X  b", "  Y"]),
        ("\x1b[1;31mred\x1b[0m\x1b[?25l\x1b=", ["red"]),
    ],
)
def test_a_screen_shows_what_a_terminal_would(text: str, lines: list[str]) -> None:
    assert _screen(text).lines == lines


def test_what_leaves_the_screen_is_kept_and_titles_are_noted() -> None:
    screen = _screen("1\r\n2\r\n3\r\n4\x1b]0;mine\x07\x1b]8;;http://x\x1b\\\x07")
    assert (screen.gone, screen.lines, screen.titles) == (["1"], ["2", "3", "4"], ["0;mine", "8;;http://x", "bell"])


def test_a_smaller_screen_keeps_what_is_above_the_cursor() -> None:
    screen = _screen("1\r\n2\r\n3")
    screen.resize(5, 2)
    assert (screen.gone, screen.lines) == (["1"], ["2", "3"])


def test_a_command_is_typed_to_and_seen() -> None:
    with Terminal((sys.executable, "-c", "print(input('name? ').upper())"), os.environ) as terminal:
        terminal.until("name?")
        terminal.type("ann\r")
        terminal.until("ANN")
        assert terminal.ended() == 0
        with pytest.raises(TimeoutError, match="ANN"):
            terminal.until("never")
