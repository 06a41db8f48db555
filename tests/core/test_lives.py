from __future__ import annotations

import pytest

from holdfast.core.lives import HEALTHY_AFTER_S, WITHIN_S, Life, needs_rest

NOW = 10_000.0


def life(began: float, lived: float = 1.0, *, ended: bool = False, safe: bool = False) -> Life:
    return Life(began, began + lived, ended, safe)


SHORT = (life(NOW - 10), life(NOW - 20), life(NOW - 30))


@pytest.mark.parametrize(
    ("before", "rests"),
    [
        ((), False),
        (SHORT[:2], False),
        (SHORT, True),
        ((life(NOW - 10, ended=True), *SHORT), False),
        ((*SHORT[:2], life(NOW - 30, ended=True), *SHORT), False),
        ((*SHORT[:2], life(NOW - 200, HEALTHY_AFTER_S), *SHORT), False),
        ((*SHORT[:2], life(NOW - WITHIN_S - 1)), False),
        ((life(NOW - 2000, 1900.0, safe=True),), True),
        ((life(NOW - 2000, 1900.0, safe=True, ended=True),), False),
        ((life(NOW - 2000, 1900.0), life(NOW - 4000, 1900.0, safe=True)), False),
    ],
    ids=[
        "the first",
        "two short ones",
        "three short ones",
        "the last was stopped in order",
        "stopped in order between",
        "a long one between",
        "long ago",
        "killed in safe mode",
        "stopped in safe mode",
        "safe mode was survived",
    ],
)
def test_a_life_rests_after_three_short_ones_that_nobody_ended(before: tuple[Life, ...], rests: bool) -> None:
    assert needs_rest(before, NOW) is rests


def test_a_clock_that_was_set_back_makes_nothing_long_ago() -> None:
    assert needs_rest(tuple(life(NOW + 100 - n) for n in range(3)), NOW)
