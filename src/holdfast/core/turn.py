"""The table: what a transcript still owes (DESIGN.md section 4).

`steps` looks at everything and does nothing. In each lane the first row that matches decides; the call rows are asked for each open call.

    control  C1  claimed for the fourth time without a fact,         set the turn aside, and ask      (nothing else is wanted)
                 and a turn is owed, or a send is in doubt           (of a send alone: give it up, and say so)
             C2  a command or choice without reply                   obey: its notice
             C3  a question whose time is over, or whose call is     write that down
             C4  it was said that a turn waits, and it does no more  say so in its place
             C5  a message beside a question of a call that it       say so (once), and how to answer
                 does not close
             C6  a message says nothing but "stop"                   offer the command
    speech   S1  the chat refused and has not written since          rest
             S2  the account is closed, or a retry's time to come    wait
             S3  the oldest part; not in doubt, or its key holds     deliver
             S4  the oldest part; in doubt, or perhaps a preview     look in the history; else resend, drop, or ask
             S5  a preview that no text can follow                   look for it, finish it
    call     K1  cut, or who asked may not talk here any more        close: declined, or unknown if it was started
             K2  running; or started earlier and repeatable          call the tool
             K3  started earlier                                     close: unknown, and ask
             K4  denied, expired, overtaken                          close: declined
             K5  needs approval                                      ask; rest
             K6  none of these; also what is allowed meanwhile       call the tool
    turn     (no open call, and an input up to the horizon unseen or results unread)
             T0  who asked may not talk here any more                set aside (said, if others had a word in it)
             T1  an attachment not fetched yet                       rest
             T2  an open question about this turn                    rest
             T3  the budget is used up; refused                      ask; set aside
             T4  its own failure's back-off is not over, or its      wait (said once)
                 person made more work than they may
             T5  no route is open                                    wait at the gate (said once)
             T6  none of these                                       call the model (said, if we ended in the middle, and it took long)
    house-   H1  an attachment not fetched yet                       fetch, or wait
    keeping  H2  the view is over 75 % of the window                 summarise
             H3  a file of the turn that no route can read           say so (once)

A row that waits, rests or asks holds back only a start: the step it stands before is *held*, and goes on if it is in flight.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from holdfast.core import chat_words, delivery, request, words
from holdfast.core.entries import (
    BUSY,
    QUIET,
    AssistantMessage,
    Call,
    Choice,
    Command,
    Failed,
    Notice,
    Question,
    Sampled,
    SetAside,
    Summary,
    ToolResult,
    approval_key,
)
from holdfast.core.files import is_picture, is_text
from holdfast.core.records import Asked, Closed, Kept, OpenCall
from holdfast.core.steps import CallModel, CallTool, Decision, Fetch, Summarise, Write
from holdfast.core.transcript import ALWAYS, Transcript
from holdfast.core.world import Chain, Needs, Policy, World, able, first_open, gates

ATTEMPTS_MAX: Final = 3
SAID_AFTER_S: Final = 20.0
WINDOW_SHARE_MAX: Final = 0.75
_YES: Final = ("once", ALWAYS)

# --- the table ------------------------------------------------------------------------------------------------------------------------


def steps(t: Transcript, epoch: int, world: World, now: float) -> Decision:
    """The steps that should be in flight for this transcript, in this epoch, in this world, now."""
    d = Decision()
    world = _as_chosen(t, world)
    if world.attempts > ATTEMPTS_MAX and (aside := _set_aside(t, epoch, world, now)):
        d.wanted.append(aside)  # C1
        return d
    _control(t, world, now, d)
    turn = _turn_step(t, world)
    delivery.rows(t, epoch, world, now, d, turn)
    for call in t.calls.values():
        _call(t, call, epoch, world, now, d)
    if turn is not None:
        _turn(t, turn, world, now, d)
    _housekeeping(t, world, now, d)
    return d


def _as_chosen(t: Transcript, world: World) -> World:
    """The world as the people of this conversation want it."""
    chosen = next((way.removeprefix(BUSY) for way in t.ways if way.startswith(BUSY)), "")
    if chosen not in {"steer", "queue", "interrupt"} or chosen == world.policy.busy:
        return world
    busy: Literal["steer", "queue", "interrupt"] = chosen  # type: ignore[assignment]  # one of these: it was checked just now
    rights = {person: replace(one, policy=replace(one.policy, busy=busy)) if one.policy else one for person, one in world.rights.items()}
    return replace(world, policy=replace(world.policy, busy=busy), rights=rights)


def horizon(t: Transcript, busy: str) -> int:
    """The newest entry from outside that the turn may see: in *queue* its own message, else everything."""
    if busy != "queue":
        return t.last_outside
    if t.turn_is_open and t.last_answer is not None:
        return t.last_answer.seen
    return t.inputs[0] if t.inputs else t.last_outside


def _control(t: Transcript, world: World, now: float, d: Decision) -> None:
    for seq, entry in sorted(t.unreplied.items())[:1]:
        assert isinstance(entry.body, Command | Choice)
        text = words.reply(t, entry, world, (chain_of(t, world), needs_of(t, world, horizon(t, world.policy.busy))), now)
        anew = isinstance(entry.body, Command) and entry.body.name == "new"
        ways = chat_words.ways_after(entry.body.name, entry.body.args, t.ways) if isinstance(entry.body, Command) else None
        allowed = tuple(t.allowed) if anew else ()
        notice = Notice(text=text, replies_to=seq, chain=words.chosen(entry.body, world), ways=ways, allowed=allowed)
        d.wanted.append(Write("C2", str(seq), (notice,)))
    for asked in t.open_questions():
        of_a_call = asked.question.question in {"elicitation", "approval"}
        if of_a_call and not _asks_still(t, asked):
            d.wanted.append(Write("C3", str(asked.seq), (Notice(text=words.moot(asked.question), about=asked.seq),)))
        elif now >= asked.question.expires:
            d.wanted.append(Write("C3", str(asked.seq), (Notice(text=words.expired(asked.question), about=asked.seq),)))
        else:
            d.wait_until(asked.question.expires)
            if of_a_call and asked.beside and not asked.told:
                d.wanted.append(Write("C5", str(asked.seq), (Notice(text=words.how_to_answer(asked), replies_to=asked.beside),)))
    if t.waiting is not None and (over := _waited(t)):
        d.wanted.append(Write("C4", str(t.waiting.seq), (Notice(text=over, edits=t.waiting.seq),)))
    if t.says_stop:
        d.wanted.append(Write("C6", str(t.says_stop), (Notice(text=chat_words.STOP_OFFERED, offers=t.says_stop),)))


def _asks_still(t: Transcript, asked: Asked) -> bool:
    """Is the call open for which this was asked? One that was begun anew asks anew."""
    call = t.calls.get(asked.question.about)
    return call is not None and call.begun < asked.seq


def _waited(t: Transcript) -> str:
    """C4: what became of a wait that was said, in words; "" while it lasts."""
    assert t.waiting is not None
    if t.answers and t.answers[-1].seq > t.waiting.seq:
        assert isinstance(t.waiting.body, Notice)
        return words.back(t.answers[-1].at - (t.waiting.body.since or t.waiting.at))
    return "" if t.inputs or t.turn_is_open else words.waits_no_more()


def _set_aside(t: Transcript, epoch: int, world: World, now: float) -> Write | None:
    """C1: what may be to blame. Not a turn that was stopped, nor what we have to say of that: nobody has tried it yet."""
    upto = horizon(t, world.policy.busy)
    if not t.turn_is_open and not t.inputs and not any(one.seen is not None and not t.is_cut(one.seen) for one in t.speech.values()):
        if not any(part.in_doubt(epoch) for part in t.parts.values()):
            return None
        return Write("C1", str(upto), (SetAside(since=upto + 1, upto=upto, why="crashed"), Notice(text=words.given_up())))
    if any(part.started == epoch for part in t.parts.values()):
        return None  # what is sent just now was owed before this turn came
    question = Question(
        question="poison",
        about=str(upto),
        text=words.poison(),
        options=("try again", "without tools", "discard"),
        to=t.authors.get(t.turn_from, ""),
        expires=now + world.policy.question_expires_s,
    )
    return Write("C1", str(upto), (SetAside(since=t.turn_from, upto=upto, why="crashed"), question))


# calls


def _call(t: Transcript, call: OpenCall, epoch: int, world: World, now: float, d: Decision) -> None:
    id_, tool, person = call.call.id, call.call.tool, t.authors.get(t.turn_from, "")
    policy = world.policy_of(t.turn_people(call.seen))
    run = CallTool(id_, call.call, repeatable=call.repeatable if call.started else tool in policy.repeatable)
    asked = t.questions.get(call.asked)
    if t.is_cut(call.seen) or world.rights_of(person).role is None:
        d.wanted.append(_close("K1", id_, "unknown" if call.started else "declined", words.closed_by_cut(started=bool(call.started))))
    elif call.started == epoch or (call.started and call.repeatable and tool not in policy.denies):
        d.wanted.append(run)  # K2
    elif call.started:
        d.wanted.append(Write("K3", id_, unknown_outcome(t, call.call, policy, now, words.interrupted_call())))
    elif tool in policy.denies:
        d.wanted.append(_close("K4", id_, "declined", words.denied_by_policy(tool)))
    elif asked is not None and asked.closed and asked.option not in _YES:
        told = (Notice(text=words.how_to_choose(tool)),) if asked.closed == "message" else ()
        d.wanted.append(Write("K4", id_, (ToolResult(call=id_, outcome="declined", text=words.not_allowed(asked.closed)), *told)))
    elif asked is None and not is_permitted(t, call, policy) and not world.account.asks:
        d.wanted.append(_close("K4", id_, "declined", words.nobody_to_ask(tool)))
    elif asked is None and not is_permitted(t, call, policy):
        question = Question(
            question="approval",
            about=id_,
            text=words.approval(call.call),
            options=(*_YES, "deny"),
            to=person,
            expires=now + policy.approval_expires_s,
            overtakable=policy.busy != "queue",
        )
        d.wanted.append(Write("K5", id_, (question,)))
    elif asked is not None and not asked.closed and not is_allowed(t, call, policy):
        d.held.append(run)  # K5
    else:
        moot = (Notice(text=words.allowed_now(asked.question), about=asked.seq),) if asked is not None and not asked.closed else ()
        d.wanted.append(replace(run, also=moot))  # K6


def is_allowed(t: Transcript, call: OpenCall, policy: Policy) -> bool:
    """Does it need nobody's yes, or has it one that stands? Of a tool that is not known (yet) nobody can say."""
    return call.call.tool in policy.allows or approval_key(t.authors.get(t.turn_from, ""), call.call) in t.allowed


