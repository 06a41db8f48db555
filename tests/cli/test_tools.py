"""`holdfast tools`: the tables, and `retry`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli.tools import came_of_it, table, tools, troubles
from holdfast.ports import Offer, OfferedTool, ToolServerState

NOW = datetime(2026, 11, 21, 14, 0, 0).astimezone().timestamp()
WELL = ToolServerState("mail", "ready", NOW - 90, restarts=2, pid=4242, tools=2, memory_bytes=48_200_000)
DOWN = replace(WELL, state="down", since=NOW - 160, why="it ended", pid=None, memory_bytes=None, next_try=NOW + 40)
WRONG = replace(DOWN, state="misconfigured", why="Tool server 'mail' refuses the key.", next_try=0.0)
TOOLS = (
    OfferedTool("mail__search", "search", "Searches all mail.", "allow", repeatable=True),
    OfferedTool("mail__send_an_invoice_1a2b3c4d", "send an\ninvoice", "Sends \x1b[2J one.", "ask", repeatable=False, left_out=True),
)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_server_that_is_well_is_one_line() -> None:
    head, line = table([Offer(WELL, TOOLS)], NOW)
    assert cells(head) == ["SERVER", "STATE", "SINCE", "TOOLS", "RESTARTS", "MEMORY", "PROCESS", "NEXT TRY"]
    assert cells(line) == ["mail", "ready", "13:58:30", "2", "2", "48 MB", "4242", "-"]


def test_below_one_that_is_down_stands_why_and_when_it_is_tried_again() -> None:
    _, line, below = table([Offer(DOWN, TOOLS)], NOW)
    assert cells(line) == ["mail", "down", "13:57:20", "2", "2", "-", "-", "14:00:40"]
    assert below == "    it ended. (Since 2 min 40 s.)"


@pytest.mark.parametrize(
    ("server", "next_try"), [(replace(DOWN, next_try=0.0), "now"), (replace(DOWN, state="starting"), "now"), (WRONG, "by hand")]
)
def test_one_that_is_not_waited_for_says_so(server: ToolServerState, next_try: str) -> None:
    assert cells(list(table([Offer(server, ())], NOW))[1])[-1] == next_try


def test_below_one_that_is_misconfigured_stands_what_a_person_can_do() -> None:
    assert list(troubles(WRONG, NOW)) == [
        "Tool server 'mail' refuses the key.",
        "When that is mended: holdfast tools retry mail. After a change of the configuration, start the gateway again instead.",
    ]


def test_tools_that_no_model_is_shown_are_told_at_their_server() -> None:
    (told,) = troubles(replace(WELL, left_out=3), NOW)
    assert told.startswith("3 of its tools are shown to no model: with all servers there are too many. Deny some")
    assert next(troubles(replace(WELL, left_out=1), NOW)).startswith("1 of its tools is shown to no model")


def test_each_tool_has_its_policy_and_what_becomes_of_a_call_that_is_interrupted() -> None:
    head, search, send = tools(Offer(WELL, TOOLS))
    assert cells(head) == ["TOOL", "POLICY", "IF INTERRUPTED", "WHAT IT DOES"]
    assert cells(search) == ["search", "allow", "called again", "Searches all mail."]
    assert cells(send) == ["send an invoice (known as mail__send_an_invoice_1a2b3c4d)", "ask, left out", "you are asked", "Sends [2J one."]


def test_a_server_without_tools_says_whether_they_are_still_to_come() -> None:
    assert list(tools(Offer(replace(WELL, tools=0), ()))) == ["It has no tools."]
    assert list(tools(Offer(replace(DOWN, tools=0), ()))) == ["It has shown no tools yet."]


def test_what_came_of_a_try_is_said() -> None:
    assert list(came_of_it(WELL, NOW)) == ["mail is ready, with 2 tools."]
    assert list(came_of_it(replace(DOWN, state="starting"), NOW)) == [
        "mail is still starting. `holdfast tools mail` shows what comes of it."
    ]
    assert list(came_of_it(DOWN, NOW)) == ["mail was tried, and is down:", "    it ended. (Since 2 min 40 s.)"]


def test_what_a_server_said_can_not_take_over_the_terminal() -> None:
    assert "\x1b" not in "".join(table([Offer(replace(DOWN, why="\x1b[2J"), TOOLS)], NOW))


# --- with a gateway -------------------------------------------------------------------------------------------------------------------


def configured(folder: Path) -> str:
    """Our own server, and one whose command is not there until somebody puts it there."""
    path = os.pathsep.join(filter(None, sys.path))
    command = f'"{sys.executable}", "-m", "holdfast.testing.toolserver", "--journal", "{folder / "effects"}"'
    env = f'env = {{ PYTHONPATH = "{path}" }}\n'
    return f'[tools.demo]\ncommand = [{command}]\ntrust_annotations = true\n{env}[tools.late]\ncommand = ["{folder / "late"}"]\n{env}'


def until_settled(home: Any) -> list[Any]:
    """The servers, when none of them is starting any more."""
    for _ in range(400):
        offers: list[Any] = json.loads(home.holdfast("tools", "--json").stdout)
        if all(offer["server"]["state"] != "starting" for offer in offers):
            return offers
    raise AssertionError("they are starting for ever")


def test_a_server_that_was_misconfigured_is_started_by_hand_when_it_is_mended(home: Any, tmp_path: Path) -> None:
    home.start_real(configured(tmp_path))
    demo, late = until_settled(home)
    assert (demo["server"]["state"], late["server"]["state"]) == ("ready", "misconfigured")
    assert demo["server"]["tools"] == len(demo["tools"]) > 0
    shown = home.holdfast("tools").stdout.decode()
    assert str(demo["server"]["pid"]) in shown and "was not found" in shown and "holdfast tools retry late" in shown
    still = home.holdfast("tools", "retry", "late")
    assert (still.returncode, still.stdout.decode().splitlines()[0]) == (78, "late was tried, and is misconfigured:")
    (tmp_path / "late").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m holdfast.testing.toolserver --journal "{tmp_path / "late.log"}"\n'
    )
    (tmp_path / "late").chmod(0o755)
    mended = home.holdfast("tools", "retry", "late")
    assert (mended.returncode, mended.stdout) == (0, f"late is ready, with {len(demo['tools'])} tools.\n".encode())
    assert home.holdfast("tools", "retry", "late").stdout == b"late is ready: there is nothing to try again.\n"
    one = home.holdfast("tools", "late")
    assert b"POLICY" in one.stdout and b"you are asked" in one.stdout
    assert json.loads(home.holdfast("tools", "late", "--json").stdout)["server"]["restarts"] == 2


def test_an_unknown_name_and_an_unknown_act_are_told(home: Any, tmp_path: Path) -> None:
    home.start_real(configured(tmp_path))
    done = home.holdfast("tools", "retry", "dmeo")
    assert done.returncode == 2
    assert done.stderr == b"holdfast: There is no tool server 'dmeo'. Did you mean 'demo'? The running gateway has: demo, late.\n"
    assert home.holdfast("tools", "start", "demo").stderr.startswith(b"holdfast: 'start' is nothing that can be done. Write `")


def test_without_tool_servers_and_without_a_gateway_that_is_said(home: Any) -> None:
    away = home.holdfast("tools")
    assert (away.returncode, away.stdout) == (75, b"")
    assert b"The gateway is not running." in away.stderr
    home.start_real()
    assert home.holdfast("tools").stdout == b"There are no tool servers. A table [tools.NAME] in the configuration makes one.\n"
