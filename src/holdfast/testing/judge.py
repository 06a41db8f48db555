"""What the world outside says about a gateway that was killed: nothing lost, nothing unanswered, nothing twice.

It compares what clients were told, what tools did, and what the journal holds. Of the gateway's own code it uses the entries, and the fold and the
request builder where the question is whether they can still read the transcript.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from holdfast.core import request
from holdfast.core.entries import (
    AssistantMessage,
    Choice,
    Command,
    Delivered,
    Entry,
    Notice,
    Question,
    SetAside,
    ToolResult,
    UserMessage,
    outgoing_name,
)
from holdfast.core.transcript import Transcript
from holdfast.testing.process import effects_in
from holdfast.web.wire import ACCOUNT

MUST_NOT_REPEAT: Final = ("count",)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A broken promise: its name, and what shows it."""

    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen from outside, by conversation: the (key, text) of messages that were said to be saved, and the entries that came to who
    followed. `effects` is the tool server's file; `stuck` says what was waited for in vain."""

    saved: Mapping[str, Sequence[tuple[str, str]]]
    followed: Mapping[str, tuple[Entry, ...]]
    effects: Path
    stuck: str = ""


def judge(journal: Mapping[str, Sequence[Entry]], seen: Seen) -> Iterator[Flaw]:
    """The flaws; none, if everything is as promised."""
    if seen.stuck:
        yield Flaw("waits for ever", seen.stuck)
    for name, saved in seen.saved.items():
        entries = journal.get(f"{ACCOUNT}:{name}", ())
        for flaw in (*_messages(entries, saved), *_answers(entries), *_calls(entries), *_deliveries(entries), *_readable(entries)):
            yield Flaw(flaw.name, f"{name}: {flaw.what}")
        if name in seen.followed:
            yield from _at_the_client(name, entries, seen.followed[name])
    yield from _effects(journal, seen.effects)


def _messages(entries: Sequence[Entry], saved: Sequence[tuple[str, str]]) -> Iterator[Flaw]:
    if [entry.seq for entry in entries] != list(range(1, len(entries) + 1)):
        yield Flaw("a gap in the journal", str([entry.seq for entry in entries]))
    kept = Counter(entry.body.id for entry in entries if isinstance(entry.body, UserMessage | Command | Choice))
    for key, text in saved:
        if not kept[key]:
            yield Flaw("a message lost", f"{text!r} ({key})")
        elif kept[key] > 1:
            yield Flaw("a message twice", f"{text!r} ({key})")


def _answers(entries: Sequence[Entry]) -> Iterator[Flaw]:
    """Each message is seen by an answer that ends its turn, or was set aside, or asks whether to go on; each command and choice has one reply."""
    answers = [entry.body for entry in entries if isinstance(entry.body, AssistantMessage)]
    if [answer.n for answer in answers] != list(range(1, len(answers) + 1)):
        yield Flaw("an answer twice", str([answer.n for answer in answers]))
    upto = max((answer.seen for answer in answers if not answer.calls), default=0)
    aside = max((entry.body.upto for entry in entries if isinstance(entry.body, SetAside)), default=0)
    asks = max((entry.seq for entry in entries if isinstance(entry.body, Question) and entry.body.question == "budget"), default=0)
    replies = Counter(entry.body.replies_to for entry in entries if isinstance(entry.body, Notice) and entry.body.replies_to)
    for entry in entries:
        match entry.body:
            case SetAside():
                yield Flaw("a turn set aside", f"up to {entry.body.upto}")
            case UserMessage(text=text) if entry.seq > max(upto, aside, asks):
                yield Flaw("a message unanswered", f"{text!r} ({entry.seq})")
            case Command() | Choice() if replies[entry.seq] != 1:
                yield Flaw("a command without its one reply", f"{entry.body} has {replies[entry.seq]}")
            case _:
                pass


def _calls(entries: Sequence[Entry]) -> Iterator[Flaw]:
    """Each call has one result; what is unknown is asked about."""
    answers = [entry.body for entry in entries if isinstance(entry.body, AssistantMessage)]
    calls = [call.id for answer in answers for call in answer.calls]
    upto = max((entry.body.upto for entry in entries if isinstance(entry.body, SetAside)), default=0)
    aside = {call.id for answer in answers if answer.seen <= upto for call in answer.calls}
    results = Counter(entry.body.call for entry in entries if isinstance(entry.body, ToolResult))
    unknown = {entry.body.call for entry in entries if isinstance(entry.body, ToolResult) and entry.body.outcome == "unknown"}
    asked = {entry.body.about for entry in entries if isinstance(entry.body, Question)}
    for call in calls:
        if results[call] != 1:
            yield Flaw("a call without its one result", f"{call} has {results[call]}")
    for call in unknown - asked - aside:
        yield Flaw("an unknown outcome that nobody was asked about", call)


def _deliveries(entries: Sequence[Entry]) -> Iterator[Flaw]:
    """Whatever has a text to show was delivered, in one part here, once."""
    delivered = Counter(entry.body.of for entry in entries if isinstance(entry.body, Delivered))
    for entry in entries:
        if isinstance(entry.body, AssistantMessage | Notice | Question) and entry.body.text:
            name = outgoing_name(entry.seq, entry.body)
            if delivered[name] != 1:
                yield Flaw("not delivered once", f"{name} was delivered {delivered[name]} times")


def _readable(entries: Sequence[Entry]) -> Iterator[Flaw]:
    """The fold reads it, and nothing is owed; and the strictest provider would take the next request."""
    t = Transcript(entries)
    owed = {"inputs": t.inputs, "calls": t.calls, "replies": t.unreplied, "speech": t.speech}
    if any(owed.values()):
        yield Flaw("something owed at rest", str(owed))
        return
    messages = request.build(t, t.last_outside, "").messages
    if any(isinstance(one, request.User) and isinstance(other, request.User) for one, other in pairwise(messages)):
        yield Flaw("a request that a provider refuses", "two messages of the user in a row")
    if messages and not isinstance(messages[0], request.User):
        yield Flaw("a request that a provider refuses", f"it begins with {messages[0]}")


def _at_the_client(name: str, entries: Sequence[Entry], followed: Sequence[Entry]) -> Iterator[Flaw]:
    """Who followed got each entry once and in order, and none that is not in the journal."""
    seqs = [entry.seq for entry in followed]
    if seqs != sorted(set(seqs)):
        yield Flaw("doubled at the client", f"{name}: {seqs}")
    elif list(followed) != list(entries):
        yield Flaw("the client was shown something else", f"{name}: {seqs} of {len(entries)}")


def _effects(journal: Mapping[str, Sequence[Entry]], file: Path) -> Iterator[Flaw]:
    """No effect twice that must not be; and none missing that is said to have happened."""
    happened = effects_in(file)
    for (effect, key), times in happened.items():
        if effect in MUST_NOT_REPEAT and times > 1:
            yield Flaw("an effect twice", f"{effect} {key} happened {times} times")
    for entries in journal.values():
        outcomes = {entry.body.call: entry.body.outcome for entry in entries if isinstance(entry.body, ToolResult)}
        for entry in entries:
            for call in entry.body.calls if isinstance(entry.body, AssistantMessage) else ():
                tool, key = call.tool.partition("__")[2], str(json.loads(call.arguments).get("key", ""))
                if outcomes.get(call.id) == "ok" and tool in {"count", "lookup"} and not happened[tool, key]:
                    yield Flaw("an effect that is said to have happened and did not", f"{tool} {key}")
