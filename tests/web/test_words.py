from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast.core.weather import GateRow
from holdfast.core.words import RESTING, TRYING, no_account
from holdfast.ports import ConversationRow, Hold, Standing
from holdfast.web.wire import Stands, Wait
from holdfast.web.words import WHY_CHARS_MAX, listed, stands

IDLE = ConversationRow(
    "web:local:k", "web:local", last_seq=1, last_at=1.0, running=False, due=None, turn_gate="", speech_gate="", attempts=0
)
NOW = 1000.0
AWAY = GateRow("route:main", until=1030.0, streak=2, since=700.0, why="connection\nrefused.")
SAVED = "Everything is saved, and it goes on by itself."


def _stands(*gates: GateRow, **facts: Any) -> Stands:
    return stands(Standing(replace(IDLE, **facts), gates), NOW)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, Stands("idle", "Ready.")),
        ({"running": True, "due": 5.0, "asks": True}, Stands("working", "Working on it.")),
        ({"due": 5.0}, Stands("working", "About to go on.")),
        ({"due": 1000.0, "turn_gate": "route:main"}, Stands("working", "About to go on.")),
        ({"asks": True}, Stands("asking", "Waiting for your answer to a question.")),
        ({"asks": True, "due": 2000.0}, Stands("asking", "Waiting for your answer to a question.", 2000.0)),
        ({"due": 2000.0}, Stands("waiting", "Waiting a while. It goes on by itself.", 2000.0)),
        (
            {"turn_gate": "route:a route:b"},
            Stands("waiting", f"Waiting for a or b. {SAVED}", waits=(Wait("route:a", "a"), Wait("route:b", "b"))),
        ),
        (
            {"speech_gate": "account:x"},
            Stands("waiting", "The answer is ready, and waits for x. It is delivered by itself.", waits=(Wait("account:x", "x"),)),
        ),
    ],
)
def test_a_conversation_is_put_in_a_few_words(facts: dict[str, Any], expected: Stands) -> None:
    assert _stands(**facts) == expected


def test_a_wait_says_for_what_and_why_and_since_when_and_when_it_is_tried_again() -> None:
    waits = _stands(AWAY, turn_gate="route:main")
    assert waits == Stands(
        "waiting",
        f"Waiting for main, which has been away for 5 minutes (connection refused). {SAVED}",
        1030.0,
        (Wait("route:main", "main", "", "has been away", 700.0, "connection refused", "", 1030.0),),
    )


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("", "main, which has been away for 5 minutes (no such model)."),
        ("transient", "main, which has been away for 5 minutes (no such model)."),
        (
            "config",
            "main, which can't be used as it is configured (no such model). Look under [routes.main]; `holdfast check` says what to change. Everything",
        ),
        ("quota", "main, which has no credit left (no such model)."),
        ("rate-limit", "main, which is at its limit (no such model)."),
        ("loading", "main, which has been loading its model for 5 minutes (no such model)."),
        ("unknown", "main, which has been failing in a way that I don't know for 5 minutes (no such model)."),
    ],
)
def test_each_kind_of_failure_is_called_so(kind: str, said: str) -> None:
    assert said in _stands(replace(AWAY, kind=kind, why="no such model"), turn_gate="route:main").words


def test_of_several_gates_the_next_try_is_the_first_one() -> None:
    other = GateRow("route:spare", until=1010.0, streak=1, since=999.0)
    waits = _stands(AWAY, other, turn_gate="route:main route:spare")
    assert (
        "main, which has been away for 5 minutes (connection refused) or spare, which has been away for less than a minute." in waits.words
    )
    assert waits.until == 1010.0


def test_a_gate_that_is_waited_at_by_another_lane_says_nothing_here() -> None:
    assert _stands(AWAY, speech_gate="account:x") == _stands(speech_gate="account:x")


def test_a_gate_whose_time_has_come_is_not_waited_for_till_then() -> None:
    assert _stands(replace(AWAY, until=990.0), turn_gate="route:main").until == 0.0


def test_a_try_of_what_is_waited_for_is_called_so_and_says_what_is_tried() -> None:
    tried = _stands(replace(AWAY, until=NOW), turn_gate="route:main", running=True)
    assert (tried.state, tried.words) == ("working", "Trying main again.")
    assert [wait.gate for wait in tried.waits] == ["route:main"]


@pytest.mark.parametrize("spare", [GateRow("route:spare", last_ok=900.0), GateRow("route:spare", streak=1, until=1010.0)])
def test_work_on_a_route_that_is_open_or_for_another_lane_is_no_try(spare: GateRow) -> None:
    works = _stands(replace(AWAY, until=NOW), spare, turn_gate="route:main route:spare", running=True)
    assert works == Stands("working", "Working on it.")


def test_a_mistake_of_an_account_names_no_route() -> None:
    waits = _stands(GateRow("account:x", streak=1, kind="config"), speech_gate="account:x")
    assert "routes" not in waits.words


def test_a_long_reason_is_cut() -> None:
    assert len(_stands(replace(AWAY, why="x" * 10_000), turn_gate="route:main").words) < WHY_CHARS_MAX + 150


