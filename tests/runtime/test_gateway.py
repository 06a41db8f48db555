from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from runtime_rig import GATE, Rig

from holdfast.core import words
from holdfast.core.entries import AssistantMessage, Command, Entry, Usage, UserMessage
from holdfast.core.failure import Failure
from holdfast.errors import JournalFailed, Request, Temporary
from holdfast.ports import Arrival, Hold, Standing, Used
from holdfast.runtime.accounts import Accounts
from holdfast.runtime.acts import AgentSettings, RouteSettings
from holdfast.runtime.gateway import LocalGateway
from holdfast.runtime.lifetime import Lifetime
from holdfast.runtime.owner import Owner
from holdfast.runtime.persons import Persons
from holdfast.runtime.service_manager import ServiceManager
from holdfast.runtime.supervisor import Supervisor
from holdfast.testing.clock import LoopClock
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.scripted_model import Break, Say, ScriptedModel
from holdfast.testing.sim import simulated
from holdfast.testing.steady import Steady


def _gateway(rig: Rig, supervisor: Supervisor | None = None, lifetime: Lifetime | None = None) -> LocalGateway:
    supervisor = supervisor or Supervisor(rig.clock, lambda: 0.5)
    gateway = LocalGateway(
        lambda: "1.0",
        rig.journal,
        MemoryFiles(),
        rig.followers,
        rig.dispatch.arrived,
        rig.weather,
        rig.tools,
        supervisor,
        rig.clock,
        rig.hands,
        lambda now: now - now % 86400.0,
        lifetime or Lifetime(rig.journal, rig.clock, ServiceManager({})),
        Steady(),
    )
    owner, persons = Owner((), gateway.accept, rig.clock), Persons({}, rig.clock.now)
    gateway.accounts = Accounts({}, {}, persons, rig.journal, gateway.accept, rig.weather, owner, rig.clock)
    return gateway


def _arrival(rig: Rig, number: int = 1, chat: str = "c") -> Arrival:
    body = UserMessage(author="ann", id=f"m{number}", text=f"message {number}")
    return Arrival(f"fake:{chat}", "fake", chat, f"{chat} m{number}", body, rig.clock.now())


@simulated
async def test_what_is_accepted_is_durable_and_answered() -> None:
    rig = Rig()
    gateway = _gateway(rig)
    async with rig.running():
        (accepted,) = await gateway.accept([_arrival(rig)])
        assert (accepted.seq, accepted.new) == (1, True)
        assert len(rig.entries()) >= 1
        await asyncio.sleep(5)
    assert rig.shown() == ["Yes."]


@simulated
async def test_nothing_is_accepted_that_could_not_be_committed() -> None:
    """H-05."""
    rig = Rig()
    rig.journal.crash("The disk is gone.")
    with pytest.raises(JournalFailed):
        await _gateway(rig).accept([_arrival(rig)])
    assert rig.journal.disk.conversations == {}


@simulated
async def test_what_is_told_twice_is_taken_once() -> None:
    rig = Rig()
    gateway = _gateway(rig)
    async with rig.running():
        await gateway.accept([_arrival(rig)])
        (again,) = await gateway.accept([_arrival(rig)])
        assert (again.seq, again.new) == (1, False)
        await asyncio.sleep(5)
    assert rig.shown() == ["Yes."]


def _kinds(told: list[Entry | Standing]) -> list[str]:
    return [type(one.body).__name__ for one in told if isinstance(one, Entry)]


@simulated
async def test_a_follower_sees_the_turn_grow() -> None:
    rig = Rig([Say(text="Yes.", takes_s=3.0)])
    gateway = _gateway(rig)
    told: list[Entry | Standing] = []

    async def follow() -> None:
        async for entry in gateway.follow("fake:c", 0):
            told.append(entry)  # noqa: PERF401 - it is looked at while it grows

    async with rig.running():
        following = asyncio.ensure_future(follow())
        await gateway.accept([_arrival(rig)])
        await asyncio.sleep(1)
        assert _kinds(told) == ["UserMessage"]
        await asyncio.sleep(10)
        following.cancel()
    assert _kinds(told) == ["UserMessage", "AssistantMessage", "DeliveryStarted", "Delivered"]


