"""`holdfast routes`: the table, `retry` and `test`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import pytest

from holdfast.cli.routes import table, trouble
from holdfast.core.weather import GateRow
from holdfast.ports import RouteState, Used
from holdfast.testing.stub_provider import Reply, StubProvider, answering, http

NOW = datetime(2026, 11, 21, 14, 0, 0).astimezone().timestamp()
WELL = RouteState(
    "main",
    "qwen3:8b",
    GateRow("route:main", last_ok=NOW - 90),
    "open",
    1,
    4,
    ("the agent", "fast"),
    Used("main", "", "", 14, 30_000, 5_000),
    0.0,
)
AWAY = GateRow("route:main", until=NOW + 40, streak=3, since=NOW - 160, why="Connection refused.", kind="transient", tried=NOW)
PATIENCE_S = 20


def closed(kind: str, state: Literal["closed", "to be tried"] = "closed") -> RouteState:
    return replace(WELL, gate=replace(AWAY, kind=kind), state=state)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


# --- the table ------------------------------------------------------------------------------------------------------------------------


def test_a_route_that_is_well_is_one_line() -> None:
    head, line = table([WELL], NOW)
    assert head.split("  ")[0] == "ROUTE"
    assert cells(line) == ["main", "qwen3:8b", "open", "1 min 30 s ago", "14 answers, 35k tokens", "1 of 4", "the agent, fast"]


def test_what_a_route_cost_is_told_where_it_has_a_price() -> None:
    assert "1 answer, 120 tokens, cost 1.25 " in list(table([replace(WELL, used=Used("main", "", "", 1, 100, 20), cost=1.25)], NOW))[1]
    assert "cost under 0.01" in list(table([replace(WELL, cost=0.001)], NOW))[1]


def test_a_route_that_nothing_was_asked_of_and_no_chain_names() -> None:
    _, line = table([replace(WELL, gate=GateRow("route:main"), state="never tried", chains=(), used=Used("main"))], NOW)
    assert cells(line)[2:] == ["never tried", "never", "nothing", "1 of 4", "none"]


def test_below_a_closed_route_stands_since_when_and_why() -> None:
    _, line, below = table([closed("transient")], NOW)
    assert "closed until 14:00:40" in line
    assert below == "    Away since 13:57:20 (2 min 40 s): Connection refused."


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("config", "Misconfigured since 13:57:20 (2 min 40 s): Connection refused. To see what to change: holdfast routes test main"),
        ("quota", "Without credit since"),
        ("rate-limit", "At its limit since"),
        ("loading", "Loading its model since"),
        ("unknown", "Failing since"),
    ],
)
def test_each_kind_of_trouble_is_called_by_its_name(kind: str, words: str) -> None:
    assert trouble(closed(kind), NOW).startswith(words)


@pytest.mark.parametrize(("why", "end"), [("", "(2 min 40 s)."), ("Gone", ": Gone."), ("Is it running?", ": Is it running?")])
def test_a_sentence_ends_once(why: str, end: str) -> None:
    assert trouble(replace(WELL, gate=replace(AWAY, why=why), state="closed"), NOW).endswith(end)


def test_a_route_whose_time_has_come_is_tried_when_it_is_needed() -> None:
    assert trouble(closed("transient", "to be tried"), NOW).endswith("It is tried as soon as somebody needs it.")


def test_what_a_server_said_can_not_take_over_the_terminal() -> None:
    assert "\x1b" not in "".join(table([replace(WELL, gate=replace(AWAY, why="\x1b[2J"), model="\x1b[2J")], NOW))


# --- with a gateway -------------------------------------------------------------------------------------------------------------------

SPARE = '[routes.spare]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n[chains]\nother = ["spare", "main"]\n'


def test_programs_get_json(home: Any) -> None:
    home.start_real(SPARE + '[routes.third]\ndialect = "practice"\ncalls_at_once_max = 3\n')
    states = json.loads(home.holdfast("routes", "--json").stdout)
    assert [state["places"] for state in states] == [64, 4, 3], "as many as are configured"
    assert [(state["name"], state["state"], state["chains"]) for state in states] == [
        ("main", "never tried", ["the agent", "other"]),
        ("spare", "never tried", ["other"]),
        ("third", "never tried", []),
    ]


def test_without_a_gateway_it_is_said_what_still_works(home: Any) -> None:
    for arguments in (["routes"], ["routes", "retry", "main"]):
        done = home.holdfast(*arguments)
        assert (done.returncode, done.stdout) == (75, b"")
        assert b"The gateway is not running." in done.stderr
        assert b"`holdfast routes test NAME`" in done.stderr


def test_an_unknown_name_is_told_with_the_nearest(home: Any) -> None:
    home.start_real(SPARE)
    done = home.holdfast("routes", "retry", "spaer")
    assert done.returncode == 2
    assert done.stderr == b"holdfast: There is no route 'spaer'. Did you mean 'spare'? The running gateway has: main, spare.\n"
    assert home.holdfast("routes", "test", "mian").stderr.startswith(b"holdfast: There is no route 'mian'. Did you mean 'main'?")


def test_a_closed_route_is_opened_by_hand_and_an_open_one_needs_nothing(home: Any) -> None:
    home.start_real(SPARE)
    home.begin("chat", "-q", "/model other").wait(30)
    home.holdfast("chat", "-q", "Hello")  # spare is away, main answers
    until(lambda: json.loads(home.holdfast("routes", "--json").stdout)[1]["state"] != "never tried")
    assert b"Away since" in home.holdfast("routes").stdout
    opened = home.holdfast("routes", "retry", "spare")
    assert (opened.returncode, opened.stdout[:17]) == (0, b"spare is opened. ")
    assert json.loads(home.holdfast("routes", "--json").stdout)[1]["gate"]["until"] == 0
    assert home.holdfast("routes", "retry", "main").stdout == b"main is open: there is nothing to try again.\n"


# --- test -----------------------------------------------------------------------------------------------------------------------------


def test_a_route_that_is_away_is_tried_without_a_gateway_and_the_code_says_so(home: Any) -> None:
    (home.folder / "config.toml").write_text(
        f'data_dir = "{home.data_dir}"\n[routes.main]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n'
    )
    done = home.holdfast("routes", "test", "main")
    assert done.returncode == 75
    assert done.stdout.decode().splitlines()[0] == "  ERROR    Nothing answers at 127.0.0.1:1."


def test_a_route_whose_key_is_missing_has_to_be_changed(home: Any) -> None:
    text = f'data_dir = "{home.data_dir}"\n[routes.main]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\napi_key = "env:NOT_SET"\n'
    (home.folder / "config.toml").write_text(text)
    assert home.holdfast("routes", "test", "main").returncode == 78


async def test_a_route_that_works_again_is_opened_where_the_gateway_had_closed_it(home: Any) -> None:
    """And whoever waited for it is answered."""
    refuses, works = Reply(http(b'{"error": "Incorrect API key"}', 401, "application/json")), answering("At last.")
    reply = refuses
    async with StubProvider(lambda _: reply) as stub:
        await asyncio.to_thread(home.start_real, f'[routes.spare]\nbase_url = "{stub.base_url}"\nmodel = "m"\n')

        def say(*arguments: str) -> Any:
            return asyncio.to_thread(home.holdfast, *arguments)

        await say("chat", "-q", "/model spare")
        waiting = home.begin("chat", "-q", "Hello")
        await asyncio.to_thread(until, lambda: b"Misconfigured" in home.holdfast("routes").stdout)
        failed = await say("routes", "test", "spare")
        assert failed.returncode == 78
        assert b"asks for a key, and there is none" in failed.stdout
        reply = works
        tested = await say("routes", "test", "spare")
        assert tested.returncode == 0
        assert b'answered "At last."' in tested.stdout
        assert b"The running gateway had closed it, and opens it now" in tested.stdout
        assert (await asyncio.to_thread(waiting.communicate))[0] == b"At last.\n"
        assert b"had closed it" not in (await say("routes", "test", "spare")).stdout


async def test_other_settings_than_the_gateways_are_told(home: Any) -> None:
    async with StubProvider(answering("Here.")) as stub:
        await asyncio.to_thread(home.start_real)
        file = home.folder / "config.toml"
        file.write_text(file.read_text() + f'[routes.new]\nbase_url = "{stub.base_url}"\nmodel = "m"\n')
        tested = await asyncio.to_thread(home.holdfast, "routes", "test", "new")
    assert tested.returncode == 0
    assert b"The running gateway has other settings for it: start it again, which harms nothing." in tested.stdout
