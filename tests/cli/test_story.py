from __future__ import annotations

from typing import get_args

from holdfast.cli.story import story
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Attachment,
    Call,
    Choice,
    Command,
    Correction,
    Delivered,
    DeliveryFailed,
    DeliveryStarted,
    Entry,
    Failed,
    Fetched,
    Forgotten,
    Note,
    Notice,
    Produced,
    Question,
    SetAside,
    Summary,
    ToolResult,
    ToolStarted,
    UserMessage,
)

CALL = Call(id="c", tool="clock", arguments="{}")


def _told(*bodies: AnyBody) -> list[str]:
    return "\n".join(story([Entry(seq, float(seq), 1, body) for seq, body in enumerate(bodies, 1)], lambda at: f"{at:g}h")).splitlines()


def test_a_turn_with_a_tool_reads_like_a_story() -> None:
    assert _told(
        UserMessage(author="ann", id="1", text="What time is it?\nPlease.", attachments=(Attachment(id="f", name="a.png"),)),
        AssistantMessage(n=1, seen=1, text="Let me look.", calls=(CALL,), route="main"),
        DeliveryStarted(of="a1", part=0),
        ToolStarted(call="c"),
        Delivered(of="a1", part=0, id="x"),
        ToolResult(call="c", outcome="ok", text="12:00"),
        AssistantMessage(n=2, seen=1, text="Noon.", route="main"),
        DeliveryStarted(of="a2", part=0),
    ) == [
        "1h  ann wrote  [1]",
        "    What time is it?",
        "    Please.",
        "    with the file a.png",
        "2h  the agent answered through main (delivered)  [2]",
        "    Let me look.",
        "    calls clock {}",
        "4h  clock was started  [4]",
        "6h  clock is done  [6]",
        "    12:00",
        "7h  the agent answered through main (sending)  [7]",
        "    Noon.",
    ]


def test_what_was_interrupted_says_what_became_of_it() -> None:
    answer = AssistantMessage(n=1, seen=0, calls=(CALL,))
    assert _told(answer, ToolStarted(call="c", repeatable=True), ToolStarted(call="c", repeatable=True))[-1] == (
        "3h  clock was interrupted; it is safe to repeat and was started again  [3]"
    )
    assert _told(answer, ToolStarted(call="c"), ToolResult(call="c", outcome="unknown"))[-1] == (
        "3h  clock was interrupted; whether it happened is not known  [3]"
    )


def test_a_question_says_what_answers_it_and_its_end_whose_end_it_is() -> None:
    free = Question(question="elicitation", about="c", text="Which one?", options=("decline",), free=True)
    assert _told(
        free,
        Choice(author="ann", id="1", question=1, option="the\nblue one"),
        free,
        Choice(author="ann", id="2", question=3, option="decline"),
        free,
        Notice(text="Nobody answered.", about=5),
    ) == [
        "1h  holdfast asks  [1]",
        "    Which one?",
        "    Choices: any words, or decline",
        "2h  ann answered question 1  [2]",
        "    the",
        "    blue one",
        "3h  holdfast asks  [3]",
        "    Which one?",
        "    Choices: any words, or decline",
        "4h  ann chose 'decline' for question 3  [4]",
        "5h  holdfast asks  [5]",
        "    Which one?",
        "    Choices: any words, or decline",
        "6h  holdfast says of question [5]  [6]",
        "    Nobody answered.",
    ]


def test_files_that_a_call_brought_stand_below_its_result() -> None:
    files = (Produced(sha256="a", name="tide.png", size=812), Produced(sha256="b", name="all.bin", size=3_400_000))
    result = ToolResult(call="c", outcome="ok", text="Drawn.", files=files)
    assert _told(AssistantMessage(n=1, seen=0, calls=(CALL,)), result)[2:] == [
        "2h  clock is done  [2]",
        "    Drawn.",
        "    with the file tide.png (812 bytes)",
        "    with the file all.bin (3.4 MB)",
    ]