@simulated
async def test_status_says_what_is_closed_and_why_and_a_retry_opens_it() -> None:
    rig = Rig([Break(why="connection refused"), Say(text="Yes.")])
    gateway = _gateway(rig)
    async with rig.running():
        await gateway.accept([_arrival(rig)])
        await asyncio.sleep(0.2)
        await rig.weather.failed(GATE, rig.clock.now(), Failure("rate-limit", 5000.0, "connection refused"))
        status = await gateway.status()
        assert status["version"] == "1.0"
        (gate,) = status["gates"]
        assert (gate["name"], gate["state"], gate["why"]) == (GATE, "closed", "connection refused")
        await asyncio.sleep(10)
        assert not await gateway.retry("route:none")
        await gateway.retry(GATE)
        await asyncio.sleep(10)
    assert rig.shown() == ["Yes."]
    assert (await gateway.status())["gates"][0]["state"] == "open"


@simulated
async def test_status_says_when_a_tool_server_is_started_again() -> None:
    rig = Rig()
    supervisor = Supervisor(rig.clock, lambda: 0.5)
    gateway = _gateway(rig, supervisor)
    (server,) = (await gateway.status())["tool servers"]
    assert server["next_try"] == 0.0

    async def lost(_: Callable[[], None]) -> None:
        raise Temporary("it is away", retry_after_s=42.0)

    supervising = asyncio.create_task(supervisor.run({f"tools:{server['name']}": lost}))
    await asyncio.sleep(1)
    (server,) = (await gateway.status())["tool servers"]
    assert server["next_try"] == pytest.approx(rig.clock.now() + 41.0)
    supervising.cancel()
    await asyncio.wait([supervising])


@simulated
async def test_tool_servers_are_shown_with_their_tools_and_their_next_try_and_are_started_by_hand() -> None:
    rig = Rig()
    supervisor = Supervisor(rig.clock, lambda: 0.5)
    gateway = _gateway(rig, supervisor)
    began: list[float] = []

    async def lost(_: Callable[[], None]) -> None:
        began.append(rig.clock.now())
        raise Temporary("it is away", retry_after_s=42.0)

    supervising = asyncio.create_task(supervisor.run({"tools:demo": lost}))
    await asyncio.sleep(1)
    (offer,) = await gateway.tool_servers()
    assert offer.server.name == "demo"
    assert offer.server.next_try == pytest.approx(began[0] + 42.0)
    clock = next(tool for tool in offer.tools if tool.own_name == "clock")
    assert (clock.name, clock.policy, clock.repeatable, clock.left_out) == ("demo__clock", "allow", True, False)
    assert await gateway.retry_tools("demo")
    assert not await gateway.retry_tools("demi")
    await asyncio.sleep(1)
    assert len(began) == 2
    supervising.cancel()
    await asyncio.wait([supervising])


@simulated
async def test_conversations_are_listed_and_read() -> None:
    """H-13, H-32: whatever happens in it, a conversation is the same one, with everything that was said in it."""
    rig = Rig()
    gateway = _gateway(rig)
    async with rig.running():
        for text in ("one", "/new", "two", "/stop", "/retry"):
            await rig.say(text)
            await asyncio.sleep(5)
    row = (await gateway.conversations(10))[0].row
    assert (row.key, row.running) == ("fake:c", False)
    entries = (await gateway.read("fake:c")).entries
    assert [entry.seq for entry in entries] == list(range(1, row.last_seq + 1))
    assert sum(isinstance(entry.body, AssistantMessage) for entry in entries) == 3


@simulated
async def test_routes_are_shown_with_their_state_their_places_their_chains_and_what_they_did_today() -> None:
    clock = LoopClock()
    answers = ScriptedModel(clock, [Say(text="Yes.", takes_s=3.0, usage=Usage(input_tokens=2000, output_tokens=500))])
    routes = (
        RouteSettings("main", "route:main", answers, called="big-model", price=(2.0, 8.0)),
        RouteSettings("spare", "route:spare", ScriptedModel(clock, [Say(text="Yes.")]), called="small-model"),
    )
    rig = Rig(agent=AgentSettings("", routes, chain=("main",), chains={"cheap": ("spare", "main")}))
    gateway = _gateway(rig)
    assert [(one.name, one.state) for one in await gateway.routes()] == [("main", "never tried"), ("spare", "never tried")]
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(1)
        (main, _) = await gateway.routes()
        assert (main.state, main.under_way, main.places) == ("never tried", 1, 4)
        await asyncio.sleep(5)
        main, spare = await gateway.routes()
        assert (main.state, main.model, main.under_way) == ("open", "big-model", 0)
        assert (main.chains, spare.chains) == (("the agent", "cheap"), ("cheap",))
        assert main.used == Used("main", answers=1, input_tokens=2000, output_tokens=500) and spare.used == Used("spare")
        assert main.cost == pytest.approx(0.008)
        await rig.weather.failed("route:spare", rig.clock.now(), Failure("quota", reason="no credit"))
        spare = (await gateway.routes())[1]
        assert (spare.state, spare.gate.why) == ("closed", "no credit")
        await asyncio.sleep(3601)
        assert (await gateway.routes())[1].state == "to be tried"
        await asyncio.sleep(86_400)
        assert (await gateway.routes())[0].used == Used("main"), "another day"


