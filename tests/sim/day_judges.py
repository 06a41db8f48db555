"""What must hold at the end of a simulated day. The world outside judges: screens, effects, what providers were asked; and the committed entries."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from day_life import BOSS
from day_weather import CHAINS
from day_world import TOKEN, core, invalid

from holdfast.core import request, turn
from holdfast.core.entries import (
    AssistantMessage,
    Command,
    DeliveryStarted,
    Entry,
    Failed,
    Note,
    Notice,
    SetAside,
    ToolStarted,
    UserMessage,
    ends_an_attempt,
)
from holdfast.core.transcript import STOPS, Transcript
from holdfast.testing.fake_platform import FakeChat, Shown, Update
from holdfast.testing.memory_journal import Conversation

if TYPE_CHECKING:
    from day import Day

AMBIGUOUS_S = 2.0
"""A kill so soon after a send may have come before its receipt was written down."""

PROMPT_S = 900.0

CALLS_PER_MINUTE_MAX = 40
DECISIONS_PER_MINUTE_MAX = 300
TRANSACTIONS_PER_MINUTE_MAX = 1500

NUMBER = re.compile(r"#(\d+)(?: line (\d+)| (end))?")
ASKS = ("Shall I go on, or stop here?", "Shall I go on trying, or stop here?", "Nobody answered, so I stopped here")
SET_ASIDE = "I crashed several times on this"


def judge(day: Day) -> None:
    """Add every flaw to the day's list."""
    flaws = day.flaws
    flaws += [f"the loop complains: {complaint}" for complaint in day.loop.complaints]
    flaws += [f"the point {point} was armed and never hit" for point in day.armed]
    for effect in sorted({str(e.arguments.get("key")) for e in day.outside.effects if e.tool == "count"}):
        if day.outside.count("count", effect) > 1:
            flaws.append(f"the effect {effect} happened twice")
    for chat, account in day.people.chats.items():
        shown = account.screens[chat]
        updates = [update for update in account.updates if update.chat == chat]
        flaws += [f"{chat}: {flaw}" for flaw in _answered(day, chat, updates, shown)]
        flaws += [f"{chat}: {flaw}" for flaw in _prompt(day, updates, shown)]
        flaws += [f"{chat}: {flaw}" for flaw in _complete(day, chat, updates, shown)]
        if not day.plan.takeovers:
            flaws += [f"{chat}: {flaw}" for flaw in _copies(day, account, shown)]
            flaws += [f"{chat}: {flaw}" for flaw in _order(shown)]
        flaws += [f"{chat}: {flaw}" for flaw in _replied(updates, shown)]
    for account in day.accounts.values():
        if account.acknowledged < len(account.updates):
            flaws.append(f"{account.account}: {len(account.updates) - account.acknowledged} updates were never taken")
    for key, conversation in sorted(day.disk.conversations.items()):
        flaws += [f"{key}: {flaw}" for flaw in (*_released(day, conversation), *_transcript(conversation.entries))]
    _busy(day)
    if not day.plan.takeovers:
        _owner(day)
        _back(day)


def _owner(day: Day) -> None:
    """The owner was told what only he can mend, and it was delivered once."""
    row = day.disk.conversations.get(f"keyed:{BOSS}")
    notes = [(e.at, e.body.text) for e in row.entries if isinstance(e.body, Note)] if row else []
    shown = [core(s)[0] for s in day.accounts["keyed"].screens[BOSS]]
    if shown != [text for _, text in notes]:
        day.flaws.append(f"the owner was to be told {notes}, and was told {shown}")
    everything = [e for row in day.disk.conversations.values() for e in row.entries]
    own = [(e.at, e.body.route, e.body.failure) for e in everything if isinstance(e.body, Failed)]
    day.flaws += day.providers.seen.judge(notes, own, day.ended_at)
    day.told = len(notes)


def _back(day: Day) -> None:
    """Everything works again: whoever chose nothing is answered by the first route, and nobody by one that he did not choose."""
    for key, row in sorted(day.disk.conversations.items()):
        answers = [(e.at, e.body) for e in row.entries if isinstance(e.body, AssistantMessage)]
        day.flaws += [
            f"{key}: answered by {answer.route}, and {answer.chain or 'default'} was chosen"
            for _, answer in answers
            if answer.route not in CHAINS.get(answer.chain or "default", (answer.chain,))
        ]
        day.flaws += [
            f"{key}: main works again, and {answer.route} still answers"
            for at, answer in answers
            if at > day.settled_at and not answer.chain and answer.route != "main"
        ]


