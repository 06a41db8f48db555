"""What the walk is too short for: the fold over long conversations."""

from __future__ import annotations

from holdfast.core.entries import (
    DEFAULT_CHAIN,
    AnyBody,
    AssistantMessage,
    Command,
    Delivered,
    DeliveryStarted,
    Entry,
    Note,
    Notice,
    Summary,
    Usage,
    UserMessage,
)
from holdfast.core.transcript import Transcript


def transcript(*bodies: AnyBody) -> tuple[Transcript, tuple[Entry, ...]]:
    entries = tuple(Entry(seq, float(seq), 1, body) for seq, body in enumerate(bodies, 1))
    return Transcript(entries), entries


def said(text: str = "hello") -> UserMessage:
    return UserMessage(author="ann", id=text, text=text)


def answer(n: int, seen: int, chain: str = "", read: int = 0) -> AssistantMessage:
    return AssistantMessage(n=n, seen=seen, text="yes", chain=chain, usage=Usage(input_tokens=read))


MODEL = Command(author="ann", id="k", name="model", args="big")
BIG = Notice(text="big", replies_to=2, chain="big")


def test_what_was_chosen_is_known_from_the_floor_on_without_reading_how() -> None:
    sent = [body for of in ("n3", "a1", "a2", "a3") for body in (DeliveryStarted(of=of, part=0), Delivered(of=of, part=0, id=of))]
    t, entries = transcript(
        said("a"),
        MODEL,
        BIG,
        answer(1, 2, "big"),
        said("b"),
        answer(2, 5, "big"),
        said("c"),
        answer(3, 7, "big"),
        Summary(upto=6, text="s"),
        *sent,
    )
    assert t.floor() > 3
    assert Transcript(entries[t.floor() - 1 :]).chain == t.chain == "big"


def test_an_answer_that_was_begun_before_does_not_overrule_what_was_chosen() -> None:
    t, entries = transcript(said("a"), MODEL, BIG, answer(1, 1))
    assert t.chain == "big"
    assert t.floor() <= 3
    assert Transcript(entries[t.floor() - 1 :]).chain == "big"


def test_the_default_can_be_chosen_again() -> None:
    t, _ = transcript(
        said("a"),
        MODEL,
        BIG,
        answer(1, 2, "big"),
        Command(author="ann", id="l", name="model"),
        Notice(text="", replies_to=5, chain=DEFAULT_CHAIN),
    )
    assert t.chain == ""


def test_how_long_a_conversation_is_comes_from_its_provider_and_from_what_was_said_since() -> None:
    t, _ = transcript(said("x" * 400))
    assert t.tokens == 100
    t, _ = transcript(said("x" * 400), answer(1, 1, read=5000), said("y" * 400))
    assert t.tokens == 5100
    t, _ = transcript(said("x" * 400), answer(1, 1, read=5000), Command(author="ann", id="n", name="new"), said("y" * 400))
    assert t.tokens == 100


def test_a_note_to_the_owner_is_owed_to_nobody_but_its_delivery() -> None:
    t, _ = transcript(Note(text="main has no credit left."))
    assert t.owes
    assert not t.inputs
    assert list(t.speech) == ["n1"]
    assert t.last_outside == 0, "nobody did anything"
