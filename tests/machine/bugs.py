"""Each rule of the table, taken away. The walk has to find a counterexample to every one of these, or it proves nothing."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import delivery, request, steps, transcript, turn, words, world
from holdfast.core.entries import AssistantMessage, Choice, Command, DeliveryFailed, Entry, SetAside, Summary, UserMessage, approval_key
from holdfast.core.records import Part, Spoken
from holdfast.core.steps import Decision
from holdfast.core.transcript import Transcript

Patch = Callable[[pytest.MonkeyPatch], dict[str, Any] | None]


@dataclass(frozen=True)
class Bug:
    """A planted bug: in which walk it shows, and how it is planted. `patch` returns settings of the worker."""

    scenario: str
    patch: Patch


def _after(method: str, then: Callable[..., None]) -> Patch:
    """Do something after a method of the fold."""
    original = getattr(Transcript, method)

    def patched(self: Transcript, *args: Any) -> None:
        original(self, *args)
        then(self, *args)

    return lambda m: m.setattr(Transcript, method, patched)


def _instead(owner: Any, name: str, make: Callable[[Any], Any]) -> Patch:
    return lambda m: m.setattr(owner, name, make(getattr(owner, name)))


def _decide(change: Callable[[Transcript, Decision], None]) -> Patch:
    """Change every decision."""
    original = turn.steps

    def patched(t: Transcript, epoch: int, world_now: world.World, now: float) -> Decision:
        d = original(t, epoch, world_now, now)
        change(t, d)
        return d

    return lambda m: m.setattr(turn, "steps", patched)


def _without(kind: type, row: str = "") -> Patch:
    """A row is missing from the table."""

    def change(_: Transcript, d: Decision) -> None:
        d.wanted = [
            step for step in d.wanted if not (isinstance(step, kind) and (not row or (isinstance(step, steps.Write) and step.row == row)))
        ]

    return _decide(change)


def _epoch_blind(m: pytest.MonkeyPatch) -> None:
    """A call started by a process that is gone is taken for one that runs here."""
    original = turn._call

    def call(t: Transcript, open_call: Any, epoch: int, *rest: Any) -> None:
        started = epoch if open_call.started else 0
        original(t, replace(open_call, started=started), epoch, *rest)

    m.setattr(turn, "_call", call)


def _cut_as_mode(m: pytest.MonkeyPatch) -> None:
    """Stopped is a mode that the next message ends, instead of a place in the transcript."""
    m.setattr(Transcript, "is_cut", lambda self, _seen: self.cut > 0 and self.last_message < self.cut)


def _first_row_for_all_calls(t: Transcript, d: Decision) -> None:
    """The first call's row speaks for the whole lane."""
    if any(isinstance(step, steps.CallTool) for step in d.held):
        d.wanted = [step for step in d.wanted if not isinstance(step, steps.CallTool)]


def _no_doubt(m: pytest.MonkeyPatch) -> None:
    m.setattr(Part, "in_doubt", lambda _self, _epoch: False)


def _request_in_order_of_seq(m: pytest.MonkeyPatch) -> None:
    """Entries become messages in the order in which they were written."""

    def view(t: Transcript, horizon: int) -> list[request.Message]:
        pieces: list[tuple[int, list[request.Message]]] = [
            (spoken.entry.seq, [request.User(spoken.entry.body.text)])
            for spoken in t.spoken
            if isinstance(spoken.entry.body, UserMessage) and spoken.entry.seq <= horizon
        ]
        for e in t.answers:
            assert isinstance(e.body, AssistantMessage)
            results: list[request.Message] = [request.Result(c.id, c.tool, t.results[c.id].text) for c in e.body.calls]
            pieces.append((e.seq, [request.Assistant(e.body.text, e.body.calls), *results]))
        return request._joined(message for _, messages in sorted(pieces, key=lambda p: p[0]) for message in messages)

    m.setattr(request, "_view", view)


def _reopen(t: Transcript, entry: Entry, body: Choice) -> None:
    """Every choice counts, not only the first."""
    asked = t.questions.get(body.question)
    if asked is not None and asked.question.question == "unknown" and asked.by != entry.seq:
        t._input(Spoken(entry), body.author)


def _expiry_by_clock(m: pytest.MonkeyPatch) -> None:
    """A question is closed when the clock says so, and nothing is written down: a choice that was committed in time may come too late."""
    original = turn.steps

    def patched(t: Transcript, epoch: int, world_now: world.World, now: float) -> Decision:
        changed = t.extended(())
        for asked in list(changed.open_questions()):
            if now >= asked.question.expires:
                changed.questions[asked.seq] = replace(asked, closed="expiry")
        for seq, asked in changed.questions.items():
            if asked.closed == "choice" and now >= asked.question.expires:
                changed.questions[seq] = replace(asked, closed="expiry", option="")
        return original(changed, epoch, world_now, now)

    m.setattr(turn, "steps", patched)


