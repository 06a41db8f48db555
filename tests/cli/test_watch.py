from __future__ import annotations

from holdfast.cli.watch import Action, Answer, Dropped, End, Note, Replied, Reply, Watch, shortened
from holdfast.core import entries
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Call,
    Choice,
    Command,
    Entry,
    Failed,
    Notice,
    Question,
    SetAside,
    ToolResult,
    ToolStarted,
    UserMessage,
)

MESSAGE = UserMessage(author="local", id="k", text="Hello")
CALL = Call(id="call_1_0", tool="clock", arguments='{"tz": "UTC"}')
MINE = 10


def _command(name: str) -> Command:
    return Command(author="local", id="k", name=name)


def _seen(body: UserMessage | Command | Choice, *after: AnyBody) -> list[Action]:
    """What is done about the entries after `body`."""
    watch = Watch(MINE, body, "terminal")
    return [action for seq, entry in enumerate(after, MINE + 1) for action in watch.see(Entry(seq, 0.0, 1, entry))]


def test_an_answer_without_calls_that_saw_the_message_ends_the_turn() -> None:
    assert _seen(MESSAGE, AssistantMessage(n=3, seen=MINE, text="Hi")) == [Answer("a3", "Hi"), End("answered")]


def test_an_answer_to_what_was_before_does_not_end_it() -> None:
    assert _seen(MESSAGE, AssistantMessage(n=3, seen=MINE - 1, text="Hi")) == [Answer("a3", "Hi", late=True)]


def test_calls_and_their_results_are_told_and_do_not_end_it() -> None:
    answer = AssistantMessage(n=1, seen=MINE, text="Let me look.", calls=(CALL,))
    after = (answer, ToolStarted(call=CALL.id), ToolResult(call=CALL.id, outcome="ok", text="12:00\nsharp"))
    assert _seen(MESSAGE, *after) == [Answer("a1", "Let me look."), Note('calls clock {"tz": "UTC"}'), Note("clock: 12:00 sharp")]


def test_an_interrupted_call_that_is_made_again_says_so() -> None:
    answer = AssistantMessage(n=1, seen=MINE, calls=(CALL,))
    actions = _seen(MESSAGE, answer, ToolStarted(call=CALL.id), ToolStarted(call=CALL.id))
    assert actions[-1] == Note("clock: was interrupted; it is safe to repeat and is called again")


def test_an_unknown_outcome_is_told_and_its_question_holds_nothing_up() -> None:
    answer = AssistantMessage(n=1, seen=MINE, calls=(CALL,))
    unknown = ToolResult(call=CALL.id, outcome="unknown", text="It may have happened.")
    question = Question(question="unknown", about=CALL.id, text="Did it?", options=("check", "retry"))
    actions = _seen(MESSAGE, answer, unknown, question)
    assert actions[1] == Note("clock: was interrupted; whether it happened is not known")
    assert actions[2] == Note('Did it?\nTo answer:\n  holdfast chat -q "/choose 13 check"\n  holdfast chat -q "/choose 13 retry"')
    assert not any(isinstance(action, End) for action in actions)


def test_a_question_that_holds_the_turn_up_ends_it() -> None:
    assert _seen(MESSAGE, Question(question="budget", about="10", text="Go on?", options=("go on",)))[-1] == End("asks")


def test_a_message_beside_a_question_ends_with_how_to_answer_that() -> None:
    assert _seen(MESSAGE, Notice(text="That is no answer.", replies_to=MINE)) == [Note("That is no answer."), End("asks")]


def test_a_stop_by_somebody_ends_it_with_its_reply() -> None:
    actions = _seen(MESSAGE, _command("stop"), Notice(text="Stopped.", replies_to=MINE + 1))
    assert actions == [Dropped(), Note("Stopped."), End("stopped")]


def test_another_command_by_somebody_does_not_end_it() -> None:
    assert _seen(MESSAGE, _command("status"), Notice(text="Working.", replies_to=MINE + 1)) == [Note("Working.")]


def test_a_wait_is_told_once_and_its_end_is_the_answer() -> None:
    waits, over = Notice(text="main is away.", about=MINE, stands=True), Notice(text="That took 27 s. It goes on.", edits=MINE + 1)
    told = _seen(MESSAGE, waits, AssistantMessage(n=3, seen=MINE, text="Hi"), over)
    assert told == [Note("main is away."), Answer("a3", "Hi"), End("answered")]


def test_what_the_owner_is_told_meanwhile_is_told_beside() -> None:
    assert _seen(MESSAGE, entries.Note(text="main has no credit left.")) == [Note("main has no credit left.")]


def test_a_turn_set_aside_ends_with_what_is_said_or_asked_about_it() -> None:
    refused = _seen(MESSAGE, SetAside(since=MINE, upto=MINE, why="refused"), Notice(text="The model refused.", about=MINE))
    assert refused == [Note("The model refused."), End("stopped")]
    crashed = _seen(
        MESSAGE,
        SetAside(since=MINE, upto=MINE, why="crashed"),
        Question(question="poison", about="10", text="Again?", options=("discard",)),
    )
    assert crashed[-1] == End("asks")


