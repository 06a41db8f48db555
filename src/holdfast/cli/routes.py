"""`holdfast routes`: how each route is, and what it did today. `retry NAME` opens one now; `test NAME` makes a call on it, from here."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from holdfast import cli, config
from holdfast.cli.client import Away, Client
from holdfast.cli.output import clock, columns, print_json, unknown
from holdfast.cli.place import client_of, door_of
from holdfast.cli.screen import plain
from holdfast.core.words import span
from holdfast.invoked import command
from holdfast.web.wire import ACCOUNT

if TYPE_CHECKING:
    from holdfast.ports import RouteState

TROUBLE: Final = {
    "config": "Misconfigured",
    "quota": "Without credit",
    "rate-limit": "At its limit",
    "loading": "Loading its model",
    "unknown": "Failing",
}
"""What a gate's kind is called; everything else is an outage."""
FEW_TOKENS: Final = 10_000
MANY_TOKENS: Final = 10_000_000


def run(arguments: argparse.Namespace) -> int:
    if arguments.act == "test":
        settings = config.load(getattr(arguments, "config", None), os.environ)
        return _test(settings, Client(door_of(settings.data_dir)), arguments.name)
    client = client_of(arguments)
    try:
        states = client.routes()
        if arguments.act == "retry":
            print(_retry(client, states, arguments.name))
            return cli.ANSWERED
    except Away as away:
        raise Away(
            f"{away} Without it: `{command('routes')} test NAME` makes a call on a route, `{command('check')}` tries them all."
        ) from away
    if arguments.json:
        print_json(states)
    else:
        print("\n".join(table(states, time.time())))
    return cli.ANSWERED


# --- the table ------------------------------------------------------------------------------------------------------------------------


def table(states: Sequence[RouteState], now: float) -> Iterator[str]:
    """A line for each route, and below it what is wrong with it."""
    head = ("ROUTE", "MODEL", "STATE", "LAST ANSWER", "TODAY", "CALLS NOW", "CHAINS")
    lines = columns([head, *(_row(state, now) for state in states)])
    yield lines[0]
    for state, line in zip(states, lines[1:], strict=True):
        yield line
        if state.gate.streak:
            yield f"    {plain(trouble(state, now))}"


def _row(state: RouteState, now: float) -> tuple[str, ...]:
    gate = state.gate
    return (
        state.name,
        state.model,
        f"closed until {clock(gate.until, now)}" if state.state == "closed" else state.state,
        f"{span(now - gate.last_ok)} ago" if gate.last_ok else "never",
        _used(state),
        f"{state.under_way} of {state.places}",
        ", ".join("the page" if chain == ACCOUNT else chain for chain in state.chains) or "none",
    )


def _used(state: RouteState) -> str:
    used = state.used
    if not used.answers:
        return "nothing"
    said = f"{used.answers:,} answer{'' if used.answers == 1 else 's'}"
    if tokens := used.input_tokens + used.output_tokens:
        said += f", {_tokens(tokens)} tokens"
    if state.cost:
        said += f", cost {state.cost:.2f}" if state.cost >= 0.01 else ", cost under 0.01"
    return said


def _tokens(number: int) -> str:
    if number < FEW_TOKENS:
        return f"{number:,}"
    return f"{number / 1e3:.0f}k" if number < MANY_TOKENS else f"{number / 1e6:.0f}M"


def trouble(state: RouteState, now: float) -> str:
    """Since when a route is closed, why, and what happens next."""
    gate = state.gate
    why = f": {gate.why}" if gate.why else ""
    said = f"{TROUBLE.get(gate.kind, 'Away')} since {clock(gate.since, now)} ({span(now - gate.since)}){why}"
    said += "" if said.endswith((".", "?", "!", "…")) else "."
    if state.state == "to be tried":
        said += " It is tried as soon as somebody needs it."
    if gate.kind == "config":
        said += f" To see what to change: {command('routes')} test {state.name}"
    return said


# --- retry ----------------------------------------------------------------------------------------------------------------------------


def _retry(client: Client, states: Sequence[RouteState], name: str) -> str:
    state = next((one for one in states if one.name == name), None)
    if state is None:
        raise unknown("route", name, [one.name for one in states], "The running gateway has")
    if not state.gate.streak:
        return f"{name} is open: there is nothing to try again."
    client.retry(f"route:{name}")
    return f"{name} is opened. If somebody waits for it, one call is made now, and the others follow when it works."


# --- test -----------------------------------------------------------------------------------------------------------------------------


def _test(settings: config.Config, client: Client, name: str) -> int:
    if name not in settings.routes:
        raise unknown("route", name, settings.routes, f"{settings.file} has")
    from holdfast import checks  # noqa: PLC0415 what calls models takes longer than the rest of the start
    from holdfast.checks.findings import verdict  # noqa: PLC0415 the same
    from holdfast.cli import check  # noqa: PLC0415 the same

    print(f"Calling {name}. It takes seconds, or a minute if its model has to be loaded.", file=sys.stderr)
    found, fingerprint = asyncio.run(checks.check_answer(settings, name, os.environ))
    print("\n".join(check.lines(found)))
    if found.level != "error" and (more := _there(client, name, fingerprint)):
        print(more)
    return check.CODES[verdict([found])]


def _there(client: Client, name: str, fingerprint: str) -> str:
    """What it means for the running gateway that the route works: if it has closed it, it opens it. "" if there is nothing to say."""
    try:
        state = next((one for one in client.routes() if one.name == name), None)
        if state is None or state.gate.fingerprint != fingerprint:
            return "The running gateway has other settings for it: start it again, which harms nothing."
        if not state.gate.streak:
            return ""
        client.retry(f"route:{name}")
    except Away:
        return ""
    return "The running gateway had closed it, and opens it now: whoever waits for it goes on."
