"""Killed around tools: one that must not run twice and needs a person's yes, and one that may be called again (LEDGER H-34, H-40, H-41).

Never twice; unknown exactly where the window is; what the user chose is carried out, also after yet another kill.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest

from holdfast.core.entries import AssistantMessage, Choice, Entry, Question, ToolResult, ToolStarted
from holdfast.core.transcript import Transcript
from holdfast.testing.looking import LOOK_S, Looks
from holdfast.testing.process import Away, GatewayProcess, effects_in, practice
from holdfast.testing.sweep import KILLED, REST_S_MAX, Fault, Outcome, Run, Script, at_failpoint

pytestmark = pytest.mark.timeout(180)

TALK = Script("a", ('use lookup {"key": "a"} and count {"key": "a"}', 'use count {"key": "b"}'))
LONG = os.environ.get("HOLDFAST_LONG") == "1"
"""Each passing of each point, and each second kill; else a seventh of the time."""

AROUND = (
    "ingest.before_commit",
    "ingest.after_commit",
    "claim.after_commit",
    "append.before_commit",
    "append.after_commit",
    "release.after_commit",
    "model.before_request",
    "model.complete",
    "tool.started",
    "tool.after_effect",
    "deliver.before_send",
    "deliver.after_send",
)


def asks(effects: Path, *options: str, more: str = "") -> str:
    """Of our tool server only what reads may be called unasked."""
    return practice(effects, *options, more=more).replace('policy = "allow"\n', "")


class Answering(Run):
    """People who answer each question in the same way, by its kind."""

    def __init__(self, folder: Path, scripts: Sequence[Script], answers: Mapping[str, str], config: str = "") -> None:
        super().__init__(folder, scripts=scripts, config=config or asks(folder / "effects"))
        self._answers = answers

    async def _converse(self, script: Script) -> None:
        for number, text in enumerate(script.texts, 1):
            await self._says(script.name, f"{script.name}{number}", text)
            while True:
                await self._until(
                    lambda rows: all(not row.running and not row.turn_gate for row in rows if row.key.endswith(f":{script.name}"))
                )
                with contextlib.suppress(Away):
                    entries = await self.gateway.door.entries(script.name)
                    transcript = Transcript(entries)
                    asked = list(transcript.open_questions())
                    for one in asked:
                        await self._says(
                            script.name, f"{script.name}-{one.seq}", f"/choose {one.seq} {self._answers[one.question.question]}"
                        )
                    if not asked and not transcript.owes:
                        break
                await asyncio.sleep(LOOK_S)

    async def _says(self, name: str, key: str, text: str) -> None:
        await self._until_saved(name, key, text, b"")
        self.told[name].saved.append((key, text))


def check(outcome: Outcome, entries: Sequence[Entry], effects: Path) -> None:
    """The journal against the world outside."""
    assert not outcome.flaws, outcome.said
    calls = {call.id: call for e in entries if isinstance(e.body, AssistantMessage) for call in e.body.calls}
    started: dict[str, list[Entry]] = {call: [] for call in calls}
    for entry in entries:
        if isinstance(entry.body, ToolStarted):
            started[entry.body.call].append(entry)
    happened = effects_in(effects)
    ran: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        if not isinstance(entry.body, ToolResult):
            continue
        call, starts = calls[entry.body.call], started[entry.body.call]
        tool = call.tool.removeprefix("t__")
        where = tool, str(json.loads(call.arguments).get("key", ""))
        if tool == "count":
            assert len(starts) <= 1, "started twice"
            approvals = [e for e in entries if isinstance(e.body, Question) and e.body.question == "approval" and e.body.about == call.id]
            assert len(approvals) == 1, "asked about once"
            chosen = [e for e in entries if isinstance(e.body, Choice) and e.body.question == approvals[0].seq]
            assert starts and chosen and chosen[0].seq < starts[0].seq, "started before it was allowed"
            same_life = entry.epoch == starts[0].epoch
            assert entry.body.outcome == ("ok" if same_life else "unknown"), "unknown exactly where the window is"
        else:
            assert entry.body.outcome == "ok" and entry.epoch == starts[-1].epoch, "what may be repeated is, until it is answered"
        ran[where] += len(starts)
    for where, times in happened.items():
        if where[0] in {"count", "lookup"}:
            assert times <= ran[where], f"{where} happened more often than it was started"


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How often each failpoint is passed when nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run = Answering(folder, (TALK,), {"approval": "once"})
    outcome = asyncio.run(run.through(Fault(environ={"HOLDFAST_FAILPOINT_LOG": str(folder / "passed")})))
    check(outcome, run.told["a"].entries, run.effects)
    assert effects_in(run.effects) == {("start", ""): 1, ("lookup", "a"): 1, ("count", "a"): 1, ("count", "b"): 1}
    return Counter((folder / "passed").read_text().split())


@pytest.mark.parametrize("which", ["first", "middle", "last"] if LONG else ["middle"])
@pytest.mark.parametrize("name", AROUND)
async def test_a_kill_around_a_tool_that_needs_a_yes_repeats_nothing_and_loses_nothing(
    tmp_path: Path, passed: Counter[str], name: str, which: Literal["first", "middle", "last"]
) -> None:
    """H-40: intention before, result after, else unknown; nothing is guessed."""
    last = passed[name]
    passing = {"first": 1, "middle": (last + 1) // 2, "last": last}[which]
    while True:
        folder = tmp_path / str(passing)
        run = Answering(folder, (TALK,), {"approval": "once", "unknown": "done"})
        outcome = await run.through(at_failpoint(name, passing))
        if outcome.hit or passing == 1:
            break
        passing -= 1  # commits may be taken together
    assert outcome.exits == (KILLED, 0), outcome.said
    entries = run.told["a"].entries
    check(outcome, entries, run.effects)
    unknown = [e for e in entries if isinstance(e.body, ToolResult) and e.body.outcome == "unknown"]
    if name in {"tool.started", "tool.after_effect"} and which == "last":
        assert len(unknown) == 1
        assert effects_in(run.effects)["count", "b"] == (name == "tool.after_effect")
    elif not name.startswith(("append", "tool")):
        assert not unknown, "outside of the window it is known"


# --- the choice about an unknown outcome ----------------------------------------------------------------------------------------------

SECOND = {
    "check": (*AROUND, "acknowledge") if LONG else ("append.after_commit",),
    "retry": (*AROUND, "acknowledge") if LONG else ("tool.after_effect",),
    "done": ("ingest.after_commit", "append.before_commit", "append.after_commit", "model.complete")[: None if LONG else 1],
    "skip": ("deliver.before_send", "claim.after_commit", "model.before_request", "release.after_commit")[: None if LONG else 1],
}


class Life:
    """A person who talks to a gateway whatever befalls it. It is killed at one point once, and after that left alone."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.gateway = gateway
        self.exits: list[int] = []

    @contextlib.asynccontextmanager
    async def killed_at(self, name: str) -> AsyncIterator[None]:
        """Started, killed at the first passing of this point, and started again as often as it ends; asked to go at the end."""
        await self.gateway.start(environ=at_failpoint(name).environ)
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
        self.exits.append(await self.gateway.stop())

    async def _keep(self) -> None:
        while True:
            self.exits.append(await self.gateway.ended(100))
            await self.gateway.start()

    async def says(self, key: str, text: str) -> None:
        while True:
            with contextlib.suppress(Away):
                await self.gateway.door.send("a", key, text)
                return
            await asyncio.sleep(LOOK_S)

    async def asked(self, kind: str) -> int:
        """The seq of the open question of this kind, once there is one."""
        found: list[int] = []

        def is_there(transcript: Transcript) -> bool:
            found[:] = [one.seq for one in transcript.open_questions() if one.question.question == kind]
            return bool(found)

        await self._until(is_there)
        return found[0]

    async def rests(self) -> None:
        """Return when nothing is owed, and nobody works."""
        await self._until(lambda t: bool(t.last_seq) and not t.owes, idle=True)

    async def _until(self, true: Callable[[Transcript], bool], *, idle: bool = False) -> None:
        looks = Looks()
        async with asyncio.timeout(REST_S_MAX):
            while True:
                with contextlib.suppress(Away):
                    rows = await self.gateway.door.rows()
                    if rows and not (idle and rows[0].running) and true(Transcript(await self.gateway.door.entries("a"))):
                        return
                await looks.pause()