def test_an_older_turn_set_aside_is_none_of_our_business() -> None:
    assert _seen(MESSAGE, SetAside(since=1, upto=MINE - 1, why="crashed")) == []


def test_a_failed_model_call_is_told() -> None:
    assert _seen(MESSAGE, Failed(failure="cut", route="main", why="the stream broke off")) == [
        Note("The call of the model failed (the stream broke off); it is tried again.")
    ]


def test_a_command_ends_with_its_reply_whatever_else_is_going_on() -> None:
    after = (AssistantMessage(n=3, seen=MINE, text="To somebody else"), Notice(text="Waiting."), Notice(text="Idle.", replies_to=MINE))
    assert _seen(_command("status"), *after) == [Note("Waiting."), Reply("Idle."), End("answered")]


def test_the_reply_to_a_choice_or_retry_leaves_open_whether_an_answer_follows() -> None:
    choice = Choice(author="local", id="k", question=4, option="retry")
    for body in (choice, _command("retry")):
        assert _seen(body, Notice(text="Trying again.", replies_to=MINE)) == [Reply("Trying again."), Replied()]


# --- after the reply, with the whole conversation -------------------------------------------------------------------------------------


def _after_reply(*bodies: AnyBody, mine: int) -> tuple[Watch, list[Note | End]]:
    entries = [Entry(seq, 0.0, 1, body) for seq, body in enumerate(bodies, 1)]
    sent = bodies[mine - 1]
    assert isinstance(sent, UserMessage | Command | Choice)
    watch = Watch(mine, sent, "terminal")
    for entry in entries[mine:]:
        if list(watch.see(entry))[-1:] == [Replied()]:
            break
    return watch, list(watch.after_reply(entries))


ASKED = (
    MESSAGE,
    AssistantMessage(n=1, seen=1, calls=(CALL,)),
    ToolResult(call=CALL.id, outcome="ok"),
    Question(question="budget", about="1", text="Go on?", options=("go on", "stop"), overtakable=True),
)


def test_going_on_brings_the_answer() -> None:
    bodies = (*ASKED, Choice(author="local", id="c", question=4, option="go on"), Notice(text="Going on.", replies_to=5))
    answer = AssistantMessage(n=2, seen=5, text="Done")
    watch, following = _after_reply(*bodies, answer, mine=5)  # committed before we asked: it is still to be seen
    assert following == []
    assert list(watch.see(Entry(7, 0.0, 1, answer))) == [Answer("a2", "Done"), End("answered")]


def test_stopping_brings_none() -> None:
    bodies = (*ASKED, Choice(author="local", id="c", question=4, option="stop"), Notice(text="Stopped.", replies_to=5))
    assert _after_reply(*bodies, mine=5)[1] == [End("answered")]


def test_a_choice_that_was_not_taken_ends_with_its_reply() -> None:
    bodies = (*ASKED, Choice(author="local", id="c", question=99, option="go on"), Notice(text="There is no such question.", replies_to=5))
    assert _after_reply(*bodies, mine=5)[1] == [End("answered")]


def test_retrying_brings_the_answer_again() -> None:
    bodies = (MESSAGE, AssistantMessage(n=1, seen=1, text="Hi"), _command("retry"), Notice(text="Trying again.", replies_to=3))
    assert _after_reply(*bodies, mine=3)[1] == []


def test_retrying_nothing_ends_with_its_reply() -> None:
    assert _after_reply(_command("retry"), Notice(text="There is nothing to try again.", replies_to=1), mine=1)[1] == [End("answered")]


def test_the_questions_that_are_still_open_are_put_again() -> None:
    """Of several calls in one answer each asks, and a message ends with the first."""
    calls = tuple(Call(id=f"call_1_{i}", tool="mail", arguments="{}") for i in range(2))
    questions = [Question(question="approval", about=call.id, text=f"May I run {call.id}?", options=("once", "deny")) for call in calls]
    bodies: tuple[AnyBody, ...] = (MESSAGE, AssistantMessage(n=1, seen=1, calls=calls), *questions)
    bodies += (Choice(author="local", id="c", question=3, option="once"),)
    again = Note('May I run call_1_1?\nTo answer:\n  holdfast chat -q "/choose 4 once"\n  holdfast chat -q "/choose 4 deny"')
    assert _after_reply(*bodies, Notice(text="Noted: once.", replies_to=5), mine=5)[1] == [again, End("asks")]


def test_a_question_that_any_words_answer_says_so() -> None:
    question = Question(question="elicitation", about="call_1_0", text="Your name?", options=("decline",), free=True)
    (note, _) = _seen(MESSAGE, question)
    assert note == Note('Your name?\nTo answer:\n  holdfast chat -q "/choose 11 YOUR ANSWER"\n  holdfast chat -q "/choose 11 decline"')


def test_what_is_long_is_shortened_to_a_line() -> None:
    assert shortened("a\n b") == "a b"
    assert len(shortened("x" * 1000)) == 200
