"""An exhaustive walk of the table and a worker, breadth first, so that a counterexample is a shortest one.

A state is the journal, how much of it the worker has read, what is in flight, and the world outside (the chat's screen, the tools' effects),
which keeps the truth and does the judging. The worker here is the loop of DESIGN.md section 4, taken apart into single moves: read, cancel,
start (its intention refused if anything arrived since the reading), end. Between any two moves a message may arrive, a gate close, or the process die.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Literal

import judges

from holdfast.core import request, turn, words
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Attachment,
    Call,
    Choice,
    Command,
    Correction,
    Delivered,
    DeliveryFailed,
    DeliveryStarted,
    Entry,
    Failed,
    Fetched,
    Notice,
    Question,
    SetAside,
    Summary,
    ToolResult,
    Usage,
    UserMessage,
    call_id,
    ends_an_attempt,
)
from holdfast.core.steps import CallModel, CallTool, Decision, Deliver, Fetch, Finish, LookUp, Step, Summarise, Write
from holdfast.core.text import LENGTH_MIN, Limit
from holdfast.core.transcript import Transcript
from holdfast.core.world import Account, Budget, Policy, Rights, Route, World

TICK = 10.0

Known = Literal["ask", "unknown", "allowed"]


@dataclass(frozen=True)
class Scenario:
    """What may happen in one walk. Tools whose name begins with `r` are repeatable, with `p` need approval; those that end in `a` ask in mid-call."""

    arrivals: int = 2
    alphabet: tuple[str, ...] = ("message", "stop")
    answers: tuple[tuple[str, ...], ...] = ((), ("n",))
    text: str = "t{n}"
    text_with_calls: bool = False
    crashes: int = 1
    route_flips: int = 0
    account_flips: int = 0
    ticks: int = 3
    keyed: bool = True
    key_holds_s: float = inf
    history: bool = False
    unknown_send: Literal["resend", "ask", "drop"] = "resend"
    long_away: bool = False
    """A crash may take a while."""
    previews: bool = False
    previews_fail: bool = False
    """The answer to a preview may be lost, or it is given up."""
    leaves: tuple[str, ...] = ()
    """These people may be removed."""
    limited: tuple[str, ...] = ()
    """These have used up what they may, until `TICK` is over twice."""
    busy: Literal["steer", "queue", "interrupt"] = "steer"
    sends_fail: tuple[str, ...] = ()
    refuses: bool = False
    own_failures: bool = False
    chains: bool = False
    stands: bool = False
    allowing: bool = False
    """The owner may allow every tool, and start the gateway with that; for a while it may not know its tools then."""
    mute: bool = False
    """Nothing can be sent: for walks that are about something else."""
    attachment: bool = False
    pictures: Literal["", "seen", "unseen"] = ""
    summaries: bool = False
    poisoned: bool = False
    budget: Budget = field(default_factory=Budget)
    answers_max: int = 3
    depth: int = 12
    states_max: int = 60_000

    @property
    def knows(self) -> bool:
        return self.history or (self.keyed and self.key_holds_s == inf)

    def policy(self, tools: Known) -> Policy:
        needy = frozenset(tool for tools in self.answers for tool in tools if tool.startswith("p"))
        repeatable = frozenset(tool for tools in self.answers for tool in tools if tool.startswith("r"))
        return Policy(
            busy=self.busy,
            repeatable=repeatable,
            allows=needy if tools == "allowed" else frozenset(),
            asks=needy if tools == "ask" else frozenset(),
            budget=self.budget,
            approval_expires_s=TICK,
            question_expires_s=3 * TICK,
        )


@dataclass(frozen=True)
class Flight:
    """A step in flight: what it had read when it started, and how far it has come (0 started, 1 its effect has happened, 2 a person is asked)."""

    step: Step
    read: int
    stage: int = 0
    cancelled: bool = False
    """It ends as soon as the preview that it is just sending has."""


@dataclass(frozen=True)
class State:
    entries: tuple[Entry, ...]
    read: int = 1
    flight: frozenset[Flight] = frozenset()
    epoch: int = 1
    attempts: int = 1
    now: float = 0.001  # no instant is 0: that says that there is none
    began: float = 0.0  # this life of the gateway
    route_open: bool = True
    account_open: bool = True
    screen: tuple[tuple[str, str, bool], ...] = ()  # (part, text, marked) in the order of appearance
    effects: tuple[str, ...] = ()
    arrivals: int = 0
    crashes: int = 0
    route_flips: int = 0
    account_flips: int = 0
    tools: Known = "ask"
    allowed_from: int = 0  # the seq after which everything is allowed (0: it is not)
    gone: frozenset[str] = frozenset()  # who may not talk any more


@dataclass
class Found:
    """A counterexample, or none within the bounds."""

    flaw: str | None
    path: tuple[str, ...] = ()
    states: int = 0
    depth: int = 0
    quiescent: int = 0
    seconds: float = 0.0
    whole: bool = True


@dataclass
class Walker:
    """Walks one scenario. `transcript` may be replaced to plant a bug in the fold."""

    scenario: Scenario
    transcripts: dict[tuple[Entry, ...], Transcript] = field(default_factory=dict)
    judged: set[tuple[tuple[Entry, ...], frozenset[str]]] = field(default_factory=set)
    """What was said: many states have the same."""
    worker_checks_wakes: bool = True
    worker_holds: bool = True
    finishes_in_two: bool = True
    """What is sent under a key alone may have kept its text."""
    previews_wait: bool = True
    """No preview begins while something older is to be said."""
    writes_tool_started: bool = True

    # --- the world -------------------------------------------------------------------------------------------------------------------

    def world(self, s: State) -> World:
        window = 100 if self.scenario.summaries else None
        eyes = self.scenario.pictures == "seen"  # behind a route that is always open and sees nothing
        route = Route("eyes" if eyes else "main", "route:main", s.route_open, 0.0, "refused", window=window, images=eyes)
        routes = (Route("blind", "route:blind"), route) if eyes else (route,)
        key_holds = self.scenario.key_holds_s if self.scenario.keyed else 0.0
        account = Account(
            "account:x",
            s.account_open,
            key_holds,
            self.scenario.history,
            self.scenario.keyed,
            self.scenario.unknown_send,
            Limit(LENGTH_MIN if self.scenario.knows else LENGTH_MIN + len(words.SENT_AGAIN)),
        )
        chains = {"other": (Route("other", "route:other"), route), "main": (route,)} if self.scenario.chains else {}
        rights = {person: Rights(rests_until=2 * TICK, why="messages") for person in self.scenario.limited}
        rights |= {person: Rights(role=None) for person in s.gone}
        return World(
            routes, chains, account=account, policy=self.scenario.policy(s.tools), attempts=s.attempts, began=s.began, rights=rights
        )

    def fold(self, entries: tuple[Entry, ...]) -> Transcript:
        found = self.transcripts.get(entries)
        if found is None:
            found = self.fold(entries[:-1]).extended(entries[-1:]) if len(entries) > 1 else Transcript(entries)
            self.transcripts[entries] = found
        return found

    def decide(self, s: State, t: Transcript) -> Decision:
        return turn.steps(t, s.epoch, self.world(s), s.now)

    # --- the walk --------------------------------------------------------------------------------------------------------------------

    def first(self) -> State:
        """One message has arrived and was claimed; nothing has been done."""
        sc = self.scenario
        media_type = "image/png" if sc.pictures else "text/plain"
        attachments = (Attachment(id="f", name="f", media_type=media_type),) if sc.attachment or sc.pictures else ()
        message = Entry(1, 0.0, 0, UserMessage(author="ann", id="m1", text="u1", attachments=attachments))
        return State(
            (message,),
            arrivals=sc.arrivals,
            crashes=sc.crashes,
            route_flips=sc.route_flips,
            account_flips=sc.account_flips,
            account_open=not sc.mute,
        )

    def walk(self) -> Found:
        sc, began = self.scenario, time.monotonic()
        start = self.first()
        came: dict[State, tuple[State, str] | None] = {start: None}
        queue, found = deque([(start, 0)]), Found(None)
        while queue:
            state, depth = queue.popleft()
            found.states += 1
            found.depth = max(found.depth, depth)
            try:
                self.judge(state)
                moves = list(self.moves(state, found)) if depth < sc.depth else []
            except judges.Flaw as flaw:
                path: list[str] = []
                at: State = state
                while (back := came[at]) is not None:
                    at, label = back
                    path.append(label)
                found.flaw, found.path, found.depth = str(flaw), tuple(reversed(path)), depth
                break
            for label, after in moves:
                if after not in came:
                    if len(came) >= sc.states_max:
                        found.whole = False
                        break
                    came[after] = (state, label)
                    queue.append((after, depth + 1))
        found.seconds = time.monotonic() - began
        return found

    # --- the worker's moves ------------------------------------------------------------------------------------------------------------

    def moves(self, s: State, found: Found) -> Iterator[tuple[str, State]]:
        t = self.fold(s.entries[: s.read])
        d = self.decide(s, t)
        current = s.read == len(s.entries)
        if not current:
            yield "read", replace(s, read=len(s.entries))
        running = {flight.step for flight in s.flight}
        held = set(d.held) if self.worker_holds else set()
        flights = sorted((f for f in s.flight if not f.cancelled), key=lambda f: f.step.subject)
        stray = [f for f in flights if f.step not in d.wanted and f.step not in held]
        if stray:
            for flight in stray:
                self.judge_cancel(s, t, flight)
            ending = {replace(f, cancelled=True) for f in stray if isinstance(f.step, CallModel) and f.stage in {1, 2}}
            yield f"cancel {', '.join(label(f.step) for f in stray)}", replace(s, flight=s.flight - set(stray) | ending)
        else:
            if current:
                self.judge_running(s)
            busy = {step.subject for step in running}
            startable = [step for step in d.wanted if step not in running and step.subject not in busy]
            writes: list[Step] = [step for step in startable if isinstance(step, Write)]
            startable = writes[:1] or startable
            if current and not startable:
                judges.asked_by_somebody(s.entries, {f.step.id for f in s.flight if isinstance(f.step, CallTool)})
                judges.told_how_to_answer(s.entries, settled=True)
                judges.offered_to_stop(s.entries, settled=True)
            if startable and (after := self.start(s, t, startable, current)) is not None:
                yield f"start {', '.join(label(step) for step in startable)}", after
        for flight in sorted(s.flight, key=lambda f: f.step.subject):  # in an order of its own: a seed replays the same everywhere
            yield from self.ends(s, t, flight)
        yield from self.outside(s, d)
        if not s.flight and not d.wanted and current:
            found.quiescent += 1
            self.judge_rest(s, t, d)

    def append(self, s: State, *bodies: AnyBody, outside: bool = False) -> State:
        """Append. The worker, before it decides again, reads what arrived meanwhile."""
        seq = len(s.entries)
        new = tuple(Entry(seq + i + 1, s.now, 0 if outside else s.epoch, body) for i, body in enumerate(bodies))
        attempts = 1 if any(ends_an_attempt(body) for body in bodies) else s.attempts
        entries = s.entries + new
        return replace(s, entries=entries, read=s.read if outside else len(entries), attempts=attempts)

    def start(self, s: State, t: Transcript, startable: list[Step], current: bool) -> State | None:
        """One commit of all intentions, then everything starts. None if it is refused, since something arrived."""
        first = [body for step in startable if isinstance(step, Write | Deliver) for body in step.first]
        first += [body for step in startable if isinstance(step, CallTool) and self.writes_tool_started for body in step.first]
        if first and not current and self.worker_checks_wakes:
            return None
        for step in startable:
            if isinstance(step, CallModel):
                self.judge_request(t, step)
                judges.somebody_asks(s.entries[: s.read], t.seen, step.seen, s.gone)
                if t.inputs and s.now < 2 * TICK:
                    judges.somebody_may_ask(s.entries[: s.read], t.seen, step.seen, self.scenario.limited)
                judges.route(s.entries[: s.read], step, self.world(s))
        after = self.append(s, *first) if first else s
        flight = frozenset(Flight(step, s.read) for step in startable if not isinstance(step, Write))
        return replace(after, flight=s.flight | flight)

    def ends(self, s: State, t: Transcript, flight: Flight) -> Iterator[tuple[str, State]]:
        step, rest = flight.step, replace(s, flight=s.flight - {flight})
        on = replace(s, flight=rest.flight | {replace(flight, stage=1)})
        name = label(step)
        match step:
            case CallModel():
                yield from self.model_ends(s, rest, on, flight, step)
            case CallTool() if flight.stage == 0 and step.call.tool.endswith("a"):
                options, expires = ("yes", "no"), s.now + TICK
                question = Question(question="elicitation", about=step.id, text="e", options=options, to="ann", expires=expires)
                yield f"{name} asks", self.append(replace(rest, flight=rest.flight | {replace(flight, stage=2)}), question)
            case CallTool() if flight.stage == 2:
                if any(asked.closed and asked.question.about == step.id and asked.seq > flight.read for asked in t.questions.values()):
                    yield f"effect of {name}", replace(on, effects=(*s.effects, step.id))
            case CallTool() if flight.stage == 0:
                yield f"effect of {name}", replace(on, effects=(*s.effects, step.id))
            case CallTool():
                yield f"result of {name}", self.append(rest, ToolResult(call=step.id, outcome="ok", text="ok"))
            case Deliver() if flight.stage == 0:
                if s.account_open:
                    yield f"wire {name}", replace(on, screen=self.put(s, step))
                for refusal in self.scenario.sends_fail:
                    if refusal != "retry" or s.now < TICK:
                        until = s.now + TICK if refusal in {"retry", "unknown"} else 0.0
                        failed = DeliveryFailed(of=step.of, part=step.part, refusal=refusal, until=until)  # type: ignore[arg-type]
                        yield f"{refusal} {name}", self.append(rest, failed)
            case Deliver():
                yield f"receipt {name}", self.append(rest, Delivered(of=step.of, part=step.part, id="i", preview=step.id_only))
            case LookUp():
                there = any(part == f"{step.of}/{step.part}" for part, *_ in s.screen)
                yield (
                    f"{'found' if there else 'not found'} {name}",
                    self.append(
                        rest,
                        Delivered(of=step.of, part=step.part, id="i", preview=step.id_only)
                        if there
                        else DeliveryFailed(of=step.of, part=step.part, refusal="absent"),
                    ),
                )
            case Finish():
                screen = tuple((p, "stopped" if p == f"{step.of}/0" else text, m) for p, text, m in s.screen)
                if not step.edit:  # under a key that was used the message stays as it is
                    screen = self.show(s, f"{step.of}/0", "stopped", marked=False)
                done = Delivered(of=step.of, part=0, id="i", preview=self.finishes_in_two and not step.edit)
                if s.account_open:
                    yield f"finished {name}", replace(self.append(rest, done), screen=screen)
            case Fetch():
                yield f"fetched {name}", self.append(rest, Fetched(attachment=step.id, sha256="0"))
            case Summarise():
                yield f"summary upto {step.upto}", self.append(rest, Summary(upto=step.upto, text="sum"))
            case Write():
                raise AssertionError(step)

    def model_ends(self, s: State, rest: State, on: State, flight: Flight, step: CallModel) -> Iterator[tuple[str, State]]:
        sc = self.scenario
        if sc.previews and s.account_open:
            t = self.fold(s.entries[: s.read])
            part = t.part(step.name, 0)
            first_read = self.fold(s.entries[: flight.read]).part(step.name, 0)
            may = not part.id and not (part.previewed and not sc.keyed) and not first_read.id
            if (
                flight.stage == 0
                and may
                and s.read == len(s.entries)
                and not (self.previews_wait and t.speech)
                and not any(other.cancelled for other in s.flight)
            ):
                started = DeliveryStarted(of=step.name, part=0, key=f"{step.name}/0" if sc.keyed or sc.history else "", preview=True)
                yield "preview starts", self.append(on, started)
            if flight.stage == 1:
                two = replace(flight, stage=2)
                wire = replace(rest, flight=rest.flight | {two}, screen=self.show(s, f"{step.name}/0", "…", marked=False))
                yield "preview on the wire", wire
        over = rest if flight.cancelled else replace(rest, flight=rest.flight | {replace(flight, stage=3)})
        if flight.stage == 2:
            yield "preview receipt", self.append(over, Delivered(of=step.name, part=0, id="i", preview=True))
        if flight.stage in {1, 2} and (sc.previews_fail or flight.cancelled):
            yield "preview given up", over
        if flight.cancelled:
            return
        if step.n < sc.answers_max and flight.stage in {0, 3}:
            for tools in sc.answers:
                n = step.n + 1
                calls = tuple(Call(id=call_id(n, i), tool=tool, arguments="{}") for i, tool in enumerate(tools))
                text = sc.text.format(n=n) if not calls or sc.text_with_calls else ""
                usage = Usage(input_tokens=90) if sc.summaries and n >= 2 else Usage()
                answer = AssistantMessage(
                    n=n,
                    seen=step.seen,
                    text=text,
                    calls=calls,
                    after_cut=step.after_cut,
                    chain=step.chain,
                    usage=usage,
                    ways=self.fold(s.entries[: flight.read]).ways,
                )
                yield f"answer {' '.join(tools) or 'text'}", self.append(rest, answer)
        if sc.refuses:
            yield "refused", self.append(rest, Failed(failure="refused", route="main", why="no"))
        if sc.own_failures and s.now < 3 * TICK:
            yield "fails on its own", self.append(rest, Failed(failure="bad-transcript", route="main", until=s.now + TICK))
            yield "is too long", self.append(rest, Failed(failure="overflow", route="main"))
        if s.route_flips:
            yield "model fails", replace(rest, route_open=False, route_flips=s.route_flips - 1)

    def put(self, s: State, step: Deliver) -> tuple[tuple[str, str, bool], ...]:
        part, marked = f"{step.of}/{step.part}", bool(words.SENT_AGAIN) and step.text.startswith(words.SENT_AGAIN)
        text = step.text.removeprefix(words.SENT_AGAIN)
        if step.edit:
            return tuple((p, text, m) if p == part else (p, old, m) for p, old, m in s.screen)
        return self.show(s, part, text, marked=marked)

    def show(self, s: State, part: str, text: str, *, marked: bool) -> tuple[tuple[str, str, bool], ...]:
        name, _, index = part.partition("/")
        known = self.fold(s.entries).part(name, int(index))
        if self.scenario.keyed and s.now - known.first_at <= self.scenario.key_holds_s and any(p == part for p, _, _ in s.screen):
            return s.screen
        return (*s.screen, (part, text, marked))

    # --- what comes from outside ---------------------------------------------------------------------------------------------------------

    def outside(self, s: State, d: Decision) -> Iterator[tuple[str, State]]:
        idle = not s.flight and not d.wanted and s.read == len(s.entries)
        claim: dict[str, Any] = {"epoch": s.epoch + 1, "attempts": (max(s.attempts - 1, 0) if d.held else 0) + 1} if idle else {}
        if s.arrivals:
            for name, body in self.arrival(s):
                yield f"arrives {name}", replace(self.append(s, body, outside=True), arrivals=s.arrivals - 1, **claim)
        if s.crashes and (s.flight or d.wanted):
            dead = replace(s, flight=frozenset(), read=len(s.entries), epoch=s.epoch + 1, attempts=s.attempts + 1, crashes=s.crashes - 1)
            yield "CRASH", dead
            if self.scenario.long_away:
                yield "CRASH, and long away", replace(dead, now=s.now + 3 * TICK, began=s.now + 3 * TICK)
        if not s.route_open:
            yield "route opens", replace(s, route_open=True, **claim)
        elif s.route_flips and s.flight:
            yield "route closed by another conversation", replace(s, route_open=False, route_flips=s.route_flips - 1)
        if not s.account_open and not self.scenario.mute:
            yield "account opens", replace(s, account_open=True, **claim)
        elif s.account_flips and s.flight:
            yield "account closes", replace(s, account_open=False, account_flips=s.account_flips - 1)
        if self.scenario.allowing:
            yield from self.owner(s)
        for person in self.scenario.leaves:
            if person not in s.gone:
                yield f"{person} is removed", replace(s, gone=s.gone | {person}, **claim)
        if s.now < self.scenario.ticks * TICK and d.due is not None:
            yield "time", replace(s, now=s.now + TICK, **claim)

    def owner(self, s: State) -> Iterator[tuple[str, State]]:
        """The owner allows every tool while a person is asked about one."""
        anew = replace(s, flight=frozenset(), read=len(s.entries), epoch=s.epoch + 1)
        allowed: dict[str, Any] = {"tools": "allowed", "allowed_from": len(s.entries)}
        match s.tools:
            case "ask" if any(asked.question.question == "approval" for asked in self.fold(s.entries).open_questions()):
                yield "started anew, with all tools allowed", replace(anew, **allowed)
                yield "started anew, with no tool known", replace(anew, tools="unknown")
            case "unknown":
                yield "the tools are known, and allowed", replace(s, **allowed)
                yield "the tools are known, as before", replace(s, tools="ask")
            case _:
                pass

    def arrival(self, s: State) -> Iterator[tuple[str, AnyBody]]:
        seq = len(s.entries) + 1
        for what in self.scenario.alphabet:
            if ("bob" if what.startswith("other") else "ann") in s.gone:
                continue
            match what:
                case "says stop":
                    yield what, UserMessage(author="ann", id=f"m{seq}", text="stop")
                case "message":
                    yield what, UserMessage(author="ann", id=f"m{seq}", text=f"u{seq}")
                case "other's message":
                    yield what, UserMessage(author="bob", id=f"m{seq}", text=f"u{seq}")
                case "edit" | "delete":
                    for e in s.entries:
                        if isinstance(e.body, UserMessage):
                            text = f"e{seq}" if what == "edit" else None
                            yield f"{what} {e.seq}", Correction(author="ann", id=f"c{seq}", of=e.body.id, text=text)
                case "choice":
                    for e in s.entries:
                        if isinstance(e.body, Question):
                            for option in e.body.options:
                                yield f"choice {e.seq} {option}", Choice(author="ann", id=f"k{seq}", question=e.seq, option=option)
                case _:
                    name, _, args = what.partition(" ")
                    yield what, Command(author="ann", id=f"k{seq}", name=name, args=args)

    # --- the judges ------------------------------------------------------------------------------------------------------------------------

    def judge(self, s: State) -> None:
        judges.entries(s.entries, s.effects, self.scenario.busy, s.allowed_from, s.gone)
        if (s.entries, s.gone) not in self.judged:
            self.judged.add((s.entries, s.gone))
            judges.told_how_to_answer(s.entries, settled=False)
            judges.offered_to_stop(s.entries, settled=False)
            judges.set_aside_with(s.entries, s.gone)
            judges.ways(s.entries)
        if self.scenario.previews and self.scenario.unknown_send != "ask":
            judges.order(s.entries, s.screen)
        if self.scenario.stands:
            judges.approved(s.entries)
        judges.screen(s.screen, keyed=self.scenario.knows)
        judges.delivered(s.entries, s.screen)
        judges.told_of_restarts(s.entries)
        judges.unread(s.entries, said=self.scenario.pictures == "unseen", settled=False)
        subjects = [flight.step.subject for flight in s.flight]
        if len(set(subjects)) < len(subjects):
            raise judges.Flaw(f"twice in flight: {subjects}")

    def judge_request(self, t: Transcript, step: CallModel) -> None:
        messages = request.build(t, step.seen, "").messages
        judges.request(messages)
        judges.told(request.build(t, step.seen, "", calls=False).messages)
        if (
            any(isinstance(m, request.User) and m.files for m in messages[-1:])
            and self.scenario.pictures == "seen"
            and step.route != "eyes"
        ):
            raise judges.Flaw("a picture is shown to a route that sees none")
        judges.asked_for(t, step.seen, messages)

    def judge_running(self, s: State) -> None:
        """The worker has read everything and cancelled what it would: no model call goes on that the user stopped or changed."""
        new = max((e.seq for e in s.entries if isinstance(e.body, Command) and e.body.name == "new"), default=0)
        for flight in s.flight:
            for e in s.entries[flight.read :]:
                if not isinstance(flight.step, CallModel) or flight.cancelled:
                    continue
                if isinstance(e.body, Command) and e.body.name in {"stop", "new"}:
                    raise judges.Flaw("a model call that the user stopped goes on")
                if isinstance(e.body, Correction) and any(
                    isinstance(m.body, UserMessage)
                    and m.body.id == e.body.of
                    and flight.step.seen >= m.seq > max(judges.seen(s.entries), new)
                    for m in s.entries
                ):
                    raise judges.Flaw("a model call goes on with a message that was corrected")

    def judge_cancel(self, s: State, t: Transcript, flight: Flight) -> None:
        since = [e.body for e in s.entries[flight.read : s.read]]
        cut = any((isinstance(b, Command) and b.name in {"stop", "new"}) or isinstance(b, SetAside) for b in since)
        cut = cut or any((isinstance(b, Choice) and b.option == "stop") or (isinstance(b, Notice) and b.about) for b in since)
        corrected = any(isinstance(b, Correction) for b in since)
        interrupted = self.scenario.busy == "interrupt" and any(isinstance(b, UserMessage) for b in since)
        match flight.step:
            case CallModel() if not (cut or corrected or interrupted):
                raise judges.Flaw("a healthy model call is cancelled")
            case CallTool() if not (cut or t.authors.get(t.turn_from) in s.gone):
                raise judges.Flaw("a healthy tool call is cancelled")
            case Deliver() | Fetch():
                raise judges.Flaw(f"{label(flight.step)} is cancelled")
            case _:
                pass

    def judge_rest(self, s: State, t: Transcript, d: Decision) -> None:
        judges.rest(s.entries, t, d, s.screen)
        if s.tools == "allowed" and any(asked.question.question == "approval" for asked in t.open_questions()):
            raise judges.Flaw("a choice is waited for that nobody needs")
        judges.standing(s.entries, t)
        if self.scenario.limited:
            judges.held_up(s.entries, self.scenario.limited)
        if any(asked.question.to in s.gone and asked.question.question in {"approval", "budget"} for asked in t.open_questions()):
            raise judges.Flaw("somebody is asked who may not talk here any more")
        judges.unread(s.entries, said=self.scenario.pictures == "unseen", settled=True)
        floor = t.floor()
        again = Transcript(s.entries[floor - 1 :])
        same = t.calls or request.build(again, t.last_outside, "") == request.build(t, t.last_outside, "")
        if self.decide(s, again) != d or not same:
            raise judges.Flaw(f"reading from the floor {floor} gives something else")


def label(step: Step) -> str:
    """A step's name, short enough for a path."""
    match step:
        case CallModel():
            return f"model after {step.n}"
        case CallTool():
            return f"tool {step.call.tool} {step.id}"
        case Deliver() | LookUp():
            return f"{type(step).__name__.lower()} {step.of}/{step.part}"
        case Finish():
            return f"finish {step.of}"
        case Fetch():
            return f"fetch {step.id}"
        case Summarise():
            return f"summarise {step.after}"
        case Write():
            return f"{step.row}({', '.join(type(body).__name__ for body in step.first)})"
