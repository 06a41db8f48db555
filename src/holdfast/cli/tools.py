"""`holdfast tools`: how each tool server is; `NAME` shows one with its tools, `retry NAME` has the gateway start it now."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from holdfast import cli
from holdfast.cli.client import Away, Client
from holdfast.cli.output import clock, columns, print_json, settled, unknown
from holdfast.cli.place import client_of
from holdfast.cli.screen import in_a_line
from holdfast.core.words import span
from holdfast.errors import Request
from holdfast.invoked import command

if TYPE_CHECKING:
    from holdfast.ports import Offer, OfferedTool, ToolServerState

RETRY: Final = "retry"
NOTHING: Final = "-"
CODES: Final = {"ready": cli.ANSWERED, "starting": cli.ANSWERED, "down": cli.AWAY, "misconfigured": cli.CONFIG}


def run(arguments: argparse.Namespace) -> int:
    act, name = (arguments.act, arguments.name) if arguments.name else ("", arguments.act)
    if act not in {"", RETRY}:
        raise Request(
            f"{act!r} is nothing that can be done. Write `{command('tools')} {name}` to see it, or `{command('tools')} retry {name}`."
        )
    client = client_of(arguments)
    try:
        offers = client.tools()
        if not name:
            return _all(offers, as_json=arguments.json)
        offer = _named(offers, name)
        if act == RETRY:
            return _retry(client, offer.server)
    except Away as away:
        raise Away(f"{away} Without it, `{command('check')}` tries every tool server.") from away
    if arguments.json:
        print_json(offer)
    else:
        print("\n".join([*table([offer], time.time()), "", *tools(offer)]))
    return cli.ANSWERED


def _all(offers: Sequence[Offer], *, as_json: bool) -> int:
    if as_json:
        print_json(offers)
    elif offers:
        print("\n".join(table(offers, time.time())))
    else:
        print("There are no tool servers. A table [tools.NAME] in the configuration makes one.")
    return cli.ANSWERED


def _named(offers: Sequence[Offer], name: str) -> Offer:
    found = next((offer for offer in offers if offer.server.name == name), None)
    if found is None:
        raise unknown("tool server", name, [offer.server.name for offer in offers], "The running gateway has")
    return found


# --- the tables -----------------------------------------------------------------------------------------------------------------------


def table(offers: Sequence[Offer], now: float) -> Iterator[str]:
    """A line for each server, and below it what is wrong with it."""
    head = ("SERVER", "STATE", "SINCE", "TOOLS", "RESTARTS", "MEMORY", "PROCESS", "NEXT TRY")
    lines = columns([head, *(_row(offer.server, now) for offer in offers)])
    yield lines[0]
    for offer, line in zip(offers, lines[1:], strict=True):
        yield line
        yield from (f"    {in_a_line(trouble)}" for trouble in troubles(offer.server, now))


def _row(server: ToolServerState, now: float) -> tuple[str, ...]:
    return (
        server.name,
        server.state,
        clock(server.since, now),
        str(server.tools),
        str(server.restarts),
        NOTHING if server.memory_bytes is None else f"{server.memory_bytes / 1e6:.0f} MB",
        NOTHING if server.pid is None else str(server.pid),
        _next_try(server, now),
    )


def _next_try(server: ToolServerState, now: float) -> str:
    match server.state:
        case "misconfigured":
            return "by hand"
        case "down" if server.next_try > now:
            return clock(server.next_try, now)
        case "down" | "starting":
            return "now"
        case _:
            return NOTHING


def troubles(server: ToolServerState, now: float) -> Iterator[str]:
    """What is wrong with it, and what a person can do about that."""
    if server.state != "ready" and server.why:
        why = server.why if server.why.endswith((".", "?", "!", "…")) else f"{server.why}."
        yield f"{why} (Since {span(now - server.since)}.)" if server.state == "down" else why
    if server.state == "misconfigured":
        yield f"When that is mended: {command('tools')} retry {server.name}. After a change of the configuration, start the gateway again instead."
    if server.left_out:
        yield f"{left_out(server)} Deny some that nobody needs: tool_policy in [tools.{server.name}], or in a table above it."


def left_out(server: ToolServerState) -> str:
    """How many of its tools no model is shown, and why."""
    one = server.left_out == 1
    return f"{server.left_out} of its tools {'is' if one else 'are'} shown to no model: with all servers there are too many."


def tools(offer: Offer) -> Iterator[str]:
    """A line for each tool of one server."""
    if not offer.tools:
        yield "It has shown no tools yet." if offer.server.state != "ready" else "It has no tools."
        return
    head = ("TOOL", "POLICY", "IF INTERRUPTED", "WHAT IT DOES")
    yield from columns([head, *(_tool(offer.server.name, tool) for tool in offer.tools)])


def _tool(server: str, tool: OfferedTool) -> tuple[str, ...]:
    own = in_a_line(tool.own_name)
    return (
        own if tool.name == f"{server}__{own}" else f"{own} (known as {tool.name})",
        f"{tool.policy}, left out" if tool.left_out else tool.policy,
        "called again" if tool.repeatable else "you are asked",
        in_a_line(tool.about),
    )


# --- retry ----------------------------------------------------------------------------------------------------------------------------


def _retry(client: Client, before: ToolServerState) -> int:
    if before.state == "ready":
        print(f"{before.name} is ready: there is nothing to try again.")
        return cli.ANSWERED
    client.retry_tools(before.name)
    now = _settled(client, before)
    print("\n".join(came_of_it(now, time.time())))
    return CODES[now.state]


def _settled(client: Client, before: ToolServerState) -> ToolServerState:
    def has(now: ToolServerState) -> bool:
        return now.state == "ready" or (now.restarts > before.restarts and now.state != "starting")

    return settled(lambda: _named(client.tools(), before.name).server, has)


def came_of_it(server: ToolServerState, now: float) -> Iterator[str]:
    """What is said of a try."""
    if server.state == "ready":
        yield f"{server.name} is ready, with {server.tools} tools."
    elif server.state == "starting":
        yield f"{server.name} is still starting. `{command('tools')} {server.name}` shows what comes of it."
    else:
        yield f"{server.name} was tried, and is {server.state}:"
        yield from (f"    {in_a_line(trouble)}" for trouble in troubles(server, now))
