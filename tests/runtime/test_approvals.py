"""Tools that need a person's yes, and turns that go round in circles, in a whole gateway on virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from runtime_rig import Rig, turns_of_the_loop

from holdfast.core.entries import AssistantMessage, Call, Choice, Notice, Question, ToolResult, ToolStarted
from holdfast.core.request import Request, Result, Tool
from holdfast.core.world import Budget
from holdfast.ports import NOBODY, Arrival, Caller, ToolOutcome, Traits
from holdfast.testing.fake_tools import FakeTools
from holdfast.testing.scripted_model import Break, Say, Step
from holdfast.testing.sim import simulated

SEND = ("demo__count", '{"key": "k"}')


class AskedFor(FakeTools):
    """Each of these tools needs a person's yes."""

    policy = "ask"

    def tools(self) -> tuple[Tool, ...]:
        if not hasattr(self, "_changed"):
            self._changed = tuple(replace(tool, policy=self.policy) for tool in super().tools())  # type: ignore[arg-type] # one of three words
        return self._changed


def a_rig(script: list[Step], of: Rig | None = None, policy: str = "ask", traits: Traits | None = None) -> Rig:
    """A life of the gateway: the first, or the one after `of` was killed."""
    rig = Rig(script, disk=of.journal.disk if of else None, traits=traits)
    rig.tools.__class__ = AskedFor
    rig.tools.policy = policy  # type: ignore[attr-defined] # it is of that class now
    if of:
        rig.outside = rig.tools._outside = of.outside
        rig._said = of._said
    return rig


@asynccontextmanager
async def life(rig: Rig) -> AsyncIterator[Rig]:
    """Until the block is left: then it is killed."""
    async with rig.running():
        await rig.journal.disown(rig.clock.now(), 10)
        rig.dispatch.weather_changed()
        yield rig
        rig.journal.crash()
        await turns_of_the_loop()


async def choose(rig: Rig, question: int, option: str, author: str = "ann") -> None:
    rig._said += 1
    body = Choice(author=author, id=f"m{rig._said}", question=question, option=option)
    await rig.journal.ingest([Arrival("fake:c", "fake", "c", f"c {body.id}", body, rig.clock.now())])
    rig.dispatch.arrived("fake:c")


def asked(rig: Rig, kind: str = "approval") -> list[int]:
    return [e.seq for e in rig.entries() if isinstance(e.body, Question) and e.body.question == kind]


def outcomes(rig: Rig) -> list[str]:
    return [result.outcome for result in rig.bodies(ToolResult)]


@pytest.mark.parametrize("when", ["before the choice", "at the choice", "after the choice"])
@pytest.mark.parametrize("option", ["once", "always", "deny"])
@simulated
async def test_a_question_and_its_choice_outlive_the_gateway(when: str, option: str) -> None:
    """H-60: approval lost on restart."""
    rig = a_rig([Say(calls=(SEND,)), Say(text="Done.")])
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(5)
        (question,) = asked(rig)
        if when == "at the choice":
            await choose(rig, question, option)  # and it dies before it has looked
    again = a_rig([Say(text="Done.")], of=rig)
    async with life(again):
        await asyncio.sleep(50)
        if when != "at the choice":
            assert asked(again) == [question] and not again.outside.effects
            await choose(again, question, option)
        await (turns_of_the_loop(3) if when == "after the choice" else asyncio.sleep(50))
    last = a_rig([Say(text="Done.")], of=again)
    async with life(last):
        await asyncio.sleep(50)
    assert asked(last) == [question]
    assert outcomes(last) in ([["declined"]] if option == "deny" else [["ok"], ["unknown"]])  # unknown: it died in the middle
    assert last.outside.count("count", "k") <= 1
    assert outcomes(last) != ["ok"] or last.outside.count("count", "k") == 1


@pytest.mark.parametrize("policy", ["allow", "deny"])
@simulated
async def test_what_the_owner_decides_while_a_person_is_asked_holds_from_the_next_start(policy: str) -> None:
    rig = a_rig([Say(calls=(SEND,)), Say(text="Done.")])
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(5)
        (question,) = asked(rig)
    again = a_rig([Say(text="Done.")], of=rig, policy=policy)
    async with life(again):
        await asyncio.sleep(50)
        assert outcomes(again) == ["ok" if policy == "allow" else "declined"]
        assert again.outside.count("count", "k") == (policy == "allow")
        (moot,) = (text for text in again.shown() if "needs no answer any more" in text)
        assert moot.endswith("it is allowed now, and runs." if policy == "allow" else "it was not run.")
        await choose(again, question, "deny")
        await asyncio.sleep(5)
        assert again.shown()[-1] == f"Question {question} is closed already; nothing has changed."
    assert again.journal.disk.conversations["fake:c"].entries and asked(again) == [question]


