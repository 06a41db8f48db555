"""`holdfast platforms login`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli.platforms import troubles
from holdfast.cli.signing_in import drawn
from holdfast.ports import PlatformState
from holdfast.testing.terminal import Terminal
from holdfast.testing.wechat_client import Wechat, table

ROWS = ("101", "010", "111")


def test_a_picture_is_drawn_with_half_blocks_and_a_light_margin() -> None:
    assert list(drawn(ROWS, coloured=False)) == ["███████", "██▄▀▄██", "██▄▄▄██", "▀▀▀▀▀▀▀"]


def test_in_colours_it_is_dark_on_light_on_every_terminal() -> None:
    assert all(line.startswith("\x1b[38;5;231;48;5;16m") and line.endswith("\x1b[0m") for line in drawn(ROWS, coloured=True))


def test_an_account_that_a_person_signs_in_is_not_to_be_mended_elsewhere() -> None:
    state = PlatformState("wechat", "wechat:mine", "stopped", 1.0, why="Nobody has signed wechat:mine in yet.", signs_in=True)
    assert list(troubles(state, 2.0)) == ["Nobody has signed wechat:mine in yet."]


@pytest.fixture
def wechat(tmp_path: Path) -> Iterator[Wechat]:
    server = Wechat(tmp_path)
    server.launch()
    yield server
    server.kill()


def order(wechat: Wechat, name: str, **said: Any) -> Any:
    return asyncio.run(wechat.order(name, **said))


def logging_in(home: Any) -> Terminal:
    command = (sys.executable, "-c", "import sys; from holdfast.cli import main; sys.exit(main())")
    return Terminal((*command, "platforms", "login", "mine"), home.environ, rows=60)


def test_a_person_scans_the_picture_types_the_number_and_it_is_connected(home: Any, wechat: Wechat) -> None:
    home.start_real(table(wechat))
    with logging_in(home) as seen:
        seen.until("Ctrl-C ends this.")
        assert "▄▄▄▄▄ " in seen.text
        assert f"/q/{order(wechat, 'pictures')[-1]}" in seen.text.replace("\n", "")
        order(wechat, "expire")
        seen.until("That picture is not good any more. Scan this one.")
        order(wechat, "scan", number="42")
        seen.until("Which one?")
        seen.type("41\n")
        seen.until("That was not the number.")
        seen.type("42\n")
        seen.until("Now confirm it on the phone.")
        order(wechat, "confirm")
        seen.until("wechat:mine is connected, as o9-ann@im.wechat.")
        assert seen.ended() == 0


def test_ctrl_c_ends_it_and_nobody_is_signed_in(home: Any, wechat: Wechat) -> None:
    home.start_real(table(wechat))
    with logging_in(home) as seen:
        seen.until("Ctrl-C ends this.")
        os.kill(seen.process.pid, signal.SIGINT)
        assert seen.ended() == 130
    assert b"stopped" in home.holdfast("platforms", "mine").stdout


def test_what_comes_to_nothing_says_why(home: Any, wechat: Wechat) -> None:
    home.start_real(table(wechat))
    asyncio.run(wechat.fault("status", "get_bot_qrcode", value=500))
    refused = home.holdfast("platforms", "login", "mine")
    assert (refused.returncode, refused.stdout) == (75, b"")
    assert home.holdfast("platforms", "login", "other").returncode == 2
    assert b"WeChat gives no picture to scan now: it answered with status 500. Try again in a moment." in refused.stderr
