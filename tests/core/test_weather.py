from __future__ import annotations

import pytest

from holdfast.core.failure import Failure, Kind
from holdfast.core.weather import (
    BACK_OFF_S_MAX,
    MISTAKE_PRESSED_S,
    MISTAKE_S,
    GateRow,
    Retries,
    admits,
    allowance_after_success,
    back_off_s,
    failed,
    is_closed,
    may_be_pressed,
    succeeded,
    wait_s,
    wait_s_max,
)


def test_the_longest_wait_doubles_from_one_second_to_two_minutes() -> None:
    assert [back_off_s(streak) for streak in range(1, 10)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    assert back_off_s(10**6) == BACK_OFF_S_MAX


def test_a_failure_closes_the_gate_and_remembers_since_when_it_is_away() -> None:
    once = failed(GateRow("g"), now=100.0, delay_s=3.0, failure=Failure("transient", reason="refused"))
    twice = failed(once, now=200.0, delay_s=5.0, failure=Failure("transient", reason="reset"))
    assert (once.until, once.streak, once.since, once.why) == (103.0, 1, 100.0, "refused")
    assert (twice.until, twice.streak, twice.since, twice.why) == (205.0, 2, 100.0, "reset")


def test_a_gate_is_closed_until_its_time_has_come() -> None:
    gate = failed(GateRow("g"), now=100.0, delay_s=3.0, failure=Failure("transient", reason=""))
    assert is_closed(gate, 102.9)
    assert not is_closed(gate, 103.0)


def test_a_success_ends_the_streak_and_says_when() -> None:
    gate = succeeded(failed(GateRow("g"), 100.0, 3.0, Failure("transient", reason="refused")), now=150.0)
    assert gate == GateRow("g", last_ok=150.0)


def test_a_closed_gate_admits_nobody_and_an_open_one_its_allowance_less_those_inside() -> None:
    gate = failed(GateRow("g"), now=100.0, delay_s=3.0, failure=Failure("transient", reason=""))
    assert admits(gate, 102.0, allowance=4, taken=0) == 0
    assert admits(gate, 103.0, allowance=1, taken=0) == 1
    assert admits(gate, 103.0, allowance=1, taken=1) == 0
    assert admits(gate, 103.0, allowance=1, taken=3) == 0


def test_each_wave_of_successes_lets_twice_as_many_through_up_to_all_places() -> None:
    allowance, waves = 1, []
    for _ in range(5):
        waves.append(allowance)
        for _ in range(waves[-1]):
            allowance = allowance_after_success(allowance, 10)
    assert waves == [1, 2, 4, 8, 10]


@pytest.mark.parametrize(
    ("kind", "hint", "streak", "draw", "waits"),
    [
        ("transient", None, 3, 1.0, 4.0),
        ("transient", None, 3, 0.25, 1.0),
        ("transient", None, 3, 0.0, 0.25),
        ("transient", 5.0, 9, 0.0, 5.0),
        ("cut", 9e9, 1, 0.0, 120.0),
        ("rate-limit", 0.0, 9, 1.0, 0.25),
        ("rate-limit", -5.0, 1, 1.0, 0.25),
        ("rate-limit", 7200.0, 1, 0.0, 7200.0),
        ("rate-limit", None, 2, 1.0, 2.0),
        ("quota", None, 7, 0.0, 3600.0),
        ("quota", 60.0, 1, 0.0, 60.0),
        ("quota", 9e9, 1, 0.0, 32 * 86_400.0),
        ("config", 1.0, 9, 0.0, 300.0),
        ("unknown", None, 3, 1.0, 4.0),
    ],
)
def test_how_long_a_gate_is_closed_is_a_matter_of_the_class_and_of_what_the_server_says(
    kind: Kind, hint: float | None, streak: int, draw: float, waits: float
) -> None:
    assert wait_s(Failure(kind, hint), streak, draw) == waits
    assert waits <= wait_s_max(kind)


def test_a_server_that_is_loading_its_model_is_not_away() -> None:
    gate = failed(GateRow("g"), 100.0, 3.0, Failure("transient", reason="Loading model", loading=True))
    assert (gate.kind, wait_s_max(gate.kind)) == ("loading", BACK_OFF_S_MAX)


def test_a_mistake_may_be_tried_before_its_time_once_in_thirty_seconds_and_nothing_else_may() -> None:
    mistake = failed(GateRow("g"), 100.0, 300.0, Failure("config"))
    assert [may_be_pressed(mistake, now) for now in (99.0, 100.0, 129.9, 130.0)] == [True, False, False, True], "the clock may be set back"
    for kind in ("transient", "quota", "rate-limit", "unknown"):
        assert not may_be_pressed(failed(GateRow("g"), 100.0, 300.0, Failure(kind)), 200.0)


def test_of_all_calls_a_fifth_may_be_retries_beside_one_in_ten_seconds() -> None:
    retries = Retries(at=0.0, saved=0.0)
    for _ in range(4):
        retries = retries.called()
    assert retries.spent(0.0)[1] == pytest.approx(2.0), "a fifth of one is missing"
    assert retries.called().spent(0.0)[1] == pytest.approx(0.0)
    assert retries.spent(2.0)[1] == pytest.approx(0.0)


def test_what_may_be_spent_on_retries_is_saved_up_to_ten() -> None:
    retries = Retries(at=0.0)
    for _ in range(1000):
        retries = retries.called()
    waits = []
    for _ in range(12):
        retries, delay_s = retries.spent(1e6)
        waits.append(delay_s)
    assert waits == [0.0] * 10 + [10.0, 20.0]


def test_a_clock_that_was_set_back_earns_nothing_and_costs_nothing() -> None:
    retries, delay_s = Retries(at=1e6, saved=0.0).spent(0.0)
    assert delay_s == 10.0
    assert retries.spent(20.0)[1] == 0.0


def test_a_mistake_at_a_route_that_had_worked_is_looked_at_again_soon_and_then_seldom() -> None:
    """It may be one conversation that its provider complains about: the others must not wait long to show that."""
    mistake = Failure("config")
    assert wait_s(mistake, 1, 1.0, proven=True) == MISTAKE_PRESSED_S
    assert wait_s(mistake, 2, 1.0, proven=True) == wait_s(mistake, 1, 1.0) == MISTAKE_S
