from __future__ import annotations

from datetime import datetime

from holdfast.cli.output import clock, columns, unknown


def test_cells_stand_below_those_of_the_row_before() -> None:
    assert columns([("NAME", "STATE"), ("a-long-name", ""), ("b", "open")]) == ["NAME         STATE", "a-long-name", "b            open"]


def test_a_cell_can_not_take_over_the_terminal() -> None:
    assert columns([("\x1b[2Jred", "x")]) == ["[2Jred  x"]


def test_an_instant_has_its_day_only_where_that_is_another_one() -> None:
    now = datetime(2026, 11, 21, 14, 0, 0).astimezone().timestamp()
    assert clock(now - 60, now) == "13:59:00"
    assert clock(now - 86_400, now) == "2026-11-20 14:00:00"


def test_what_is_not_there_is_told_with_the_nearest_and_with_what_is() -> None:
    assert str(unknown("route", "spaer", ["main", "spare"], "It has")) == (
        "There is no route 'spaer'. Did you mean 'spare'? It has: main, spare."
    )
    assert str(unknown("tool server", "mail", [], "It has")) == "There is no tool server 'mail'. It has: none."
