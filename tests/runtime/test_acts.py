from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from runtime_rig import GATE, Rig

from holdfast.core import turn, words
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Attachment,
    Call,
    Delivered,
    DeliveryFailed,
    DeliveryStarted,
    Entry,
    Fact,
    Failed,
    Fetched,
    Intention,
    Question,
    ToolResult,
    ToolStarted,
    Usage,
    UserMessage,
)
from holdfast.core.failure import Failure
from holdfast.core.incoming import Place
from holdfast.core.records import Asked as Put
from holdfast.core.request import READ_TOKENS_MIN, User
from holdfast.core.request import Request as Asked
from holdfast.core.steps import CallTool, Deliver, Fetch, LookUp
from holdfast.core.transcript import Transcript
from holdfast.errors import Request, Temporary
from holdfast.ports import Lease, Message, Traits
from holdfast.runtime.acts import OWN_BACK_OFF_S, AccountSettings, AgentSettings, RouteSettings
from holdfast.runtime.speech import RETRY_S
from holdfast.testing.clock import LoopClock
from holdfast.testing.fake_platform import FakePlatform
from holdfast.testing.scripted_model import Break, Say, ScriptedModel, Step
from holdfast.testing.sim import simulated

LEASE = Lease("fake:c", "fake", "c", "us", 1, 1, 1)
UNKEYED = Traits()


class _Nobody:
    """A step that has nothing to say before it ends."""

    async def ask(self, question: Question) -> Put:
        raise AssertionError(question)

    async def start(self, intention: Intention) -> bool:
        raise AssertionError(intention)

    async def add(self, fact: Fact) -> None:
        raise AssertionError(fact)


NOBODY = _Nobody()


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
    (failed,) = await rig.hands.perform(LEASE, Transcript(), Deliver("a1", 0, text="Yes.", key="a1/0"), NOBODY)
    assert isinstance(failed, DeliveryFailed)
    assert (failed.refusal, failed.until) == ("retry", rig.clock.now() + RETRY_S)


@simulated
async def test_a_part_is_looked_for_in_the_chats_history() -> None:
    rig = Rig()
    step = LookUp("a1", 0, "Yes.", "a1/0", 0.0)
    (absent,) = await rig.hands.perform(LEASE, Transcript(), step, NOBODY)
    assert isinstance(absent, DeliveryFailed) and absent.refusal == "absent"
    await rig.hands.perform(LEASE, Transcript(), Deliver("a1", 0, text="Yes.", key="a1/0"), NOBODY)
    (found,) = await rig.hands.perform(LEASE, Transcript(), step, NOBODY)
    assert isinstance(found, Delivered) and found.id == "s1"


@simulated
async def test_a_part_is_looked_for_where_what_it_replies_to_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def find(self: FakePlatform, place: Place, message: Message, since: float) -> None:
        asked.append(message.replies_to)

    monkeypatch.setattr(FakePlatform, "find", find)
    await Rig().hands.perform(LEASE, Transcript(), LookUp("a1", 0, "Yes.", "a1/0", 0.0, replies_to="7@thread"), NOBODY)
    assert asked == ["7@thread"]


@simulated
async def test_a_tool_whose_outcome_nobody_knows_comes_with_a_question() -> None:
    rig = Rig()
    rig.outside.faults["count"].append("lost")
    call = Call(id="call_1_0", tool="demo__count", arguments='{"key": "k"}')
    begun = Transcript([Entry(1, 0.0, 1, AssistantMessage(n=1, seen=0, calls=(call,))), Entry(2, 0.0, 1, ToolStarted(call=call.id))])
    result, question = await rig.hands.perform(LEASE, begun, CallTool("call_1_0", call, repeatable=False), NOBODY)
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
        (fact,) = await rig.hands.perform(LEASE, Transcript(), Fetch("f1", Attachment(id="f1", name="a.txt")), NOBODY)
        until = rig.clock.now() + 30.0 if isinstance(failure, Temporary) else 0.0
        assert fact == Fetched(attachment="f1", why=str(failure), until=until)

    fetched()


@simulated
async def test_the_world_of_a_conversation_is_its_chain_its_account_and_the_tools_it_may_repeat() -> None:
    rig = Rig(traits=Traits(key_holds_s=60.0))
    world = rig.hands.world(LEASE, 2, Transcript())
    assert [(route.name, route.open) for route in world.routes] == [("main", True)]
    assert (world.attempts, world.account.key_holds_s) == (2, 60.0)
    assert world.policy.repeatable == {"demo__clock", "demo__counted", "demo__lookup", "demo__slow"}
    await rig.weather.failed(GATE, rig.clock.now(), Failure("rate-limit", 60.0, "refused"))
    (route,) = rig.hands.world(LEASE, 2, Transcript()).routes
    assert (route.open, route.why) == (False, "refused")


