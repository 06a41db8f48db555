"""The rows of the table about speech (S1 to S5, see `turn`): what is owed to the chat, in order."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from holdfast.core import words
from holdfast.core.entries import DeliveryFailed, Question
from holdfast.core.records import Part, Speech
from holdfast.core.steps import CallModel, Decision, Deliver, Finish, LookUp, Write
from holdfast.core.text import LENGTH_MIN, cuts, part
from holdfast.core.transcript import Transcript
from holdfast.core.world import Account, World


def rows(t: Transcript, epoch: int, world: World, now: float, d: Decision, turn: CallModel | None) -> None:
    if t.blocked and t.last_outside < t.blocked:
        return  # S1
    running = next((key for key, part_now in t.parts.items() if part_now.started == epoch and key[0] in t.speech), None)
    if running is not None:
        speech = t.speech[running[0]]
        d.wanted.append(_deliver(t, speech, running[1], epoch, world, now))
        return  # S3, in flight
    for speech in t.speech.values():
        for index in t.parts_of(speech):
            if not t.is_owed(speech, index):
                continue
            if _part(t, speech, index, epoch, world, now, d):
                return
            break  # S4 asks about this part: the lane passes over the entry's others
    _previews(t, world, now, d, turn)


def _part(t: Transcript, speech: Speech, index: int, epoch: int, world: World, now: float, d: Decision) -> bool:
    """The row of the oldest part that is owed. False if the lane passes over its entry."""
    part_now = t.part(speech.name, index)
    account = world.account
    step = _deliver(t, speech, index, epoch, world, now)
    asked = next((a for a in t.questions.values() if a.question.question == "send" and a.question.about == f"{speech.name}/{index}"), None)
    if asked is not None and not asked.closed:
        return False
    if not account.open or now < part_now.retry_at:  # S2
        d.held.append(step)
        if not account.open:
            d.speech_gate = account.gate
        else:
            d.wait_until(part_now.retry_at)
        return True
    in_doubt = part_now.in_doubt(epoch)
    if not (in_doubt or step.id_only) or _key_holds(part_now, account, now):
        d.wanted.append(step)  # S3
        return True
    if account.history:
        d.wanted.append(LookUp(speech.name, index, step.text, part_now.key, part_now.first_at, step.id_only, step.replies_to))
        return True
    if not in_doubt:
        d.wanted.append(step)
        return True
    policy = account.unknown_send if asked is None else ("resend" if asked.option == "resend" else "drop")
    match policy:
        case "resend":
            d.wanted.append(step)
        case "drop":
            gone = DeliveryFailed(of=speech.name, part=index, refusal="dropped", why="it could not be known whether it had arrived")
            d.wanted.append(Write("S4", f"{speech.name}/{index}", (gone,)))
        case "ask":
            question = Question(
                question="send",
                about=f"{speech.name}/{index}",
                text=words.unknown_send(step.text),
                options=("resend", "drop"),
                expires=now + world.policy.question_expires_s,
            )
            d.wanted.append(Write("S4", f"{speech.name}/{index}", (question,)))
        case _:
            assert_never(policy)
    return True


def _key_holds(part_now: Part, account: Account, now: float) -> bool:
    """The same again is the same message there."""
    return bool(part_now.key) and account.key_holds_s > 0 and now - part_now.first_at <= account.key_holds_s


def _deliver(t: Transcript, speech: Speech, index: int, epoch: int, world: World, now: float) -> Deliver:
    part_now = t.part(speech.name, index)
    account = world.account
    room = account.limit if account.knows else replace(account.limit, length=max(account.limit.length - len(words.SENT_AGAIN), LENGTH_MIN))
    at = speech.cuts if speech.cuts is not None else cuts(speech.text, room)
    text = part(speech.text, at, index)
    asked = t.questions.get(speech.question) if index == len(at) else None
    asked = asked if asked is not None and not asked.closed else None
    sure = account.knows or _key_holds(part_now, account, now)
    if not sure and (part_now.doubted or part_now.in_doubt(epoch)):
        text = words.SENT_AGAIN + text
    return Deliver(
        speech.name,
        index,
        text=text,
        key=f"{speech.name}/{index}{f'/{part_now.anew}' if part_now.anew else ''}" if account.keyed else "",
        cuts=at,
        edit=part_now.id,
        id_only=account.keyed and part_now.previewed and not part_now.id,
        files=speech.files if index == 0 else (),
        question=asked.seq if asked is not None else 0,
        options=asked.question.options if asked is not None else (),
        replies_to=t.replies_to(speech.seq if speech.seen is None else speech.seen, speech.replies_to),
    )


def _previews(t: Transcript, world: World, now: float, d: Decision, turn: CallModel | None) -> None:
    """S5. Where it can't be known, a preview that has no receipt counts as never sent."""
    for (name, _), part_now in t.parts.items():
        dangling = part_now.previewed and not part_now.settled and name not in t.speech
        known = part_now.id or _key_holds(part_now, world.account, now)
        if not dangling or (turn is not None and turn.name == name) or not (known or (part_now.key and world.account.history)):
            continue
        look = LookUp(name, 0, "", part_now.key, part_now.first_at, id_only=True)
        step = Finish(name, edit=part_now.id, key=part_now.key) if known else look
        if world.account.open and now >= part_now.retry_at:
            d.wanted.append(step)
            continue
        d.held.append(step)
        if not world.account.open:
            d.speech_gate = world.account.gate
        else:
            d.wait_until(part_now.retry_at)
