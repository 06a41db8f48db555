"""`holdfast usage`: what each person had from the models in a month, and what that cost. Asks the gateway; while that is stopped, reads the journal."""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from holdfast import cli, config
from holdfast.cli.kept import Nothing, kept
from holdfast.cli.output import columns
from holdfast.errors import Request

if TYPE_CHECKING:
    from holdfast.local_time import LocalTime
    from holdfast.ports import Used

MONTH: Final = re.compile(r"(\d{4})-(\d\d)")
HEAD: Final = ("month", "account", "person", "name", "route", "answers", "tokens_read", "tokens_written", "cost")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for more than a name begins so."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one person had from one route. `person` "": nobody; tools asked the model in the middle of their calls."""

    account: str
    person: str
    name: str
    route: str
    answers: int
    read: int
    written: int
    cost: float


def run(arguments: argparse.Namespace) -> int:
    from holdfast.wiring import local_time_of  # noqa: PLC0415 the other commands do without

    settings = config.load(getattr(arguments, "config", None), os.environ)
    local = local_time_of(settings)
    month = arguments.month or f"{local.at(time.time()):%Y-%m}"
    since, before = bounds(month, local)
    try:
        with kept(settings.data_dir) as conversations:
            used, names = conversations.used(since, before), conversations.names()
    except Nothing:
        used, names = (), {}
    prices = {name: (route.price.input, route.price.output) for name, route in settings.routes.items()}
    found = [line(one, names, prices) for one in used]
    if arguments.csv:
        _write(month, found)
    elif found:
        print("\n".join([f"{month}, by the prices of the configuration as it is now", "", *table(found)]))
    else:
        print(f"Nobody had an answer in {month}.")
    return cli.ANSWERED


def bounds(month: str, local: LocalTime) -> tuple[float, float]:
    """When this month, such as 2026-11, begins where the owner lives, and when the next one does."""
    written = MONTH.fullmatch(month)
    if written is None or not 1 <= int(written[2]) <= 12 or int(written[1]) < 1970:
        raise Request(f"{month!r} is no month. Write one such as 2026-11.")
    year, number = int(written[1]), int(written[2])
    return local.instant(datetime(year, number, 1)), local.instant(datetime(year + number // 12, number % 12 + 1, 1))  # noqa: DTZ001 a clock on the wall


def line(used: Used, names: Mapping[tuple[str, str], str], prices: Mapping[str, tuple[float, float]]) -> Line:
    read, written = prices.get(used.route, (0.0, 0.0))
    cost = (used.input_tokens * read + used.output_tokens * written) / 1e6
    name = names.get((used.account, used.author), "")
    return Line(used.account, used.author, name, used.route, used.answers, used.input_tokens, used.output_tokens, cost)


def table(found: Sequence[Line]) -> list[str]:
    """A line for each person, over all routes, the dearest first; and one for all."""
    people: dict[tuple[str, str], list[Line]] = {}
    for one in found:
        people.setdefault((one.account, one.person), []).append(one)
    rows = sorted(people.values(), key=lambda lines: (sum(one.cost for one in lines), sum(one.answers for one in lines)), reverse=True)
    head = ("ACCOUNT", "PERSON", "ANSWERS", "TOKENS READ", "WRITTEN", "COST")
    return columns([head, *(_row(lines[0].account, _called(lines[0]), lines) for lines in rows), _row("", "all", found)])


def _called(one: Line) -> str:
    return f"{one.name} ({one.person})" if one.name else one.person or "nobody (tools)"


def _row(account: str, who: str, lines: Sequence[Line]) -> tuple[str, ...]:
    numbers = (sum(one.answers for one in lines), sum(one.read for one in lines), sum(one.written for one in lines))
    return account, who, *(f"{number:,}" for number in numbers), f"{sum(one.cost for one in lines):.2f}"


def _write(month: str, found: Sequence[Line]) -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(HEAD)
    for one in found:
        texts = (_harmless(text) for text in (one.account, one.person, one.name, one.route))
        out.writerow((month, *texts, one.answers, one.read, one.written, f"{one.cost:.6f}"))


def _harmless(text: str) -> str:
    """People name themselves: nothing that a spreadsheet would work out."""
    return f"'{text}" if text.startswith(FORMULA) else text
