"""A check that can't fail proves nothing: bugs are planted, and the sweep catches each by its name."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from holdfast.core.entries import AssistantMessage, Entry
from holdfast.testing.judge import Seen, judge
from holdfast.testing.process import COMMAND, GatewayProcess, practice
from holdfast.testing.sweep import KILLED, Outcome, Run, Script, at_failpoint

pytestmark = pytest.mark.timeout(180)

ONE = (Script("a", ('use count {"key": "a1"}',)),)

CAUGHT = [
    ("acknowledge_before_append", "ingest.before_commit", "a message lost"),
    ("no_tool_started", "tool.after_effect", "an effect twice"),
    ("started_is_running", "tool.after_effect", "an effect twice"),
    ("no_deduplication", "acknowledge", "a message twice"),
]

QUESTION = "What do you promise?"
"""The answer takes two seconds: long enough to be seen in the making."""


def planted(bug: str) -> Sequence[str]:
    """The command line, with a bug in it."""
    return (sys.executable, str(Path(__file__).parent / "planted.py"), bug) if bug else COMMAND


async def killed(folder: Path, bug: str, point: str) -> Outcome:
    return await Run(folder, planted(bug), ONE).through(at_failpoint(point))


@pytest.mark.parametrize(("bug", "point", "flaw"), CAUGHT)
async def test_a_planted_bug_is_caught(tmp_path: Path, bug: str, point: str, flaw: str) -> None:
    assert flaw in [flaw.name for flaw in (await killed(tmp_path, bug, point)).flaws]


@pytest.mark.parametrize("point", sorted({point for _, point, _ in CAUGHT}))
async def test_without_a_bug_nothing_is_caught_there(tmp_path: Path, point: str) -> None:
    outcome = await killed(tmp_path, "", point)
    assert (outcome.exits, outcome.flaws) == ((KILLED, 0), ()), outcome.said


# --- two processes on one journal -----------------------------------------------------------------------------------------------------


async def two_processes(folder: Path, bug: str) -> tuple[Sequence[Entry], list[str]]:
    """One stands still in the middle of a turn; another, which no lock holds back, takes the turn over; then the first one goes on."""
    config = practice(folder / "effects")
    async with GatewayProcess(folder, config, planted(bug)) as first:
        await first.ready()
        await first.tools_ready()
        await first.door.send("a", "a1", QUESTION)
        await first.until(lambda rows: rows[0].running)
        first.send_signal(signal.SIGSTOP)
        second = GatewayProcess(folder, config, planted(bug))
        second.log = folder / "second.log"
        async with second:
            await second.eventually(says(second, "ready"))  # until then the door is the first one's, who does not answer
            await second.until(lambda rows: not rows[0].running and rows[0].due is None)
            first.send_signal(signal.SIGCONT)
            if bug == "no_lock":
                await first.eventually(says(first, "was taken over"))
            else:
                await second.until(lambda rows: rows[0].last_seq > 4)  # message, answer, delivery, receipt: and then?
            assert await first.stop() == 0
            assert await second.stop() == 0
            entries = (await second.journal())["web:local:a"]
    flaws = judge({"web:local:a": entries}, Seen({"a": [("a1", QUESTION)]}, {}, folder / "effects"))
    return entries, [flaw.name for flaw in flaws]


def says(gateway: GatewayProcess, words: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return words in gateway.said()

    return look


async def test_a_worker_that_was_overtaken_writes_nothing(tmp_path: Path) -> None:
    """H-08: one lease with fencing for each conversation, also across processes. Part I row 35."""
    entries, flaws = await two_processes(tmp_path, "no_lock")
    assert not flaws
    assert sum(isinstance(entry.body, AssistantMessage) for entry in entries) == 1


async def test_without_the_check_of_the_epoch_it_does_and_is_caught(tmp_path: Path) -> None:
    assert "an answer twice" in (await two_processes(tmp_path, "no_epoch_check"))[1]
