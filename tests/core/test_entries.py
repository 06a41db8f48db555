"""Entries: what stands on disk can be read back, for ever."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.core import entries
from holdfast.core.entries import AssistantMessage, Attachment, Call, Question, SetAside, ToolResult, Usage, UserMessage

EXAMPLES: dict[str, entries.AnyBody] = {
    '{"kind":"user/1","author":"ann","id":"m1","text":"hello","attachments":[{"id":"f","name":"f.txt"}]}': UserMessage(
        author="ann", id="m1", text="hello", attachments=(Attachment(id="f", name="f.txt"),)
    ),
    '{"kind":"answer/1","n":2,"seen":3,"calls":[{"id":"call_2_0","tool":"t","arguments":"{}"}],"usage":{"input_tokens":7}}': AssistantMessage(
        n=2, seen=3, calls=(Call(id="call_2_0", tool="t", arguments="{}"),), usage=Usage(input_tokens=7)
    ),
    '{"kind":"result/1","call":"call_2_0","outcome":"unknown","text":"?"}': ToolResult(call="call_2_0", outcome="unknown", text="?"),
    '{"kind":"set_aside/1","since":1,"upto":4,"why":"crashed"}': SetAside(since=1, upto=4, why="crashed"),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_what_a_journal_holds_today_is_read_tomorrow(text: str) -> None:
    body = EXAMPLES[text]
    assert entries.encode(body) == text
    assert entries.decode(text) == body


@pytest.mark.parametrize(
    "text", ['{"kind":"user/99"}', '{"kind":"user/1","author":"a"}', "{}", "null", '{"kind":"result/1","call":"c","outcome":"fine"}']
)
def test_what_no_version_wrote_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\$|Object|Expected|Invalid"):
        entries.decode(text)


def test_every_kind_carries_a_format_version() -> None:
    for body in entries.AnyBody.__args__:
        assert entries.kind(body(**_least(body))).partition("/")[2].isdigit()


def _least(body: type[msgspec.Struct]) -> dict[str, object]:
    stand_ins = {
        "options": ("a",),
        "question": 1 if body is entries.Choice else "approval",
        "outcome": "ok",
        "refusal": "retry",
        "why": "crashed",
    }
    numbers = {"n", "seen", "upto", "since", "part"}
    required = [field.name for field in msgspec.structs.fields(body) if field.required]
    return {name: stand_ins.get(name, 0 if name in numbers else "x") for name in required}


def test_an_answer_after_a_cut_has_another_name() -> None:
    assert AssistantMessage(n=7, seen=1).name == "a7"
    assert AssistantMessage(n=7, seen=1, after_cut=41).name == "a7.41"


def test_our_call_ids_are_unique_and_valid_in_every_dialect() -> None:
    ids = [entries.call_id(n, i) for n in range(1, 120) for i in range(12)]
    assert len(set(ids)) == len(ids)
    assert all(id_.replace("_", "").isalnum() and len(id_) <= 40 for id_ in ids)


def test_a_question_keeps_what_it_was_asked_with() -> None:
    question = Question(
        question="approval", about="call_1_0", text="May I?", options=("allow", "deny"), to="ann", expires=5.0, overtakable=True
    )
    assert entries.decode(entries.encode(question)) == question
