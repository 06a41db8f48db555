"""Accounts of chat systems on virtual time: people in chats, supervised connections, and everything behind them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from holdfast.core.access import Rules, plain
from holdfast.core.entries import AnyBody, Attachment, Entry, Note
from holdfast.core.incoming import Chose, Deleted, Edited, Incoming, Moved, Place, Unread, Wrote
from holdfast.core.request import Request
from holdfast.errors import Config, Temporary
from holdfast.ports import Accepted, Arrival, Cursor, Inbox, Message, Move, Platform, Receipt, Traits
from holdfast.runtime import speech
from holdfast.runtime.accounts import Accounts
from holdfast.runtime.acts import AccountSettings, Acts, AgentSettings, RouteSettings
from holdfast.runtime.dispatch import Dispatch
from holdfast.runtime.owner import Owner
from holdfast.runtime.persons import Persons
from holdfast.runtime.speech import Speech, gate_of
from holdfast.runtime.supervisor import Supervisor
from holdfast.runtime.weather import GateSettings, Weather
from holdfast.testing.clock import LoopClock
from holdfast.testing.fake_platform import FakeChat
from holdfast.testing.fake_tools import FakeTools, Outside
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.memory_journal import MemoryDisk, MemoryJournal
from holdfast.testing.scripted_model import Say, ScriptedModel, Step
from holdfast.testing.sim import Killed, this_loop

POLL_S = 30.0
BOSS = "web:notes"
_lives = itertools.count(1)

Event = Incoming | Moved | Unread


@dataclass
class Chats:
    """One account's platform as it is outside: what people did, as far as it was not acknowledged. It outlives every gateway."""

    name: str
    identity: str = "@bot"
    events: list[tuple[int, Event]] = field(default_factory=list)
    told: int = 0
    trouble: Temporary | Config | None = None
    hangs: bool = False
    """Names are not resolved, and nobody says so."""
    deaf: bool = False
    """Polls get no answer."""
    clings: bool = False
    """A connection that ends does not end."""
    requests: list[str] = field(default_factory=list)
    _ids: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, text: str, author: str = "1", chat: str = "", **more: object) -> str:
        self._ids += 1
        self.do(Wrote(text), f"m{self._ids}", author, chat, **more)
        return f"m{self._ids}"

    def do(self, did: Wrote | Edited | Deleted | Chose, id_: str, author: str = "1", chat: str = "", **more: object) -> None:
        thread = str(more.pop("thread", ""))
        self.tell(Incoming(place=Place(chat or author, thread), id=id_, author=author, did=did, **{"name": author.title(), **more}))  # type: ignore[arg-type] # as there

    def tell(self, event: Event) -> None:
        self.told += 1
        self.events.append((self.told, event))
        self._news.set()

    async def poll(self, after: int) -> list[tuple[int, Event]]:
        """Asking for the next acknowledges the last."""
        self.events = [event for event in self.events if event[0] > after]
        if not self.events:
            self._news.clear()
            try:
                async with asyncio.timeout(POLL_S):
                    await self._news.wait()
            except TimeoutError:
                return []
        return self.events[:100]


class Account:
    """`ports.Platform`: polls, as one that asks for what comes after its cursor."""

    def __init__(self, chats: Chats, chat: FakeChat) -> None:
        self.account, self.traits, self.chats, self.chat = chats.name, chat.traits, chats, chat

    async def run(self, inbox: Inbox) -> None:
        self._ask("connect")
        if self.chats.hangs:
            await asyncio.Future()
        at = int(await inbox.begin(self.chats.identity) or 0)
        try:
            while True:
                self._ask("poll")
                if self.chats.deaf:
                    await asyncio.Future()
                found = await self.chats.poll(at)
                inbox.alive()
                if found:
                    await inbox.take([event for _, event in found], str(found[-1][0]))
                    at = found[-1][0]
        finally:
            if self.chats.clings:
                await asyncio.Future()

    def _ask(self, what: str) -> None:
        self.chats.requests.append(what)
        if self.chats.trouble is not None:
            raise type(self.chats.trouble)(*self.chats.trouble.args)

    async def send(self, place: Place, message: Message) -> Receipt:
        self.chats.requests.append("send")
        match self.chats.trouble:
            case Config() as why:
                return Receipt("retry", why=str(why), account="stopped")
            case Temporary() as why:
                return Receipt("retry", why=str(why), account="away")
            case _:
                return await self.chat.send(place.address, message.text, message.key, message.edit)

    async def find(self, place: Place, message: Message, since: float) -> str | None:
        return await self.chat.find(place.address, message.text, message.key)

    async def fetch(self, attachment: Attachment) -> str:
        raise Temporary(f"{attachment.name} is not there yet")

    def pace_s(self, place: Place) -> float | None:
        return self.chat.pace_s

    async def typing(self, place: Place) -> None:
        self.chats.requests.append("typing")

    def show(self, conversation: str, name: str, text: str) -> None:
        """Nobody looks."""

    def progress(self, conversation: str, call: str, text: str) -> None:
        """Nobody looks."""

    async def close(self) -> None:
        """There is nothing to let go of."""


RULES = Rules(allow=frozenset({"2"}), owners=frozenset({"1"}))


