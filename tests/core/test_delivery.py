"""What a part that is said replies to."""

from __future__ import annotations

from holdfast.core import turn
from holdfast.core.entries import AnyBody, AssistantMessage, Command, Delivered, DeliveryStarted, Entry, Notice, UserMessage
from holdfast.core.steps import Deliver
from holdfast.core.text import Limit
from holdfast.core.transcript import Transcript
from holdfast.core.world import Account, World

WORLD = World(account=Account(limit=Limit(400)))


def first_of(*bodies: AnyBody) -> Deliver:
    transcript = Transcript([Entry(seq, 50.0, 1, body) for seq, body in enumerate(bodies, 1)])
    (deliver,) = [step for step in turn.steps(transcript, 2, WORLD, 100.0).wanted if isinstance(step, Deliver)]
    return deliver


def wrote(id_: str, name: str = "Ann") -> UserMessage:
    return UserMessage(author="ann", id=id_, text="Hello", name=name)


def test_in_a_group_an_answer_replies_to_the_newest_message_that_it_has_seen() -> None:
    answer = AssistantMessage(n=1, seen=2, text="Hi")
    assert first_of(wrote("m1"), wrote("m2"), answer, wrote("m4")).replies_to == "m2"
    assert first_of(wrote("m1", name=""), AssistantMessage(n=1, seen=1, text="Hi")).replies_to == ""


def test_in_a_group_the_reply_to_a_command_goes_to_the_command() -> None:
    """Perhaps it was given in a thread of its own."""
    bodies = (wrote("m1"), AssistantMessage(n=1, seen=1, text=""), Command(author="ann", id="c3", name="status"), wrote("m4"))
    assert first_of(*bodies, Notice(text="Working.", replies_to=3)).replies_to == "c3"
    alone = (wrote("m1", name=""), AssistantMessage(n=1, seen=1, text=""), Command(author="ann", id="c3", name="status"))
    assert first_of(*alone, Notice(text="Working.", replies_to=3)).replies_to == ""


def test_every_part_of_a_long_answer_replies() -> None:
    """Where a reply stands in a thread, the rest would stand beside it."""
    answer = AssistantMessage(n=1, seen=1, text="word " * 200)
    started = DeliveryStarted(of="a1", part=0, key="", cuts=(390, 780))
    step = first_of(wrote("m1"), answer, started, Delivered(of="a1", part=0, id="9"))
    assert (step.part, step.replies_to) == (1, "m1")
