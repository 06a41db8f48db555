"""Everything on one screen: how the gateway is, what is owed, and what needs a person, each with what to type next."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from holdfast.cli.output import clock, standing, when
from holdfast.cli.routes import TROUBLE
from holdfast.cli.screen import plain
from holdfast.core.words import UNKNOWN_TRIES, size, span
from holdfast.invoked import command
from holdfast.store.folder import FREE_BYTES_LEAST
from holdfast.web.wire import Listed

LABEL: Final = 16
"""So wide is the column of names."""
UP: Final = frozenset({"open", "connected", "ready"})


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, since when (0: that does not matter), and what to type. `yours`: only a person mends it."""

    what: str
    next: str
    since: float = 0.0
    yours: bool = True


@dataclass(frozen=True, slots=True)
class Overview:
    """`status` is what the gateway says of itself, perhaps one of another version; of one that is stopped, what the journal says, as far as it was read."""

    running: bool
    now: float
    status: Mapping[str, Any] = field(default_factory=dict)
    longest: Listed | None = None
    problems: tuple[Problem, ...] = ()
    ended: str = ""
    """Of one that is stopped: how its last life ended ("": nobody looked)."""

    @property
    def needs_you(self) -> bool:
        return any(problem.yours for problem in self.problems)

    @property
    def essence(self) -> object:
        """The same for as long as nothing has changed but the time."""
        longest = (self.longest.key, self.longest.state) if self.longest else None
        return (
            self.running,
            dict(self.status.get("conversations", {})),
            longest,
            _states(self.status),
            self.problems,
            self.status.get("started"),
        )


# --- what is wrong --------------------------------------------------------------------------------------------------------------------


def problems(status: Mapping[str, Any], wrong: str = "", changed_at: float = 0.0) -> Iterator[Problem]:
    """`wrong`: what is wrong with the configuration as it stands now; `changed_at`: when that was changed."""
    if safe := status.get("safe mode"):
        yield _safe_mode(safe)
    if refused := status.get("configuration refused"):
        yield Problem(f"The new configuration was not taken, and the old one goes on: {refused}", command("config check"))
    elif wrong:
        yield Problem(f"No gateway starts with the configuration as it stands now: {wrong}", command("config check"))
    elif changed_at > status.get("configuration read", changed_at):
        yield Problem("The configuration was changed, and is not in use yet.", command("reload"), changed_at, yours=False)
    free = status.get("journal", {}).get("free", FREE_BYTES_LEAST)
    if free < FREE_BYTES_LEAST:
        told = f"nearly full: {size(free)} are free. When it is, nothing more can be saved" if free else "full: nothing more can be saved"
        yield Problem(f"The disk is {told}.", command("check"))
    yield from (_gate(gate) for gate in _routes(status) if gate["state"] not in UP)
    yield from (_platform(one) for one in status.get("platforms", ()) if one["state"] in {"waiting", "stopped"})
    yield from (_tools(one) for one in status.get("tool servers", ()) if one["state"] in {"down", "misconfigured"})
    for part in status.get("parts", ()):
        if ":" not in part["name"] and part["state"] in {"waiting", "stopped"}:  # the others tell more of themselves, above
            yield Problem(f"The part {part['name']} does not work: {_sentence(part['why'])}", command("check"), part["since"])


def _safe_mode(safe: Mapping[str, Any]) -> Problem:
    if safe["trying"]:
        return Problem(
            "Safe mode: it works on one conversation at a time, to see whether it survives that.",
            command("why"),
            safe["since"],
            yours=False,
        )
    return Problem(f"Safe mode: {safe['why']}", command("safe-mode"), safe["since"])


def _gate(gate: Mapping[str, Any]) -> Problem:
    name, kind = gate["name"].partition(":")[2], gate["kind"]
    yours = kind in {"config", "quota"} or (kind == "unknown" and gate["streak"] >= UNKNOWN_TRIES)
    act = f"routes test {name}" if kind == "config" else f"routes retry {name}" if yours else "routes"
    return Problem(f"The route {name} is {TROUBLE.get(kind, 'Away').lower()}: {_sentence(gate['why'])}", command(act), gate["since"], yours)


