"""`holdfast check`: what is wrong, why, and what mends it. Changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from holdfast import checks, cli, config
from holdfast.checks.findings import Finding, Level, verdict
from holdfast.cli.client import Away, Client
from holdfast.cli.output import print_json
from holdfast.cli.screen import plain
from holdfast.core.words import TRYING
from holdfast.errors import AlreadyRunning, HoldfastError
from holdfast.invoked import command
from holdfast.runtime.clock import SystemClock
from holdfast.web.wire import door_path

CODES: Final = {"ok": cli.ANSWERED, "away": cli.AWAY, "change": cli.CONFIG}
MARKS: Final[Mapping[Level, str]] = {"ok": "  ok       ", "warning": "  warning  ", "error": "  ERROR    "}
COLOURS: Final[Mapping[Level, str]] = {"ok": "32", "warning": "33", "error": "31"}
INDENT: Final = " " * len(MARKS["ok"])
WIDTH_MIN: Final = 20
HEADS: Final = {
    "config": "Configuration",
    "agent": "Agent",
    "data_dir": "Data folder",
    "web": "Page",
    "backup": "Backups",
    "metrics": "Numbers",
    "traces": "Traces",
    "program": "Program",
    "gateway": "Gateway",
    "owner": "Owner",
}
ORDER: Final = (
    "config",
    "agent",
    "routes",
    "tools",
    "platforms",
    "owner",
    "gateway",
    "web",
    "data_dir",
    "backup",
    "metrics",
    "traces",
    "program",
)
"""What people look for first comes first."""


def run(arguments: argparse.Namespace) -> int:
    settings, found = checks.check_file(getattr(arguments, "config", None), os.environ)
    if settings is not None:
        if not arguments.json:
            print(
                f"Checking. It takes seconds, or up to {checks.TAKES_S_MAX // 60} minutes where a model has to be loaded.\n",
                file=sys.stderr,
            )
        found += _beyond_the_file(settings)
    if arguments.json:
        print_json(found)
    else:
        _tell(found)
    return CODES[verdict(found)]


def _beyond_the_file(settings: config.Config) -> list[Finding]:
    status, said = _status(settings.data_dir)
    world = checks.World(os.environ, SystemClock(), status)
    return [*said, *asyncio.run(checks.check_everything(settings, world))]


def _status(data_dir: Path) -> tuple[Mapping[str, Any] | None, list[Finding]]:
    """What the running gateway says of itself; or that none runs."""
    try:
        status = Client(door_path(data_dir, os.environ.get("XDG_RUNTIME_DIR"))).status()
        return status, [_safe_mode(safe)] if (safe := status.get("safe mode")) else []
    except Away as away:
        return None, [Finding("ok", "gateway.running", "gateway", str(away)), *_journal(data_dir)]
    except HoldfastError as error:
        return None, [Finding("error", "gateway.running", "gateway", str(error))]


def _journal(data_dir: Path) -> Iterator[Finding]:
    """Why no gateway could start with the one that is there."""
    if not (data_dir / "journal.db").exists():
        return
    from holdfast.store.connections import schema  # noqa: PLC0415 needed only while the gateway is stopped

    try:
        schema(data_dir)
    except AlreadyRunning:
        return  # one has begun, and reads it
    except HoldfastError as error:
        yield Finding("error", "data.journal", "data_dir", str(error))


def _safe_mode(safe: Mapping[str, Any]) -> Finding:
    """A gateway that answers nobody just now."""
    if safe["trying"]:
        return Finding("warning", "gateway.safe_mode", "gateway", TRYING)
    what = "The gateway is in safe mode: no turn runs."
    return Finding("error", "gateway.safe_mode", "gateway", what, safe["why"], command("safe-mode"), away=True)


def _tell(found: list[Finding]) -> None:
    """The findings for a person, those about one thing together."""
    for about in sorted(dict.fromkeys(finding.about for finding in found), key=_place):
        print(HEADS.get(about, f"[{about}]"))
        for finding in found:
            if finding.about == about:
                print("\n".join(lines(finding)))
        print()
    print(_sum(found))


def _place(about: str) -> int:
    return ORDER.index(about.partition(".")[0])


def lines(finding: Finding) -> Iterable[str]:
    """One finding, as it is printed."""
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    mark = MARKS[finding.level]
    first, *more = _folded(finding.what)
    yield (f"\x1b[{COLOURS[finding.level]}m{mark}\x1b[0m" if colours else mark) + first
    for line in [*more, *(_folded(finding.cause) if finding.cause else ())]:
        yield INDENT + line
    if finding.mend:
        yield f"{INDENT}-> {plain(finding.mend)}"


def _folded(text: str) -> list[str]:
    """At most as wide as the terminal. What mends it is not folded: it is to be copied."""
    if not sys.stdout.isatty():
        return [plain(text)]
    width = max(os.get_terminal_size(sys.stdout.fileno()).columns - len(INDENT), WIDTH_MIN)
    return textwrap.wrap(plain(text), width, break_long_words=False, break_on_hyphens=False) or [""]


def _sum(found: list[Finding]) -> str:
    counts = {"error": sum(finding.level == "error" for finding in found), "warning": sum(finding.level == "warning" for finding in found)}
    counted = " and ".join(f"{number} {what}{'' if number == 1 else 's'}" for what, number in counts.items() if number)
    match verdict(found):
        case "ok" if counted:
            return f"Nothing stands in the way; {counted}."
        case "ok":
            return "All is well."
        case "away" if any(finding.level == "error" and finding.check == "data.room" for finding in found):
            return f"{counted}. Free some of the disk, then: {command('check')}"
        case "away":
            return f"{counted}. What is away may come back by itself; nothing has to be changed for that."
        case "change":
            return f"{counted}. Mend the errors, then: {command('check')}"
