"""One screen: what is wrong, who mends it, and what to type next."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from holdfast.cli.overview import Overview, Problem, lines, problems
from holdfast.web.wire import Listed

NOW = datetime(2026, 11, 21, 14, 0, 0).astimezone().timestamp()
WELL: dict[str, Any] = {
    "version": "1.2.3",
    "started": NOW - 12_000,
    "safe mode": None,
    "configuration refused": "",
    "configuration read": NOW - 12_000,
    "journal": {"size": 12_400_000, "free": 73_000_000_000, "written": NOW - 3},
    "conversations": {"running": 2, "due": 1, "waiting": 12, "asking": 1},
    "gates": [
        {"name": "route:main", "state": "open", "kind": "", "why": "", "since": 0.0, "streak": 0},
        {"name": "account:telegram:mybot", "state": "open", "kind": "", "why": "", "since": 0.0, "streak": 0},
    ],
    "platforms": [{"name": "telegram:mybot", "state": "connected", "why": "", "since": NOW - 90, "signs_in": False}],
    "tool servers": [{"name": "clock", "state": "ready", "why": "", "since": NOW - 90}],
    "backups": {"newest": NOW - 7200, "next": NOW + 1},
    "parts": [
        {"name": "page", "state": "ready", "why": "", "since": NOW - 90},
        {"name": "tools:clock", "state": "waiting", "why": "x", "since": 0.0},
    ],
}
LONGEST = Listed(
    key="telegram:mybot:7", account="telegram:mybot", last_seq=1, last_at=NOW, running=False, due=None, turn_gate="route:main", speech_gate="",
    attempts=0, asks=False, title="", name="telegram:mybot:7", state="waiting", words="Waiting for main.", until=0.0, owes_since=NOW - 7380,
)  # fmt: skip


def gate(kind: str, streak: int = 1) -> dict[str, Any]:
    return {
        "gates": [
            {"name": "route:main", "state": "closed", "kind": kind, "why": "connection refused", "since": NOW - 160, "streak": streak}
        ]
    }


def told(**changed: Any) -> list[Problem]:
    return list(problems(WELL | changed))


def test_where_all_is_well_the_screen_says_so_in_few_lines() -> None:
    assert told() == []
    assert list(lines(Overview(True, NOW, WELL, LONGEST), 80)) == [
        "Holdfast 1.2.3 has been up since 2026-11-21 10:40:00 (3 h 20 min).",
        "",
        "Conversations   3 at work, 12 waiting, 1 asking somebody    (holdfast queue)",
        "  longest       telegram:mybot:7, for 2 h 3 min. Waiting for main.",
        "Journal         12.4 MB, written 3 s ago; 73.0 GB free",
        "Routes          1 open",
        "Platforms       1 connected",
        "Tool servers    1 ready",
        "Backups         the newest is 2 h old",
        "",
        "Nothing needs you.",
    ]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"safe mode": {"why": "It rests.", "since": NOW - 60, "trying": False}}, Problem("Safe mode: It rests.", "holdfast safe-mode", NOW - 60)),
        ({"configuration refused": "F: [web] no."}, Problem("The new configuration was not taken, and the old one goes on: F: [web] no.", "holdfast config check")),
        (gate("config"), Problem("The route main is misconfigured: connection refused.", "holdfast routes test main", NOW - 160)),
        (gate("quota"), Problem("The route main is without credit: connection refused.", "holdfast routes retry main", NOW - 160)),
        (gate("unknown", 3), Problem("The route main is failing: connection refused.", "holdfast routes retry main", NOW - 160)),
        (
            {"platforms": [{"name": "wechat:me", "state": "stopped", "why": "Nobody is signed in.", "since": NOW, "signs_in": True}]},
            Problem("wechat:me has stopped: Nobody is signed in.", "holdfast platforms login wechat:me", NOW),
        ),
        (
            {"tool servers": [{"name": "mail", "state": "misconfigured", "why": "no such command", "since": NOW}]},
            Problem("The tool server mail is misconfigured: no such command.", "holdfast tools retry mail", NOW),
        ),
        (
            {"parts": [{"name": "backup", "state": "waiting", "why": "The disk is full.", "since": NOW}]},
            Problem("The part backup does not work: The disk is full.", "holdfast check", NOW),
        ),
        (
            {"journal": {"size": 1, "free": 12_000_000, "written": NOW}},
            Problem("The disk is nearly full: 12.0 MB are free. When it is, nothing more can be saved.", "holdfast check"),
        ),
        ({"journal": {"size": 1, "free": 0, "written": NOW}}, Problem("The disk is full: nothing more can be saved.", "holdfast check")),
    ],
)  # fmt: skip
def test_what_only_a_person_mends_needs_you(changed: dict[str, Any], problem: Problem) -> None:
    assert told(**changed) == [problem]
    over = Overview(True, NOW, WELL | changed, problems=(problem,))
    assert over.needs_you
    screen = list(lines(over, 80))
    assert screen[screen.index("What needs you:") + 1 :][-1] == f"      {problem.next}"
    assert "Nothing needs you." not in screen


@pytest.mark.parametrize(
    "changed",
    [
        gate("transient"),
        gate("rate-limit"),
        gate("unknown", 2),
        {"platforms": [{"name": "telegram:mybot", "state": "waiting", "why": "no such host", "since": NOW}]},
        {"tool servers": [{"name": "mail", "state": "down", "why": "it ended", "since": NOW}]},
        {"safe mode": {"why": "It rests.", "since": NOW - 60, "trying": True}},
    ],
)
def test_what_mends_itself_is_said_and_needs_nobody(changed: dict[str, Any]) -> None:
    (problem,) = told(**changed)
    over = Overview(True, NOW, WELL | changed, problems=(problem,))
    assert not over.needs_you
    assert "Worth knowing:" in lines(over, 80)
    assert "Nothing needs you." in lines(over, 80)


def test_a_file_that_is_wrong_or_newer_than_the_gateway_is_told() -> None:
    (wrong,) = problems(WELL, wrong="F: no.")
    assert (wrong.what, wrong.next, wrong.yours) == (
        "No gateway starts with the configuration as it stands now: F: no.",
        "holdfast config check",
        True,
    )
    (newer,) = problems(WELL, changed_at=NOW)
    assert (newer.next, newer.yours) == ("holdfast reload", False)
    assert list(problems(WELL, changed_at=NOW - 13_000)) == []
    assert len(list(problems(WELL | {"configuration refused": "F: no."}, wrong="F: no."))) == 1, "once"


def test_of_one_that_is_stopped_it_is_said_how_it_ended_what_it_left_and_how_to_start_it() -> None:
    left = {name: WELL[name] for name in ("journal", "conversations")}
    screen = list(lines(Overview(False, NOW, left, LONGEST, ended="It was stopped in order."), 80))
    assert screen[0] == "Holdfast is stopped. It was stopped in order."
    assert screen[1].startswith("To start it: holdfast run")
    assert "Conversations 15 waiting, 1 asking somebody (holdfast queue)" in " ".join(" ".join(screen).split())
    assert not any(line.startswith(("Routes", "Platforms")) for line in screen)


def test_in_safe_mode_what_is_due_waits() -> None:
    safe = WELL | {"safe mode": {"why": "", "since": NOW, "trying": False}}
    assert any("2 at work, 13 waiting, 1 asking somebody" in line for line in lines(Overview(True, NOW, safe), 80))


def test_every_line_fits_and_nothing_takes_over_the_terminal() -> None:
    why = "\x1b[2J" + "something very long that a server said " * 9
    long = WELL | {"tool servers": [{"name": "mail", "state": "down", "why": why, "since": NOW}]}
    over = Overview(True, NOW, long, replace_words(why), tuple(problems(long)))
    for width in (60, 80, 100):
        screen = list(lines(over, width))
        assert all(len(line) <= width for line in screen), screen
        assert "\x1b" not in "\n".join(screen)


def replace_words(words: str) -> Listed:
    import msgspec  # noqa: PLC0415 only here

    return msgspec.structs.replace(LONGEST, words=words)


def test_time_alone_changes_nothing_of_the_essence() -> None:
    over = Overview(True, NOW, WELL, LONGEST)
    later = replace(over, now=NOW + 60, status=WELL | {"journal": {"size": 13_000_000, "free": 1, "written": NOW + 60}})
    assert later.essence == over.essence
    assert replace(over, status=WELL | gate("transient")).essence != over.essence
    assert replace(over, running=False).essence != over.essence


def test_a_gateway_of_another_version_says_what_it_knows() -> None:
    assert next(lines(Overview(True, NOW, {"version": "0.0.9", "started": NOW - 5}), 80)).startswith("Holdfast 0.0.9 has been up")