def _hide_nothing_before_new(m: pytest.MonkeyPatch) -> None:
    """Only what is older than `/new` is hidden, not an answer that had seen only what is older."""
    original = request._pieces

    def pieces(t: Transcript, horizon: int, last: int) -> Any:
        late = t.extended(())
        late.answers = [
            Entry(e.seq, e.at, e.epoch, e.body.__class__(**{**_fields(e.body), "seen": max(e.body.seen, late.new)}))
            if e.seq > late.new
            else e
            for e in late.answers
            if isinstance(e.body, AssistantMessage)
        ]
        late.touched |= {e.body.n for e in late.answers if isinstance(e.body, AssistantMessage)}
        return original(late, horizon, last)

    m.setattr(request, "_pieces", pieces)


def _fields(body: Any) -> dict[str, Any]:
    return {name: getattr(body, name) for name in body.__struct_fields__}


def _set_aside_again(t: Transcript, entry: Entry) -> None:
    if isinstance(entry.body, SetAside):
        t.cut, t.inputs = 0, [t.turn_from]


def _delete_keeps_input(t: Transcript, entry: Entry, body: Any) -> None:
    seq = t._messages.get(body.of, 0)
    if body.text is None and seq > t.seen and seq not in t.inputs and seq > t.cut:
        t.inputs = sorted([*t.inputs, seq])
    del entry


def _late_allow(m: pytest.MonkeyPatch) -> None:
    """An approval that was given is declined all the same once something else happens."""
    original = turn._call

    def call(t: Transcript, open_call: Any, epoch: int, world: Any, now: float, d: Decision) -> None:
        asked = t.questions.get(open_call.asked)
        if asked is not None and asked.option == "once" and t.last_message > asked.by and not open_call.started:
            d.wanted.append(turn._close("K4", open_call.call.id, "declined", "late"))
        else:
            original(t, open_call, epoch, world, now, d)

    m.setattr(turn, "_call", call)


def _summary_by_seq(original: Any) -> Any:
    """The summary stands for everything older than the answer it ends with, instead of for what that answer had seen."""

    def words_of(t: Transcript, said: Spoken) -> Any:
        summary = t.summary.body if t.summary else None
        return () if isinstance(summary, Summary) and said.entry.seq <= summary.upto else original(t, said)

    return words_of


def _forget_refused(t: Transcript, entry: Entry) -> None:
    del entry
    t.failures = [f for f in t.failures if getattr(f.body, "failure", "") != "refused"]


def _unseal(t: Transcript, entry: Entry, body: Any) -> None:
    """A refused part is not settled."""
    if isinstance(body, DeliveryFailed) and body.refusal == "refused":
        part = t.part(body.of, body.part)
        t.parts[body.of, body.part] = replace(part, settled=False)
    del entry


def _long_silent(t: Transcript) -> Transcript:
    """Its newest entry counts as one of long ago."""
    silent = copy.copy(t)
    silent.last_at = -100.0
    return silent


def _late_block(t: Transcript, entry: Entry, body: Any) -> None:
    if isinstance(body, DeliveryFailed) and body.refusal == "blocked":
        t.blocked = entry.seq


def _doubt_again(t: Transcript, _entry: Entry, body: Any) -> None:
    if isinstance(body, DeliveryFailed) and body.refusal == "absent":
        t.parts[body.of, body.part] = replace(t.parts[body.of, body.part], unknown=True)


def _no_overtaking(t: Transcript, entry: Entry, body: UserMessage) -> None:
    for seq, asked in t.questions.items():
        if asked.closed == "message" and asked.by == entry.seq:
            t.questions[seq] = replace(asked, closed="", by=0)
    del body


def _stands_for_ever(t: Transcript, _entry: Entry, body: Choice) -> None:
    asked = t.questions.get(body.question)
    if asked is not None and asked.option == "once" and asked.question.about in t.calls:
        t.allowed[approval_key(body.author, t.calls[asked.question.about].call)] = None


def _stop_is_not_a_cut(t: Transcript, entry: Entry, body: Any) -> None:
    if isinstance(body, Choice) and body.option == "stop":
        t.cut = max((e.seq for e in (s.entry for s in t.spoken) if isinstance(e.body, Command)), default=0)
        t.granted = entry.seq - 1


def _takes_all_along(t: Transcript, d: Decision) -> None:
    """T0 sets aside all that has come."""
    for i, step in enumerate(d.wanted):
        if isinstance(step, steps.Write) and step.row == "T0":
            d.wanted[i] = steps.Write("T0", step.about, (SetAside(since=t.turn_from, upto=t.last_outside, why="gone"),))