def is_permitted(t: Transcript, call: OpenCall, policy: Policy) -> bool:
    """May it be made, as far as we know the tool by now?"""
    asked = t.questions.get(call.asked)
    if call.call.tool in policy.denies:
        return False
    if call.call.tool not in policy.asks or (asked is not None and asked.option in _YES):
        return True
    return is_allowed(t, call, policy)


def _close(row: str, call: str, outcome: Literal["declined", "unknown"], text: str) -> Write:
    return Write(row, call, (ToolResult(call=call, outcome=outcome, text=text),))


def unknown_outcome(
    t: Transcript, call: Call, policy: Policy, now: float, why: str, sampled: tuple[Sampled, ...] = ()
) -> tuple[ToolResult, Question]:
    """K3: what is written when nobody can know whether a call happened: the model is told, and the user is offered what to do."""
    question = Question(
        question="unknown",
        about=call.id,
        text=words.unknown_call(call),
        options=("check", "retry", "done", "skip"),
        to=t.authors.get(t.turn_from, ""),
        expires=now + policy.question_expires_s,
    )
    return ToolResult(call=call.id, outcome="unknown", text=why, sampled=sampled), question


# the turn


def _turn_step(t: Transcript, world: World) -> CallModel | None:
    """The model call that the turn lane stands before, or None if it owes nothing."""
    if t.calls:
        return None
    upto = horizon(t, world.policy.busy)
    if not t.turn_is_open and not any(seq <= upto for seq in t.inputs):
        return None
    overtaken = max(t.overtaken, t.last_message) if world.policy.busy == "interrupt" else t.overtaken
    route = first_open(able(chain_of(t, world), needs_of(t, world, upto)))
    tools = not t.without_tools and (route is None or route.tools)
    return CallModel(t.n, overtaken, seen=upto, after_cut=t.after_cut, route=route.name if route else "", chain=t.chain, tools=tools)