def _platform(one: Mapping[str, Any]) -> Problem:
    name, stopped = one["name"], one["state"] == "stopped"
    act = f"platforms {'login' if one.get('signs_in') else 'retry'} {name}" if stopped else f"platforms {name}"
    return Problem(f"{name} {'has stopped' if stopped else 'is away'}: {_sentence(one['why'])}", command(act), one["since"], stopped)


def _tools(one: Mapping[str, Any]) -> Problem:
    name, wrong = one["name"], one["state"] == "misconfigured"
    act = f"tools retry {name}" if wrong else f"tools {name}"
    return Problem(f"The tool server {name} is {one['state']}: {_sentence(one['why'])}", command(act), one["since"], wrong)


def _routes(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [gate for gate in status.get("gates", ()) if gate["name"].startswith("route:")]


def _sentence(why: str) -> str:
    why = " ".join(why.split()) or "nobody knows why"
    return why if why.endswith((".", "?", "!", "…")) else f"{why}."


# --- the screen -----------------------------------------------------------------------------------------------------------------------


def lines(over: Overview, width: int) -> Iterator[str]:
    yield from textwrap.wrap(_headline(over), width, break_long_words=False, break_on_hyphens=False)  # there may be a path in it
    if not over.running:
        yield f"To start it: {command('run')}    (where the machine runs it: {command('service')} status)"
    yield ""
    for label, words in _facts(over):
        yield from textwrap.wrap(plain(words), width, initial_indent=f"{label:<{LABEL}}", subsequent_indent=" " * LABEL)
    for head, yours in (("What needs you:", True), ("Worth knowing:", False)):
        found = [problem for problem in over.problems if problem.yours == yours]
        if found:
            yield from ("", head)
            for problem in found:
                yield from _told(problem, over.now, width)
    if over.running and not over.needs_you:
        yield from ("", "Nothing needs you.")


def _told(problem: Problem, now: float, width: int) -> Iterator[str]:
    lasts = f" (Since {clock(problem.since, now)}, for {span(now - problem.since)}.)" if problem.since else ""
    yield from textwrap.wrap(plain(problem.what + lasts), width, initial_indent="  ", subsequent_indent="  ")
    yield f"      {problem.next}"


def _headline(over: Overview) -> str:
    if not over.running:
        return f"Holdfast is stopped. {over.ended}" if over.ended else "Holdfast does not answer: it is stopped, or on its way."
    started = over.status.get("started", over.now)
    return f"Holdfast {over.status.get('version', '')} has been up since {when(started)} ({span(over.now - started)})."


def _facts(over: Overview) -> Iterator[tuple[str, str]]:
    status = over.status
    if counts := status.get("conversations"):
        yield "Conversations", _counted(counts, running=over.running, held=not over.running or bool(status.get("safe mode")))
    if over.longest:
        row = over.longest
        yield "  longest", f"{row.name}, for {span(over.now - row.owes_since)}. {standing(row)}"
    if journal := status.get("journal"):
        yield "Journal", f"{size(journal['size'])}, written {span(over.now - journal['written'])} ago; {size(journal['free'])} free"
    if not over.running:
        return
    for label, states in _states(status).items():
        yield label, ", ".join(f"{number} {state}" for state, number in states.items()) or "none"
    if backups := status.get("backups"):
        newest = backups["newest"]
        yield "Backups", f"the newest is {span(over.now - newest)} old" if newest else "none yet"


def _counted(counts: Mapping[str, int], *, running: bool, held: bool) -> str:
    """`held`: in safe mode, or stopped, what is due waits. (Nobody works on anything in a gateway that is stopped, however it was left.)"""
    at_work, waiting = counts["running"] + counts["due"], counts["waiting"]
    if held:
        at_work = counts["running"] if running else 0
        waiting = counts["running"] + counts["due"] + counts["waiting"] - at_work
    told = [(at_work, "at work"), (waiting, "waiting"), (counts["asking"], "asking somebody")]
    owed = ", ".join(f"{number:,} {how}" for number, how in told if number)
    return f"{owed}    ({command('queue')})" if owed else "everything is answered"


def _states(status: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """How many of each there are in which state."""
    groups = {"Routes": _routes(status), "Platforms": status.get("platforms", ()), "Tool servers": status.get("tool servers", ())}
    return {label: dict(sorted(Counter(one["state"] for one in group).items())) for label, group in groups.items()}
