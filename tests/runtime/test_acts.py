from __future__ import annotations

import asyncio
from typing import Any

import pytest
from runtime_rig import GATE, Rig

from holdfast.core.entries import (
    AssistantMessage,
    Attachment,
    Call,
    Delivered,
    DeliveryFailed,
    Failed,
    Fetched,
    Question,
    ToolResult,
    UserMessage,
)
from holdfast.core.failure import Failure
from holdfast.core.steps import CallTool, Deliver, Fetch, LookUp
from holdfast.core.transcript import Transcript
from holdfast.errors import Request, Temporary
from holdfast.ports import Lease, Traits
from holdfast.runtime.acts import RETRY_S
from holdfast.testing.scripted_model import Break, Say
from holdfast.testing.sim import simulated

LEASE = Lease("fake:c", "fake", "c", "us", 1, 1, 1)
UNKEYED = Traits()


@simulated
async def test_a_provider_failure_writes_no_entry_closes_the_gate_and_is_waited_for() -> None:
    """H-28: nothing about it is in the transcript but the gateway's own notice."""
    rig = Rig([Break(why="the provider is down"), Say(text="Yes.")], draw=1.0)
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(0.5)
        assert rig.weather.row(GATE).why == "the provider is down"
        assert [type(entry.body) for entry in rig.entries()] == [UserMessage]
        await asyncio.sleep(10)
    assert rig.shown() == ["Yes."]
    assert rig.bodies(Failed) == []


@simulated
async def test_a_long_wait_is_said_once() -> None:
    rig = Rig([Break(why="the provider is down")], draw=1.0)
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(3000)
        await rig.say("two")
        await asyncio.sleep(3000)
    (said,) = rig.shown()
    assert "the provider is down" in said and "saved" in said


@simulated
async def test_the_first_event_of_a_stream_lets_more_through() -> None:
    rig = Rig([Break(), Say(text="Yes.", takes_s=100.0, pieces=4)], draw=1.0)
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
        assert rig.weather.admits() == {GATE: 1}  # two, less the probe
        assert rig.platform.previews == {"fake:c/a1": ""} or not rig.platform.previews
        await asyncio.sleep(60)
        assert "Yes.".startswith(rig.platform.previews["fake:c/a1"])


@simulated
async def test_the_key_names_the_conversation_and_the_part() -> None:
    rig = Rig()
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert [shown.key for shown in rig.chat.screens["c"]] == ["fake:c/a1/0"]


@simulated
async def test_where_the_platform_takes_no_key_none_is_sent() -> None:
    rig = Rig(traits=UNKEYED)
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert [shown.key for shown in rig.chat.screens["c"]] == [""]


@pytest.mark.parametrize(
    ("keyed", "expected"), [(True, 1), (False, 2)], ids=["with a key it is the same message", "without one it is sent again, marked"]
)
def test_a_send_whose_answer_was_lost(*, keyed: bool, expected: int) -> None:
    @simulated
    async def lost() -> None:
        rig = Rig(traits=None if keyed else UNKEYED)
        rig.chat.faults["c"].append("lost")
        async with rig.running():
            await rig.say("one")
            await asyncio.sleep(30)
        assert len(rig.shown()) == expected
        assert [text.startswith("(sent again") for text in rig.shown()] == [False, True][:expected]
        assert [failed.refusal for failed in rig.bodies(DeliveryFailed)] == ["unknown"]
        assert rig.idle()

    lost()


@simulated
async def test_a_text_that_the_platform_refuses_is_not_sent_again_and_holds_nothing_up() -> None:
    rig = Rig()
    rig.chat.faults["c"].append("refused")
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(100)
        await rig.say("two")
        await asyncio.sleep(5)
    assert rig.shown() == ["Yes."]


@simulated
async def test_a_chat_that_blocked_us_hears_again_when_it_writes() -> None:
    rig = Rig()
    rig.chat.faults["c"].append("blocked")
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(1000)
        assert rig.shown() == [] and rig.idle()
        rig.chat.blocked.clear()
        await rig.say("two")
        await asyncio.sleep(5)
    assert rig.shown() == ["Yes.", "Yes."]


