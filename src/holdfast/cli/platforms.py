"""`holdfast platforms`: how each account of a chat system is; `NAME` shows one, `retry NAME` has the gateway connect it now, `login NAME` signs it in."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from holdfast import cli
from holdfast.accounts import NO_ACCOUNTS
from holdfast.cli.client import Away, Client
from holdfast.cli.output import clock, columns, print_json, settled, unknown
from holdfast.cli.place import client_of
from holdfast.cli.screen import in_a_line
from holdfast.cli.signing_in import sign_in
from holdfast.core.words import span
from holdfast.errors import Request
from holdfast.invoked import command

if TYPE_CHECKING:
    from holdfast.ports import PlatformState

RETRY: Final = "retry"
LOGIN: Final = "login"
NOTHING: Final = "-"
CODES: Final = {"connected": cli.ANSWERED, "connecting": cli.ANSWERED, "waiting": cli.AWAY, "stopped": cli.CONFIG}


def run(arguments: argparse.Namespace) -> int:
    act, name = (arguments.act, arguments.name) if arguments.name else ("", arguments.act)
    if act not in {"", RETRY, LOGIN}:
        raise Request(
            f"{act!r} is nothing that can be done. Write `{command('platforms')} {name}` to see it, or `{command('platforms')} retry {name}`."
        )
    client = client_of(arguments)
    try:
        states = client.platforms()
        found = [named(states, name)] if name else states
        if act == RETRY:
            return _retry(client, found[0])
        if act == LOGIN:
            return _sign_in(client, found[0])
    except Away as away:
        raise Away(f"{away} Without it, `{command('check')}` tries every account.") from away
    if arguments.json:
        print_json(found[0] if name else found)
    else:
        print("\n".join(table(found, time.time())) if found else NO_ACCOUNTS)
    return cli.ANSWERED


def named(states: Sequence[PlatformState], name: str) -> PlatformState:
    """The account of this name; its kind may be left out where one alone is called so."""
    found = [state for state in states if name in {state.name, state.name.partition(":")[2]}]
    if len(found) != 1:
        raise unknown("account", name, [state.name for state in states], "The running gateway has")
    return found[0]


# --- the table ------------------------------------------------------------------------------------------------------------------------


def table(states: Sequence[PlatformState], now: float) -> Iterator[str]:
    """A line for each account, and below it what is wrong with it."""
    head = ("ACCOUNT", "IS", "STATE", "SINCE", "LAST HEARD", "CURSOR MOVED", "RECONNECTS", "RECEIVED", "TO BE SENT", "NEXT TRY")
    lines = columns([head, *(_row(state, now) for state in states)])
    yield lines[0]
    for state, row in zip(states, lines[1:], strict=True):
        yield row
        yield from (f"    {in_a_line(trouble)}" for trouble in troubles(state, now))


def _row(state: PlatformState, now: float) -> tuple[str, ...]:
    return (
        state.name,
        state.identity or NOTHING,
        state.state,
        clock(state.since, now),
        _ago(state.heard_at, now),
        _ago(state.moved_at, now),
        str(state.reconnects),
        str(state.received),
        str(state.unsaid),
        _next_try(state, now),
    )


def _ago(at: float, now: float) -> str:
    return f"{span(now - at)} ago" if at else NOTHING


def _next_try(state: PlatformState, now: float) -> str:
    match state.state:
        case "stopped":
            return "by hand"
        case "waiting" if state.next_try > now:
            return clock(state.next_try, now)
        case "waiting" | "connecting":
            return "now"
        case _:
            return NOTHING


def troubles(state: PlatformState, now: float) -> Iterator[str]:
    """What is wrong with it, and what a person can do about that."""
    if state.state != "connected" and state.why:
        why = state.why if state.why.endswith((".", "?", "!", "…")) else f"{state.why}."
        yield f"{why} (Since {span(now - state.since)}.)" if state.state == "waiting" else why
    if state.state == "stopped" and not state.signs_in:
        yield (
            f"When that is mended: {command('platforms')} retry {state.name}. After a change of the configuration, start the gateway again instead."
        )
    if state.unsaid and state.state != "connected":
        yield f"{_conversations(state.unsaid)} to say something there. It is saved, and sent when that is possible."
    if state.unread:
        updates = "One update" if state.unread == 1 else f"{state.unread} updates"
        yield f"{updates} could not be read; kept in the journal as they came, for whoever mends that."


def _conversations(count: int) -> str:
    return "One conversation waits" if count == 1 else f"{count} conversations wait"


# --- retry ----------------------------------------------------------------------------------------------------------------------------


def _retry(client: Client, before: PlatformState) -> int:
    if before.state == "connected":
        print(f"{before.name} is connected: there is nothing to try again.")
        return cli.ANSWERED
    client.retry_platform(before.name)
    now = _settled(client, before)
    print("\n".join(came_of_it(now, time.time())))
    return CODES[now.state]


def _settled(client: Client, before: PlatformState) -> PlatformState:
    def has(now: PlatformState) -> bool:
        return now.state == "connected" or (now.reconnects > before.reconnects and now.state != "connecting")

    return settled(lambda: named(client.platforms(), before.name), has)


def _sign_in(client: Client, before: PlatformState) -> int:
    if not sign_in(client, before.name):
        raise Away("The gateway stopped, and nobody is signed in. Begin again when it is back.")
    now = _settled(client, before)
    print("\n".join(came_of_it(now, time.time())))
    return CODES[now.state]


def came_of_it(state: PlatformState, now: float) -> Iterator[str]:
    """What is said of a try."""
    if state.state == "connected":
        yield f"{state.name} is connected, as {state.identity}."
    elif state.state == "connecting":
        yield f"{state.name} is still connecting. `{command('platforms')} {state.name}` shows what comes of it."
    else:
        yield f"{state.name} was tried, and {'waits' if state.state == 'waiting' else 'has stopped'}:"
        yield from (f"    {in_a_line(trouble)}" for trouble in troubles(state, now))
