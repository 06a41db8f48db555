"""The judge of the kill sweep calls each broken promise by its name, and a kept one not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Call,
    Command,
    Delivered,
    DeliveryStarted,
    Entry,
    Notice,
    Question,
    SetAside,
    ToolResult,
    ToolStarted,
    UserMessage,
)
from holdfast.testing.judge import Seen, judge

ASKED = UserMessage(author="local", id="k", text="Count")
COUNTS = AssistantMessage(n=1, seen=1, calls=(Call(id="call_1_0", tool="t__count", arguments='{"key": "x"}'),))
STARTED = ToolStarted(call="call_1_0")
RESULT = ToolResult(call="call_1_0", outcome="ok", text="x is counted: 1")
UNKNOWN = ToolResult(call="call_1_0", outcome="unknown", text="nobody knows")
ANSWER = AssistantMessage(n=2, seen=1, text="Done.")
SENT = (DeliveryStarted(of="a2", part=0, key="a2/0"), Delivered(of="a2", part=0, id="a2/0"))
GOOD: tuple[AnyBody, ...] = (ASKED, COUNTS, STARTED, RESULT, ANSWER, *SENT)
COUNTED = '{"effect": "count", "arguments": {"key": "x"}}\n'
ASIDE = SetAside(since=1, upto=1, why="crashed")
GO_ON = Question(question="budget", about="1", text="", options=("go on", "stop"), expires=1e12)


def entries(*bodies: AnyBody) -> tuple[Entry, ...]:
    return tuple(Entry(seq, 1.0, 0, body) for seq, body in enumerate(bodies, 1))


def flaws(
    folder: Path, kept: Sequence[Entry], followed: Sequence[Entry] | None = None, effects: str = COUNTED, stuck: str = ""
) -> set[str]:
    file = folder / "effects"
    file.write_text(effects)
    seen = Seen({"a": [("k", "Count")]}, {"a": tuple(kept if followed is None else followed)}, file, stuck)
    return {flaw.name for flaw in judge({"web:local:a": kept}, seen)}


def test_what_was_promised_and_kept_has_no_flaw(tmp_path: Path) -> None:
    assert not flaws(tmp_path, entries(*GOOD))


def test_a_turn_that_asks_whether_to_go_on_is_not_unanswered(tmp_path: Path) -> None:
    assert "a message unanswered" not in flaws(tmp_path, entries(*GOOD[:4], GO_ON))


@pytest.mark.parametrize(
    ("bodies", "flaw"),
    [
        ((), "a message lost"),
        ((ASKED, *GOOD), "a message twice"),
        ((ASKED,), "a message unanswered"),
        ((ASKED,), "something owed at rest"),
        ((*GOOD, ANSWER), "an answer twice"),
        ((ASKED, COUNTS, STARTED), "a call without its one result"),
        ((ASKED, COUNTS, STARTED, RESULT, RESULT, ANSWER, *SENT), "a call without its one result"),
        ((ASKED, COUNTS, STARTED, UNKNOWN, ANSWER, *SENT), "an unknown outcome that nobody was asked about"),
        ((ASKED, COUNTS, STARTED, RESULT, ANSWER), "not delivered once"),
        ((*GOOD, SENT[1]), "not delivered once"),
        ((*GOOD, Command(author="local", id="c", name="help")), "a command without its one reply"),
        (
            (*GOOD, Command(author="local", id="c", name="help"), Notice(text="", replies_to=8), Notice(text="", replies_to=8)),
            "a command without its one reply",
        ),
        ((ASKED, ASIDE), "a turn set aside"),
    ],
)
def test_a_flaw_in_the_journal_is_called_by_its_name(tmp_path: Path, bodies: Sequence[AnyBody], flaw: str) -> None:
    assert flaw in flaws(tmp_path, entries(*bodies))


def test_a_flaw_outside_is_called_by_its_name(tmp_path: Path) -> None:
    good = entries(*GOOD)
    assert flaws(tmp_path, good, followed=(*good, good[-1])) == {"doubled at the client"}
    assert flaws(tmp_path, good, followed=(good[1], good[0], *good[2:])) == {"doubled at the client"}
    assert flaws(tmp_path, good, followed=good[:-1]) == {"the client was shown something else"}
    assert flaws(tmp_path, (*good[:2], *good[3:])) >= {"a gap in the journal"}
    assert flaws(tmp_path, good, effects=COUNTED * 2) == {"an effect twice"}
    assert flaws(tmp_path, good, effects="") == {"an effect that is said to have happened and did not"}
    assert flaws(tmp_path, good, stuck="a") == {"waits for ever"}