def _answered(day: Day, chat: str, updates: list[Update], shown: list[Shown]) -> list[str]:
    """Every message is answered; or was cut by /stop or /new, or taken back; or somebody is asked about it."""
    answered = {token for s in shown for token in _tokens(core(s)[0])}
    cuts = [update.offset for update in updates if update.text in {"/stop", "/new"}]
    deleted = {update.message for update in updates if update.kind == "delete"}
    last = max((update.offset for update in updates if update.kind == "message" and TOKEN.match(update.text)), default=0)
    flaws = []
    for update in updates:
        token = TOKEN.match(update.text) if update.kind == "message" else None
        if token is None or token[1] in answered or update.message in deleted or any(cut > update.offset for cut in cuts):
            continue
        at = day.chat_acknowledged(update)
        asked = [
            s for s in shown if any(words in core(s)[0] for words in ASKS) and s.at >= day.chat_acknowledged(updates_of(updates, last))
        ]
        if asked or _set_aside(day, chat, at):
            continue
        flaws.append(f"{token[1]} is not answered, and nobody says why")
    return flaws


def _prompt(day: Day, updates: list[Update], shown: list[Shown]) -> list[str]:
    """Once nothing is wrong any more, nobody waits long; unless somebody is asked."""
    first: dict[str, float] = {}
    for s in shown:
        for answered_token in _tokens(core(s)[0]):
            first.setdefault(answered_token, s.at)
    asked = [s.at for s in shown if any(words in core(s)[0] for words in (*ASKS, SET_ASIDE))]
    flaws = []
    for update in updates:
        token = TOKEN.match(update.text) if update.kind == "message" else None
        answered = first.get(token[1], 0.0) if token else 0.0
        accepted = day.chat_acknowledged(update)
        free = max([accepted, *(at for at in [*day.trouble_at, *day.providers.waits] if at < answered)])
        cut = any(u.offset > update.offset and u.text in {"/stop", "/new", "/retry"} for u in updates)
        if token and answered - free > PROMPT_S and not cut and not any(accepted < at < answered for at in asked):
            flaws.append(f"{token[1]} was answered only after {answered - free:.0f} s in which nothing was wrong")
    return flaws


def updates_of(updates: list[Update], offset: int) -> Update:
    return next(update for update in updates if update.offset == offset)


def _set_aside(day: Day, chat: str, at: float) -> bool:
    """Set aside after crashes, and said; and there were that many crashes since it last came further.

    (Some of them may have come while it was idle, if no process lived long enough to see that nothing was owed.)
    """
    account = day.people.chats[chat]
    if not any(SET_ASIDE in core(shown)[0] and shown.at >= at for shown in account.screens[chat]):
        return False
    log = day.disk.conversations[f"{account.account}:{chat}"].entries
    for aside in (entry for entry in log if isinstance(entry.body, SetAside) and entry.at >= at):
        since = max((e.at for e in log[: aside.seq - 1] if ends_an_attempt(e.body)), default=0.0)
        if sum(since <= kill <= aside.at for kill in day.killed_at) >= turn.ATTEMPTS_MAX:
            return True
    return False


def _tokens(text: str) -> list[str]:
    first = text.partition("\n")[0]
    return first.partition(" re: ")[2].split() if first.startswith("[#") else []


def _complete(day: Day, chat: str, updates: list[Update], shown: list[Shown]) -> list[str]:
    """Of an answer of which the beginning was shown, the end was shown; unless the chat was cut later."""
    cuts = [day.chat_acknowledged(update) for update in updates if update.text in {"/stop", "/new"}]
    screen = "\n".join(core(s)[0] for s in shown)
    flaws = []
    for number, given in day.providers.given.items():
        begun = [s.at for s in shown if core(s)[0].startswith(f"[#{number}] ")]
        if (
            begun
            and f"#{number} end" not in screen
            and not any(cut > begun[0] - 60.0 for cut in cuts)
            and not _set_aside(day, chat, begun[0])
        ):
            flaws.append(f"the end of answer {number} ({given.chat}) was never shown in {chat}")
    return flaws


def _copies(day: Day, account: FakeChat, shown: list[Shown]) -> list[str]:
    """No part twice; but where no key is taken once more, marked, for each send whose fate nobody could know."""
    flaws = []
    copies: dict[str, list[Shown]] = {}
    for s in sorted(shown, key=_sent):
        if NUMBER.search(core(s)[0]):
            copies.setdefault(core(s)[0], []).append(s)
    for text, all_of_it in copies.items():
        for before, again in pairwise(all_of_it):
            known = not before.lost and not any(before.sent_at <= kill <= before.at + AMBIGUOUS_S for kill in day.killed_at)
            if account.traits.key_holds_s:
                flaws.append(f"shown twice though keyed: {text[:60]!r}")
            elif not core(again)[1]:
                flaws.append(f"shown twice and not marked: {text[:60]!r}")
            elif known:
                flaws.append(f"shown twice, though its fate was known: {text[:60]!r}")
    return flaws


