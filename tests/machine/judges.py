"""What must hold of every state of the walk. Each judge looks at the truth: entries, effects, the chat's screen."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from holdfast.core import words
from holdfast.core.entries import (
    OUTSIDE,
    AssistantMessage,
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
    ToolStarted,
    UserMessage,
)
from holdfast.core.request import Assistant, Message, Result, User
from holdfast.core.steps import CallModel, Decision
from holdfast.core.text import part as part_of
from holdfast.core.transcript import Transcript
from holdfast.core.world import World

Screen = tuple[tuple[str, str, bool], ...]


class Flaw(Exception):
    """The state breaks an invariant."""


def entries(log: tuple[Entry, ...], effects: tuple[str, ...], busy: str, allowed_from: int = 0, gone: frozenset[str] = frozenset()) -> None:
    answers = [(e.seq, e.body) for e in log if isinstance(e.body, AssistantMessage)]
    tools = {call.id: (call.tool, seq, a.seen) for seq, a in answers for call in a.calls}
    _calls(log, effects, tools)
    _questions(log, tools, allowed_from, gone)
    names = [a.name for _, a in answers]
    if len(set(names)) < len(names):
        raise Flaw(f"the name {names[-1]} is used twice: a keyed platform would drop the new answer")
    asides = [(e.seq, e.body) for e in log if isinstance(e.body, SetAside)]
    for (one, aside), (two, again) in pairwise(asides):
        new = any(isinstance(e.body, UserMessage | Choice | Command | AssistantMessage) for e in log[one : two - 1])
        if again.since <= aside.upto and again.why == aside.why and not new:
            raise Flaw("SetAside repeats: a hot loop")
    refusals = [e for e in log if isinstance(e.body, Failed) and e.body.failure == "refused"]
    for before, after in pairwise(refusals):
        if not any(isinstance(e.body, UserMessage | Command | SetAside) for e in log[before.seq : after.seq]):
            raise Flaw("a refused answer is asked for again: a hot loop")
    if busy == "queue":
        _queue(log, answers)


def _calls(log: tuple[Entry, ...], effects: tuple[str, ...], tools: dict[str, tuple[str, int, int]]) -> None:
    started: dict[str, list[int]] = {}
    for e in log:
        if isinstance(e.body, ToolStarted):
            started.setdefault(e.body.call, []).append(e.seq)
    for call, (tool, _, seen) in tools.items():
        if not tool.startswith("r") and (len(started.get(call, ())) > 1 or effects.count(call) > 1):
            raise Flaw(f"{tool} must not run twice and was started twice")
        for at in started.get(call, ()):
            if any(_cuts(e) and seen < e.seq < at for e in log):
                raise Flaw(f"{tool} was started after an accepted /stop or /new")
        if effects.count(call) and not started.get(call):
            raise Flaw(f"{tool} ran without a ToolStarted")
    closed: set[str] = set()
    for e in log:
        if isinstance(e.body, ToolResult):
            tool = tools[e.body.call][0]
            if tool.endswith("a") and e.body.outcome == "ok":
                _answered(log, e.body.call, max(started[e.body.call]), e.seq)
            before = [at for at in started.get(e.body.call, ()) if at < e.seq]
            if e.body.outcome == "declined" and before:
                raise Flaw(f"{tool} was started and is recorded as declined")
            if e.body.outcome == "unknown" and not before:
                raise Flaw(f"{tool} is recorded as unknown and was never started")
            if e.body.call in closed:
                raise Flaw(f"{tool} is closed twice")
            closed.add(e.body.call)


def _answered(log: tuple[Entry, ...], call: str, begun: int, ended: int) -> None:
    """A call that asks ends only after its question was answered, or expired."""
    asked = {e.seq for e in log[begun:ended] if isinstance(e.body, Question) and e.body.question == "elicitation" and e.body.about == call}
    if not asked & _closed_questions(log[:ended]):
        raise Flaw("a call that asks went on without an answer")


def _closed_questions(log: tuple[Entry, ...]) -> set[int]:
    """By a choice, or by a notice about them."""
    return {e.body.question for e in log if isinstance(e.body, Choice)} | {e.body.about for e in log if isinstance(e.body, Notice)}


def _cuts(e: Entry) -> bool:
    return isinstance(e.body, Command) and e.body.name in {"stop", "new"}


YES: Final = ("once", "always")


def approved(log: tuple[Entry, ...]) -> None:
    """What needs approval starts only with its own, or with one that stands: given by the same person, for the same tool and arguments."""
    answers = [(e.seq, e.body) for e in log if isinstance(e.body, AssistantMessage)]
    calls = {call.id: (call, seq, a.seen) for seq, a in answers for call in a.calls}
    asked = {e.seq: e.body for e in log if isinstance(e.body, Question) and e.body.question == "approval"}
    for e in log:
        if not isinstance(e.body, ToolStarted) or not calls[e.body.call][0].tool.startswith("p"):
            continue
        call, _, seen_then = calls[e.body.call]
        if any(question.about == call.id for question in asked.values()):
            continue  # judged above
        standing = {
            (question.to, calls[question.about][0].tool, calls[question.about][0].arguments)
            for seq, question in asked.items()
            for c in log[: e.seq]
            if isinstance(c.body, Choice) and c.body.question == seq and c.body.option == "always" and c.body.author == question.to
        }
        if (_asker(log, answers, seen_then), call.tool, call.arguments) not in standing:
            raise Flaw("started without being asked about, and no approval stands for it")


def _asker(log: tuple[Entry, ...], answers: list[tuple[int, AssistantMessage]], upto: int) -> str:
    """Who began the turn of which an answer has seen `upto`."""
    ended = max((a.seen for _, a in answers if not a.calls and a.seen < upto), default=0)
    cut = max((e.seq for e in log[:upto] if _cuts(e)), default=0)
    return next((e.body.author for e in log[max(ended, cut) : upto] if isinstance(e.body, UserMessage)), "")


def _questions(log: tuple[Entry, ...], tools: dict[str, tuple[str, int, int]], allowed_from: int, gone: frozenset[str]) -> None:
    asked = {e.seq: e.body for e in log if isinstance(e.body, Question)}
    for seq, question in asked.items():
        if any(s < seq and q.question == question.question == "approval" and q.about == question.about for s, q in asked.items()):
            raise Flaw("asked twice")
        closing = next(
            (
                e
                for e in log[seq:]
                if (isinstance(e.body, Choice) and e.body.question == seq and e.body.author == question.to)
                or (isinstance(e.body, UserMessage) and question.overtakable and e.body.author == question.to)
                or (isinstance(e.body, Notice) and e.body.about == seq)
            ),
            None,
        )
        if question.question == "approval" and closing is not None and isinstance(closing.body, Choice) and closing.body.option in YES:
            for e in log[closing.seq :]:
                cut = any(_cuts(c) for c in log[tools[question.about][2] : e.seq - 1])
                if (
                    isinstance(e.body, ToolResult)
                    and e.body.call == question.about
                    and e.body.outcome == "declined"
                    and not cut
                    and question.to not in gone
                ):
                    raise Flaw("approved in time, and then declined")
        if question.question == "approval":
            if is_open(log, seq, question) and any(isinstance(e.body, ToolStarted) and e.body.call == question.about for e in log):
                raise Flaw("its call is under way, and a choice would still count")
            allowed = closing is not None and isinstance(closing.body, Choice) and closing.body.option in YES
            for e in log[: allowed_from or len(log)]:
                if isinstance(e.body, ToolStarted) and e.body.call == question.about and not (allowed and closing and e.seq > closing.seq):
                    same = {s for s, q in asked.items() if q.to == question.to and tools.get(q.about, "")[:1] == tools[question.about][:1]}
                    if not any(isinstance(c.body, Choice) and c.body.question in same and c.body.option == "always" for c in log[: e.seq]):
                        raise Flaw("started without its approval")
        if question.question == "budget":
            earlier = [s for s, q in asked.items() if s < seq and q.question == "budget"]
            answered = [e.body.option for e in log[: seq - 1] if isinstance(e.body, Choice) and earlier and e.body.question == earlier[-1]]
            if answered[:1] == ["stop"] and not any(isinstance(e.body, UserMessage | Command) for e in log[earlier[-1] : seq - 1]):
                raise Flaw("the user chose to stop, and is asked again")
            if earlier and not any(
                isinstance(e.body, AssistantMessage | UserMessage | Choice | Command) for e in log[earlier[-1] : seq - 1]
            ):
                raise Flaw("the same budget question again, with nothing between")
        if question.question == "unknown":
            choices = [e.seq for e in log if isinstance(e.body, Choice) and e.body.question == seq]
            turns = [e for e in log if isinstance(e.body, AssistantMessage) and choices and not e.body.calls and e.body.seen >= choices[0]]
            others = [e for e in log[choices[0] :] if isinstance(e.body, UserMessage | Command)] if choices else []
            if len(choices) > 1 and len(turns) > 1 and not others:
                raise Flaw("one question, chosen twice, gave two turns")


def asked_by_somebody(log: tuple[Entry, ...], running: set[str]) -> None:
    """What a call asked in its middle is open only while that very call runs that asked it; an approval until its call has ended."""
    begun = {e.body.call: e.seq for e in log if isinstance(e.body, ToolStarted)}
    closed = {e.body.call for e in log if isinstance(e.body, ToolResult)}
    for e in log:
        if isinstance(e.body, Question) and e.body.question in {"approval", "elicitation"} and is_open(log, e.seq, e.body):
            call, in_the_middle = e.body.about, e.body.question == "elicitation"
            if call in closed or (in_the_middle and (call not in running or begun[call] > e.seq)):
                raise Flaw(f"question {e.seq} is open, and nobody asks it any more")


def is_open(log: tuple[Entry, ...], seq: int, question: Question) -> bool:
    overtaken = question.overtakable and any(isinstance(e.body, UserMessage) and e.body.author == question.to for e in log[seq:])
    return seq not in _closed_questions(log) and not overtaken


def told_how_to_answer(log: tuple[Entry, ...], *, settled: bool) -> None:
    """Who writes a message while a call waits for another kind of answer is told so, once."""
    for e in log:
        if isinstance(e.body, Question) and e.body.question in {"approval", "elicitation"} and is_open(log, e.seq, e.body):
            beside = {m.seq for m in log[e.seq :] if isinstance(m.body, UserMessage) and m.body.author == e.body.to}
            told = [n for n in log[e.seq :] if isinstance(n.body, Notice) and n.body.replies_to in beside]
            if len(told) > 1 or (settled and beside and not told):
                raise Flaw(f"of {len(beside)} messages beside question {e.seq} it is said {len(told)} times that they are no answer")


def _unanswered(log: tuple[Entry, ...]) -> list[Entry]:
    """The messages that no answer has seen, since the last cut, but for those that were deleted."""
    gone = {e.body.of for e in log if isinstance(e.body, Correction) and e.body.text is None}
    since = max([seen(log), *(e.seq for e in log if _cuts(e)), *(e.body.upto for e in log if isinstance(e.body, SetAside))])
    return [e for e in log if isinstance(e.body, UserMessage) and e.seq > since and e.body.id not in gone]


def offered_to_stop(log: tuple[Entry, ...], *, settled: bool) -> None:
    """Who writes "stop" while something is owed is offered the command, once; who writes it as a first word is not."""
    for e in log:
        if isinstance(e.body, UserMessage) and e.body.text == "stop":
            offers = sum(isinstance(n.body, Notice) and n.body.offers == e.seq for n in log)
            cut = any(_cuts(c) or isinstance(c.body, SetAside) for c in log[e.seq :])
            due = bool(_unanswered(log[: e.seq - 1]))
            later = any(isinstance(n.body, Notice) and n.body.offers > e.seq for n in log)  # one word about all
            if offers > 1 or (settled and due and not offers and not later and not cut):
                raise Flaw(f"'stop' was written, and the command is offered {offers} times")


def set_aside_with(log: tuple[Entry, ...], gone: frozenset[str]) -> None:
    """Who is gone takes only their own messages along."""
    for e in log:
        if isinstance(e.body, SetAside) and e.body.why == "gone":
            for said in _unanswered(log[: e.seq - 1]):
                if said.seq <= e.body.upto and isinstance(said.body, UserMessage) and said.body.author not in gone:
                    raise Flaw(f"{said.body.author}'s message is set aside with somebody else's")


def _asks(body: UserMessage | Command) -> bool:
    return isinstance(body, UserMessage) or body.name == "retry"


def somebody_asks(log: tuple[Entry, ...], already: int, upto: int, gone: frozenset[str]) -> None:
    """No model is asked what only people want to know who may not talk here."""
    last = next((e.body for e in reversed(log) if isinstance(e.body, AssistantMessage)), None)
    fresh = {e.body.author for e in log if isinstance(e.body, UserMessage | Command) and already < e.seq <= upto and _asks(e.body)}
    if fresh and fresh <= gone and not (last is not None and last.calls):
        raise Flaw("a model is asked for somebody who may not talk here any more")


def somebody_may_ask(log: tuple[Entry, ...], already: int, upto: int, limited: tuple[str, ...]) -> None:
    """What all who wait have used up is not exceeded."""
    fresh = {e.body.author for e in _unanswered(log) if isinstance(e.body, UserMessage) and already < e.seq <= upto}
    if fresh and fresh <= set(limited):
        raise Flaw("a model is asked for somebody who has used up what they may")


def held_up(log: tuple[Entry, ...], limited: tuple[str, ...]) -> None:
    """Nobody waits for what somebody else has used up."""
    waiting = {e.body.author for e in _unanswered(log) if isinstance(e.body, UserMessage)}
    if waiting - set(limited):
        raise Flaw(f"{waiting} wait for what {limited} have used up")


def ways(log: tuple[Entry, ...]) -> None:
    """What was chosen holds: /queue takes one message at a time, and in a quiet conversation no wait is said."""
    chosen: tuple[str, ...] = ()
    previous = 0
    for e in log:
        match e.body:
            case Notice(ways=after) if after is not None:
                chosen = after
            case Notice(stands=True) if "quiet" in chosen:
                raise Flaw("a wait is said in a quiet conversation")
            case AssistantMessage() as answer:
                since = max([previous, *(c.seq for c in log if _cuts(c) and c.seq <= answer.seen)])
                took = _taken(log, since, answer.seen, e.seq)
                if "busy=queue" in answer.ways and len(took) > 1:
                    raise Flaw("/queue: one turn took two messages")
                previous = max(previous, answer.seen)
            case _:
                pass


def order(log: tuple[Entry, ...], shown: Screen) -> None:
    """Answers appear in the order in which they were given: a growing one where it began to grow."""
    began: dict[str, int] = {}
    for e in log:
        match e.body:
            case DeliveryStarted(preview=True, of=of):
                began.setdefault(of, e.seq)
            case AssistantMessage():
                began.setdefault(e.body.name, e.seq)
            case _:
                pass
    names = [part.rpartition("/")[0] for part, text, _ in shown if text != "stopped"]
    for one, two in pairwise(name for name in dict.fromkeys(names) if name in began):
        if began[one] > began[two]:
            raise Flaw(f"{one} is shown before {two}, which was said before it")


def _taken(log: tuple[Entry, ...], since: int, seen_upto: int, by: int) -> list[int]:
    """The messages that the answer at `by` was the first to be shown: none that was deleted before, or set aside."""
    gone = {e.body.of for e in log[:by] if isinstance(e.body, Correction) and e.body.text is None}
    asides = [e.body for e in log[:by] if isinstance(e.body, SetAside)]
    took = [e for e in log if isinstance(e.body, UserMessage) and since < e.seq <= seen_upto and e.body.id not in gone]
    return [e.seq for e in took if not any(aside.since <= e.seq <= aside.upto for aside in asides)]


def _queue(log: tuple[Entry, ...], answers: list[tuple[int, AssistantMessage]]) -> None:
    previous = 0
    for seq, answer in answers:
        cut = max((e.seq for e in log if _cuts(e) and e.seq <= answer.seen), default=0)
        otherwise = {"busy=steer", "busy=interrupt"} & set(answer.ways)
        if not otherwise and len(_taken(log, max(previous, cut), answer.seen, seq)) > 1:
            raise Flaw("queue: one turn took two messages")
        previous = max(previous, answer.seen)


def request(messages: tuple[Message, ...]) -> None:
    """What the strictest provider wants."""
    if not messages:
        raise Flaw("the request is empty")
    if not isinstance(messages[0], User):
        raise Flaw(f"the request begins with {messages[0]}")
    if isinstance(messages[-1], Assistant):
        raise Flaw("the request ends with the assistant")
    pending: list[str] = []
    for before, message in pairwise((None, *messages)):
        match message:
            case Result():
                if not pending or pending.pop(0) != message.call:
                    raise Flaw("a result without its call, or out of order")
            case _ if pending:
                raise Flaw("a call without its result")
            case Assistant():
                pending = [call.id for call in message.calls]
                if isinstance(before, Assistant):
                    raise Flaw("two answers in a row")
                if not message.text and not message.calls:
                    raise Flaw("an empty answer")
            case User() if isinstance(before, User):
                raise Flaw("two user messages in a row")
            case _:
                pass
    if pending:
        raise Flaw("a call without its result at the end")


def told(messages: tuple[Message, ...]) -> None:
    """What is shown to a model that knows no tools."""
    request(messages)
    if any(isinstance(message, Result) or (isinstance(message, Assistant) and message.calls) for message in messages):
        raise Flaw("a model that knows no tools is shown a call of one")


def asked_for(t: Transcript, horizon: int, messages: tuple[Message, ...]) -> None:
    """What the model is asked for: every message that is owed is there; and nothing that was set aside."""
    words = "\n".join(message.text for message in messages if isinstance(message, User))
    summary = t.summary.body if t.summary else None
    upto = summary.upto if isinstance(summary, Summary) else 0
    hidden = max([t.new, *(a.body.seen for a in t.answers if a.seq <= upto and isinstance(a.body, AssistantMessage))])
    if t.failed_with("overflow"):  # a smaller request holds what the turn is about
        hidden = max(hidden, t.turn_from - 1)
    for said in t.spoken:
        if isinstance(said.entry.body, UserMessage) and hidden < said.entry.seq <= horizon:
            aside = any(a.since <= said.entry.seq <= a.upto for a in t.asides) and said.entry.seq not in t.inputs
            text = t.text_of(said.entry)
            if text is not None and text not in words and not aside:
                raise Flaw(f"{text} is not hidden, and the model is not shown it")
        if isinstance(said.entry.body, Choice) and said.entry.seq in t.inputs:
            asked = t.questions[said.entry.body.question]
            if asked.by != said.entry.seq:
                raise Flaw("a question that was answered is answered again: what it ordered would be done twice")
    last = max((said.entry.seq for said in t.spoken if isinstance(said.entry.body, UserMessage)), default=0)
    if any(asked.option == "stop" and asked.by == t.last_outside and last < asked.seq for asked in t.questions.values()):
        raise Flaw("the user chose to stop, and the model is asked again")
    if t.asides and t.last_outside <= t.asides[-1].upto:
        raise Flaw("set aside, and yet the same input is owed and asked for")


def seen(log: tuple[Entry, ...]) -> int:
    """The newest entry from outside that an answer has seen."""
    return max((e.body.seen for e in log if isinstance(e.body, AssistantMessage)), default=0)


def screen(shown: Screen, *, keyed: bool) -> None:
    """What people see: nothing twice (unless marked, where no key is taken), and in order."""
    finals = [(part, text, marked) for part, text, marked in shown if not text.startswith("…") and text != "stopped"]
    for i, (part, text, _) in enumerate(finals):
        for other, other_text, marked in finals[i + 1 :]:
            if part == other and text == other_text and (keyed or not marked):
                raise Flaw(f"{part} is shown twice" + ("" if keyed else ", and not marked"))
    order = [part for part, _, _ in dict.fromkeys((p, "", False) for p, _, _ in finals)]
    for one, two in pairwise(order):
        name, index = one.split("/")
        other, other_index = two.split("/")
        if name == other and int(index) > int(other_index):
            raise Flaw("the tail of an answer is shown before its head")


def delivered(log: tuple[Entry, ...], shown: Screen) -> None:
    """What is recorded as delivered is on the screen, and what the chat refused is not sent again."""
    answers = {e.body.name: e.body.text for e in log if isinstance(e.body, AssistantMessage) and e.body.text}
    frozen = {e.body.of: e.body.cuts for e in reversed(log) if isinstance(e.body, DeliveryStarted) and not e.body.preview}
    refused: set[tuple[str, int]] = set()
    absent: set[tuple[str, int]] = set()
    for e in log:
        match e.body:
            case Delivered(preview=False, of=of, part=index) if of in answers and of in frozen:
                text = part_of(answers[of], frozen[of], index)
                if not any(p == f"{of}/{index}" and old == text for p, old, _ in shown):
                    raise Flaw(f"{of}/{index} is recorded as delivered and was never shown")
            case DeliveryFailed(refusal="refused", of=of, part=index):
                refused.add((of, index))
            case DeliveryFailed(refusal="absent", of=of, part=index):
                if (of, index) in absent:
                    raise Flaw(f"{of}/{index} was looked for in vain, and is looked for again")
                absent.add((of, index))
            case DeliveryStarted(of=of, part=index) if (of, index) in absent:
                absent.discard((of, index))
            case DeliveryStarted(of=of, part=index) if (of, index) in refused:
                raise Flaw(f"{of}/{index} was refused and is sent again")
            case _:
                pass


def unread(log: tuple[Entry, ...], *, said: bool, settled: bool) -> None:
    """Of each file that came and that no route can read the user is told once; of others never."""
    for fetched in (e for e in log if isinstance(e.body, Fetched)):
        times = sum(isinstance(e.body, Notice) and e.body.about == fetched.seq for e in log)
        cut = any(isinstance(e.body, Command) and e.body.name in {"stop", "new"} for e in log)
        if times > said or (settled and times < said and not cut):
            raise Flaw(f"of a file that {'nobody' if said else 'somebody'} reads the user is told {times} times")


def standing(log: tuple[Entry, ...], t: Transcript) -> None:
    """A notice that stands is true: nobody is told that a turn waits which has its answer, or was stopped."""
    replaced = {e.body.edits for e in log if isinstance(e.body, Notice)}
    for said in (e for e in log if isinstance(e.body, Notice) and e.body.stands and e.seq not in replaced):
        answered = any(isinstance(e.body, AssistantMessage) and e.seq > said.seq for e in log)
        if answered or not (t.inputs or t.turn_is_open):
            raise Flaw(f"the notice {said.seq} says that a turn waits, and it does no more")


def told_of_restarts(log: tuple[Entry, ...]) -> None:
    """That it goes on is said at most once in each life, and never to whom nothing was owed."""
    said = [e for e in log if isinstance(e.body, Notice) and e.body.text == words.goes_on()]
    if len({e.epoch for e in said}) < len(said):
        raise Flaw("it is said twice in a life that it goes on")
    for e in said:
        before = log[: e.seq - 1]
        newest = next((one.body for one in reversed(before) if isinstance(one.body, AssistantMessage)), None)
        unseen = any(isinstance(one.body, UserMessage | Command) and one.seq > (newest.seen if newest else 0) for one in before)
        if not unseen and not (newest is not None and newest.calls):
            raise Flaw("who waits for nothing is told that it goes on")


def _blocked(log: tuple[Entry, ...]) -> bool:
    """The chat has refused, and nobody has written since that send was begun."""
    refused = next((e for e in reversed(log) if isinstance(e.body, DeliveryFailed) and e.body.refusal == "blocked"), None)
    if refused is None or not isinstance(refused.body, DeliveryFailed):
        return False
    part = (refused.body.of, refused.body.part)
    begun = max(e.seq for e in log[: refused.seq] if isinstance(e.body, DeliveryStarted) and (e.body.of, e.body.part) == part)
    return not any(isinstance(e.body, OUTSIDE) for e in log[begun:])


def rest(log: tuple[Entry, ...], t: Transcript, d: Decision, shown: Screen) -> None:
    """Nothing runs and nothing is wanted: then nothing is owed, or a named thing is waited for."""
    waits = d.due is not None or d.turn_gate or d.speech_gate
    blocked = _blocked(log)
    cut = max((e.seq for e in log if _cuts(e)), default=0)
    newest = seen(log)
    gone = {e.body.of for e in log if isinstance(e.body, Correction) and e.body.text is None}
    aside = max((e.body.upto for e in log if isinstance(e.body, SetAside)), default=0)
    stopped = max((e.seq for e in log if isinstance(e.body, Choice) and e.body.option == "stop"), default=0)
    unseen = [e.seq for e in log if isinstance(e.body, UserMessage) and e.seq > max(newest, cut, aside, stopped) and e.body.id not in gone]
    files = bool(t.fetching) and bool(d.speech_gate)  # they are waited for
    if d.due is None and not d.turn_gate and not files:
        if unseen and not any(True for q in log if isinstance(q.body, Notice) and q.body.about):
            raise Flaw("idle with an unanswered message")
        if any(
            not any(isinstance(r.body, ToolResult) and r.body.call == c.id for r in log)
            for e in log
            if isinstance(e.body, AssistantMessage)
            for c in e.body.calls
        ):
            raise Flaw("idle with an open call")
    for call in t.calls.values():
        if not call.started and not call.call.tool.startswith("p"):
            raise Flaw("a call that needs no approval waits for one that does")
    for e in log:
        if isinstance(e.body, Command | Choice) and not any(isinstance(n.body, Notice) and n.body.replies_to == e.seq for n in log):
            raise Flaw("idle with a command nobody replied to")
    if not waits and not blocked:
        if t.speech:
            raise Flaw(f"idle with something unsaid: {list(t.speech)}")
        refused = {e.body.of for e in log if isinstance(e.body, DeliveryFailed) and e.body.refusal == "refused"}
        receipts = {e.body.of for e in log if isinstance(e.body, Delivered) and e.body.preview}
        receipts |= {e.body.of for e in log if isinstance(e.body, DeliveryStarted) and e.body.preview and e.body.key}
        receipts -= refused
        if any(text.startswith("…") and part.split("/")[0] in receipts for part, text, _ in shown):
            raise Flaw("a preview is left dangling")
    if d.due is None and not d.turn_gate:
        _tried_again(log, max(newest, cut))


def _tried_again(log: tuple[Entry, ...], done: int) -> None:
    """The first choice to try again what was set aside leads to something."""
    for question in (e.seq for e in log if isinstance(e.body, Question) and e.body.question == "poison"):
        first = next((e for e in log[question:] if isinstance(e.body, Choice) and e.body.question == question), None)
        aside = next(e.body for e in reversed(log[:question]) if isinstance(e.body, SetAside))
        new = max((e.seq for e in log if isinstance(e.body, Command) and e.body.name == "new"), default=0)
        gone = {e.body.of for e in log if isinstance(e.body, Correction) and e.body.text is None}
        left = [
            e for e in log[: aside.upto] if isinstance(e.body, UserMessage) and e.seq >= max(aside.since, new) and e.body.id not in gone
        ]
        later = any(isinstance(e.body, SetAside) for e in log[question:])
        tried = first is not None and isinstance(first.body, Choice) and first.body.option == "try again"
        if first is not None and tried and left and done < first.seq and not later:
            raise Flaw("'try again' was chosen and nothing happens")


def route(entries: tuple[Entry, ...], step: CallModel, world: World) -> None:
    """A call goes out on the first open route of what the person chose last, as the reply to it said."""
    chosen = [e.body.chain for e in entries if isinstance(e.body, Notice) and e.body.chain]
    chain = world.chains.get(chosen[-1], world.routes) if chosen else world.routes
    expected = [one.name for one in chain if one.open]
    if step.route not in expected:
        raise Flaw(f"a call goes to {step.route!r}, but only {expected} are open in what was chosen")
    too_long = sum(isinstance(e.body, Failed) and e.body.failure == "overflow" for e in entries) >= 2  # then the widest comes first
    if not any(one.images for one in chain) and not too_long and step.route != expected[0]:
        raise Flaw(f"a call goes to {step.route!r}, though {expected[0]!r} is open and comes first")
