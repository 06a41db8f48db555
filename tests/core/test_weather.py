from __future__ import annotations

from holdfast.core.failure import Failure
from holdfast.core.weather import BACK_OFF_S_MAX, GateRow, admits, allowance_after_success, back_off_s, failed, is_closed, succeeded


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
