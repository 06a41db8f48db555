"""The hands of the workers: each step done against the world, and what happened put into facts. Nothing here decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, assert_never

from holdfast.core import chat_words, request, turn, words
from holdfast.core.access import OPEN, Role, Rules, listed_group, permission, role_of
from holdfast.core.entries import (
    AssistantMessage,
    Call,
    Failed,
    Produced,
    Question,
    Sampled,
    Summary,
    ToolResult,
    call_id,
)
from holdfast.core.failure import MAY_BE_OWN, OWN, Failure
from holdfast.core.incoming import Place
from holdfast.core.steps import CallModel, CallTool, Deliver, Fetch, Finish, LookUp, Step, Summarise, Write
from holdfast.core.text import well_formed
from holdfast.core.transcript import Transcript
from holdfast.core.weather import BACK_OFF_S_MAX
from holdfast.core.world import Account, Budget, Chain, Policy, Rights, Route, World, first_open
from holdfast.errors import Request, Temporary
from holdfast.failpoints import failpoint
from holdfast.ports import Answer, Appended, Clock, Files, Lease, Made, Model, ModelFailed, RawFailure, ToolHost
from holdfast.runtime.persons import Persons
from holdfast.runtime.speech import Speech, gate_of
from holdfast.runtime.weather import GateClosed, Weather
from holdfast.runtime.worker import Facts, Midway

RESULT_CHARS_MAX: Final = 64_000
"""Of a tool's result the model is shown so much; the whole is kept as a file."""

WHOLE: Final = "result.txt"
"""What that is called."""

FILES_MAX: Final = 20
"""So many files of one result are kept."""

OWN_BACK_OFF_S: Final = 10.0
"""Before a call is made again that failed while others got through."""

Classify = Callable[[RawFailure, str, bool], Failure]
"""(what went wrong, the dialect, did this endpoint ever work under this configuration?)"""


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """One route: the model behind it and what its provider calls that, its gate, its window in tokens where that is known, what it can do, and what a
    million tokens read and written cost."""

    name: str
    gate: str
    model: Model
    window: int | None = None
    images: bool = False
    dialect: str = ""
    tools: bool = True
    called: str = ""
    price: tuple[float, float] = (0.0, 0.0)


Names = tuple[str, ...]
"""Names of routes, in order of preference."""


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """How one account answers: its chain (empty: the agent's), what its model is told besides, what becomes of messages that come while an answer is made,
    and of parts of which nobody knows whether they arrived; and who may do what."""

    chain: Names = ()
    instructions: str = ""
    busy: Literal["steer", "queue", "interrupt"] = "steer"
    unknown_send: Literal["resend", "ask", "drop"] = "resend"
    rules: Rules = OPEN