@simulated
async def test_an_answer_keeps_what_only_its_route_can_read() -> None:
    rig = Rig([Say(text="Yes.", provider_data="opaque")])
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(1)
    answer: Any = rig.bodies(AssistantMessage)[0]
    assert (answer.provider_data, answer.route, answer.seen, answer.n) == ("opaque", "main", 1, 1)


def _routes(*scripts: tuple[str, list[Step]], tools: bool = True) -> dict[str, RouteSettings]:
    clock = LoopClock()
    return {name: RouteSettings(name, f"route:{name}", ScriptedModel(clock, steps), tools=tools, window=9000) for name, steps in scripts}


def _model(route: RouteSettings) -> ScriptedModel:
    assert isinstance(route.model, ScriptedModel)
    return route.model


YES: list[Step] = [Say(text="Yes.")]


@simulated
async def test_the_world_knows_each_kind_of_works_chain_each_accounts_and_what_may_be_chosen() -> None:
    routes = tuple(_routes(("main", YES), ("small", YES), ("big", YES)).values())
    agent = AgentSettings(
        "",
        routes,
        chain=("main", "small"),
        chains={"fast": ("small", "main")},
        accounts={"elsewhere": AccountSettings(("big",))},
        summaries=("small",),
        scheduled=("big", "small"),
    )
    rig = Rig(agent=agent)
    world = rig.hands.world_of("fake:c", "fake", "c", Transcript())
    assert [route.name for route in world.routes] == ["main", "small"]
    assert [route.name for route in world.chain("fast")] == ["small", "main"]
    assert [route.name for route in world.chain("big")] == ["big"], "each route can be chosen by its name"
    assert [route.name for route in world.chain("", scheduled=True)] == ["big", "small"]
    assert [route.name for route in world.summaries] == ["small"]
    assert {(route.window, route.tools, route.images) for route in world.routes} == {(9000, True, False)}
    rig.platforms["elsewhere"] = rig.platform
    assert [route.name for route in rig.hands.world_of("elsewhere:c", "elsewhere", "c", Transcript()).routes] == ["big"]
    assert rig.hands.chains_with("small") == ("the agent", "summaries", "scheduled work", "fast")
    assert rig.hands.chains_with("big") == ("scheduled work", "elsewhere")


@simulated
async def test_without_chains_of_its_own_everything_uses_all_routes_in_their_order() -> None:
    rig = Rig(agent=AgentSettings("", tuple(_routes(("main", YES), ("spare", YES)).values())))
    world = rig.hands.world_of("fake:c", "fake", "c", Transcript())
    assert [route.name for route in world.routes] == ["main", "spare"]
    assert world.summaries == world.scheduled == ()
    assert world.chain("", scheduled=True) == world.routes


@simulated
async def test_a_step_fails_over_at_once_and_the_next_one_after_the_outage_is_back_on_the_first_route() -> None:
    routes = _routes(("main", [Break(why="refused"), Say(text="From main.")]), ("spare", [Say(text="From spare.")]))
    rig = Rig(agent=AgentSettings("", tuple(routes.values())), draw=1.0)
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(0.5)
        assert rig.shown() == ["From spare."]
        await asyncio.sleep(5)
        await rig.say("two")
        await asyncio.sleep(5)
    assert rig.shown() == ["From spare.", "From main."]
    assert [answer.route for answer in rig.bodies(AssistantMessage)] == ["spare", "main"]


@simulated
async def test_a_person_chooses_another_model_while_waiting_and_is_answered_by_it() -> None:
    routes = _routes(("main", [Break(why="refused")]), ("other", YES))
    rig = Rig(agent=AgentSettings("", tuple(routes.values()), chain=("main",)))
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(100)
        assert len(rig.shown()) == 1 and "/model other" in rig.shown()[0]
        await rig.say("/model other")
        await asyncio.sleep(5)
        assert rig.shown()[-1] == "Yes." or rig.shown()[-2] == "Yes."
        asked = len(_model(routes["main"]).requests)
        await rig.say("two")
        await asyncio.sleep(5)
    assert len(_model(routes["main"]).requests) == asked
    assert [(answer.route, answer.chain) for answer in rig.bodies(AssistantMessage)] == [("other", "other")] * 2


@simulated
async def test_a_model_that_knows_no_tools_is_offered_none_and_told_of_calls_as_text() -> None:
    calls: list[Step] = [Say(calls=(("demo__clock", "{}"),)), Say(text="It is noon.")]
    routes = _routes(("main", calls)) | _routes(("mute", YES), tools=False)
    rig = Rig(agent=AgentSettings("", tuple(routes.values()), chain=("main",)))
    async with rig.running():
        await rig.say("What time is it?")
        await asyncio.sleep(5)
        await rig.say("/model mute")
        await rig.say("Sure?")
        await asyncio.sleep(5)
    (asked,) = _model(routes["mute"]).requests
    assert asked.tools == ()
    assert all(isinstance(message, User) or not message.calls for message in asked.messages if not hasattr(message, "tool"))
    told = "\n".join(message.text for message in asked.messages)
    (call,) = [call for answer in rig.bodies(AssistantMessage) for call in answer.calls]
    assert words.called(call) in told and "[What came of demo__clock]" in told
    assert all(request.tools for request in _model(routes["main"]).requests)