def chain_of(t: Transcript, world: World) -> Chain:
    """The routes that the turn may use, in order of preference."""
    return world.chain(t.chain, scheduled=t.scheduled)


def status(t: Transcript, world: World, now: float) -> str:
    """What the conversation does, waits for or asks, in words."""
    world = _as_chosen(t, world)
    return words.status(t, chain_of(t, world), needs_of(t, world, horizon(t, world.policy.busy)), now)


def needs_of(t: Transcript, world: World, upto: int) -> Needs:
    """What the turn's next request asks of its route."""
    return Needs(
        pictures=any(file.sha256 and is_picture(file.media_type) for file in t.turn_files(upto)),
        tools=world.tools and not t.without_tools,
        tokens=0 if t.failed_with("overflow") else t.tokens,  # what is shown has been made smaller
        widest=t.failed_with("overflow") >= request.SMALLER_MAX,
    )


def _turn(t: Transcript, step: CallModel, world: World, now: float, d: Decision) -> None:
    failure = t.failures[-1].body if t.failures else None
    rights = world.rights_of(t.authors.get(t.turn_from, ""))
    if rights.role is None:
        d.held.append(step)  # T0
        upto = min([step.seen, *(seq - 1 for seq in t.inputs if world.rights_of(t.authors.get(seq, "")).role is not None)])
        others = any(world.rights_of(person).role is not None for person in t.turn_people(upto))
        told = (Notice(text=words.gone_with_others()),) if others else ()
        d.wanted.append(Write("T0", str(upto), (SetAside(since=t.turn_from, upto=upto, why="gone"), *told)))
    elif any(t.seen < seq <= step.seen for seq, _, _ in t.fetching.values()):
        d.held.append(step)  # T1
    elif any(asked.question.question == "budget" for asked in t.open_questions()):
        d.held.append(step)  # T2
    elif isinstance(failure, Failed) and failure.failure == "refused" and t.failures[-1].seq > max(t.inputs, default=t.grant):
        aside = SetAside(since=t.turn_from, upto=step.seen, why="refused")
        d.wanted.append(Write("T3", str(step.seen), (aside, Notice(text=words.refused(failure)))))
    elif used_up := _used_up(t, world):
        d.held.append(step)  # T3
        question = Question(
            question="budget",
            about=str(t.turn_from),
            text=used_up,
            options=("go on", "stop"),
            to=t.authors.get(t.turn_from, ""),
            expires=now + world.policy.question_expires_s,
            overtakable=True,
        )
        d.wanted.append(Write("T3", str(t.n), (question,)))
    elif isinstance(failure, Failed) and now < failure.until:
        d.held.append(step)  # T4
        d.wait_until(failure.until)
    elif now < (until := _rests_until(t, world, step.seen)):
        d.held.append(step)  # T4
        d.wait_until(until)
        if t.said_waiting < t.turn_from:
            text = chat_words.limited(rights, words.span(until - now))
            d.wanted.append(Write("T4", str(t.turn_from), (Notice(text=text, about=t.turn_from),)))
    elif not step.route:
        d.held.append(step)  # T5
        routes = able(chain_of(t, world), needs_of(t, world, step.seen))
        d.wait_at(gates(routes))
        _say_waiting(t, routes, world, now, d)
    else:
        d.wanted += (step, *_goes_on(t, world))  # T6