_PLAIN: Final = AccountSettings()


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Who answers: the instructions, the routes, what a failure of theirs means, and the chains.

    `chain` is that of every conversation (empty: all routes) but of those of `accounts` that have one, and of those whose people chose one of `chains`, or a
    route by its name. `summaries` and `scheduled` are for that kind of work (empty: what the conversation uses).
    """

    instructions: str
    routes: tuple[RouteSettings, ...]
    classify: Classify = lambda failure, _dialect, _worked_before: Failure("transient", reason=failure.why)
    chain: Names = ()
    chains: Mapping[str, Names] = field(default_factory=dict)
    accounts: Mapping[str, AccountSettings] = field(default_factory=dict)
    summaries: Names = ()
    scheduled: Names = ()
    budget: Budget = field(default_factory=Budget)


class _Caller:
    """Implements `ports.Caller` for one call."""

    def __init__(self, acts: Acts, lease: Lease, transcript: Transcript, step: CallTool, midway: Midway) -> None:
        self._acts, self._lease, self._transcript, self._step, self._midway = acts, lease, transcript, step, midway
        self.conversation, self.account, self.address = lease.conversation, lease.account, lease.address
        self.author = transcript.authors.get(transcript.turn_from, "")
        self.asking_s = 0.0
        """How long people were thinking, which is no time that the call took."""
        self.sampled: tuple[Sampled, ...] = ()

    def progress(self, text: str) -> None:
        self._acts.progress(self._lease, self._step.id, text)

    async def ask(self, text: str, options: tuple[str, ...], *, free: bool = False) -> str | None:
        if not self._acts.asks(self.account):
            return None
        began = self._acts.clock.monotonic()
        asked = await self._midway.ask(self._acts.question(self._transcript, self._step.id, text, options, free=free))
        self.asking_s += self._acts.clock.monotonic() - began
        return asked.option if asked.closed == "choice" else None

    async def sample(self, request: request.Request) -> Answer:
        route, answer = await self._acts.sample(self._lease, request)
        self.sampled += (Sampled(route=route, usage=answer.usage),)
        return answer


class Acts:
    """Implements `worker.Hands`."""

    def __init__(  # noqa: PLR0913 - the world
        self,
        agent: AgentSettings,
        weather: Weather,
        speech: Speech,
        tools: ToolHost,
        clock: Clock,
        changed: Callable[[str], None],
        *,
        files: Files,
        persons: Persons | None = None,
        mask: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._agent, self._weather, self.speech, self._tools, self.clock = agent, weather, speech, tools, clock
        self._persons = persons or Persons({}, clock.now)
        self.routes = {route.name: route for route in agent.routes}
        self._chain = agent.chain or tuple(self.routes)
        self._choices = {**agent.chains, **{name: (name,) for name in self.routes}}
        self._known_tools: tuple[request.Tool, ...] = ()
        self._policies: dict[tuple[str, str, Role | None], Policy] = {}
        self._changed = changed
        self._files, self._mask = files, mask
        self._began = clock.now()
        self.cut_short: Callable[[str, str, int, int], Awaitable[None]] | None = None
        """Told of a server that read less than it was sent: route, fingerprint, tokens sent (about) and read."""

    # --- how the world stands --------------------------------------------------------------------------------------------------------

    def asks(self, account: str) -> bool:
        """Is there somebody who can be asked?"""
        return self.speech.platform(account).traits.asks

    def world(self, lease: Lease, attempts: int, transcript: Transcript) -> World:
        return self.world_of(lease.conversation, lease.account, lease.address, transcript, attempts)

    def world_of(self, conversation: str, account: str, address: str, transcript: Transcript, attempts: int = 1) -> World:
        """How the world stands for this conversation."""
        traits, agent = self.speech.platform(account).traits, self._agent
        settings = agent.accounts.get(account, _PLAIN)
        routes = {name: self._route(route, conversation) for name, route in self.routes.items()}

        def spelled_out(names: Names) -> Chain:
            return tuple(routes[name] for name in names)

        return World(
            routes=spelled_out(settings.chain or self._chain),
            chains={name: spelled_out(names) for name, names in self._choices.items()},
            summaries=spelled_out(agent.summaries),
            scheduled=spelled_out(agent.scheduled),
            tools=bool(self._tools.servers()),
            account=Account(
                gate_of(account),
                self.speech.is_open(account, conversation),
                traits.key_holds_s,
                traits.history,
                traits.edits,
                settings.unknown_send,
                traits.limit,
                traits.asks,
            ),
            policy=self._policy(account, self._chat(account, address), "owner"),
            attempts=attempts,
            began=self._began,
            rights={person: self._rights(account, address, person, transcript) for person in transcript.people()},
        )

    def _rights(self, account: str, address: str, person: str, transcript: Transcript) -> Rights:
        chat, rules = self._chat(account, address), self._agent.accounts.get(account, _PLAIN).rules
        role = role_of(rules, person, self._persons.let_in(account), chat=chat, group=transcript.group)
        return self._persons.rights(account, person, role, self._policy(account, chat, role))

    def _chat(self, account: str, address: str) -> str:
        """As the owner's tables know it."""
        return listed_group(self._persons.let_in(account), Place.of(address).chat)

    def chains_with(self, name: str) -> Names:
        """The chains in which this route stands, by their names; those without one by what they are for."""
        agent = self._agent
        own = {account: settings.chain for account, settings in agent.accounts.items()}
        unnamed = {"the agent": self._chain, "summaries": agent.summaries, "scheduled work": agent.scheduled, **own}
        return tuple(called for called, names in {**unnamed, **agent.chains}.items() if name in names)

    def _route(self, route: RouteSettings, conversation: str) -> Route:
        row = self._weather.row(route.gate)
        is_open = self._weather.is_open(route.gate, conversation)
        return Route(
            route.name, route.gate, is_open, row.since, row.why, row.kind, row.until, route.window, route.images, route.tools, route.price
        )

    def _policy(self, account: str, chat: str, role: Role | None) -> Policy:
        """What may be done for somebody of this role in a chat of this account. Made once, until other tools are known."""
        if self._known_tools is not self._tools.tools():
            self._known_tools = self._tools.tools()
            self._policies.clear()
        settings = self._agent.accounts.get(account, _PLAIN)
        key = (account, chat if chat in (settings.rules.tools or {}) else "", role)
        if key not in self._policies:
            self._policies[key] = self._policy_made(settings, chat, role or "guest")
        return self._policies[key]

    def _policy_made(self, settings: AccountSettings, chat: str, role: Role) -> Policy:
        tools = self._known_tools
        words_on = {tool.name: permission(settings.rules, chat, role, tool.server, tool.called or tool.name, tool.policy) for tool in tools}
        return Policy(
            busy=settings.busy,
            repeatable=frozenset(tool.name for tool in tools if tool.repeatable),
            allows=frozenset(name for name, word in words_on.items() if word == "allow"),
            asks=frozenset(name for name, word in words_on.items() if word == "ask"),
            denies=frozenset(name for name, word in words_on.items() if word == "deny"),
            budget=self._agent.budget,
        )

    def _policy_of(self, lease: Lease, transcript: Transcript, upto: int) -> Policy:
        """For the people whose words the turn has seen by then."""
        world = self.world_of(lease.conversation, lease.account, lease.address, transcript)
        return world.policy_of(transcript.turn_people(upto))

    # --- steps -----------------------------------------------------------------------------------------------------------------------

    def appended(self, lease: Lease, _: Appended) -> None:
        self._changed(lease.conversation)

    def written(self, lease: Lease, step: Write) -> None:
        pass

    async def perform(self, lease: Lease, transcript: Transcript, step: Step, midway: Midway) -> Facts:
        match step:
            case CallModel():
                return await self._call_model(lease, transcript, step, midway)
            case CallTool():
                async with self.speech.typing(lease):
                    return await self._call_tool(lease, transcript, step, midway)
            case Deliver():
                return await self.speech.deliver(lease, step)
            case LookUp():
                return await self.speech.look_up(lease, step)
            case Finish():
                return await self.speech.finish(lease, step)
            case Fetch():
                return await self.speech.fetch(lease, transcript, step)
            case Summarise():
                view = request.build_for_summary(transcript, step.upto, self._instructions(lease, transcript))
                answer = await self._ask(lease, step.route, view, lambda _: None)
                if not isinstance(answer, Answer):
                    return () if answer is None else (answer,)
                return (Summary(upto=step.upto, text=answer.text, allowed=tuple(transcript.allowed)),) if answer.text else ()
            case Write():
                raise AssertionError(f"{step} is done by committing it")
            case _:
                assert_never(step)

    def _instructions(self, lease: Lease, transcript: Transcript) -> str:
        """What the model is told before this conversation: always the same."""
        own = self._agent.accounts.get(lease.account, _PLAIN).instructions
        return "\n\n".join(filter(None, (self._agent.instructions, own, chat_words.IN_A_GROUP if transcript.group else "")))

    async def _call_model(self, lease: Lease, transcript: Transcript, step: CallModel, midway: Midway) -> Facts:
        if step.tools:
            await self._tools.ready()
        denied = self._policy_of(lease, transcript, step.seen).denies
        tools = tuple(tool for tool in self._tools.tools() if tool.name not in denied) if step.tools else ()
        ask = request.build(transcript, step.seen, self._instructions(lease, transcript), tools, calls=self.routes[step.route].tools)
        person = transcript.authors.get(transcript.turn_from, "")
        ask = replace(ask, user=f"{lease.account}:{person}")
        began = self.clock.monotonic()
        async with self.speech.typing(lease), self.speech.growing(lease, transcript, step, midway) as show:
            answer = await self._ask(lease, step.route, ask, show)
        if not isinstance(answer, Answer):
            return () if answer is None else (answer,)
        price = self.routes[step.route].price
        self._persons.used(lease.account, person, answer.usage, price)
        n = step.n + 1
        return (
            AssistantMessage(
                n=n,
                seen=step.seen,
                text=well_formed(answer.text),
                calls=tuple(
                    Call(id=call_id(n, i), tool=well_formed(tool), arguments=well_formed(arguments))
                    for i, (tool, arguments) in enumerate(answer.calls)
                ),
                after_cut=step.after_cut,
                route=step.route,
                author=person,
                chain=step.chain,
                ways=transcript.ways,
                usage=answer.usage,
                took_s=round(self.clock.monotonic() - began, 3),
                provider_data=answer.provider_data,
            ),
        )

    async def _ask(self, lease: Lease, name: str, ask: request.Request, show: Callable[[str], None]) -> Answer | Failed | None:
        """Call the model through its gate. None if there is no answer, and the gate has closed: the table knows what to do. `Failed` if the fault is
        this conversation's."""
        route, weather, first, began = self.routes[name], self._weather, True, self.clock.now()

        def on_event(text: str) -> None:
            nonlocal first
            if first:
                first = False
                failpoint("model.first_event")
                weather.opened(route.gate)
            if text:
                show(text)

        try:
            async with weather.place(route.gate, lease.conversation):
                began = self.clock.now()
                failpoint("model.before_request")
                answer = await route.model.call(ask, on_event)
                failpoint("model.complete")
        except GateClosed:
            return None
        except ModelFailed as failed:
            worked_before = weather.row(route.gate).last_ok > 0
            return await self._account_for(lease, route, began, self._agent.classify(failed.failure, route.dialect, worked_before))
        await weather.succeeded(route.gate, lease.conversation)
        if self.cut_short is not None and request.was_cut_short(ask, answer.usage.input_tokens):
            await self.cut_short(name, weather.row(route.gate).fingerprint, request.tokens(ask), answer.usage.input_tokens)
        return answer

    async def _account_for(self, lease: Lease, route: RouteSettings, began: float, failure: Failure) -> Failed | None:
        """Whose fault it is: this conversation's, or the route's, for everybody."""
        reason = self._mask(failure.reason)
        if failure.kind in OWN:
            await self._weather.lives(route.gate)
            return Failed(failure=failure.kind, route=route.name, why=reason)
        if self._weather.missed(route.gate, lease.conversation) and failure.kind in MAY_BE_OWN:
            delay_s = max(OWN_BACK_OFF_S, min(self._weather.retry_in(route.gate), BACK_OFF_S_MAX))
            return Failed(failure=failure.kind, route=route.name, why=reason, until=self.clock.now() + delay_s)
        await self._weather.failed(route.gate, began, replace(failure, reason=reason))
        return None

    async def _call_tool(self, lease: Lease, transcript: Transcript, step: CallTool, midway: Midway) -> Facts:
        failpoint("tool.started")
        if all(tool.name != step.call.tool for tool in self._tools.tools()):
            await self._tools.ready()
        policy = self._policy_of(
            lease, transcript, transcript.calls[step.id].seen
        )  # as it is now: when the step was decided, the tool may not have been known
        if not turn.is_permitted(transcript, transcript.calls[step.id], policy):
            why = words.denied_by_policy if step.call.tool in policy.denies else words.known_too_late
            return (ToolResult(call=step.id, outcome="declined", text=why(step.call.tool)),)
        began, caller = self.clock.monotonic(), _Caller(self, lease, transcript, step, midway)
        outcome = await self._tools.call(step.call, caller)
        failpoint("tool.after_effect")
        text, files = await self._kept(self._mask(well_formed(outcome.text)), outcome.files)
        if outcome.outcome == "unknown":
            return turn.unknown_outcome(transcript, step.call, policy, self.clock.now(), text, caller.sampled)
        took_s = round(self.clock.monotonic() - began - caller.asking_s, 3)
        return (ToolResult(call=step.id, outcome=outcome.outcome, text=text, took_s=took_s, files=files, sampled=caller.sampled),)

    async def _kept(self, text: str, made: Sequence[Made]) -> tuple[str, tuple[Produced, ...]]:
        """The files on disk, before any entry speaks of them; and of a long text the beginning, with where the whole is."""
        files: list[Produced] = []
        shown, length = text[:RESULT_CHARS_MAX], len(text)
        whole = [Made(WHOLE, "text/plain", text.encode())] if length > RESULT_CHARS_MAX else []
        for one in (*made[:FILES_MAX], *whole):
            name = well_formed(one.name)
            try:
                sha256 = await self._put(one.data)
            except (Temporary, Request) as failure:  # what the tool did is done: its result counts all the same
                shown = f"{shown}\n{words.not_kept(name, str(failure))}"
                continue
            files.append(Produced(sha256=sha256, name=name, media_type=one.media_type, size=len(one.data), whole=one in whole))
            if one in whole:
                shown = f"{shown}\n{words.whole_kept(RESULT_CHARS_MAX, length, sha256)}"
        return shown, tuple(files)

    async def _put(self, data: bytes) -> str:
        async def chunks() -> AsyncIterator[bytes]:
            yield data

        return await self._files.put(chunks())

    async def sample(self, lease: Lease, ask: request.Request) -> tuple[str, Answer]:
        """A tool asks the model, through the gates of the conversation for which it was called: the route, and its answer. Raises `Temporary`."""
        world = self.world_of(lease.conversation, lease.account, lease.address, Transcript())
        route = first_open(world.routes)
        answer = await self._ask(lease, route.name, ask, lambda _: None) if route is not None else None
        if route is None or not isinstance(answer, Answer):
            raise Temporary("No model can be asked just now. Try again later.")
        return route.name, answer

    def progress(self, lease: Lease, call: str, text: str) -> None:
        """Decoration."""
        self.speech.platform(lease.account).progress(lease.conversation, call, words.title(self._mask(text)))

    def question(self, transcript: Transcript, about: str, text: str, options: tuple[str, ...], *, free: bool) -> Question:
        """What a tool asks in the middle of a call."""
        return Question(
            question="elicitation",
            about=about,
            text=self._mask(well_formed(text)),
            options=options,
            to=transcript.authors.get(transcript.turn_from, ""),
            expires=self.clock.now() + Policy().approval_expires_s,
            free=free,
        )