@simulated
async def test_a_chain_prefers_a_route_that_can_call_tools_while_there_are_some() -> None:
    routes = _routes(("mute", YES), tools=False) | _routes(("main", YES))
    rig = Rig(agent=AgentSettings("", tuple(routes.values())))
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert [answer.route for answer in rig.bodies(AssistantMessage)] == ["main"]


@simulated
async def test_a_request_says_who_asks() -> None:
    rig = Rig()
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(5)
    assert [request.user for request in rig.model.requests] == ["fake:ann"]


@pytest.mark.parametrize(("read", "told"), [(READ_TOKENS_MIN, True), (READ_TOKENS_MIN - 1, False), (4000, False)])
def test_a_server_that_reads_much_less_than_it_is_sent_is_noticed(*, read: int, told: bool) -> None:
    @simulated
    async def cut() -> None:
        said: list[tuple[str, str, int, int]] = []

        async def cut_short(*what: Any) -> None:
            said.append(what)

        rig = Rig([Say(text="Yes.", usage=Usage(input_tokens=read, output_tokens=1))])
        rig.hands.cut_short = cut_short
        async with rig.running():
            await rig.say("word " * 3000)
            await asyncio.sleep(5)
        assert said == ([("main", "f1", 3752, read)] if told else [])
        assert rig.shown() == ["Yes."]

    cut()


@simulated
async def test_what_fails_while_others_get_through_is_written_down_as_its_own_and_asked_about_after_three_tries() -> None:
    """Shown in one conversation alone; the route stays open, and all the others are answered."""

    def script(asked: Asked) -> Step:
        said = " ".join(message.text for message in asked.messages)
        return Break(why="a strange error", status=500) if "bad" in said else Say(text="Yes.", takes_s=0.1)

    rig = Rig(script, draw=0.5)
    async with rig.running():
        await rig.say("hello", chat="good0")
        await asyncio.sleep(5)
        await rig.say("bad", chat="bad")
        for number in range(1, 120):
            await rig.say("hello", chat=f"good{number}")
            await asyncio.sleep(1)
    failures = rig.bodies(Failed, "bad")
    assert [failure.failure for failure in failures] == ["transient"] * 3
    assert all(failure.why == "a strange error" for failure in failures)
    (question,) = rig.bodies(Question, "bad")
    assert question.question == "budget" and "Everything is kept" in question.text
    assert all(rig.shown(f"good{number}") == ["Yes."] for number in range(110))
    at = [entry.at for entry in rig.entries("bad") if isinstance(entry.body, Failed)]
    assert all(later - earlier >= OWN_BACK_OFF_S for earlier, later in pairwise(at))


@simulated
async def test_what_the_route_never_took_is_masked_before_it_is_written_down() -> None:
    rig = Rig([Break(why="the key sk-secret is wrong")])
    rig.hands._mask = lambda text: text.replace("sk-secret", "…")
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(1)
    assert rig.weather.row(GATE).why == "the key … is wrong"


@simulated
async def test_a_text_whose_preview_somebody_deleted_is_sent_anew() -> None:
    rig = Rig(traits=Traits(edits=True, key_holds_s=float("inf")))
    lost = DeliveryFailed(of="a1", part=0, refusal="gone")
    begun: list[AnyBody] = [
        UserMessage(author="ann", id="m1", text="one"),
        DeliveryStarted(of="a1", part=0, key="a1/0", preview=True),
        Delivered(of="a1", part=0, id="s1", preview=True),
        AssistantMessage(n=1, seen=1, text="Yes."),
        DeliveryStarted(of="a1", part=0, key="a1/0"),
    ]
    entries = [Entry(seq, 0.0, 1, body) for seq, body in enumerate(begun, 1)]
    step = turn.steps(Transcript(entries), 1, rig.hands.world(LEASE, 1, Transcript()), 1.0).wanted[0]
    assert isinstance(step, Deliver) and step.edit == "s1"
    (fact,) = await rig.hands.perform(LEASE, Transcript(), step, NOBODY)
    assert fact == DeliveryFailed(of="a1", part=0, refusal="gone", why="there is no message s1")
    anew = turn.steps(Transcript([*entries, Entry(6, 0.0, 1, lost)]), 1, rig.hands.world(LEASE, 1, Transcript()), 1.0).wanted[0]
    assert isinstance(anew, Deliver) and (anew.edit, anew.id_only, anew.text, anew.key) == ("", False, "Yes.", "a1/0/1")