@pytest.mark.parametrize(("option", "second"), [(option, name) for option, names in SECOND.items() for name in names])
async def test_what_is_chosen_about_an_unknown_outcome_is_carried_out_after_yet_another_kill(
    tmp_path: Path, option: str, second: str
) -> None:
    """H-40, H-41: the user's choice, and nothing but it."""
    first = "tool.started" if option == "retry" else "tool.after_effect"
    effects = tmp_path / "effects"
    gateway = GatewayProcess(tmp_path, asks(effects))
    person = Life(gateway)
    try:
        async with person.killed_at(first):
            await person.says("m1", 'use count {"key": "a"}')
            await person.says("c1", f"/choose {await person.asked('approval')} once")
            question = await person.asked("unknown")
            await person.rests()
        before = effects_in(effects)["count", "a"]
        async with person.killed_at(second):
            await person.says("c2", f"/choose {question} {option}")
            if option == "retry":
                await person.says("c3", f"/choose {await person.asked('approval')} once")
            await person.rests()
        entries = (await gateway.journal())["web:local:a"]
    finally:
        await gateway.end()
    assert person.exits == [KILLED, 0, KILLED, 0], gateway.said()
    assert before == (first == "tool.after_effect")
    assert len([e for e in entries if isinstance(e.body, Choice)]) == (3 if option == "retry" else 2)
    happened = effects_in(effects)["count", "a"]
    outcomes = [e.body.outcome for e in entries if isinstance(e.body, ToolResult)]
    last = next(e.body.text for e in reversed(entries) if isinstance(e.body, AssistantMessage))
    match option:
        case "check":
            assert outcomes == ["unknown", "ok"] and last.endswith("a was counted 1 times")
            assert happened == before
        case "retry" if second.startswith("tool"):
            assert outcomes == ["unknown", "unknown"] and happened == (second == "tool.after_effect")
        case "retry":
            assert outcomes == ["unknown", "ok"] and happened == 1
        case _:
            assert outcomes == ["unknown"] and happened == before and last


