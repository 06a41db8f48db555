"""`holdfast forget`: how it asks, and what it says. (tests/e2e erases in a gateway at work.)"""

from __future__ import annotations

import sys

import pytest

from holdfast.cli import forget
from holdfast.errors import Request
from holdfast.ports import Forgot

KEY = "telegram:mybot:123"


def person(monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
    """At a terminal, who types this."""
    answers = iter(typed)

    def answer(_question: str) -> str:
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", answer)


def test_whoever_types_the_name_means_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    person(monkeypatch, f" {KEY} ")
    forget._confirm(KEY)
    assert capsys.readouterr().out.startswith(f"This erases {KEY} for good: all that was said")
    person(monkeypatch, "kitchen")
    forget._confirm("web:local:kitchen")


@pytest.mark.parametrize("typed", [("yes",), ("telegram:mybot:124",), ("",), ()])
def test_anything_else_erases_nothing(monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...]) -> None:
    person(monkeypatch, *typed)
    with pytest.raises(Request, match=r"^Nothing was erased\.$"):
        forget._confirm(KEY)


def test_without_a_terminal_it_wants_to_be_told() -> None:
    with pytest.raises(Request, match="say --yes"):
        forget._confirm(KEY)


def test_it_says_what_is_gone_what_is_elsewhere_and_which_copies_have_it_still() -> None:
    copies = tuple(f"/b/{number}.tar" for number in range(14))
    assert forget._told(KEY, Forgot(1203, 1, copies, rewritten=True)) == [
        "Forgotten: telegram:mybot:123. 1,203 entries and 1 file are erased; one line stays that says when.",
        "What the chat was sent is there still, and models and tools have seen what they were shown.",
        "These copies are older. Those of a time when it was there have it still; delete them if they must not:",
        *(f"  /b/{number}.tar" for number in range(12)),
        "  and 2 more",
    ]


def test_of_a_large_journal_it_says_how_the_rest_is_erased() -> None:
    told = forget._told(KEY, Forgot(1, 0, (), rewritten=False))
    assert "`holdfast vacuum` erases them too, while the gateway is stopped." in told[2]
    assert told[3] == "Backups of a time when it was there have it still. Delete them if they must not."