def _reopened(t: Transcript, entry: Entry) -> None:
    """What was asked about a turn that is set aside stays asked."""
    if isinstance(entry.body, SetAside):
        for seq, asked in t.questions.items():
            if asked.by == entry.seq:
                t.questions[seq] = replace(asked, closed="", by=0)


def _says_stop_for_ever(t: Transcript, _entry: Entry, _body: Any) -> None:
    said = [s.entry.seq for s in t.spoken if isinstance(s.entry.body, UserMessage) and s.entry.body.text == "stop"]
    t.says_stop = said[-1] if said else 0


class _AnyName(str):
    """Every answer's name."""

    __slots__ = ()

    def __eq__(self, _: object) -> bool:
        return True

    __hash__ = str.__hash__


BUGS: dict[str, Bug] = {
    "a finished preview of an answer that was given takes the next one's name": Bug(
        "a preview whose answer has no text", _instead(transcript, "answer_name", lambda _: lambda *_: _AnyName())
    ),
    "a preview begins before what was said before it": Bug("previews beside what waits to be said", lambda _: {"previews_wait": False}),
    "a preview that was finished under its key alone counts as finished": Bug("previews that fail", lambda _: {"finishes_in_two": False}),
    "who is gone takes everybody's messages along": Bug("somebody is removed who was asked", _decide(_takes_all_along)),
    "nobody looks whether a person may still talk": Bug(
        "somebody is removed", _instead(world.World, "rights_of", lambda _: lambda _self, _person: world.Rights())
    ),
    "a question of a turn that was set aside stays open": Bug("somebody is removed who was asked", _after("_apply", _reopened)),
    "what the turn before used up counts": Bug(
        "somebody is removed who was asked",
        _instead(Transcript, "grant", lambda _: property(lambda t: max(t.turn_from, t.granted))),
    ),
    "limits are not heeded": Bug("somebody has used up what they may", _instead(turn, "_rests_until", lambda _: lambda *_: 0.0)),
    "what one has used up holds everybody up": Bug(
        "somebody has used up what they may",
        _instead(turn, "_rests_until", lambda _: lambda t, now, _upto: now.rights_of(t.authors.get(t.turn_from, "")).rests_until),
    ),
    "/queue is not heeded": Bug("ways of a conversation", _instead(turn, "_as_chosen", lambda _: lambda _t, world_now: world_now)),
    "/quiet is not heeded": Bug("a quiet wait", _instead(turn, "QUIET", lambda _: "loud")),
    "the command is not offered": Bug("a word that sounds like a command", _without(steps.Write, "C6")),
    "the command is offered again and again": Bug("a word that sounds like a command", _after("_notice", _says_stop_for_ever)),
    "a refusal counts from when it was written down": Bug("sends that fail, and somebody writes", _after("_delivery_ended", _late_block)),
    "it is said of a turn without end that it goes on": Bug(
        "a crash that takes long", _instead(turn, "_goes_on", lambda f: lambda t, world: f(_long_silent(t), world))
    ),
    "no ToolStarted": Bug("a turn with tools", lambda _: {"writes_tool_started": False}),
    "no epoch check": Bug("a turn with tools", _epoch_blind),
    "intention appended on a stale read": Bug("a turn with tools", lambda _: {"worker_checks_wakes": False}),
    "cut treated as a mode": Bug("a turn with tools", _cut_as_mode),
    "held steps are cancelled": Bug("a route that closes", lambda _: {"worker_holds": False}),
    "questions never expire": Bug("approvals", _without(steps.Write, "C3")),
    "what a call asked that has ended stays open": Bug(
        "a tool that asks", _instead(turn, "_asks_still", lambda _: lambda _t, _asked: True)
    ),
    "what a call asked before it was begun anew stays open": Bug(
        "a tool that asks", _instead(turn, "_asks_still", lambda _: lambda t, asked: asked.question.about in t.calls)
    ),
    "an approval of a call that has ended stays open": Bug(
        "approvals that nobody needs any more",
        _instead(turn, "_asks_still", lambda f: lambda t, asked: asked.question.question == "approval" or f(t, asked)),
    ),
    "a choice is waited for though its tool is allowed meanwhile": Bug(
        "approvals that nobody needs any more", _instead(turn, "is_allowed", lambda _: lambda *_: False)
    ),
    "a tool that is not known yet is taken for an allowed one": Bug(
        "approvals that nobody needs any more",
        _instead(turn, "is_allowed", lambda f: lambda t, call, policy: f(t, call, policy) or call.call.tool not in policy.asks),
    ),
    "a call goes on and its question stays open": Bug(
        "approvals that nobody needs any more",
        _instead(steps.CallTool, "first", lambda f: property(lambda self: f.fget(dataclasses.replace(self, also=())))),
    ),
    "a message beside a question is passed over in silence": Bug("a tool that asks", _without(steps.Write, "C5")),
    "of a message beside a question it is said again and again that it is no answer": Bug(
        "a tool that asks",
        _after("_notice", lambda t, _e, _b: t.questions.update({seq: replace(one, told=False) for seq, one in t.questions.items()})),
    ),
    "the first call's row speaks for all": Bug("approvals", _decide(_first_row_for_all_calls)),
    "commands get no reply": Bug("a turn with tools", _without(steps.Write, "C2")),
    "a refused part is tried for ever": Bug("sends that fail", _after("_delivery_ended", _unseal)),
    "a message does not overtake an approval": Bug("approvals", _after("_message", _no_overtaking)),
    "a cut does not overturn a model call": Bug(
        "a turn with tools", _instead(Transcript, "overtaken", lambda _: property(lambda _self: 0))
    ),
    "a doubtful send is taken for a fresh one": Bug("speech without keys", _no_doubt),
    "a resent part is not marked": Bug("speech without keys", _instead(words, "SENT_AGAIN", lambda _: "")),
    "a key that carried a preview counts as the text": Bug(
        "speech with keys", _instead(delivery, "_deliver", lambda f: lambda *a: dataclasses.replace(f(*a), id_only=False))
    ),
    "what is found is taken for the text, and may be its preview": Bug(
        "previews that are looked for", _instead(delivery, "LookUp", lambda f: lambda *a, **_: f(*a[:5]))
    ),
    "a preview in doubt is taken for never sent": Bug(
        "previews that are looked for", _instead(delivery, "_deliver", lambda f: lambda *a: dataclasses.replace(f(*a), id_only=False))
    ),
    "a key is taken to hold for ever": Bug(
        "keys that are forgotten, and looked for", _instead(delivery, "_key_holds", lambda _: lambda part, *_: bool(part.key))
    ),
    "what was looked for in vain stays in doubt": Bug("sends that fail, and are looked for", _after("_delivery_ended", _doubt_again)),
    "an answer after a cut takes the stopped one's name": Bug(
        "a stopped preview", _instead(Transcript, "after_cut", lambda _: property(lambda _self: 0))
    ),
    "an answer after a finished preview takes its name": Bug(
        "text beside calls, deleted in mid-preview",
        _instead(Transcript, "after_cut", lambda _: property(lambda t: t._since_last_answer(t.cut))),
    ),
    "previews are not finished": Bug("speech with keys", _without(steps.Finish)),
    "the request follows seq": Bug("a turn with tools", _request_in_order_of_seq),
    "expiry is read off the clock": Bug("approvals", _expiry_by_clock),
    "every choice counts": Bug("one unknown outcome", _after("_choice", _reopen)),
    "a deleted message is still owed": Bug("edits and deletions", _after("_correction", _delete_keeps_input)),
    "an approval is declined late": Bug("approvals in a group", _late_allow),
    "an approval stands for everybody": Bug(
        "approvals that stand", _instead(turn, "approval_key", lambda f: lambda _person, call: f("ann", call))
    ),
    "an approval once stands for ever": Bug("approvals that stand", _after("_choice", _stands_for_ever)),
    "a stop by choice is no cut": Bug("budget", _after("_choice", _stop_is_not_a_cut)),
    "a refusal is asked for again": Bug("refused", _after("_apply", _forget_refused)),
    "what is set aside is owed all the same": Bug("poison", _after("_apply", _set_aside_again)),
    "an answer from before /new is shown": Bug("retry, stop and new", _hide_nothing_before_new),
    "a correction does not overturn": Bug("edits and deletions", _after("_correction", lambda t, _e, _b: setattr(t, "corrected", 0))),
    "the floor forgets the last answer": Bug("summaries", _instead(Transcript, "floor", lambda _: lambda t: t.last_seq + 1)),
    "what was said of a wait stands for ever": Bug("a wait that is said", _without(steps.Write, "C4")),
    "pictures go to a route that sees none": Bug("pictures", _instead(turn, "able", lambda _: lambda chain, _needs: chain)),
    "what was chosen is forgotten": Bug("another model", _instead(world.World, "chain", lambda _: lambda self, *_, **__: self.routes)),
    "a closed route is used": Bug("another model", _instead(turn, "first_open", lambda _: lambda chain: chain[0])),
    "an answer that was begun before overrules what was chosen": Bug(
        "another model", _after("_answer", lambda t, _e, body: setattr(t, "chain", body.chain))
    ),
    "a file that nobody reads is mentioned at every look": Bug(
        "pictures that nobody sees", _after("_notice", lambda t, _e, _b: setattr(t, "said_unread", 0))
    ),
    "a file that nobody reads is not mentioned": Bug("pictures that nobody sees", _without(steps.Write, "H3")),
    "a summary hides what came before it was written": Bug("summaries", _instead(request, "_words_of", _summary_by_seq)),
}
