"""What was said is read off the journal: nothing that waits or was stopped, everything once, in order."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Delivered,
    DeliveryStarted,
    Entry,
    Note,
    Notice,
    Produced,
    Question,
    ToolResult,
    UserMessage,
)
from holdfast.platforms.webhook.said import said
from holdfast.platforms.webhook.wire import Said

FILE = Produced(sha256="ab", name="chart.png", media_type="image/png", size=3)


def entries(*bodies: AnyBody) -> Sequence[Entry]:
    return [Entry(seq, 0.0, 1, body) for seq, body in enumerate(bodies, 1)]


def started(name: str, preview: bool = False) -> DeliveryStarted:
    return DeliveryStarted(of=name, part=0, key=f"{name}/0", preview=preview)


def test_everything_that_was_begun_to_be_said_has_its_key_and_its_place() -> None:
    question = Question(question="budget", about="1", text="Go on?", options=("go on", "stop"))
    found = said(
        "webhook:mine:a",
        entries(
            UserMessage(author="a", id="1", text="Hello"),
            AssistantMessage(n=1, seen=1, text="Hi."),
            started("a1"),
            Delivered(of="a1", part=0, id="x"),
            Notice(text="Noted."),
            started("n5"),
            question,
            started("q7"),
            ToolResult(call="c", outcome="ok", text="...", files=(FILE, Produced(sha256="cd", name="whole.txt", whole=True))),
            started("r9"),
            Note(text="Look here."),
            started("n11"),
        ),
    )
    assert found == [
        Said("webhook:mine:a/a1/0", "Hi.", 2),
        Said("webhook:mine:a/n5/0", "Noted.", 5),
        Said("webhook:mine:a/q7/0", "Go on?\n\n/choose 7 go on or /choose 7 stop", 7, question=7, options=("go on", "stop")),
        Said("webhook:mine:a/r9/0", "chart.png", 9, (FILE,)),
        Said("webhook:mine:a/n11/0", "Look here.", 11),
    ]


def test_what_waits_or_was_stopped_before_it_was_sent_was_not_said() -> None:
    found = said("c", entries(AssistantMessage(n=1, seen=0, text="Stopped."), AssistantMessage(n=2, seen=0, text="Said."), started("a2")))
    assert [one.text for one in found] == ["Said."]


def test_what_is_sent_again_was_said_once() -> None:
    found = said("c", entries(AssistantMessage(n=1, seen=0, text="Hi."), started("a1"), started("a1"), Delivered(of="a1", part=0, id="x")))
    assert len(found) == 1


def test_what_was_said_before_is_not_told_again() -> None:
    assert not said("c", entries(started("a1"), Delivered(of="a1", part=0, id="x"), UserMessage(author="a", id="1", text="And?")))