@simulated
async def test_when_a_platform_does_not_say_for_how_long_it_is_tried_again_soon() -> None:
    rig = Rig()
    rig.chat.take_down("the platform is down")
    (failed,) = await rig.hands.perform(LEASE, Transcript(), Deliver("a1", 0, text="Yes.", key="a1/0"))
    assert isinstance(failed, DeliveryFailed)
    assert (failed.refusal, failed.until) == ("retry", rig.clock.now() + RETRY_S)


@simulated
async def test_a_part_is_looked_for_in_the_chats_history() -> None:
    rig = Rig()
    step = LookUp("a1", 0, "Yes.", "a1/0")
    (absent,) = await rig.hands.perform(LEASE, Transcript(), step)
    assert isinstance(absent, DeliveryFailed) and absent.refusal == "retry"
    await rig.hands.perform(LEASE, Transcript(), Deliver("a1", 0, text="Yes.", key="a1/0"))
    (found,) = await rig.hands.perform(LEASE, Transcript(), step)
    assert isinstance(found, Delivered) and found.id == "s1"


@simulated
async def test_a_tool_whose_outcome_nobody_knows_comes_with_a_question() -> None:
    rig = Rig()
    rig.outside.faults["count"].append("lost")
    call = Call(id="call_1_0", tool="demo__count", arguments='{"key": "k"}')
    result, question = await rig.hands.perform(LEASE, Transcript(), CallTool("call_1_0", call, repeatable=False))
    assert isinstance(result, ToolResult) and result.outcome == "unknown"
    assert isinstance(question, Question) and (question.question, question.about) == ("unknown", "call_1_0")


@simulated
async def test_a_tools_own_error_is_a_result() -> None:
    rig = Rig([Say(calls=(("demo__count", "{}"),)), Say(text="I see.")])
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert [result.outcome for result in rig.bodies(ToolResult)] == ["error"]
    assert rig.shown() == ["I see."]


@pytest.mark.parametrize("failure", [Temporary("the network is down", retry_after_s=30.0), Request("it is gone")])
def test_an_attachment_that_can_not_be_had(failure: Exception) -> None:
    @simulated
    async def fetched() -> None:
        rig = Rig()

        async def fetch(_: Attachment) -> str:
            raise failure

        rig.platform.fetch = fetch  # type: ignore[method-assign,assignment] # fails as told
        (fact,) = await rig.hands.perform(LEASE, Transcript(), Fetch("f1", Attachment(id="f1", name="a.txt")))
        until = rig.clock.now() + 30.0 if isinstance(failure, Temporary) else 0.0
        assert fact == Fetched(attachment="f1", why=str(failure), until=until)

    fetched()


@simulated
async def test_the_world_of_a_conversation_is_its_chain_its_account_and_the_tools_it_may_repeat() -> None:
    rig = Rig(traits=Traits(key_holds_s=60.0))
    world = rig.hands.world(LEASE, 2)
    assert [(route.name, route.open) for route in world.routes] == [("main", True)]
    assert (world.attempts, world.account.key_holds_s) == (2, 60.0)
    assert world.policy.repeatable == {"demo__clock", "demo__counted", "demo__lookup", "demo__slow"}
    await rig.weather.failed(GATE, rig.clock.now(), Failure("rate-limit", 60.0, "refused"))
    (route,) = rig.hands.world(LEASE, 2).routes
    assert (route.open, route.why) == (False, "refused")


@simulated
async def test_an_answer_keeps_what_only_its_route_can_read() -> None:
    rig = Rig([Say(text="Yes.", provider_data="opaque")])
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(1)
    answer: Any = rig.bodies(AssistantMessage)[0]
    assert (answer.provider_data, answer.route, answer.seen, answer.n) == ("opaque", "main", 1, 1)