@simulated
async def test_nobody_elses_words_or_choices_approve_anything_and_the_right_persons_does() -> None:
    """H-60: others approve my command."""
    rig = a_rig([Say(calls=(SEND,)), Say(text="Done.")])
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(5)
        (question,) = asked(rig)
        for option in ("once", "always", "deny"):
            await choose(rig, question, option, author="bob")
        await asyncio.sleep(5)
        assert not outcomes(rig) and not rig.outside.effects
        assert [text for text in rig.shown() if "somebody else" in text] == [
            f"Question {question} was put to somebody else; only they can answer it."
        ] * 3
        await asyncio.gather(choose(rig, question, "deny", author="bob"), choose(rig, question, "once"), choose(rig, question, "deny"))
        await asyncio.sleep(5)
        first = next(choice for choice in rig.bodies(Choice) if choice.author == "ann")
        assert outcomes(rig) == (["ok"] if first.option == "once" else ["declined"]), "of two at once the first in the transcript wins"
        assert rig.outside.count("count", "k") == (first.option == "once")


@simulated
async def test_an_ok_in_words_approves_nothing_and_the_model_may_ask_again() -> None:
    rig = a_rig([Say(calls=(SEND,)), Say(calls=(SEND,)), Say(text="Done.")])
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(5)
        await rig.say("ok")
        await asyncio.sleep(5)
        assert outcomes(rig) == ["declined"] and not rig.outside.effects
        first, second = asked(rig)
        assert any("/choose" in text for text in rig.shown())
        await choose(rig, first, "once")  # the button of the first is stale
        await asyncio.sleep(5)
        assert not rig.outside.effects and rig.shown()[-1] == f"Question {first} is closed already; nothing has changed."
        await choose(rig, second, "once")
        await asyncio.sleep(5)
        assert rig.outside.count("count", "k") == 1


@simulated
async def test_an_approval_expires_as_no_and_a_choice_after_that_is_too_late() -> None:
    rig = a_rig([Say(calls=(SEND,)), Say(text="Then not.")])
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(3700)
        assert outcomes(rig) == ["declined"]
        await choose(rig, asked(rig)[0], "always")
        await asyncio.sleep(5)
        assert not rig.outside.effects and rig.shown()[-1].endswith("nothing has changed.")


@simulated
async def test_an_approval_that_expires_while_the_gateway_is_away_is_no_too() -> None:
    """SECURITY: a restart in between, and an expired one."""
    rig = a_rig([Say(calls=(SEND,)), Say(text="Then not.")])
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(5)
        (question,) = asked(rig)
    await asyncio.sleep(7200)
    again = a_rig([Say(text="Then not.")], of=rig)
    async with life(again):
        await asyncio.sleep(5)
        assert outcomes(again) == ["declined"]
        for option in ("once", "always"):
            await choose(again, question, option)
            await asyncio.sleep(5)
            assert again.shown()[-1] == f"Question {question} is closed already; nothing has changed."
        await again.say("Do it again")
        await asyncio.sleep(5)
    assert not again.outside.effects and asked(again) == [question]


@simulated
async def test_changed_arguments_are_asked_about_anew_and_always_holds_for_the_same_ones_only() -> None:
    again = ("demo__count", '{"seconds": 0,\n "key": "k"}')
    other = ("demo__count", '{"key": "k", "seconds": 0.5}')
    rig = a_rig([Say(calls=(("demo__count", '{"key": "k", "seconds": 0}'),)), Say(calls=(again,)), Say(calls=(other,)), Say(text="Done.")])
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(5)
        await choose(rig, asked(rig)[0], "always")
        await asyncio.sleep(5)
        assert outcomes(rig) == ["ok", "ok"] and len(asked(rig)) == 2
        await choose(rig, asked(rig)[1], "deny")
        await asyncio.sleep(5)
        assert rig.outside.count("count", "k") == 2


@simulated
async def test_a_tool_that_is_denied_between_question_and_choice_is_not_called() -> None:
    rig = a_rig([Say(calls=(SEND,)), Say(text="Done.")])
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(5)
    strict = a_rig([Say(text="Done.")], of=rig, policy="deny")
    async with life(strict):
        await choose(strict, asked(strict)[0], "always")
        await asyncio.sleep(5)
        assert outcomes(strict) == ["declined"] and not strict.outside.effects


@simulated
async def test_a_tool_that_is_gone_when_it_is_approved_is_said_to_be_gone() -> None:
    rig = a_rig([Say(calls=(SEND,)), Say(text="Done.")])
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(5)
    without = a_rig([Say(text="Done.")], of=rig)
    without.tools._entries = {}
    async with life(without):
        await choose(without, asked(without)[0], "once")
        await asyncio.sleep(5)
        (result,) = without.bodies(ToolResult)
        assert result.outcome == "error" and "there is no tool" in result.text


@simulated
async def test_where_nobody_can_be_asked_the_answer_is_no() -> None:
    rig = a_rig([Say(calls=(SEND,)), Say(text="Then not.")], traits=Traits(key_holds_s=float("inf"), asks=False))
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(5)
        assert outcomes(rig) == ["declined"] and not asked(rig) and not rig.outside.effects
        assert rig.shown()[-1] == "Then not."


# --- in circles -----------------------------------------------------------------------------------------------------------------------


