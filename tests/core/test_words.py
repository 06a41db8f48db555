"""What we say is short, true, and says what happens next."""

from __future__ import annotations

from holdfast.core import words
from holdfast.core.entries import AnyBody, AssistantMessage, Call, Choice, Command, Entry, Question, ToolStarted, UserMessage
from holdfast.core.records import Kept
from holdfast.core.transcript import Transcript
from holdfast.core.turn import steps
from holdfast.core.world import Needs, Route, World


def reply_to(*bodies: AnyBody) -> str:
    t = Transcript(Entry(seq, float(seq), 1, body) for seq, body in enumerate(bodies, 1))
    last = max(t.unreplied)
    chain = (Route("main", "route:main"),)
    return words.reply(t, t.unreplied[last], World(chain), (chain, Needs()), 0.0)


def command(name: str, args: str = "") -> Command:
    return Command(author="ann", id=name, name=name, args=args)


def message(text: str = "hello") -> UserMessage:
    return UserMessage(author="ann", id=text, text=text)


def asked(to: str = "ann") -> Question:
    return Question(question="budget", about="1", text="Go on?", options=("go on", "stop"), to=to, expires=99.0)


def test_stop_says_how_many_messages_it_left() -> None:
    assert reply_to(command("stop")) == "Stopped."
    assert "One message was not answered; /retry brings it back." in reply_to(message(), command("stop"))
    assert "2 messages were not answered" in reply_to(message("a"), message("b"), command("stop"))


def test_new_promises_nothing_that_retry_does_not_keep() -> None:
    said = reply_to(message(), command("new"))
    assert "One message was not answered." in said
    assert "/retry" not in said


def test_a_choice_without_question_or_option_says_how_it_is_written() -> None:
    assert "/choose 41 go on" in reply_to(command("choose"))


def test_a_choice_about_nothing_says_that_no_such_question_is_open() -> None:
    assert "no open question 9;" in reply_to(message(), Choice(author="ann", id="c", question=9, option="stop"))


def test_retry_with_nothing_to_bring_back_says_so() -> None:
    assert "nothing to try again" in reply_to(message(), command("new"), command("retry"))


def test_an_unknown_command_says_what_to_do_instead() -> None:
    assert "/help" in reply_to(command("frobnicate"))


def test_status_tells_working_from_waiting_from_answered() -> None:
    assert "Everything is answered" in reply_to(command("status"))
    assert "Working on an answer" in reply_to(message(), command("status"))


def test_status_calls_nothing_work_that_rests_until_a_question_is_answered() -> None:
    calls = tuple(Call(id=f"call_1_{i}", tool=f"mail__{tool}", arguments="{}") for i, tool in enumerate(("send", "search")))
    approval = Question(question="approval", about="call_1_0", text="May I?", options=("once", "deny"), expires=99.0)
    said = reply_to(message(), AssistantMessage(n=1, seen=1, calls=calls), ToolStarted(call="call_1_1"), approval, command("status"))
    assert said == "A tool is at work: mail__search. Question 4 is open: May I? (once or deny)"
    said = reply_to(message(), AssistantMessage(n=1, seen=1, calls=calls[:1]), approval, command("status"))
    assert said == "Question 3 is open: May I? (once or deny)"
    assert reply_to(message(), asked(), command("status")) == "Question 2 is open: Go on? (go on or stop)"


def test_after_a_stop_nobody_is_asked_whether_to_go_on() -> None:
    for cut in ("stop", "new"):
        assert reply_to(message(), asked(), command(cut), command("status")) == "Everything is answered."
        late = Choice(author="ann", id="c", question=2, option="go on")
        assert reply_to(message(), asked(), command(cut), late) == "Question 2 is closed already; nothing has changed."


def test_a_choice_that_comes_too_late_or_from_somebody_else_or_that_was_not_offered_says_so() -> None:
    choice = Choice(author="ann", id="c", question=2, option="stop")
    assert reply_to(message(), asked(), choice) == "Noted: stop."
    assert "closed already" in reply_to(message(), asked(), choice, choice)
    assert "somebody else" in reply_to(message(), asked("bob"), choice)
    assert "takes one of: go on, stop" in reply_to(message(), asked(), Choice(author="ann", id="c", question=2, option="maybe"))


def test_a_route_that_is_away_is_said_once_after_a_while() -> None:
    closed = World((Route("main", "route:main", open=False, closed_since=1.0, why="connection refused"),))
    t = Transcript([Entry(1, 1.0, 0, message())])
    early = steps(t, 1, closed, 5.0)
    assert not early.wanted
    assert early.due == 21.0
    [said] = steps(t, 1, closed, 21.0).wanted
    [notice] = said.first
    assert "connection refused" in str(notice)
    assert "saved" in str(notice)
    t.extend([Entry(2, 21.0, 1, notice)])
    assert not [step for step in steps(t, 1, closed, 60.0).wanted if step.first == said.first]


def test_a_conversation_gets_its_title_on_one_line() -> None:
    rename = Command(author="ann", id="t", name="title", args="  The sea,\n and why  ")
    assert reply_to(rename) == "This conversation is now called “The sea, and why”."
    assert reply_to(command("title")) == "Write /title and a name."
    assert words.title("\u202eevil\u2066 \x1b[2J") == "evil [2J"
    assert words.title("\U0001f468\u200d\U0001f680") == "\U0001f468\u200d\U0001f680"


def test_of_files_that_nobody_reads_it_is_said_why() -> None:
    cat, tape = Kept(1, 2, "cat.png", "image/png", "s1"), Kept(1, 3, "tape.bin", "application/octet-stream", "s2")
    lost = Kept(1, 4, "note.txt", "text/plain", why="its bytes are not here any more")
    assert words.unread([cat]) == "The model here can't see pictures, so it knows of cat.png only by name."
    assert words.unread([tape]) == "I can show the model pictures and texts; of tape.bin it knows only the name."
    assert words.unread([lost]) == "I could not get note.txt (its bytes are not here any more)."
    assert len(words.unread([cat, tape, lost]).split(". ")) == 3
