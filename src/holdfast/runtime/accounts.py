"""The accounts of chat systems: received from, each for itself, with what an adapter must not own: access, the journal, the cursor, the time-outs.

An account that fails is connected again for ever; one that only a person can mend rests, and its owner is told. Whatever is to be said there waits at its
gate meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from holdfast.core import chat_words
from holdfast.core.access import (
    CODE_CHARS,
    CODE_S,
    CODE_SIGNS,
    PENDING_MAX,
    SAID_AGAIN_S,
    Rules,
    code,
    group_key,
    handle_of,
    listed_group,
    permitted,
    role_of,
    verdict,
)
from holdfast.core.entries import Command, Entry, Note, UserMessage
from holdfast.core.incoming import Deleted, Edited, Incoming, Moved, Place, Unread, Wrote, body_of, dedupe, place_of, shown_name
from holdfast.errors import Config, Request, Temporary
from holdfast.failpoints import failpoint
from holdfast.ports import Accepted, Arrival, Clock, Cursor, Journal, Message, Move, Person, Platform, SignsIn
from holdfast.runtime.owner import Owner
from holdfast.runtime.persons import DAY_S, Persons
from holdfast.runtime.speech import gate_of
from holdfast.runtime.supervisor import Run
from holdfast.runtime.weather import Weather

CONNECT_S_MAX: Final = 60.0
"""How long an account may take to connect, names and all."""

CLEAN_UP_S_MAX: Final = 5.0
"""How long a connection that is given up may take to end."""

CHATS_MAX: Final = 10_000
"""So many chats are looked through for what was written while nobody listened."""

TOLD_S_MAX: Final = 5.0
"""How long others wait while a stranger is told a code."""

Accept = Callable[[Sequence[Arrival], Cursor | None, Sequence[Move], Sequence[str]], Awaitable[tuple[Accepted, ...]]]
"""Makes arrivals durable and wakes their conversations."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account at a glance. `heard_at`: when the platform was heard last (0: not in this life); `moved_at`: when the cursor last moved; `received`: so many
    messages in this life."""

    name: str
    identity: str = ""
    heard_at: float = 0.0
    moved_at: float = 0.0
    received: int = 0
    connects: int = 0


class Accounts:
    """All of them. `rules` say who may talk on each."""

    def __init__(  # noqa: PLR0917 - the parts it works with
        self,
        platforms: Mapping[str, Platform],
        rules: Mapping[str, Rules],
        persons: Persons,
        journal: Journal,
        accept: Accept,
        weather: Weather,
        owner: Owner,
        clock: Clock,
    ) -> None:
        self.platforms, self.rules, self.persons, self.journal = platforms, rules, persons, journal
        self.accept, self.weather, self.owner, self.clock = accept, weather, owner, clock
        self.rights_changed: Callable[[], None] = lambda: None
        """Told when somebody may do less than before."""
        self._inboxes = {name: AccountInbox(self, platform) for name, platform in platforms.items()}

    def children(self) -> Mapping[str, Run]:
        """For the supervisor."""
        return {f"platform:{name}": inbox.run for name, inbox in self._inboxes.items()}

    def states(self) -> tuple[AccountState, ...]:
        return tuple(inbox.state for inbox in self._inboxes.values())

    # --- told by those who send ----------------------------------------------------------------------------------------------------------

    async def stopped(self, account: str, why: str) -> None:
        """A send has shown that only a person can mend this account: it is cut off."""
        await self.weather.stop(gate_of(account), why)
        self._inboxes[account].cut_off(why)

    async def moved(self, account: str, place: Place, to: str) -> None:
        """A send has shown that a chat has another id now."""
        move = Move(account, place.chat, to)
        await self.follow(move)
        await self.accept([], None, [move], ())

    async def follow(self, move: Move) -> None:
        """A group that the configuration names has another id now: what is said of it there goes on to hold."""
        rules, known_as = self.rules[move.account], listed_group(self.persons.let_in(move.account), move.chat)
        if known_as in rules.groups or known_as in (rules.tools or {}):
            group = Person(move.account, group_key(move.to), known_as, move.to, since=self.clock.now(), handle=known_as)
            await self.journal.put_person(group)
            self.persons.know([group])

    async def blocked(self, account: str, place: Place, why: str) -> None:
        """The owner is told, once a day."""
        await self.owner.tell(
            f"{account} {place.chat} blocked {self.clock.now() // DAY_S:.0f}", chat_words.chat_blocked(account, place.chat, why)
        )

    # --- who may talk ---------------------------------------------------------------------------------------------------------------------

    async def people(self) -> tuple[Person, ...]:
        """Those who were let in, and those who wait for it. Whose code has expired is forgotten."""
        now, known = self.clock.now(), await self.journal.people()
        for person in known:
            if not person.since and now >= person.expires:
                await self.journal.drop_person(person.account, person.id)
        return tuple(person for person in known if person.since or now < person.expires)

    async def approve(self, wanted: str, account: str = "") -> Person:
        """Let in whoever was told this code (on this account alone, where one is named). Again is harmless. Raises `Request`."""
        told = wanted.strip().upper()
        known = [p for p in await self.people() if told and p.code == told and account in {"", p.account}]
        if not known:
            raise Request(f"No code {wanted!r} is waiting. Codes hold for an hour; `holdfast people` lists them.")
        person = known[0] if known[0].since else replace(known[0], since=self.clock.now())
        await self.journal.put_person(person)
        self.persons.know([person])
        await self._tell(person, chat_words.let_in())
        return person

    async def paired(self, body: Command) -> Command:
        """An owner's /pair: done before it is kept, and harmless if it is done again."""
        try:
            person = await self.approve(body.args)
        except Request:
            args = "".join(body.args.split())  # one word: who follows the code was let in
        else:
            args = f"{person.code} {person.name or person.id}"
        return Command(author=body.author, id=body.id, name=body.name, args=args)

    async def remove(self, account: str, person: str) -> None:
        """End somebody's access, at once. Raises `Request` if it is not to be ended here, or not here alone."""
        rules = self.rules.get(account)
        if rules is None:
            raise Request(f"There is no account {account!r}. There is: {', '.join(self.rules) or 'none'}.")
        handle = self.persons.let_in(account).get(person, "")
        dropped = await self.forget(account, person)
        if role_of(rules, person, {person: handle} if handle else {}, chat="", group=False) is not None:
            who = f"{handle} ({person})" if handle else person
            raise Request(
                f"The configuration lets {who} talk on {account}: take them out of allow and owners in [{chat_words.table_of(account)}] "
                '("*" is everybody), and start the gateway again.'
            )
        if not dropped:
            raise Request(f"Nobody let {person!r} in to {account}. `holdfast people` lists whom an owner let in, by their ids.")

    async def forget(self, account: str, person: str) -> bool:
        """They are let in no more: what is done for them ends, and what they are asked. False if nobody had let them in."""
        dropped = await self.journal.drop_person(account, person)
        self.persons.forget(account, person)
        await self.journal.hasten(self.clock.now())  # whatever waits for an answer of theirs waits for an instant, too
        self.rights_changed()
        return dropped

    async def _tell(self, person: Person, text: str) -> None:
        """Said once, as the first thing in their conversation."""
        conversation = Place.of(person.address).conversation(person.account)
        key = f"{person.account} {person.id} let in {person.since!r}"
        await self.accept([Arrival(conversation, person.account, person.address, key, Note(text=text), self.clock.now())], None, (), ())


