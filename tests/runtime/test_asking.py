"""A tool asks a person in the middle of its call: the worker's part of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from runtime_rig import GATE, CountingJournal, Rig, turns_of_the_loop

from holdfast.core.entries import Call, Choice, Notice, Question, Sampled, ToolResult, ToolStarted, Usage
from holdfast.core.request import Request, Tool, User
from holdfast.core.world import Budget
from holdfast.errors import LeaseLost, Temporary
from holdfast.ports import NOBODY, Arrival, Caller, ToolOutcome, Traits, Used
from holdfast.runtime.acts import AgentSettings, RouteSettings
from holdfast.runtime.worker import Worker
from holdfast.testing.clock import LoopClock
from holdfast.testing.fake_tools import FakeTools
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.testing.scripted_model import Say, ScriptedModel
from holdfast.testing.sim import simulated


class AskingTools(FakeTools):
    """Before its effect a call asks as often as its arguments say: one after the other, or all `at_once`; `for_s` at most."""

    async def call(self, call: Call, caller: Caller = NOBODY) -> ToolOutcome:
        given = json.loads(call.arguments)
        times, key = given.get("asks", 0), given.get("key", "")

        async def ask(number: int) -> str | None:
            text = f"{key}?" if given.get("alike") else f"{key} {number}?"
            try:
                async with asyncio.timeout(given.get("for_s")):
                    return await caller.ask(text, ("yes", "no"), free=given.get("free", False))
            except TimeoutError:
                return "gave up"

        if given.get("at_once"):
            said = await asyncio.gather(*(ask(number) for number in range(times)))
        else:
            said = [await ask(number) for number in range(times)]
        if given.get("samples"):
            try:
                said = [(await caller.sample(Request("", (User("Well?"),)))).text]
            except Temporary as failure:
                said = [str(failure)]
        outcome = await super().call(call, caller)
        return replace(outcome, text=json.dumps(said)) if times or given.get("samples") else outcome


def asks(times: int = 1, tool: str = "count", **more: Any) -> tuple[str, str]:
    return f"demo__{tool}", json.dumps({"key": "k", "asks": times, **more})


def a_rig(*calls: tuple[str, str], **more: Any) -> Rig:
    rig = Rig([Say(calls=calls or (asks(),)), Say(text="Done.")], **more)
    rig.tools.__class__ = AskingTools
    return rig


async def choose(rig: Rig, question: int, option: str, author: str = "ann", chat: str = "c") -> None:
    rig._said += 1
    body = Choice(author=author, id=f"m{rig._said}", question=question, option=option)
    await rig.journal.ingest([Arrival(f"fake:{chat}", "fake", chat, f"{chat} {body.id}", body, rig.clock.now())])
    rig.dispatch.arrived(f"fake:{chat}")


def questions(rig: Rig, chat: str = "c") -> list[int]:
    """The seqs of what tools asked."""
    return [e.seq for e in rig.entries(chat) if isinstance(e.body, Question) and e.body.question == "elicitation"]


def results(rig: Rig, chat: str = "c") -> list[tuple[str, Any]]:
    return [(r.outcome, json.loads(r.text) if r.text.startswith("[") else r.text) for r in rig.bodies(ToolResult, chat)]


def written_off(rig: Rig) -> list[int]:
    """The questions that a notice closed."""
    return [n.about for n in rig.bodies(Notice) if n.about in questions(rig)]


@simulated
async def test_a_question_is_committed_once_and_its_choice_goes_to_the_call() -> None:
    rig = a_rig()
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(100)
        (seq,) = questions(rig)
        assert rig.shown() == ["k 0?\n\n/choose 4 yes or /choose 4 no"] and not rig.outside.effects and rig.model.requests[1:] == []
        await rig.say(f"/choose {seq} yes")
        await asyncio.sleep(5)
    assert results(rig) == [("ok", ["yes"])]
    assert rig.shown() == ["k 0?\n\n/choose 4 yes or /choose 4 no", "Noted: yes.", "Done."]
    assert len(questions(rig)) == 1 and not written_off(rig)
    (result,) = rig.bodies(ToolResult)
    assert result.took_s < 1, "the time in which a person thinks is none that a step took"


@simulated
async def test_calls_that_ask_at_once_are_answered_each_with_its_own_choice_in_any_order() -> None:
    rig = a_rig(*(asks(key=key) for key in "abc"))
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        one, two, three = questions(rig)
        for seq, option in ((three, "no"), (one, "yes"), (two, "no")):
            await choose(rig, seq, option)
        await asyncio.sleep(5)
    by_call = {result.call: json.loads(result.text) for result in rig.bodies(ToolResult)}
    about = {e.seq: e.body.about for e in rig.entries() if isinstance(e.body, Question)}
    assert by_call == {about[one]: ["yes"], about[two]: ["no"], about[three]: ["no"]}
    assert len(questions(rig)) == 3


@simulated
async def test_the_same_question_asked_twice_in_the_same_instant_is_two_questions() -> None:
    rig = a_rig(asks(2, at_once=True, alike=True))
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        one, two = questions(rig)
        await choose(rig, two, "no")
        await choose(rig, one, "yes")
        await asyncio.sleep(5)
    assert sorted(results(rig)[0][1]) == ["no", "yes"]


@simulated
async def test_three_hundred_questions_in_a_row_are_each_asked_once() -> None:
    rig = a_rig(asks(300))
    async with rig.running():
        await rig.say("one")
        for number in range(300):
            await asyncio.sleep(1)
            asked = questions(rig)
            assert len(asked) == number + 1
            await choose(rig, asked[-1], "yes")
        await asyncio.sleep(5)
    assert results(rig) == [("ok", ["yes"] * 300)]


@simulated
async def test_many_conversations_can_be_asked_at_once_and_none_holds_up_another() -> None:
    rig = Rig(
        lambda request: Say(text="Done.") if request.messages[-1:] and not isinstance(request.messages[-1], User) else Say(calls=(asks(),))
    )
    rig.tools.__class__ = AskingTools
    async with rig.running():
        for number in range(100):
            await rig.say("one", chat=f"c{number}")
        await asyncio.sleep(5)
        for number in range(0, 100, 2):
            (seq,) = questions(rig, f"c{number}")
            await choose(rig, seq, "yes", chat=f"c{number}")
        await asyncio.sleep(5)
    assert [len(results(rig, f"c{number}")) for number in range(100)] == [1, 0] * 50


class _ChoiceAtTheCommit(CountingJournal):
    """The choice arrives the moment the question is durable, before the worker has heard so."""

    choose: Any = None

    async def append(self, lease: Any, now: float, wakes: int, facts: Any = (), intentions: Any = (), release: Any = None) -> Any:
        appended = await super().append(lease, now, wakes, facts, intentions, release)
        for entry in appended.entries:
            if isinstance(entry.body, Question):
                await self.choose(entry.seq)
        return appended


@simulated
async def test_a_choice_that_arrives_with_the_commit_of_its_question_is_heard() -> None:
    rig = a_rig(asks(3))
    rig.journal.__class__ = _ChoiceAtTheCommit
    rig.journal.choose = lambda seq: choose(rig, seq, "yes")  # type: ignore[attr-defined] # it is of that class now
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert results(rig) == [("ok", ["yes"] * 3)]
    assert len(questions(rig)) == 3


@pytest.mark.parametrize("order", [("stop", "choice"), ("choice", "stop")])
@simulated
async def test_a_choice_and_a_stop_in_the_same_read_stop(order: Sequence[str]) -> None:
    rig = a_rig()
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        (seq,) = questions(rig)
        for what in order:
            await (rig.say("/stop") if what == "stop" else choose(rig, seq, "yes"))
        await asyncio.sleep(5)
    assert not rig.outside.effects
    assert [outcome for outcome, _ in results(rig)] == ["unknown"]
    assert rig.idle()


@simulated
async def test_stop_cancels_the_call_that_asks_and_writes_its_question_off() -> None:
    rig = a_rig(asks(2, at_once=True))
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        await rig.say("/stop")
        await asyncio.sleep(5)
        assert sorted(written_off(rig)) == questions(rig)
        await choose(rig, questions(rig)[0], "yes")
        await asyncio.sleep(5)
    assert rig.shown()[-1].endswith("is closed already; nothing has changed.")
    assert [outcome for outcome, _ in results(rig)] == ["unknown"] and not rig.outside.effects
    assert rig.idle()


@simulated
async def test_a_question_that_nobody_answers_expires_and_the_call_goes_on() -> None:
    rig = a_rig()
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(3599)
        assert not results(rig)
        await asyncio.sleep(10)
    assert results(rig) == [("ok", [None])]
    assert rig.shown() == ["k 0?\n\n/choose 4 yes or /choose 4 no", "Nobody answered, so the tool was told no.", "Done."]


@simulated
async def test_a_question_that_is_taken_back_while_its_call_goes_on_is_written_off() -> None:
    rig = a_rig(("demo__slow", json.dumps({"key": "k", "asks": 1, "for_s": 30, "seconds": 600})))
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(40)
        assert written_off(rig) == questions(rig) and not results(rig)
        assert len(rig.shown()) == 2, "and the person is told at once"
        await choose(rig, questions(rig)[0], "yes")
        await asyncio.sleep(5)
        assert rig.shown()[-1].endswith("is closed already; nothing has changed.")
        await asyncio.sleep(600)
    assert results(rig) == [("ok", ["gave up"])]


@simulated
async def test_a_question_taken_back_at_once_does_not_stay_open() -> None:
    rig = a_rig(asks(for_s=0))
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert written_off(rig) == questions(rig) and results(rig) == [("ok", ["gave up"])]


@simulated
async def test_only_the_one_who_is_asked_can_answer_and_words_are_no_choice() -> None:
    rig = a_rig()
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        (seq,) = questions(rig)
        await choose(rig, seq, "yes", author="bob")
        await choose(rig, seq, "perhaps")
        await rig.say("yes")
        await asyncio.sleep(5)
        assert not results(rig)
        await choose(rig, seq, "no")
        await asyncio.sleep(5)
    assert results(rig) == [("ok", ["no"])]
    (notice,) = (n for n in rig.bodies(Notice) if "is no answer" in n.text)
    assert f"/choose {seq} yes" in notice.text and rig.shown()[-2:] == ["Noted: no.", "Done."]


@simulated
async def test_any_words_answer_a_free_question() -> None:
    rig = a_rig(asks(free=True))
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        await rig.say(f"/choose {questions(rig)[0]} the one in the\n cellar ")
        await asyncio.sleep(5)
    assert results(rig) == [("ok", ["the one in the\n cellar"])]


class Telling(FakeTools):
    """Says how far it has come, and a secret with it."""

    async def call(self, call: Call, caller: Caller = NOBODY) -> ToolOutcome:
        for done in range(3):
            caller.progress(f"{done} of 3:\n\x1b[2J\u202e hunter2 {'x' * 200}")
        return await super().call(call, caller)


@simulated
async def test_how_far_a_call_has_come_is_told_on_one_line_without_secrets() -> None:
    rig = a_rig(("demo__count", '{"key": "k"}'))
    rig.tools.__class__ = Telling
    rig.hands._mask = lambda text: text.replace("hunter2", "***")
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    ((call, told),) = rig.platform.progressed.items()
    assert call == "fake:c/call_1_0"
    assert [text[:17] for text in told] == [f"{done} of 3: [2J *** x"[:17] for done in range(3)]
    assert all(len(text) == 80 for text in told)
    assert not any("of 3" in text for text in rig.shown()), "it is no part of the transcript"


@simulated
async def test_where_nobody_can_be_asked_nobody_is() -> None:
    rig = a_rig(traits=Traits(key_holds_s=float("inf"), asks=False))
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert not questions(rig) and results(rig) == [("ok", [None])]


# --- lives end ------------------------------------------------------------------------------------------------------------------------


@simulated
async def test_a_gateway_that_stops_lets_go_of_all_who_are_asked_within_seconds() -> None:
    rig = Rig(lambda _: Say(calls=(asks(3, at_once=True),)))
    rig.tools.__class__ = AskingTools
    async with rig.running():
        for number in range(20):
            await rig.say("one", chat=f"c{number}")
        await asyncio.sleep(5)
        assert len(rig.dispatch.running) == 20
        began = rig.clock.monotonic()
        await rig.dispatch.stop(5.0)
        assert rig.clock.monotonic() - began < 1.0
    assert all(rig.idle(f"c{number}") for number in range(20))


@simulated
async def test_a_worker_that_lost_its_lease_while_it_asked_writes_nothing_and_its_call_is_cancelled() -> None:
    rig = a_rig()
    await rig.say("one")
    worker = Worker(await rig.claim(), rig.journal, rig.clock, rig.hands)
    running = asyncio.ensure_future(worker.run())
    await asyncio.sleep(5)
    (seq,) = questions(rig)
    successor = MemoryJournal(rig.journal.disk)
    await successor.disown(rig.clock.now(), 10)
    (lease,) = await successor.claim("them", rig.clock.now(), ("fake",), {}, 10)
    assert lease.epoch > worker.lease.epoch
    await choose(rig, seq, "yes")
    before = len(rig.entries())
    worker.wake()
    with pytest.raises(ExceptionGroup) as lost:
        await running
    assert lost.group_contains(LeaseLost)
    assert len(rig.entries()) == before and not rig.outside.effects


async def killed_and_started_again(rig: Rig) -> Rig:
    """Kill the life of the rig without a word, and begin another on the same disk."""
    rig.journal.crash()
    await turns_of_the_loop()
    again = Rig([Say(text="Done.")], disk=rig.journal.disk)
    again.tools.__class__ = AskingTools
    again.outside = rig.outside
    again.tools._outside = rig.outside
    again._said = rig._said
    return again


@pytest.mark.parametrize("chosen", [False, True])
@simulated
async def test_a_kill_during_the_question_leaves_the_outcome_unknown_and_the_question_written_off(chosen: bool) -> None:
    """H-40: nothing is guessed. Also if the choice was made while nobody was there to hear it."""
    rig = a_rig()
    await rig.say("one")
    killed = asyncio.ensure_future(Worker(await rig.claim(), rig.journal, rig.clock, rig.hands).run())
    await asyncio.sleep(5)
    (seq,) = questions(rig)
    again = await killed_and_started_again(rig)
    killed.cancel()
    if chosen:
        await choose(again, seq, "yes")
    async with again.running():
        await again.journal.disown(again.clock.now(), 10)
        again.dispatch.weather_changed()
        await asyncio.sleep(5)
    assert [outcome for outcome, _ in results(again)] == ["unknown"]
    assert not again.outside.effects and len(questions(again)) == 1
    assert written_off(again) == ([] if chosen else [seq])
    kinds = [e.body.question for e in again.entries() if isinstance(e.body, Question)]
    assert kinds == ["elicitation", "unknown"]


@simulated
async def test_a_call_that_may_be_made_again_after_a_kill_asks_anew_and_its_old_question_is_written_off() -> None:
    rig = a_rig(asks(tool="lookup"))
    await rig.say("one")
    killed = asyncio.ensure_future(Worker(await rig.claim(), rig.journal, rig.clock, rig.hands).run())
    await asyncio.sleep(5)
    (old,) = questions(rig)
    again = await killed_and_started_again(rig)
    killed.cancel()
    async with again.running():
        await again.journal.disown(again.clock.now(), 10)
        again.dispatch.weather_changed()
        await asyncio.sleep(5)
        assert written_off(again) == [old]
        _, new = questions(again)
        await choose(again, old, "no")
        await choose(again, new, "yes")
        await asyncio.sleep(5)
    assert results(again) == [("ok", ["yes"])]
    assert len(again.bodies(ToolStarted)) == 2
    assert again.idle()


# --- what a tool may do, known too late -----------------------------------------------------------------------------------------------


class LateTools(FakeTools):
    """Whose server says only after a while what it has, and that it has to be asked for."""

    asked = 0

    async def ready(self) -> None:
        self.asked += 1
        if self.asked > 1:  # the first was for the model, and an older life
            await asyncio.sleep(3)

    def tools(self) -> tuple[Tool, ...]:
        return tuple(replace(tool, policy="ask") for tool in super().tools()) if self.asked > 1 else ()


@simulated
async def test_a_tool_that_becomes_known_only_when_it_is_called_is_not_called_unasked() -> None:
    """Its server may be just starting, or add it later: nothing runs that a person would have been asked about."""
    call = Say(calls=(("demo__count", '{"key": "k"}'),))
    rig = Rig([call, call, Say(text="Done.")])
    rig.tools.__class__ = LateTools
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(30)
        assert [r.outcome for r in rig.bodies(ToolResult)] == ["declined"] and not rig.outside.effects
        (seq,) = [e.seq for e in rig.entries() if isinstance(e.body, Question)]
        await choose(rig, seq, "once")
        await asyncio.sleep(5)
    assert [r.outcome for r in rig.bodies(ToolResult)] == ["declined", "ok"]
    assert rig.outside.count("count", "k") == 1


# --- the model ------------------------------------------------------------------------------------------------------------------------


@simulated
async def test_a_tool_asks_the_model_through_the_gates_of_its_conversation() -> None:
    rig = Rig([Say(calls=(asks(0, samples=True),)), Say(text="Sampled."), Say(text="Done.")])
    rig.tools.__class__ = AskingTools
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert results(rig) == [("ok", ["Sampled."])]
    assert rig.model.requests[1] == Request("", (User("Well?"),))
    assert rig.shown() == ["Done."]


@simulated
async def test_what_a_tool_asked_the_model_stands_in_its_result_and_counts_as_the_turns_cost() -> None:
    """It was paid for, so a budget that overlooks it is none."""

    def answers(request: Request) -> Say:
        if request == Request("", (User("Well?"),)):
            return Say(text="Sampled.", usage=Usage(input_tokens=400_000, output_tokens=100_000))
        return Say(calls=(asks(0, samples=True, key=str(len(request.messages))),))

    route = RouteSettings("main", GATE, ScriptedModel(LoopClock(), answers), price=(1.0, 10.0))
    rig = Rig(agent=AgentSettings("Be brief.", (route,), budget=Budget(cost=4.0)))
    rig.tools.__class__ = AskingTools
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(100)
    spent = (Sampled(route="main", usage=Usage(input_tokens=400_000, output_tokens=100_000)),)
    assert [result.sampled for result in rig.bodies(ToolResult)] == [spent] * 3, "1.40 each, and 4.00 is the limit"
    (question,) = rig.bodies(Question)
    assert question.text.startswith("This has cost 4 and I am not done.")
    assert await rig.journal.used(0.0) == (Used("main", "fake", "", 3, 1_200_000, 300_000), Used("main", "fake", "ann", 3))


@simulated
async def test_what_a_tool_asked_the_model_counts_whatever_became_of_the_call() -> None:
    class Lost(AskingTools):
        async def call(self, call: Call, caller: Caller = NOBODY) -> ToolOutcome:
            await caller.sample(Request("", (User("Well?"),)))
            return ToolOutcome("unknown", "the tool server was lost during the call")

    rig = Rig([Say(calls=(asks(0),)), Say(text="Sampled.", usage=Usage(input_tokens=7)), Say(text="Done.")])
    rig.tools.__class__ = Lost
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    (result,) = rig.bodies(ToolResult)
    assert (result.outcome, result.sampled) == ("unknown", (Sampled(route="main", usage=Usage(input_tokens=7)),))