# --- commands that end us, and servers that end ----------------------------------------------------------------------------------------


async def test_a_command_that_restarts_us_is_completed_by_that_restart_and_never_run_again(tmp_path: Path) -> None:
    """H-34: `docker restart`, for ever."""
    script = Script("a", ('use crash {"process": "parent"}', "Thanks"))
    run = Answering(tmp_path, (script,), {"approval": "once", "unknown": "done"}, asks(tmp_path / "effects", "--dangerous"))
    outcome = await run.through(Fault(), Fault(), Fault())
    assert outcome.exits == (KILLED, 0), outcome.said
    assert not outcome.flaws, outcome.said
    assert effects_in(run.effects)["crash", ""] == 1
    results = [e.body.outcome for e in run.told["a"].entries if isinstance(e.body, ToolResult)]
    assert results == ["unknown"]


async def test_a_call_whose_server_is_lost_is_repeated_only_if_it_may_be(tmp_path: Path) -> None:
    """H-41: the session was gone, and so the mail was sent again."""
    victim = Script("a", ('use count {"key": "a", "seconds": 30} and slow {"key": "s", "seconds": 6}', "Thanks"))
    culprit = Script("b", ('use slow {"key": "w", "seconds": 1}', 'use crash {"process": "self"}'))
    run = Answering(tmp_path, (victim, culprit), {"unknown": "skip"}, practice(tmp_path / "effects", "--dangerous"))
    outcome = await run.through()
    assert outcome.exits == (0,) and not outcome.flaws, outcome.said
    entries = run.told["a"].entries
    calls = {call.id: call.tool for e in entries if isinstance(e.body, AssistantMessage) for call in e.body.calls}
    ended = [(calls[e.body.call], e.body.outcome) for e in entries if isinstance(e.body, ToolResult)]
    assert sorted(ended) == [("t__count", "unknown"), ("t__slow", "error"), ("t__slow", "ok")]
    assert effects_in(run.effects)["count", "a"] == 0 and effects_in(run.effects)["slow", "s"] == 1
