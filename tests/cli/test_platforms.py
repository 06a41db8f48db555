"""`holdfast platforms`: the table, and `retry`."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from holdfast.accounts import KINDS
from holdfast.cli.platforms import came_of_it, named, table, troubles
from holdfast.errors import Request
from holdfast.ports import PlatformState
from holdfast.testing.telegram_client import Telegram

NOW = datetime(2026, 11, 21, 14, 0, 0).astimezone().timestamp()
WELL = PlatformState(
    "telegram", "telegram:mybot", "connected", NOW - 90, "4242", heard_at=NOW - 5, moved_at=NOW - 3700, reconnects=2, received=31
)
AWAY = replace(WELL, state="waiting", since=NOW - 160, why="no such host", next_try=NOW + 40, unsaid=2, heard_at=0.0, moved_at=0.0)
WRONG = replace(AWAY, state="stopped", why="Telegram does not know the token.", next_try=0.0, unsaid=1, unread=1)
OTHER = replace(WELL, kind="matrix", name="matrix:mybot")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_an_account_that_is_well_is_one_line() -> None:
    head, line = table([WELL], NOW)
    assert cells(head)[:6] == ["ACCOUNT", "IS", "STATE", "SINCE", "LAST HEARD", "CURSOR MOVED"]
    assert cells(head)[6:] == ["RECONNECTS", "RECEIVED", "TO BE SENT", "NEXT TRY"]
    assert cells(line) == ["telegram:mybot", "4242", "connected", "13:58:30", "5 s ago", "1 h 1 min ago", "2", "31", "0", "-"]


def test_below_one_that_is_away_stands_why_and_when_it_is_tried_again_and_what_waits() -> None:
    _, line, why, waits = table([AWAY], NOW)
    assert cells(line)[2:] == ["waiting", "13:57:20", "-", "-", "2", "31", "2", "14:00:40"]
    assert why == "    no such host. (Since 2 min 40 s.)"
    assert waits == "    2 conversations wait to say something there. It is saved, and sent when that is possible."


@pytest.mark.parametrize(
    ("state", "next_try"), [(replace(AWAY, next_try=0.0), "now"), (replace(AWAY, state="connecting"), "now"), (WRONG, "by hand")]
)
def test_one_that_is_not_waited_for_says_so(state: PlatformState, next_try: str) -> None:
    assert cells(list(table([state], NOW))[1])[-1] == next_try


def test_below_one_that_has_stopped_stands_what_a_person_can_do() -> None:
    assert list(troubles(WRONG, NOW)) == [
        "Telegram does not know the token.",
        "When that is mended: holdfast platforms retry telegram:mybot. After a change of the configuration, start the gateway again instead.",
        "One conversation waits to say something there. It is saved, and sent when that is possible.",
        "One update could not be read; kept in the journal as they came, for whoever mends that.",
    ]


def test_the_kind_may_be_left_out_where_one_is_called_so() -> None:
    assert named([WELL], "mybot") is WELL
    assert named([WELL, OTHER], "matrix:mybot") is OTHER
    with pytest.raises(Request, match=r"There is no account 'mybot'.* The running gateway has: telegram:mybot, matrix:mybot."):
        named([WELL, OTHER], "mybot")
    with pytest.raises(Request, match=r"There is no account 'telegram:mybto'. Did you mean 'telegram:mybot'"):
        named([WELL], "telegram:mybto")


def test_what_came_of_a_try_is_said() -> None:
    assert list(came_of_it(WELL, NOW)) == ["telegram:mybot is connected, as 4242."]
    assert list(came_of_it(replace(WELL, state="connecting"), NOW)) == [
        "telegram:mybot is still connecting. `holdfast platforms telegram:mybot` shows what comes of it."
    ]
    assert list(came_of_it(AWAY, NOW))[:2] == ["telegram:mybot was tried, and waits:", "    no such host. (Since 2 min 40 s.)"]
    assert next(iter(came_of_it(WRONG, NOW))) == "telegram:mybot was tried, and has stopped:"


def test_what_a_platform_said_can_not_take_over_the_terminal() -> None:
    assert "\x1b" not in "".join(table([replace(AWAY, why="\x1b[2J", identity="\x1b[2J")], NOW))


# --- with a gateway -------------------------------------------------------------------------------------------------------------------


def account(home: Any, telegram: Telegram, more: str = "") -> str:
    """The bot, as it is configured. Its token is in a file."""
    (home.folder / "token").write_text(telegram.token)
    (home.folder / "token").chmod(0o600)
    return f'[platforms.telegram.mybot]\ntoken = "file:token"\nbase_url = "{telegram.base_url}"\n{more}\n'


def until(home: Any, state: str) -> dict[str, Any]:
    """The account, when it has come to this state."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        (found,) = json.loads(home.holdfast("platforms", "--json").stdout)
        if found["state"] == state:
            return dict(found)
    raise AssertionError(f"it is {found}")


def test_an_account_that_has_stopped_is_connected_by_hand_when_it_is_mended(home: Any, telegram: Telegram) -> None:
    """LEDGER H-54."""
    asyncio.run(telegram.order("revoke", token=telegram.token))
    home.start_real(account(home, telegram))
    assert "token" in until(home, "stopped")["why"]
    shown = home.holdfast("platforms", "mybot").stdout.decode()
    assert "stopped" in shown and "by hand" in shown and "holdfast platforms retry telegram:mybot" in shown
    still = home.holdfast("platforms", "retry", "telegram:mybot")
    assert (still.returncode, still.stdout.decode().splitlines()[0]) == (78, "telegram:mybot was tried, and has stopped:")
    asyncio.run(telegram.order("revoke", token=telegram.token, revoked=False))
    mended = home.holdfast("platforms", "retry", "telegram:mybot")
    assert (mended.returncode, mended.stdout) == (0, b"telegram:mybot is connected, as 4242.\n")
    assert home.holdfast("platforms", "retry", "mybot").stdout == b"telegram:mybot is connected: there is nothing to try again.\n"


def test_an_unknown_name_and_an_unknown_act_are_told_and_so_is_that_there_are_none(home: Any) -> None:
    away = home.holdfast("platforms")
    assert (away.returncode, away.stdout) == (75, b"")
    assert b"The gateway is not running." in away.stderr
    home.start_real()
    said = home.holdfast("platforms").stdout.decode()
    assert said.startswith("There are no accounts of chat systems. A table in the configuration makes one")
    assert all(kind in said for kind in KINDS)
    assert home.holdfast("platforms", "retry", "mybot").returncode == 2
    assert home.holdfast("platforms", "start", "mybot").stderr.startswith(b"holdfast: 'start' is nothing that can be done. Write `")