class AccountsRig:
    """One life of a gateway with these accounts. `chats` and `disk` outlive it."""

    journal: MemoryJournal
    chats: dict[str, Chats]
    screens: dict[str, FakeChat]
    model: ScriptedModel
    outside: Outside

    def __init__(
        self,
        *names: str,
        rules: Rules = RULES,
        script: list[Step] | Callable[[Request], Step] | None = None,
        before: AccountsRig | None = None,
        traits: Traits | None = None,
        settings: AccountSettings | None = None,
        agent: AgentSettings | None = None,
        places: int = 4,
    ) -> None:
        names = names or ("fake:a",)
        self.life, self.clock = f"life-{next(_lives)}", LoopClock()
        self.journal: MemoryJournal = MemoryJournal(before.journal.disk if before else MemoryDisk())
        self.disk = self.journal.disk
        traits = traits or Traits(key_holds_s=float("inf"))
        self.chats: dict[str, Chats] = before.chats if before else {name: Chats(name) for name in names}
        self.screens: dict[str, FakeChat] = before.screens if before else {name: FakeChat(name, self.clock, traits) for name in names}
        self.model: ScriptedModel = (
            before.model if before and script is None else ScriptedModel(self.clock, script or (lambda _: Say(text="Yes.")))
        )
        self.outside: Outside = before.outside if before else Outside()
        self.rules = {name: plain(rules) for name in names}
        accounts = {name: (settings or AccountSettings()) for name in names}
        accounts = {name: _with(one, self.rules[name]) for name, one in accounts.items()}
        agent = agent or AgentSettings("Be brief.", (RouteSettings("main", "route:main", self.model, price=(1e6, 1e6)),))
        self.agent = _for(agent, accounts)
        gates = [GateSettings(route.gate, "f1", places) for route in self.agent.routes]
        gates += [GateSettings(gate_of(name), "f1", places) for name in names]
        self.weather = Weather(self.journal, self.clock, lambda: 0.5, gates, list(self.disk.gates.values()))
        self.platforms: dict[str, Platform] = {name: Account(self.chats[name], self.screens[name]) for name in names}
        self.speech = Speech(self.platforms, self.weather, self.clock)
        self.persons = Persons(self.rules, self.clock.now)
        self.persons.know(self.disk.people.values())
        self.tools = FakeTools(self.outside, self.clock)
        self.acts = Acts(
            self.agent, self.weather, self.speech, self.tools, self.clock, lambda _: None, files=MemoryFiles(), persons=self.persons
        )
        self.dispatch = Dispatch(self.life, names, self.journal, self.clock, self.weather, self.acts, lambda _: None)
        owner = Owner([(BOSS, "web", "notes")], self.accept, self.clock)
        self.accounts = Accounts(self.platforms, self.rules, self.persons, self.journal, self.accept, self.weather, owner, self.clock)
        self.accounts.rights_changed = self.dispatch.look_again
        self.speech.stopped, self.speech.moved, self.speech.blocked = self.accounts.stopped, self.accounts.moved, self.accounts.blocked
        self.supervisor = Supervisor(self.clock, lambda: 0.5)

    async def accept(
        self, arrivals: Sequence[Arrival], cursor: Cursor | None = None, moves: Sequence[Move] = (), unread: Sequence[str] = ()
    ) -> tuple[Accepted, ...]:
        accepted = await self.journal.ingest(arrivals, cursor, moves, unread)
        for one in accepted:
            if one.new:
                self.dispatch.arrived(one.conversation)
        return accepted

    async def killed_at(self, point: str, within_s: float = 60.0) -> bool:
        """Run until this point is passed in the middle of a preview, and die there. False if it was not."""
        loop, died = this_loop(), list[str]()

        async def live() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.dispatch.run())
                tasks.create_task(self.supervisor.run(self.accounts.children()))

        process = loop.start(self.life, live())

        def die(passed: str) -> None:
            if passed == point:
                died.append(passed)
                self.journal.crash()
                loop.kill(process)
                raise Killed

        with patch.object(speech, "failpoint", die):
            await self.clock.sleep(within_s)
        loop.kill(process)
        self.journal.crash()
        return bool(died)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.journal.disown(self.clock.now(), 1000)
        tasks = [asyncio.ensure_future(self.dispatch.run()), asyncio.ensure_future(self.supervisor.run(self.accounts.children()))]
        try:
            yield
            assert not any(task.done() for task in tasks), tasks
        finally:
            for chats in self.chats.values():
                chats.clings = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def retry(self, name: str) -> None:
        """What `holdfast platforms retry` does."""
        self.supervisor.retry(f"platform:{name}")

    def state(self, name: str = "fake:a") -> str:
        return self.supervisor.states()[f"platform:{name}"].state

    def entries(self, conversation: str) -> list[Entry]:
        row = self.disk.conversations.get(conversation)
        return row.entries if row else []

    def bodies(self, kind: type[AnyBody], conversation: str) -> list[AnyBody]:
        return [entry.body for entry in self.entries(conversation) if isinstance(entry.body, kind)]

    def shown(self, address: str, account: str = "fake:a") -> list[str]:
        return [shown.text for shown in self.screens[account].screens[address]]

    def told_owner(self) -> list[str]:
        return [body.text for body in self.bodies(Note, BOSS) if isinstance(body, Note)]


def _with(settings: AccountSettings, rules: Rules) -> AccountSettings:
    return AccountSettings(settings.chain, settings.instructions, settings.busy, settings.unknown_send, rules)


def _for(agent: AgentSettings, accounts: dict[str, AccountSettings]) -> AgentSettings:
    return AgentSettings(
        agent.instructions,
        agent.routes,
        agent.classify,
        agent.chain,
        agent.chains,
        accounts,
        agent.summaries,
        agent.scheduled,
        agent.budget,
    )