class AccountInbox:
    """Implements `ports.Inbox` for one account."""

    def __init__(self, accounts: Accounts, platform: Platform) -> None:
        self._all, self._platform = accounts, platform
        self._rules = accounts.rules[platform.account]
        self.state = AccountState(platform.account)
        self._deadline: asyncio.Timeout | None = None
        self._ready: Callable[[], None] = lambda: None
        self._cursor = Cursor(platform.account, "", "")
        self._running: asyncio.Task[None] | None = None
        self._why = ""
        self._said: dict[str, float] = {}  # when strangers were told their codes

    async def run(self, ready: Callable[[], None]) -> None:
        """Receive until cancelled. Raises `Temporary` or `Config`; what is deaf, or takes too long to connect, is `Temporary`."""
        self._ready = ready
        try:
            async with asyncio.timeout(CONNECT_S_MAX) as self._deadline:
                await self._receive()
        except TimeoutError:
            if self._deadline is None or not self._deadline.expired():
                raise
            connected = self.state.identity and self._cursor.identity
            what = (
                f"nothing was heard for {self._platform.traits.silence_s_max:g} s"
                if connected
                else f"no connection within {CONNECT_S_MAX:g} s"
            )
            raise Temporary(f"{self._platform.account} is connected anew: {what}") from None
        except Config as failure:
            await self._all.weather.stop(gate_of(self._platform.account), str(failure))
            await self._tell_stopped(str(failure))
            raise
        finally:
            self._deadline = None
            self._cursor = replace(self._cursor, identity="")

    async def _receive(self) -> None:
        """Until cancelled, or cut off."""
        self._why = ""
        running = self._running = asyncio.create_task(self._platform.run(self))
        try:
            await asyncio.wait([running])
        finally:
            while not running.done():  # whoever hangs in its clean-up is told again
                running.cancel()
                await asyncio.wait([running], timeout=CLEAN_UP_S_MAX)
        if self._why:
            raise Config(self._why)
        if running.cancelled():
            raise Temporary(f"{self._platform.account} is connected anew: it was cut short")
        running.result()

    def cut_off(self, why: str) -> None:
        """A send has shown what only a person can mend."""
        if self._running is not None and not self._running.done():
            self._why = why
            self._running.cancel()

    async def _tell_stopped(self, why: str) -> None:
        account = self._platform.account
        gate = self._all.weather.row(gate_of(account))
        await self._all.owner.tell(
            f"{account} {gate.fingerprint} stopped {gate.since!r} {why}",
            chat_words.account_stopped(account, why, by_hand=not isinstance(self._platform, SignsIn)),
        )

    # --- ports.Inbox ------------------------------------------------------------------------------------------------------------------

    async def begin(self, identity: str) -> str:
        account = self._platform.account
        known = await self._all.journal.cursor(account)
        if known is not None and known.identity != identity:
            raise Config(
                f"{account} was {known.identity} so far, and is {identity} now. Give the new one an account of another name, or put the old credentials back."
            )
        self._cursor = Cursor(account, identity, known.value if known is not None else "")
        self.state = replace(self.state, identity=identity, connects=self.state.connects + 1)
        self.alive()
        await self._all.weather.lives(gate_of(account))
        self._ready()
        return self._cursor.value

    async def chats(self) -> Sequence[Place]:
        return [Place.of(address) for address in await self._all.journal.addresses(self._platform.account, CHATS_MAX)]

    def alive(self) -> None:
        self.state = replace(self.state, heard_at=self._all.clock.now())
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._platform.traits.silence_s_max)

    async def take(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None = None) -> Sequence[Incoming]:
        return [event for event, one in await self._taken(events, cursor) if one.new]

    async def keep(self, incoming: Incoming) -> Accepted | None:
        taken = await self._taken([incoming], None)
        return taken[0][1] if taken else None

    async def read(self, place: Place, after: int, most: int) -> Sequence[Entry]:
        return (await self._all.journal.read(place.conversation(self._platform.account), after, most)).entries

    async def _taken(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None) -> Sequence[tuple[Incoming, Accepted]]:
        """What was kept of these, now or before, and where."""
        if not self._cursor.identity:
            raise Temporary(f"{self._platform.account} is not connected.")
        moves = [Move(self._platform.account, event.chat, event.to) for event in events if isinstance(event, Moved)]
        for move in moves:
            await self._all.follow(move)
        arrivals: list[Arrival] = []
        kept: list[Incoming] = []
        strangers: list[Incoming] = []
        for event in events:
            if isinstance(event, Incoming):
                arrival = await self._admitted(event, strangers)
                if arrival is not None:
                    arrivals.append(arrival)
                    kept.append(event)
        unread = [event for event in events if isinstance(event, Unread)]
        moved = cursor is not None and cursor != self._cursor.value
        reached = self._cursor if cursor is None else replace(self._cursor, value=cursor)
        accepted = await self._all.accept(arrivals, reached, moves, [event.raw for event in unread])
        self._cursor = reached  # not before it is durable
        failpoint("acknowledge")
        for one, arrival in zip(accepted, arrivals, strict=True):
            if one.new and isinstance(arrival.body, UserMessage):
                self._all.persons.wrote(self._platform.account, arrival.body.author)
        now, new = self._all.clock.now(), sum(one.new for one in accepted)
        self.state = replace(self.state, received=self.state.received + new, moved_at=now if moved else self.state.moved_at)
        if unread:
            text = chat_words.could_not_read(self._platform.account, len(unread), unread[-1].why)
            await self._all.owner.tell(f"{self._platform.account} unread {now // DAY_S:.0f}", text)  # once a day
        for stranger in strangers:
            await self._told_a_code(stranger)
        return list(zip(kept, accepted, strict=True))

    # --- access --------------------------------------------------------------------------------------------------------------------------

    async def _admitted(self, incoming: Incoming, strangers: list[Incoming]) -> Arrival | None:
        """What it becomes, if its author may do it. Nothing of strangers is kept but a code."""
        account, persons = self._platform.account, self._all.persons
        if handle := handle_of(self._rules, incoming):
            await self._let_in_by(handle, incoming)
        elif persons.let_in(account).get(incoming.author):  # whoever is called otherwise now is not who stands on the list
            await self._all.forget(account, incoming.author)
        found = verdict(self._rules, incoming, persons.let_in(account))
        if found.what == "pair":
            strangers.append(incoming)
        if found.what != "take" or found.role is None:
            return None
        body = permitted(found.role, body_of(incoming))
        if isinstance(body, Command) and body.name == "pair":
            body = await self._all.paired(body)
        place = place_of(incoming, self._rules.grouping)
        return Arrival(
            place.conversation(account),
            account,
            place.address,
            dedupe(account, incoming),
            body,
            self._all.clock.now(),
            dedupe(account, replace(incoming, did=Wrote(""))) if isinstance(incoming.did, Edited | Deleted) else "",
        )

    async def _let_in_by(self, handle: str, incoming: Incoming) -> None:
        """A list names this person by a handle: from now on their id says so too, for as long as the list does, and they are called so."""
        account = self._platform.account
        if self._all.persons.let_in(account).get(incoming.author) in {"", handle}:
            return
        person = Person(account, incoming.author, shown_name(incoming), incoming.place.address, since=self._all.clock.now(), handle=handle)
        await self._all.journal.put_person(person)
        self._all.persons.know([person])

    async def _told_a_code(self, incoming: Incoming) -> None:
        """A stranger is told a code, which an owner can approve. Best effort: whoever hears nothing writes again."""
        now, account = self._all.clock.now(), self._platform.account
        if now - self._said.get(incoming.author, 0.0) < SAID_AGAIN_S:
            return
        pending = [person for person in await self._all.people() if person.account == account and not person.since]
        person = next((one for one in pending if one.id == incoming.author), None)
        if person is None:
            if len(pending) >= PENDING_MAX:
                return
            drawn = code(secrets.randbelow(len(CODE_SIGNS)) for _ in range(CODE_CHARS))
            person = Person(account, incoming.author, shown_name(incoming), incoming.place.address, drawn, now + CODE_S)
            await self._all.journal.put_person(person)
            await self._all.owner.tell(
                f"{account} {person.id} wants in {drawn}", chat_words.wants_in(person.name, person.id, account, drawn)
            )
        self._said = {one: at for one, at in self._said.items() if now - at < SAID_AGAIN_S} | {incoming.author: now}
        if self._all.weather.is_open(gate_of(account), incoming.author):  # what is limited is not limited less by strangers
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TOLD_S_MAX):
                    await self._platform.send(incoming.place, Message(chat_words.pairing(person.code)))