@pytest.mark.parametrize(
    ("length_s", "words"),
    [
        (-5.0, "less than a minute"),
        (59.0, "less than a minute"),
        (60.0, "a minute"),
        (3599.0, "45 minutes"),
        (3600.0, "an hour"),
        (86400.0, "a day"),
    ],
)
def test_spans_are_coarse(length_s: float, words: str) -> None:
    waits = _stands(replace(AWAY, since=NOW - length_s, why=""), turn_gate="route:main")
    assert f"away for {words}." in waits.words


def test_a_listed_conversation_has_its_row_its_name_and_its_words() -> None:
    row = listed(Standing(replace(IDLE, title="Dinner")), NOW, "an excerpt")
    assert (row.key, row.name, row.title, row.state, row.words, row.excerpt) == (
        "web:local:k",
        "k",
        "Dinner",
        "idle",
        "Ready.",
        "an excerpt",
    )
    assert listed(Standing(replace(IDLE, key="tg:bot:7")), NOW).name == "tg:bot:7"


def test_an_account_that_has_stopped_says_what_a_person_can_do_and_names_no_instant() -> None:
    gate = GateRow("account:telegram:mybot", until=1e10, streak=1, since=700.0, why="the token is not known", kind="stopped")
    waits = _stands(gate, speech_gate="account:telegram:mybot")
    assert waits.words == (
        "The answer is ready, and waits for telegram:mybot, which has stopped (the token is not known). "
        "When that is mended: `holdfast platforms retry telegram:mybot`. It is delivered by itself."
    )
    assert (waits.until, waits.waits[0].until) == (0.0, 0.0)


# --- what nobody works on, whatever it waits for -------------------------------------------------------------------------------------------

GONE = no_account("web:local")
LATER = "Everything is saved, and it goes on when the gateway is started."


@pytest.mark.parametrize(
    ("held", "facts", "expected"),
    [
        (Hold("no account"), {}, Stands("idle", no_account("web:local", owes=False), held=True)),
        (Hold("no account"), {"due": 5.0}, Stands("waiting", GONE, held=True)),
        (Hold("no account"), {"due": 2000.0}, Stands("waiting", GONE, held=True)),
        (Hold("no account"), {"turn_gate": "route:main"}, Stands("waiting", GONE, held=True)),
        (Hold("no account"), {"asks": True}, Stands("waiting", GONE, held=True)),
        (Hold("safe mode", 2800.0), {}, Stands("idle", "Safe mode: no turn runs now.", held=True)),
        (Hold("safe mode", 2800.0), {"due": 5.0}, Stands("waiting", RESTING, 2800.0, held=True)),
        (Hold("safe mode", 2800.0), {"speech_gate": "account:x"}, Stands("waiting", RESTING, 2800.0, held=True)),
        (Hold("safe mode", 2800.0), {"asks": True, "due": 2000.0}, Stands("asking", "Waiting for your answer to a question.", 2000.0)),
        (Hold("trying", 1100.0), {}, Stands("idle", "Ready.")),
        (Hold("trying", 1100.0), {"due": 5.0}, Stands("waiting", TRYING, 1100.0, held=True)),
        (Hold("trying", 1100.0), {"due": 5.0, "running": True}, Stands("working", "Working on it.")),
        (Hold("trying", 1100.0), {"due": 2000.0}, Stands("waiting", "Waiting a while. It goes on by itself.", 2000.0)),
        (Hold("stopped"), {}, Stands("idle", "Everything is answered.")),
        (Hold("stopped"), {"due": 5.0}, Stands("waiting", "It goes on when the gateway is started.", held=True)),
        (Hold("stopped"), {"due": 2000.0}, Stands("waiting", "Waiting a while. It goes on when the gateway is started.")),
        (Hold("stopped"), {"asks": True, "due": 2000.0}, Stands("asking", "Waiting for your answer to a question.", 2000.0)),
    ],
)  # fmt: skip
def test_what_nobody_works_on_says_why_and_what_ends_that(held: Hold, facts: dict[str, Any], expected: Stands) -> None:
    assert stands(Standing(replace(IDLE, **facts), (), held), NOW) == expected


@pytest.mark.parametrize(("lane", "last"), [("turn_gate", LATER), ("speech_gate", "It is delivered when the gateway is started.")])
def test_while_the_gateway_is_stopped_a_gate_is_waited_at_without_a_next_try(lane: str, last: str) -> None:
    waiting: dict[str, Any] = {lane: "route:main"}
    told = stands(Standing(replace(IDLE, **waiting), (AWAY,), Hold("stopped")), NOW)
    assert "waits for main, which has been away" in told.words or "Waiting for main, which has been away" in told.words
    assert told.words.endswith(last) and told.until == 0.0


def test_an_account_that_is_gone_is_named_with_what_brings_it_back() -> None:
    assert no_account("telegram:home") == (
        "Its account telegram:home is not in the configuration. Everything here is kept; what is owed goes on when [platforms.telegram.home] is there again: "
        "put it back. A gateway that runs takes it with `holdfast reload`."
    )


def test_where_nothing_is_owed_nothing_is_said_to_go_on() -> None:
    told = stands(Standing(replace(IDLE, account="telegram:home"), (), Hold("no account")), NOW)
    assert (told.state, "what is owed" in told.words) == ("idle", False)
