"""What the running gateway says of itself: it knows more than anybody who looks from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from holdfast.checks.accounts import check_there
from holdfast.checks.findings import Finding
from holdfast.checks.machine import check_port
from holdfast.checks.tools import too_many
from holdfast.invoked import command
from holdfast.settings import Metrics

ABOUT: Final = "gateway"
ACCOUNT: Final = "account:"


def check_running(status: Mapping[str, Any], port: int, changed_at: float) -> Iterator[Finding]:
    """Its own words about routes, tool servers, accounts and parts. `status` is what its door answers to `/v1/status`: it may be of another version.

    `changed_at`: when the configuration was changed last.
    """
    began = status.get("started")
    since = f", since {datetime.fromtimestamp(began).astimezone():%Y-%m-%d %H:%M}" if began else ""
    yield Finding("ok", "gateway.running", ABOUT, f"It runs, version {status.get('version', 'unknown')}{since}.")
    stale = _is_stale(status, changed_at)
    if stale:
        what = "The configuration was written after it looked at it last."
        yield Finding("warning", "gateway.stale", ABOUT, what, mend=f"{command('reload')}    (harms nothing)")
    for gate in status.get("gates", ()):
        if gate["state"] != "open" and not gate["name"].startswith(ACCOUNT):  # accounts tell more of themselves
            what = f"{gate['name'].replace(':', ' ')} is {gate['state']} there."
            yield Finding("warning", "gateway.gates", ABOUT, what, gate["why"], _retry(gate["name"]))
    yield from check_there(status)
    working = in_use(status, changed_at)
    for server in status.get("tool servers", ()):
        if server["name"] in working:
            what = f"The running gateway uses it: {server.get('tools', 0)} tools."
            yield Finding("ok", "tools.offers", f"tools.{server['name']}", what)
        elif server["state"] != "ready":
            mend = f"{command('tools')} retry {server['name']}    (starts it now)"
            yield Finding("warning", "gateway.tools", ABOUT, f"Its tool server {server['name']} is {server['state']}.", server["why"], mend)
        if server.get("left_out") and not stale:
            yield too_many(server["name"], server["left_out"])
    page = part_of(status, "page")
    if page is not None and page["state"] == "ready":
        yield Finding("ok", "web.port", "web", f"The page is served by the running gateway, at port {port}.")
    elif page is not None:
        yield Finding(
            "error", "web.port", "web", "The running gateway can't serve its page.", page["why"], f"port = {port + 1}    (in [web])"
        )


def part_of(status: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    """What the running gateway says of one of its parts. None if it has none of that name, or none runs."""
    return next((part for part in (status or {}).get("parts", ()) if part["name"] == name), None)


def check_metrics(settings: Metrics, status: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Are the numbers served, or could they be?"""
    if settings.port is None:
        return
    part = part_of(status, "metrics")
    if part is None:
        yield check_port("metrics", settings.host, settings.port)
    elif part["state"] == "ready":
        yield Finding("ok", "metrics.port", "metrics", f"The numbers are served by the running gateway, at port {settings.port}.")
    else:
        mend = f"port = {settings.port + 1}    (in [metrics])"
        yield Finding("error", "metrics.port", "metrics", "The running gateway can't serve the numbers.", part["why"], mend)


def _retry(gate: str) -> str:
    kind, _, name = gate.partition(":")
    return f"{command('routes')} retry {name}    (tries it now)" if kind == "route" else ""


def in_use(status: Mapping[str, Any] | None, changed_at: float) -> set[str]:
    """The tool servers that work there, as they are configured now: a second one of each would be in its way."""
    if status is None or _is_stale(status, changed_at):
        return set()
    return {server["name"] for server in status.get("tool servers", ()) if server["state"] == "ready"}


def _is_stale(status: Mapping[str, Any], changed_at: float) -> bool:
    return changed_at > float(status.get("configuration read", status.get("started", 0.0)))
