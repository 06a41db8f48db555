"""`holdfast usage`: which month, whose, and nothing that a spreadsheet would work out."""

from __future__ import annotations

import csv
import io
from zoneinfo import ZoneInfo

import pytest

from holdfast.cli.usage import Line, _write, bounds, line, table
from holdfast.errors import Request
from holdfast.local_time import LocalTime
from holdfast.ports import Used

BERLIN = LocalTime(ZoneInfo("Europe/Berlin"))


def test_a_month_is_that_of_where_the_owner_lives() -> None:
    began, ended = bounds("2026-10", BERLIN)
    assert (BERLIN.said(began), BERLIN.said(ended)) == ("Thursday, 1 October 2026, 00:00 (CEST)", "Sunday, 1 November 2026, 00:00 (CET)")
    assert bounds("2026-12", BERLIN)[1] == bounds("2027-01", BERLIN)[0]


@pytest.mark.parametrize("month", ["2026-13", "2026-00", "2026", "November", "0000-01", "2026-1", "2026-11 "])
def test_what_is_no_month_is_said(month: str) -> None:
    with pytest.raises(Request, match="Write one such as 2026-11"):
        bounds(month, BERLIN)


def test_the_dearest_comes_first_and_all_last() -> None:
    names, prices = {("telegram:bot", "7"): "Ann"}, {"main": (1.0, 2.0)}
    used = (
        Used("main", "web:local", "local", 1, 100, 50),
        Used("main", "telegram:bot", "7", 2, 1_000_000, 500_000),
        Used("gone", "telegram:bot", "7", 1, 9, 9),
    )
    rows = [text.split() for text in table([line(one, names, prices) for one in used])]
    assert rows[1:] == [
        ["telegram:bot", "Ann", "(7)", "3", "1,000,009", "500,009", "2.00"],
        ["web:local", "local", "1", "100", "50", "0.00"],
        ["all", "4", "1,000,109", "500,059", "2.00"],
    ]


def test_a_name_is_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    _write("2026-11", [Line("telegram:bot", "7", '=HYPERLINK("x"),', "main", 1, 2, 3, 0.5)])
    head, row = csv.reader(io.StringIO(capsys.readouterr().out))
    assert row == ["2026-11", "telegram:bot", "7", '\'=HYPERLINK("x"),', "main", "1", "2", "3", "0.500000"]
    assert len(head) == len(row)
