"""What page and command line may ask of the running gateway: accept, read, follow, status, retry."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from holdfast.core import turn, words
from holdfast.core.access import Rules
from holdfast.core.entries import Command, Entry, UserMessage
from holdfast.core.transcript import Transcript
from holdfast.core.weather import GateRow
from holdfast.errors import Request
from holdfast.ports import (
    ALL,
    Accepted,
    Access,
    Arrival,
    Clock,
    ConversationRow,
    Cursor,
    Files,
    Held,
    Hold,
    Journal,
    Move,
    Offer,
    Person,
    PlatformState,
    RouteState,
    SignIn,
    Snapshot,
    Standing,
    ToolHost,
    ToolServerState,
    Used,
)
from holdfast.runtime.accounts import Accounts, AccountState
from holdfast.runtime.acts import Acts
from holdfast.runtime.backups import Backups
from holdfast.runtime.follow import Followers
from holdfast.runtime.lifetime import Lifetime
from holdfast.runtime.signing_in import SigningIn
from holdfast.runtime.speech import gate_of
from holdfast.runtime.supervisor import ChildState, Supervisor
from holdfast.runtime.weather import Weather

PARTS: Final[Mapping[str, Literal["connecting", "connected", "waiting", "stopped"]]] = {
    "starting": "connecting",
    "ready": "connected",
    "waiting": "waiting",
    "stopped": "stopped",
}
"""What the states of a supervised part are called of an account."""


class Reloads(Protocol):
    """How this gateway gets another configuration: see `ports.Gateway`."""

    file: Path
    refused: str
    read_at: float

    async def compared(self) -> tuple[str, ...]: ...

    async def differences(self) -> tuple[str, ...]: ...

    def start_again(self) -> None: ...


class LocalGateway:
    """Implements `ports.Gateway` for this process."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts it shows
        self,
        version: Callable[[], str],
        journal: Journal,
        files: Files,
        followers: Followers,
        arrived: Callable[[str], None],
        weather: Weather,
        tools: ToolHost,
        supervisor: Supervisor,
        clock: Clock,
        acts: Acts,
        day_began: Callable[[float], float],
        lifetime: Lifetime,
        reload: Reloads,
    ) -> None:
        self._version, self._journal, self._followers, self._arrived = version, journal, followers, arrived
        self.files = files
        self._weather, self._tools, self._supervisor, self._clock = weather, tools, supervisor, clock
        self._acts, self._day_began = acts, day_began
        self._started = clock.now()
        self._lifetime, self._reload = lifetime, reload
        followers.held = self._hold
        self.accounts: Accounts
        """Of chat systems. Named by whoever makes us, once they are there: they accept through us."""
        self.backups: Backups | None = None
        self.received: Callable[[str], None] = lambda _: None
        """Told of the account of each message that was kept."""

    async def accept(
        self, arrivals: Sequence[Arrival], cursor: Cursor | None = None, moves: Sequence[Move] = (), unread: Sequence[str] = ()
    ) -> tuple[Accepted, ...]:
        arrivals = [await self._paired(arrival) for arrival in arrivals]
        accepted = await self._journal.ingest(arrivals, cursor, moves, unread)
        for conversation in dict.fromkeys(a.conversation for a in accepted if a.new):
            self._arrived(conversation)
            self._followers.changed(conversation)
        for one, arrival in zip(accepted, arrivals, strict=True):
            if one.new and isinstance(arrival.body, UserMessage):
                self.received(arrival.account)
            if one.new and isinstance(arrival.body, Command) and arrival.body.name == "retry":
                await self._try_now(one.conversation)
        return accepted

    async def _paired(self, arrival: Arrival) -> Arrival:
        """With its /pair done. Who comes by the door is an owner; what comes by an account has been looked at there."""
        if not (isinstance(arrival.body, Command) and arrival.body.name == "pair"):
            return arrival
        return arrival if arrival.account in self.accounts.rules else replace(arrival, body=await self.accounts.paired(arrival.body))

    async def _try_now(self, conversation: str) -> None:
        """Somebody asked for it: the gates that this conversation waits at let one through."""
        row = await self._journal.conversation(conversation)
        for gate in row.turn_gate.split() if row else ():
            await self._weather.retry(gate)

    async def read(self, conversation: str, after: int = 0, most: int = ALL) -> Snapshot:
        return await self._journal.read(conversation, after, most)

    async def page(self, conversation: str, before: int, most: int) -> tuple[Entry, ...]:
        return await self._journal.page(conversation, before, most)

    async def adopt(self, conversation: str, account: str, address: str, entries: Sequence[Entry]) -> bool:
        adopted = await self._journal.adopt(conversation, account, address, entries)
        if adopted:
            self._followers.changed(conversation)
        return adopted

    def follow(self, conversation: str, after: int) -> AsyncIterator[Entry | Standing]:
        return self._followers.follow(conversation, after)

    def changes(self) -> AsyncIterator[None]:
        return self._followers.changes()

    async def conversations(self, most: int, before: ConversationRow | None = None) -> tuple[Standing, ...]:
        return tuple(map(self._followers.standing, await self._journal.conversations(most, before)))

    async def search(self, text: str, most: int) -> tuple[tuple[Standing, str], ...]:
        return tuple((self._followers.standing(found.row), found.excerpt) for found in await self._journal.search(text, most))

    async def owing(self, most: int) -> tuple[Standing, ...]:
        return tuple(map(self._followers.standing, await self._journal.owing(most)))

    async def used(self, since: float, before: float) -> tuple[Used, ...]:
        return await self._journal.used(since, before)

    async def status(self) -> Mapping[str, Any]:
        """Lists of what has a name and a state, beside the version and when it started."""
        now, parts = self._clock.now(), self._supervisor.states()
        return {
            "version": self._version(),
            "started": self._started,
            "safe mode": self._lifetime.state(),
            "configuration": str(self._reload.file),
            "configuration refused": self._reload.refused,
            "configuration read": self._reload.read_at,
            "journal": asdict(await self._journal.room()),
            "conversations": asdict(await self._journal.counts(now, self._acts.speech.accounts)),
            "gates": [_gate(row, now) for row in self._weather.rows().values()],
            "tool servers": [asdict(self._planned(server)) for server in self._tools.servers()],
            "platforms": [asdict(platform) for platform in await self.platforms()],
            "backups": self.backups.state() if self.backups else None,
            "parts": [{"name": name, **asdict(state)} for name, state in parts.items()],
        }

    async def compared(self) -> tuple[str, ...]:
        return await self._reload.compared()

    async def differences(self) -> tuple[str, ...]:
        return await self._reload.differences()

    def start_again(self) -> None:
        self._reload.start_again()

    def leave_safe_mode(self) -> bool:
        return self._lifetime.leave_safe_mode()

    async def tool_servers(self) -> tuple[Offer, ...]:
        return tuple(replace(offer, server=self._planned(offer.server)) for offer in self._tools.offers())

    def _planned(self, server: ToolServerState) -> ToolServerState:
        """With the instant at which its supervisor starts it again."""
        part = self._supervisor.states().get(f"tools:{server.name}")
        return replace(server, next_try=part.next_try) if part else server

    async def retry_tools(self, server: str) -> bool:
        return self._supervisor.retry(f"tools:{server}")

    async def routes(self) -> tuple[RouteState, ...]:
        now = self._clock.now()
        used = await self._journal.used(self._day_began(now))
        return tuple(self._route(name, _of_route(name, used), now) for name in self._acts.routes)

    def _route(self, name: str, used: Used, now: float) -> RouteState:
        settings = self._acts.routes[name]
        row = self._weather.row(settings.gate)
        cost = (used.input_tokens * settings.price[0] + used.output_tokens * settings.price[1]) / 1e6
        state = _state(row, now) if row.streak or row.last_ok else "never tried"
        return RouteState(
            name, settings.called, row, state, *self._weather.under_way(settings.gate), self._acts.chains_with(name), used, cost
        )

    async def why(self, conversation: str) -> str:
        row = await self._journal.conversation(conversation)
        if row is None:
            raise Request(f"There is no conversation {conversation!r}. `holdfast show` lists them.")
        now, hold = self._clock.now(), None if row.running else self._hold(row.account)
        match hold:
            case Hold("no account"):
                return words.no_account(row.account, owes=bool(row.owes_since))
            case Hold("safe mode", until):
                return f"{words.RESTING} By itself it tries in {words.span(until - now)}."
            case Hold("trying") if row.due is not None and row.due <= now:
                return words.TRYING
        transcript = Transcript((await self._journal.read(conversation, 0)).entries)
        said = turn.status(transcript, self._acts.world_of(conversation, row.account, row.address, transcript), now)
        return f"{said} What I have to say waits for {self._account_waited_for(row.speech_gate)}." if row.speech_gate else said

    def _hold(self, account: str) -> Hold | None:
        """What keeps all conversations of this account from being worked on."""
        return self._lifetime.hold if self._acts.speech.has(account) else Hold("no account")

    def _account_waited_for(self, gate: str) -> str:
        row, name = self._weather.known(gate), gate.partition(":")[2]
        return f"{name} ({row.why.removesuffix('.')})" if row and row.why else name

    async def retry(self, gate: str) -> bool:
        return await self._weather.retry(gate)

    # --- accounts of chat systems ------------------------------------------------------------------------------------------------------

    async def platforms(self) -> tuple[PlatformState, ...]:
        parts, held = self._supervisor.states(), {one.account: one for one in await self._journal.held()}
        return tuple(
            _platform(
                account,
                parts.get(f"platform:{account.name}", ChildState("starting", self._started)),
                self._weather.row(gate_of(account.name)),
                held.get(account.name, Held(account.name)),
                sum(not handle for handle in self.accounts.persons.let_in(account.name).values()),
                signs_in=SigningIn(self.accounts).has(account.name),
            )
            for account in self.accounts.states()
        )

    async def retry_platform(self, name: str) -> bool:
        child = f"platform:{name}"
        if child in (parts := self._supervisor.states()) and parts[child].state == "ready":  # else connecting shows whether it can send
            await self._weather.retry(gate_of(name))
        return self._supervisor.retry(child)

    async def sign_in(self, account: str) -> AsyncGenerator[SignIn, None]:
        async with contextlib.aclosing(SigningIn(self.accounts).steps(account)) as steps:
            async for step in steps:
                if step.done:
                    await self.retry_platform(account)
                yield step

    async def answer_sign_in(self, account: str, said: str) -> None:
        SigningIn(self.accounts).of(account).answer(said)

    async def people(self) -> tuple[Access, ...]:
        known = await self.accounts.people()
        return tuple(
            Access(
                name,
                _written(rules.owners),
                _written(rules.allow),
                _written(rules.groups),
                rules.pairing,
                tuple(one for one in known if one.account == name and _counts(one, rules)),
            )
            for name, rules in self.accounts.rules.items()
        )

    async def approve(self, code: str) -> Person:
        return await self.accounts.approve(code)

    async def remove(self, account: str, person: str) -> None:
        await self.accounts.remove(account, person)


