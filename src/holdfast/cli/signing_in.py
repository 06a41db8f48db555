"""Signing in to an account from the terminal: a picture to scan, drawn with half blocks, and a number where one is wanted."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

from holdfast.cli.client import Client
from holdfast.cli.screen import plain

MARGIN: Final = 2
"""So many squares around the picture are light; phones want some."""
DARK_ON_LIGHT: Final = "\x1b[38;5;231;48;5;16m"
AS_BEFORE: Final = "\x1b[0m"

_HALVES: Final = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}
"""Light squares are drawn, since most terminals are dark: upper and lower half of a place."""


def sign_in(client: Client, account: str) -> bool:
    """Show the steps until somebody has signed in; False if the gateway stopped before."""
    for step in filter(None, client.sign_in(account)):
        print(plain(step.says))
        if step.picture:
            print("\n".join(drawn(step.picture, coloured=sys.stdout.isatty())))
            print(f"If it can't be scanned, open this with that phone: {plain(step.text)}\nCtrl-C ends this.")
        sys.stdout.flush()
        if step.done:
            return True
        if step.asks:
            client.answer_sign_in(account, _asked())
    return False


def _asked() -> str:
    try:
        return input("> ")
    except EOFError:
        return ""


def drawn(rows: Sequence[str], *, coloured: bool) -> Iterator[str]:
    """The picture, a line for two rows of it. In colours of its own it is dark on light on every terminal."""
    light = [[True] * (len(rows[0]) + 2 * MARGIN)] * MARGIN
    inner = [[*[True] * MARGIN, *(square == "0" for square in row), *[True] * MARGIN] for row in rows]
    squares = [*light, *inner, *light]
    for upper, lower in zip_longest(squares[::2], squares[1::2], fillvalue=[False] * len(light[0])):
        line = "".join(_HALVES[halves] for halves in zip(upper, lower, strict=True))
        yield f"{DARK_ON_LIGHT}{line}{AS_BEFORE}" if coloured else line