def _goes_on(t: Transcript, world: World) -> tuple[Write, ...]:
    """Said if this turn was owed when this life of the gateway began, and its person had heard nothing for a while. (Who waits for a route was told so.)"""
    if world.began - t.last_at < SAID_AFTER_S or t.waiting is not None or t.scheduled or QUIET in t.ways:
        return ()
    return (Write("T6", str(t.turn_from), (Notice(text=words.goes_on()),)),)


def _rests_until(t: Transcript, world: World, upto: int) -> float:
    """Until when all rest who wait for this turn: what one of them used up holds nobody else up."""
    people = {t.authors.get(seq, "") for seq in (t.turn_from, *t.inputs) if seq <= upto}
    return min((world.rights_of(person).rests_until for person in people), default=0.0)


def _used_up(t: Transcript, world: World) -> str:
    """T3: what of the budget is used up since the last grant, in words, and what was done so far; "" if nothing is."""
    said = _over(t, world)
    done = [call for call in t.closed_calls if call.seq > t.grant and call.outcome != "declined"]
    return f"{said} {words.done_so_far(done)}".rstrip() + f" {words.GO_ON}" if said else ""


def _over(t: Transcript, world: World) -> str:
    grant, budget = t.grant, world.policy.budget
    answers = [entry.body for entry in t.answers[-budget.steps :] if entry.seq > grant and isinstance(entry.body, AssistantMessage)]
    calls = [call for call in t.closed_calls if call.seq > grant]
    if len(answers) >= budget.steps:
        return words.budget_of_steps(budget.steps)
    sampled = [one for call in calls for one in call.sampled]
    paid = [(one.route, one.usage) for one in answers] + [(one.route, one.usage) for one in sampled]
    if sum(world.cost(*one) for one in paid) >= budget.cost:
        return words.budget_of_cost(budget.cost)
    if sum(answer.took_s for answer in answers) + sum(call.took_s for call in calls) >= budget.time_s:
        return words.budget_of_time(budget.time_s)
    if sum(seq > grant for seq in t.unknowns) >= budget.unknowns:
        return words.budget_of_unknowns()
    if sum(failure.seq > grant for failure in t.failures) >= budget.failures:
        return words.budget_of_failures(t.failures[-1])
    if calls and sum(call.same == calls[-1].same for call in calls) >= budget.repeats:
        return words.budget_of_repeats(calls[-1].tool)
    if _fruitless(calls) >= budget.fruitless:
        return words.budget_of_fruitless(budget.fruitless)
    return ""