def _of_route(name: str, used: Sequence[Used]) -> Used:
    """What all people together had from it."""
    ours = [one for one in used if one.route == name]
    return Used(
        name,
        answers=sum(one.answers for one in ours),
        input_tokens=sum(one.input_tokens for one in ours),
        output_tokens=sum(one.output_tokens for one in ours),
    )


def _platform(account: AccountState, part: ChildState, gate: GateRow, held: Held, let_in: int, *, signs_in: bool) -> PlatformState:
    """What the account's supervisor says of receiving, and its gate of sending."""
    state, since, why, next_try = PARTS[part.state], part.since, part.why, part.next_try
    if part.state in {"waiting", "starting"} and account.heard_at:
        since = account.heard_at  # a little earlier than that was known
    if part.state == "ready" and gate.streak:
        state, since, why, next_try = "waiting", gate.since, f"It receives, and can't send: {gate.why}", gate.until
    return PlatformState(
        kind=account.name.partition(":")[0],
        name=account.name,
        state=state,
        since=since,
        identity=account.identity,
        why=why,
        next_try=next_try,
        heard_at=account.heard_at,
        reconnects=part.restarts,
        moved_at=account.moved_at,
        received=account.received,
        unsaid=held.unsaid,
        unread=held.unread,
        let_in=let_in,
        signs_in=signs_in,
    )


def _written(names: frozenset[str]) -> tuple[str, ...]:
    """A list as it stands in the configuration: without what was added so that capitals don't matter."""
    folded = {name.casefold() for name in names if name != name.casefold()}
    return tuple(sorted(names - folded))


def _counts(person: Person, rules: Rules) -> bool:
    """Whoever a list's name let in may talk for as long as the list has it. (Groups that moved are no people.)"""
    return not person.handle or person.handle.casefold() in rules.owners | rules.allow


def _gate(row: GateRow, now: float) -> dict[str, Any]:
    return {"state": _state(row, now), **asdict(row)}


def _state(row: GateRow, now: float) -> Literal["open", "closed", "to be tried"]:
    if not row.streak:
        return "open"
    return "closed" if now < row.until else "to be tried"