def test_a_failed_send_is_told_with_what_was_to_be_sent() -> None:
    answer = AssistantMessage(n=1, seen=0, text="x")
    assert "(not delivered)" in _told(answer, DeliveryFailed(of="a1", part=0, refusal="dropped"))[0]
    assert "(perhaps delivered)" in _told(answer, DeliveryFailed(of="a1", part=0, refusal="unknown"))[0]
    assert "(refused by the chat)" in _told(answer, DeliveryFailed(of="a1", part=0, refusal="blocked"))[0]
    assert "2h  a send failed and is tried again  [2]" in _told(answer, DeliveryFailed(of="a1", part=0, refusal="retry", why="429"))
    assert "(delivered)" in _told(answer, DeliveryFailed(of="a1", part=0, refusal="retry"), Delivered(of="a1", part=0))[0]


def test_every_kind_of_entry_can_be_told() -> None:
    bodies: tuple[AnyBody, ...] = (
        UserMessage(author="ann", id="1", text="x"),
        Correction(author="ann", id="2", of="1", text="y"),
        Correction(author="ann", id="3", of="1"),
        Command(author="ann", id="4", name="stop"),
        Choice(author="ann", id="5", question=6, option="go on"),
        Question(question="budget", about="1", text="Go on?", options=("go on", "stop")),
        Notice(text="Stopped.", replies_to=4),
        Failed(failure="cut", route="main", why="broken off"),
        Fetched(attachment="f", sha256="00"),
        Fetched(attachment="f", why="gone"),
        Summary(upto=1, text="All that."),
        SetAside(since=1, upto=1, why="crashed"),
        SetAside(since=1, upto=1, why="refused"),
        ToolResult(call="c", outcome="error", text="no"),
        ToolResult(call="c", outcome="declined", text="no"),
        AssistantMessage(n=1, seen=1),
        ToolStarted(call="c"),
        DeliveryStarted(of="a1", part=0),
        Delivered(of="a1", part=0),
        DeliveryFailed(of="a1", part=0, refusal="refused"),
        Note(text="main has no credit left."),
        Notice(text="That took 2 min.", edits=7),
        Forgotten(n=3),
        SetAside(since=1, upto=1, why="gone"),
        SetAside(since=2, upto=1, why="crashed"),
    )
    assert {type(body) for body in bodies} == set(get_args(AnyBody))
    heads = [line.partition("  ")[2] for line in _told(*bodies) if not line.startswith(" ")]
    assert heads == [
        "ann wrote  [1]",
        "ann changed the message 1  [2]",
        "ann deleted the message 1  [3]",
        "ann gave the command /stop  [4]",
        "ann chose 'go on' for question 6  [5]",
        "holdfast asks  [6]",
        "holdfast says  [7]",
        "the call of the model failed on main; it is tried again  [8]",
        "the file f was fetched  [9]",
        "the file f could not be fetched  [10]",
        "what was said up to 1 was summed up for the model  [11]",
        "the turn from 1 to 1 was set aside: Holdfast crashed on it again and again  [12]",
        "the turn from 1 to 1 was set aside: the model would not answer it  [13]",
        "c failed  [14]",
        "c was not called  [15]",
        "the agent answered (refused by the chat)  [16]",
        "c was started  [17]",
        "holdfast tells its owner  [21]",
        "holdfast says in place of [7]  [22]",
        "everything before this was erased, by order of whoever runs this  [23]",
        "the turn from 1 to 1 was set aside: whoever began it may not talk here any more  [24]",
        "what was being sent was given up: Holdfast crashed on it again and again  [25]",
    ]


def test_no_words_can_take_over_the_terminal_or_pass_for_a_head() -> None:
    lines = _told(UserMessage(author="ann\x1b[2J", id="1", text="x\n2h  the agent answered  [2]\x1b[2J"))
    assert lines == ["1h  ann[2J wrote  [1]", "    x", "    2h  the agent answered  [2][2J"]