def _order(shown: list[Shown]) -> list[str]:
    """Answers, and their parts, are sent in order. (What a killed process sent may still be under way when its successor sends.)"""
    first = dict.fromkeys(core(s)[0] for s in sorted(shown, key=_sent))
    places = [(int(found[1]), 1000 if found[3] else int(found[2] or -1)) for found in (NUMBER.search(text) for text in first) if found]
    return [f"{two} is shown after {one}" for one, two in pairwise(places) if two < one]


def _sent(shown: Shown) -> float:
    return shown.sent_at


def _replied(updates: list[Update], shown: list[Shown]) -> list[str]:
    """Every order is replied to; but the reply to one that was set aside is set aside with it."""
    said = [core(s)[0] for s in shown]
    aside = sum(SET_ASIDE in text for text in said)
    replies = {
        "/stop": sum(text.startswith("Stopped.") for text in said),
        "/new": sum(text.startswith("A fresh start.") for text in said),
        "/retry": sum(text.startswith(("Trying again.", "There is nothing to try again")) for text in said),
    }
    ordered = {command: sum(update.text == command for update in updates) for command in replies}
    return [f"{ordered[c]} orders {c}, {replies[c]} replies" for c in replies if replies[c] + aside < ordered[c]]


def _released(day: Day, conversation: Conversation) -> list[str]:
    """Nobody works on it, and nothing is waited for but a person."""
    flaws = []
    if conversation.owner is not None:
        flaws.append("is still worked on")
    if conversation.turn_gate or conversation.speech_gate:
        flaws.append(f"still waits at {conversation.turn_gate or conversation.speech_gate}")
    if conversation.due is not None and conversation.due < day.clock.now():
        flaws.append("is due, and nobody comes")
    return flaws


def _transcript(log: list[Entry]) -> list[str]:
    flaws = []
    answers = [(e.seq, e.body) for e in log if isinstance(e.body, AssistantMessage)]
    cuts = [e.seq for e in log if isinstance(e.body, Command) and e.body.name in STOPS]
    epochs = [e.epoch for e in log if e.epoch]
    if epochs != sorted(epochs):
        flaws.append("a worker wrote after its successor")
    if [a.n for _, a in answers] != list(range(1, len(answers) + 1)):
        flaws.append(f"answers are numbered {[a.n for _, a in answers]}")
    ids = [e.body.id for e in log if isinstance(e.body, UserMessage)]
    if len(set(ids)) < len(ids):
        flaws.append("a message was taken twice")
    replies = [e.body.replies_to for e in log if isinstance(e.body, Notice) and e.body.replies_to]
    if sorted(replies) != sorted(e.seq for e in log if isinstance(e.body, Command)):
        flaws.append("not every order has exactly one reply")
    calls = {call.id: a.seen for _, a in answers for call in a.calls}
    starts: dict[str, Entry] = {}
    for e in log:
        if isinstance(e.body, ToolStarted):
            if any(calls[e.body.call] < cut < e.seq for cut in cuts):
                flaws.append(f"{e.body.call} was started after an accepted /stop")
            if e.body.call in starts and not e.body.repeatable:
                flaws.append(f"{e.body.call} must not run twice and was started twice")
            starts.setdefault(e.body.call, e)
    names = {a.name: a.seen for _, a in answers}
    sends: set[str] = set()
    for e in log:
        if isinstance(e.body, DeliveryStarted) and e.body.of in names and e.body.of not in sends:
            sends.add(e.body.of)
            if any(names[e.body.of] < cut < e.seq for cut in cuts):
                flaws.append(f"{e.body.of} was first sent after an accepted /stop")
    t = Transcript(log)
    if t.inputs and (why := invalid(request.build(t, t.last_outside, "").messages)):
        flaws.append(f"its request is not valid: {why}")
    return flaws


def _busy(day: Day) -> None:
    """Nobody runs in circles, on virtual time either."""
    for what, counts, most in (
        ("model calls of one chat", day.providers.calls, CALLS_PER_MINUTE_MAX),
        ("decisions", day.decisions, DECISIONS_PER_MINUTE_MAX),
        ("transactions", day.transactions, TRANSACTIONS_PER_MINUTE_MAX),
    ):
        busiest = max(counts.values(), default=0)
        if busiest > most:
            day.flaws.append(f"{busiest} {what} in one minute")