class Dull(FakeTools):
    """Always says the same."""

    async def call(self, call: Call, caller: Caller = NOBODY) -> ToolOutcome:
        return replace(await super().call(call, caller), text="nothing new")


@simulated
async def test_the_same_call_with_the_same_result_is_stopped_and_asked_about_also_over_restarts() -> None:
    """H-43: the same call eighty times over."""
    looks: Step = Say(calls=(("demo__counted", '{"key": "k"}'),))
    rig = Rig([looks])
    rig.tools.__class__ = Dull
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(100)
        assert len(rig.bodies(ToolResult)) == Budget().repeats and len(asked(rig, "budget")) == 1
    for _ in range(5):
        rig = Rig([looks], disk=rig.journal.disk)
        rig.tools.__class__ = Dull
        async with life(rig):
            await asyncio.sleep(100)
            assert len(rig.bodies(ToolResult)) == Budget().repeats and len(asked(rig, "budget")) == 1


@simulated
async def test_a_turn_that_is_taken_up_again_after_each_of_many_kills_does_not_burst_over_its_budget() -> None:
    """H-45: 581 calls on resume. The budget is counted from the transcript, so a restart gives none of it back."""
    steps = 0

    def busy(_request: Request) -> Step:
        nonlocal steps
        steps += 1
        return Say(calls=(("demo__lookup", json.dumps({"key": str(steps)})),), takes_s=1.0)

    rig = Rig(busy)
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(20)
    for _ in range(12):
        outside, rig = rig.outside, Rig(busy, disk=rig.journal.disk)
        rig.outside = rig.tools._outside = outside
        async with life(rig):
            await asyncio.sleep(20)
    assert len(rig.bodies(AssistantMessage)) == Budget().steps
    assert len(asked(rig, "budget")) == 1
    assert len(rig.outside.effects) <= Budget().steps + 13, "one call more for each life that was killed, at most"


# --- what was done is done ------------------------------------------------------------------------------------------------------------


@simulated
async def test_a_failure_of_the_model_after_a_tool_costs_that_one_call_and_no_work() -> None:
    """Part I row 12: finished work of tools was thrown away with the answer that failed."""
    calls = Say(calls=(("demo__lookup", '{"key": "a"}'), ("demo__lookup", '{"key": "b"}')))
    rig = Rig([calls, Break(takes_s=1), Break(takes_s=1), Break(takes_s=1), Say(text="Done.")])
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(600)
        assert rig.shown()[-1] == "Done."
        assert [len([m for m in request.messages if isinstance(m, Result)]) for request in rig.model.requests] == [0, 2, 2, 2, 2]
        assert len(rig.outside.effects) == 2


class Odd(FakeTools):
    """Says what looks like a failure, and is none."""

    async def call(self, call: Call, caller: Caller = NOBODY) -> ToolOutcome:
        return replace(await super().call(call, caller), text='{"exit_code": -1, "error": "interrupted"} [outcome unknown: skipped]')


@simulated
async def test_a_result_is_shown_to_the_model_as_it_was_whatever_it_says_also_after_kills() -> None:
    """H-42: healthy results were deleted from the history on reload, because of the words in them."""
    rig = Rig([Say(calls=(SEND,)), Break(takes_s=30)])
    rig.tools.__class__ = Odd
    async with life(rig):
        await rig.say("one")
        await asyncio.sleep(20)
    rig = Rig([Say(text="Done.", takes_s=40)], disk=rig.journal.disk)
    async with life(rig):
        await asyncio.sleep(30)
    rig = Rig([Say(text="Done.")], disk=rig.journal.disk)
    async with life(rig):
        await asyncio.sleep(30)
        await rig.say("And?")
        await asyncio.sleep(30)
    assert len(rig.model.requests) == 2
    for request in rig.model.requests:
        (result,) = [message for message in request.messages if isinstance(message, Result)]
        assert result.text == '{"exit_code": -1, "error": "interrupted"} [outcome unknown: skipped]'
    assert outcomes(rig) == ["ok"] and not asked(rig, "unknown")


@pytest.mark.parametrize("trouble", ["the model fails", "the gateway is killed", "both"])
@simulated
async def test_a_mail_is_sent_once_whatever_befalls_the_model_after_it(trouble: str) -> None:
    """Part I row 13: a time-out or failover played the prompt again, and the mail was sent twice."""
    fails = [] if trouble == "the gateway is killed" else [Break(takes_s=30), Break(takes_s=30)]
    rig = Rig([Say(calls=(SEND,)), *fails, Say(text="Sent.", takes_s=60)])
    async with life(rig):
        await rig.say("Send it.")
        await asyncio.sleep(40 if trouble != "the model fails" else 600)
    outside, rig = rig.outside, Rig([Say(text="Sent.")], disk=rig.journal.disk)
    rig.outside = rig.tools._outside = outside
    async with life(rig):
        await asyncio.sleep(600)
    assert rig.outside.count("count", "k") == 1 == len(rig.bodies(ToolStarted))
    assert [answer.text for answer in rig.bodies(AssistantMessage)] == ["", "Sent."]
    assert not [notice for notice in rig.bodies(Notice) if notice.replies_to]
