"""What page and command line are told of accounts and people, and may do about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from runtime_rig import Rig

from holdfast.core.access import Rules, plain
from holdfast.core.entries import Command, Note
from holdfast.core.failure import Failure
from holdfast.core.incoming import Incoming, Place, Unread, Wrote
from holdfast.errors import Config, Request, Temporary
from holdfast.ports import Arrival, Inbox, Message, Person, PlatformState, Receipt, Release, SignIn
from holdfast.runtime.accounts import Accounts
from holdfast.runtime.gateway import LocalGateway
from holdfast.runtime.lifetime import Lifetime
from holdfast.runtime.owner import Owner
from holdfast.runtime.persons import Persons
from holdfast.runtime.service_manager import ServiceManager
from holdfast.runtime.speech import gate_of
from holdfast.runtime.supervisor import Supervisor
from holdfast.runtime.weather import GateSettings, Weather
from holdfast.testing.fake_platform import FakeChat, FakePlatform
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.sim import simulated
from holdfast.testing.steady import Steady

BOT = "fake:bot"
ANN = Person(BOT, "7", "Ann", "7", "AB23CD45", expires=1e12)
RULES = Rules(allow=frozenset({"@Ada"}), owners=frozenset({"1"}), groups=frozenset({"-5"}))


class Account(FakePlatform):
    """Connects, unless it has a reason not to, and receives what it is given."""

    def __init__(self, chat: FakeChat) -> None:
        super().__init__(chat, None)  # type: ignore[arg-type] # what it receives goes to its inbox
        self.failure: Exception | None = None
        self.events: list[Incoming | Unread] = []
        self.told: list[str] = []

    async def run(self, inbox: Inbox) -> None:
        if self.failure is not None:
            raise self.failure
        await inbox.begin("@bot")
        if self.events:
            await inbox.take(self.events, "17")
        await asyncio.Event().wait()

    async def send(self, place: Place, message: Message) -> Receipt:
        self.told.append(f"{place.chat}: {message.text}")
        return Receipt(id="1")


class World:
    """One account, its supervisor, and the gateway in front of them."""

    account_kind: type[Account] = Account

    def __init__(self, rules: Rules = RULES) -> None:
        self.rig = rig = Rig()
        self.account = self.account_kind(FakeChat(BOT, rig.clock))
        self.weather = Weather(rig.journal, rig.clock, lambda: 0.5, [GateSettings(gate_of(BOT), "f1", 4)], [])
        self.supervisor = Supervisor(rig.clock, lambda: 0.5)
        self.gateway = LocalGateway(
            lambda: "1.0",
            rig.journal,
            MemoryFiles(),
            rig.followers,
            lambda _: None,
            self.weather,
            rig.tools,
            self.supervisor,
            rig.clock,
            rig.hands,
            lambda now: now,
            Lifetime(rig.journal, rig.clock, ServiceManager({})),
            Steady(),
        )
        self.accounts = self.gateway.accounts = self.accounts_of({BOT: rules})
        self.persons = self.accounts.persons

    def accounts_of(self, rules: Mapping[str, Rules]) -> Accounts:
        """Ours, or none."""
        rig, accept = self.rig, self.gateway.accept
        rules = {name: plain(one) for name, one in rules.items()}
        platforms, persons, owner = dict.fromkeys(rules, self.account), Persons(rules, rig.clock.now), Owner((), accept, rig.clock)
        return Accounts(platforms, rules, persons, rig.journal, accept, self.weather, owner, rig.clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.supervisor.run(self.accounts.children()))
        await asyncio.sleep(1)
        yield
        task.cancel()
        await asyncio.wait([task])

    async def state(self) -> PlatformState:
        (state,) = await self.gateway.platforms()
        return state

    def heard(self) -> dict[str, list[Any]]:
        return {key: [entry.body for entry in row.entries] for key, row in self.rig.journal.disk.conversations.items()}


@simulated
async def test_an_account_that_is_connected_says_who_it_is_and_what_it_received() -> None:
    world = World()
    assert (await world.state()).state == "connecting"
    world.account.events = [Incoming(place=Place("1"), id="m1", author="1", did=Wrote("Hello")), Unread("{", "half an object")]
    async with world.running():
        state, now = await world.state(), world.rig.clock.now()
    assert (state.kind, state.name, state.identity, state.state) == ("fake", BOT, "@bot", "connected")
    assert (state.received, state.unread, state.reconnects, state.why) == (1, 1, 0, "")
    assert (state.heard_at, state.moved_at) == (now - 1, now - 1)
    assert (await world.gateway.status())["platforms"][0]["identity"] == "@bot"


@simulated
async def test_one_that_only_a_person_can_mend_has_stopped_and_is_connected_by_hand() -> None:
    world = World()
    world.account.failure = Config("The token is not known.")
    async with world.running():
        await asyncio.sleep(1000)
        state = await world.state()
        assert (state.state, state.why, state.next_try) == ("stopped", "The token is not known.", 0.0)
        assert not await world.gateway.retry_platform("fake:other")
        world.account.failure = None
        assert await world.gateway.retry_platform(BOT)
        await asyncio.sleep(1)
        state = await world.state()
        assert (state.state, state.why, state.reconnects) == ("connected", "", 1)
        assert world.weather.is_open(gate_of(BOT), "x")


@simulated
async def test_one_that_is_away_says_when_it_is_tried_again_and_what_waits_there() -> None:
    world = World()
    world.account.failure = Temporary("no such host", retry_after_s=42.0)
    journal, now = world.rig.journal, world.rig.clock.now()
    await world.gateway.accept([Arrival(f"{BOT}:7", BOT, "7", "m1", Note(text="Hello"), now)])
    (lease,) = await journal.claim("us", now, (BOT,), {}, 9)
    await journal.append(lease, now, 1, release=Release(speech_gate=gate_of(BOT)))
    async with world.running():
        state = await world.state()
    assert (state.state, state.why, state.unsaid) == ("waiting", "no such host", 1)
    assert state.next_try == pytest.approx(world.rig.clock.now() + 41.0)


@simulated
async def test_one_that_was_lost_is_away_since_it_was_heard_last() -> None:
    world = World()
    async with world.running():
        heard = (await world.state()).heard_at
        world.account.failure = Temporary("no such host")
        await asyncio.sleep(2 * world.account.traits.silence_s_max)
        state = await world.state()
    assert (state.state, state.why, state.since) == ("waiting", "no such host", heard)
    assert state.reconnects > 1


@simulated
async def test_one_that_receives_and_can_not_send_waits_too_and_is_tried_by_hand() -> None:
    world = World()
    async with world.running():
        await world.weather.failed(gate_of(BOT), world.rig.clock.now(), Failure("rate-limit", 500.0, "too many requests"))
        state = await world.state()
        assert (state.state, state.why) == ("waiting", "It receives, and can't send: too many requests")
        assert state.next_try == pytest.approx(world.rig.clock.now() + 500.0)
        assert not world.weather.is_open(gate_of(BOT), "x")
        assert await world.gateway.retry_platform(BOT)
        assert world.weather.is_open(gate_of(BOT), "x")


@simulated
async def test_people_are_those_of_the_configuration_as_it_is_written_and_those_let_in() -> None:
    world, now = World(), 1e9
    ada, gone = Person(BOT, "8", "Ada", "8", since=now, handle="@Ada"), Person(BOT, "9", "Bob", "9", since=now, handle="@bob")
    moved = Person(BOT, "-1005", "", "-1005", since=now, handle="-5")
    for person in (ANN, ada, gone, moved):
        await world.rig.journal.put_person(person)
    (access,) = await world.gateway.people()
    assert (access.owners, access.allow, access.groups, access.pairing) == (("1",), ("@Ada",), ("-5",), True)
    assert access.people == (ANN, ada)


@simulated
async def test_who_is_approved_is_told_so_once_and_who_is_removed_may_talk_no_more() -> None:
    world = World()
    await world.rig.journal.put_person(ANN)
    with pytest.raises(Request, match="No code 'AB' is waiting"):
        await world.gateway.approve("AB")
    with pytest.raises(Request, match="No code '' is waiting"):
        await world.gateway.approve("")
    for _ in range(2):
        assert (await world.gateway.approve(" ab23cd45 ")).id == "7"
    assert world.heard() == {f"{BOT}:7": [Note(text="You may talk to me now. Just write.")]}
    assert world.persons.let_in(BOT) == {"7": ""}
    await world.gateway.remove(BOT, "7")
    assert world.persons.let_in(BOT) == {} and (await world.gateway.people())[0].people == ()
    with pytest.raises(Request, match="Nobody let '7' in"):
        await world.gateway.remove(BOT, "7")
    with pytest.raises(Request, match="There is no account 'fake:other'"):
        await world.gateway.remove("fake:other", "7")


@simulated
async def test_whom_the_configuration_lets_in_is_not_said_to_be_removed() -> None:
    world = World()
    ada = Person(BOT, "8", "Ada", "8", since=1e9, handle="@ada")
    await world.rig.journal.put_person(ada)
    world.persons.know([ada])
    with pytest.raises(Request, match=r"lets @ada \(8\) talk on fake:bot: take them out of allow and owners in \[platforms.fake.bot\]"):
        await world.gateway.remove(BOT, "8")
    with pytest.raises(Request, match="The configuration lets 1 talk"):
        await world.gateway.remove(BOT, "1")


@simulated
async def test_pair_by_the_door_lets_in_and_says_whom() -> None:
    world, now = World(), 1e9
    await world.rig.journal.put_person(ANN)

    async def says(id_: str, args: str) -> Command:
        body = Command(author="local", id=id_, name="pair", args=args)
        (accepted,) = await world.gateway.accept([Arrival("web:local:x", "web:local", "x", id_, body, now)])
        (entry,) = (await world.gateway.read("web:local:x", accepted.seq - 1, 1)).entries
        assert isinstance(entry.body, Command)
        return entry.body

    assert (await says("k1", "WRONG for Bob")).args == "WRONGforBob"
    assert (await says("k2", "ab23cd45")).args == "AB23CD45 Ann"
    assert (await says("k2", "ab23cd45")).args == "AB23CD45 Ann"
    assert world.persons.let_in(BOT) == {"7": ""}


@simulated
async def test_without_accounts_there_is_nobody_to_let_in() -> None:
    world = World()
    world.gateway.accounts = world.accounts_of({})
    assert (await world.gateway.platforms(), await world.gateway.people()) == ((), ())
    with pytest.raises(Request, match="No code 'AB' is waiting"):
        await world.gateway.approve("AB")
    with pytest.raises(Request, match=f"There is no account '{BOT}'. There is: none"):
        await world.gateway.remove(BOT, "7")


# --- signing in ---------------------------------------------------------------------------------------------------------------------------


class Signed(Account):
    """Somebody signs it in."""

    def __init__(self, chat: FakeChat) -> None:
        super().__init__(chat)
        self.failure: Exception | None = Config("Nobody has signed it in yet.")
        self.asked: list[str] = []
        self.ended = False

    async def sign_in(self) -> AsyncGenerator[SignIn, None]:
        try:
            yield SignIn("Scan this.", picture="https://example.org/q/1")
            self.failure = None
            yield SignIn("Signed in.", done=True, person="7")
        finally:
            self.ended = True

    def answer(self, said: str) -> None:
        self.asked.append(said)


class SignedWorld(World):
    account_kind = Signed


@simulated
async def test_who_signs_an_account_in_may_talk_and_it_is_connected_at_once() -> None:
    world = SignedWorld()
    async with world.running():
        assert ((await world.state()).state, (await world.state()).signs_in) == ("stopped", True)
        steps = [step async for step in world.gateway.sign_in(BOT)]
        assert [step.says for step in steps] == ["Scan this.", "Signed in."]
        await asyncio.sleep(1)
        assert (await world.state()).state == "connected"
        assert world.weather.is_open(gate_of(BOT), "x")
        assert [(one.id, one.since > 0) for one in (await world.gateway.people())[0].people] == [("7", True)]
        await world.gateway.answer_sign_in(BOT, "42")
    assert isinstance(world.account, Signed)
    assert world.account.asked == ["42"]


@simulated
async def test_whoever_is_on_a_list_is_not_let_in_again() -> None:
    world = SignedWorld(Rules(allow=frozenset({"7"})))
    async with world.running():
        assert [step async for step in world.gateway.sign_in(BOT)][-1].done
        assert (await world.gateway.people())[0].people == ()


@simulated
async def test_a_reader_who_leaves_ends_it_and_nobody_is_signed_in() -> None:
    world = SignedWorld()
    async with world.running():
        steps = world.gateway.sign_in(BOT)
        await anext(steps)
        await steps.aclose()
        assert isinstance(world.account, Signed)
        assert world.account.ended
        assert (await world.state()).state == "stopped"


@simulated
async def test_nobody_signs_in_to_what_has_its_credentials() -> None:
    world = World()
    assert not (await world.state()).signs_in
    with pytest.raises(Request, match="Nobody signs 'fake:bot' in: it has what it needs in the configuration"):
        await anext(world.gateway.sign_in(BOT))
    with pytest.raises(Request, match=r"there is no such account\. Those that a person signs in: none"):
        await world.gateway.answer_sign_in("fake:other", "42")