@simulated
async def test_why_of_a_conversation_whose_account_is_configured_no_more_says_so() -> None:
    rig = Rig()
    gateway = _gateway(rig)
    body = UserMessage(author="ann", id="1", text="Hello")
    await gateway.accept([Arrival("gone:c", "gone", "c", "gone m1", body, rig.clock.now())])
    assert "account gone is not in the configuration" in await gateway.why("gone:c")


@simulated
async def test_a_conversation_whose_account_is_configured_no_more_waits_wherever_it_is_looked_for() -> None:
    rig = Rig()
    gateway = _gateway(rig)
    body = UserMessage(author="ann", id="1", text="Hello")
    await gateway.accept([Arrival("gone:c", "gone", "c", "gone m1", body, rig.clock.now())])
    await gateway.accept([_arrival(rig)])
    found = [*await gateway.owing(9), *await gateway.conversations(9), *(standing for standing, _ in await gateway.search("Hello", 9))]
    assert [one.held for one in found if one.row.account == "gone"] == [Hold("no account")] * 3
    assert [one.held for one in found if one.row.account == "fake"] == [None] * 2
    assert (await gateway.status())["conversations"] == {"running": 0, "due": 1, "waiting": 1, "asking": 0}


@simulated
async def test_in_safe_mode_why_says_so_and_when_it_tries_but_of_what_is_being_tried() -> None:
    rig = Rig([Say(text="Yes.", takes_s=30.0)])
    rig.dispatch.places = lambda: lifetime.places
    for _ in range(3):
        await Lifetime(rig.journal, rig.clock, ServiceManager({})).begin()
        await asyncio.sleep(1)
    lifetime = Lifetime(rig.journal, rig.clock, ServiceManager({}))
    lifetime.changed = rig.dispatch.look_again
    await lifetime.begin()
    gateway = _gateway(rig, lifetime=lifetime)
    await gateway.accept([_arrival(rig), _arrival(rig, chat="d")])
    async with rig.running():
        living = asyncio.create_task(lifetime.run())
        await asyncio.sleep(60)
        assert await gateway.why("fake:c") == f"{words.RESTING} By itself it tries in 29 min."
        assert [one.held for one in await gateway.owing(9)] == [lifetime.hold] * 2
        gateway.leave_safe_mode()
        await asyncio.sleep(10)
        assert {await gateway.why("fake:c"), await gateway.why("fake:d")} == {"Working on an answer, on main.", words.TRYING}
        await asyncio.sleep(60)
        assert await gateway.why("fake:c") == "Everything is answered."
        living.cancel()


@simulated
async def test_why_says_in_a_sentence_what_a_conversation_does_or_waits_for() -> None:
    rig = Rig([Say(text="Yes.", takes_s=5.0), Break(why="connection refused")], draw=1.0)
    gateway = _gateway(rig)
    with pytest.raises(Request, match="There is no conversation 'fake:c'"):
        await gateway.why("fake:c")
    async with rig.running():
        await rig.say("one")
        await asyncio.sleep(1)
        assert await gateway.why("fake:c") == "Working on an answer, on main."
        await asyncio.sleep(10)
        assert await gateway.why("fake:c") == "Everything is answered."
        await rig.say("two")
        await asyncio.sleep(100)
        why = await gateway.why("fake:c")
    assert why.startswith("main has not answered for 1 min 40 s (connection refused). Your conversation is saved")


@simulated
async def test_retry_lets_one_through_at_the_gates_that_the_conversation_waits_at_and_at_no_other() -> None:
    clock = LoopClock()
    routes = tuple(
        RouteSettings(name, f"route:{name}", ScriptedModel(clock, [Break(why="refused")])) for name in ("main", "spare", "other")
    )
    rig = Rig(agent=AgentSettings("", routes, chain=("main", "spare")), draw=1.0)
    gateway = _gateway(rig)
    async with rig.running():
        for name in ("main", "spare", "other"):
            await rig.weather.failed(f"route:{name}", rig.clock.now(), Failure("rate-limit", 5000.0, "too many"))
        await rig.say("one")
        await asyncio.sleep(1)
        body = Command(author="ann", id="r", name="retry")
        await gateway.accept([Arrival("fake:c", "fake", "c", "c r", body, rig.clock.now())])
        await asyncio.sleep(0.5)
    asked = [len(route.model.requests) for route in routes if isinstance(route.model, ScriptedModel)]
    assert asked == [1, 1, 0]