def _fruitless(calls: list[Closed]) -> int:
    """How many of the last calls brought nothing new: each failed, or was the same as one before."""
    seen: set[tuple[str, ...]] = set()
    count = 0
    for call in calls:
        new = call.outcome == "ok" and call.same not in seen
        count = 0 if new else count + 1
        seen.add(call.same)
    return count


def _say_waiting(t: Transcript, routes: Chain, world: World, now: float, d: Decision) -> None:
    """Say once, after a while, that the turn waits for one of these routes; at once where only a person can open them."""
    if t.said_waiting >= t.turn_from or not routes or QUIET in t.ways:
        return
    since = max(min(r.closed_since for r in routes), t.moved_at)
    instant = since if all(r.kind in {"config", "quota"} for r in routes) else since + SAID_AFTER_S
    if now >= instant:
        text = words.waiting(routes[0], now) + words.another_way(t, world)
        d.wanted.append(Write("T5", str(t.turn_from), (Notice(text=text, about=t.turn_from, stands=world.account.edits, since=since),)))
    else:
        d.wait_until(instant)


# housekeeping


def _housekeeping(t: Transcript, world: World, now: float, d: Decision) -> None:
    for id_, (_, attachment, not_before) in t.fetching.items():
        if not world.account.open:
            d.held.append(Fetch(id_, attachment))  # H1
            d.speech_gate = world.account.gate
        elif now >= not_before:
            d.wanted.append(Fetch(id_, attachment))
        else:
            d.held.append(Fetch(id_, attachment))
            d.wait_until(not_before)
    unread = [file for file in t.turn_files(t.last_seq) if file.seq > t.said_unread and not _can_be_read(t, file, world)]
    if unread and not t.fetching:  # H3, one word about all
        d.wanted.append(Write("H3", str(unread[-1].seq), (Notice(text=words.unread(unread), about=unread[-1].seq),)))
    _summary(t, world, d)


def _summary(t: Transcript, world: World, d: Decision) -> None:
    """H2. The window is that of the route which the conversation would rather use, be it open or not: a small one that stands in for it is no reason."""
    home = next(iter(able(world.chain(t.chain), Needs(tools=world.tools, tokens=t.tokens))), None)
    last = t.answers[-1] if t.answers else None
    if home is None or home.window is None or last is None or not isinstance(last.body, AssistantMessage):
        return
    used = last.body.usage.input_tokens + last.body.usage.output_tokens
    after = t.summary.seq if t.summary else 0
    upto = _summary_upto(t)
    if used > WINDOW_SHARE_MAX * home.window and last.seq > after and upto:
        routes = able(world.summaries or world.chain(t.chain), Needs(tokens=used))
        route = first_open(routes)
        step = Summarise(after, upto, route.name if route else "")
        if route is not None:
            d.wanted.append(step)
        else:
            d.held.append(step)
            d.wait_at(gates(routes))


def _can_be_read(t: Transcript, file: Kept, world: World) -> bool:
    """Can a route of the chain be shown what is in it?"""
    sees = any(route.images for route in chain_of(t, world))
    return bool(file.sha256) and (is_text(file.media_type) or (is_picture(file.media_type) and sees))


def _summary_upto(t: Transcript) -> int:
    """The answer in the middle of the view: a summary of more would lose what was just said, of less would soon be due again."""
    done = t.summary.body.upto if t.summary and isinstance(t.summary.body, Summary) else 0
    candidates = [a.seq for a in t.answers[:-1] if a.seq > done and isinstance(a.body, AssistantMessage) and a.body.seen > t.new]
    return candidates[len(candidates) // 2] if candidates else 0
