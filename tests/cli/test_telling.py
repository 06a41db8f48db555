from __future__ import annotations

from holdfast.cli.screen import BEGUN_ANEW, BROKEN_OFF
from holdfast.cli.telling import Said, Telling
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Attachment,
    Call,
    Choice,
    Command,
    Entry,
    Note,
    Notice,
    Produced,
    Question,
    SetAside,
    ToolResult,
    ToolStarted,
    UserMessage,
)
from holdfast.web.wire import Progress, Writing

CALL = Call(id="call_1_0", tool="clock", arguments="{}")
ASKED = Question(question="budget", about="1", text="Go on?", options=("go on", "stop"))


def _sentences(text: str) -> int:
    """Here a block is a sentence."""
    return text.rfind(".") + 1


class _Rig:
    def __init__(self, *bodies: AnyBody) -> None:
        self.telling = Telling(_sentences, "kitchen")
        self.seq = 0
        for body in bodies:
            self.see(body)

    def see(self, body: AnyBody) -> list[Said]:
        self.seq += 1
        return self.telling.see(Entry(self.seq, 0.0, 1, body))

    def write(self, text: str, name: str = "a1", at: int = 0) -> list[Said]:
        return self.telling.write(Writing(name, at, text))


def _message(text: str = "Hello") -> UserMessage:
    return UserMessage(author="local", id=text, text=text)


def _answer(text: str, n: int = 1, seen: int = 1, after_cut: int = 0, calls: tuple[Call, ...] = ()) -> AssistantMessage:
    return AssistantMessage(n=n, seen=seen, text=text, after_cut=after_cut, calls=calls)


def _command(name: str) -> Command:
    return Command(author="local", id="k", name=name)


# --- what is committed -------------------------------------------------------------------------------------------------------------------


def test_each_voice_is_told_apart() -> None:
    rig = _Rig()
    assert rig.see(_message()) == [Said("you", "Hello")]
    assert rig.see(_answer("Let me look.", calls=(CALL,))) == [Said("answer", "Let me look."), Said("beside", "calls clock {}")]
    assert rig.see(ToolStarted(call=CALL.id)) == []
    assert rig.see(ToolResult(call=CALL.id, outcome="ok", text="12:00")) == [Said("beside", "clock: 12:00")]
    assert rig.see(ASKED) == [Said("gateway", "Go on?\nTo answer:\n  /choose 5 go on\n  /choose 5 stop")]
    assert rig.see(Choice(author="local", id="c", question=5, option="go on")) == [Said("you", "/choose 5 go on")]
    assert rig.see(Notice(text="Noted.", replies_to=6)) == [Said("gateway", "Noted.")]
    assert rig.see(Command(author="local", id="k", name="title", args="x y")) == [Said("you", "/title x y")]


def test_a_question_that_any_words_answer_says_so() -> None:
    free = Question(question="elicitation", about=CALL.id, text="Which one?", options=("decline",), free=True)
    rig = _Rig(_message(), _answer("", calls=(CALL,)), ToolStarted(call=CALL.id))
    assert rig.see(free) == [Said("gateway", "Which one?\nTo answer:\n  /choose 4 YOUR ANSWER\n  /choose 4 decline")]
    assert rig.telling.asks
    rig.see(Choice(author="local", id="c", question=4, option="the blue one"))
    assert not rig.telling.asks


def test_of_a_question_that_was_closed_long_ago_it_is_not_told_how_to_answer() -> None:
    closed = Notice(text="Nobody answered, so I stopped here.", about=2)
    bodies: tuple[AnyBody, ...] = (_message(), ASKED, closed)
    told = Telling(_sentences, "kitchen").begin([Entry(seq, 0.0, 1, body) for seq, body in enumerate(bodies, 1)])
    assert told == [Said("you", "Hello"), Said("gateway", "Go on?"), Said("gateway", closed.text)]


def test_how_far_a_call_has_come_is_known_until_it_ends_or_the_gateway_is_away() -> None:
    rig = _Rig(_message(), _answer("", calls=(CALL,)), ToolStarted(call=CALL.id))
    rig.telling.progress(Progress(CALL.id, "1 of 3"))
    rig.telling.progress(Progress(CALL.id, "2 of 3"))
    rig.telling.progress(Progress("call_9_9", "of another life"))
    assert rig.telling.under_way == ["clock: 2 of 3"]
    rig.telling.lost()
    assert rig.telling.under_way == []
    rig.telling.progress(Progress(CALL.id, "3 of 3"))
    rig.see(ToolResult(call=CALL.id, outcome="ok", text="12:00"))
    assert rig.telling.under_way == []


def test_files_that_a_call_brought_are_told_with_the_way_to_get_them() -> None:
    rig = _Rig(_message(), _answer("", calls=(CALL,)), ToolStarted(call=CALL.id))
    files = (Produced(sha256="a", name="tide.png", size=12_345), Produced(sha256="b", name="tide.csv"))
    whole = Produced(sha256="c", name="result.txt", size=240_000, whole=True)
    way = "`holdfast show kitchen --save 4` writes them here"
    said = rig.see(ToolResult(call=CALL.id, outcome="ok", text="Drawn.", files=(*files, whole)))
    assert said == [Said("beside", "clock: Drawn."), Said("beside", f"tide.png (12 kB), tide.csv: {way}")]


def test_files_are_told_by_their_names() -> None:
    file = Attachment(id="f1", name="cat.png")
    assert _Rig().see(UserMessage(author="local", id="m", text="Look", attachments=(file,))) == [Said("you", "Look\n[cat.png]")]
    assert _Rig().see(UserMessage(author="local", id="m", text="", attachments=(file,))) == [Said("you", "[cat.png]")]


def test_it_knows_what_is_owed_and_which_questions_are_open() -> None:
    rig = _Rig(_message())
    assert rig.telling.owes
    rig.see(_answer("", calls=(CALL,)))
    rig.see(ToolResult(call=CALL.id, outcome="ok"))
    rig.see(ASKED)
    assert (rig.telling.owes, list(rig.telling.open_questions())) == (True, [(4, ASKED)])
    rig.see(Choice(author="local", id="c", question=4, option="go on"))
    rig.see(_answer("Done", n=2, seen=5))
    assert (rig.telling.owes, list(rig.telling.open_questions()), rig.telling.last) == (False, [], 6)


# --- an answer that grows ----------------------------------------------------------------------------------------------------------------


def test_whole_blocks_are_told_once_and_the_rest_is_the_tail() -> None:
    rig = _Rig(_message())
    assert rig.write("One") == []
    assert rig.telling.tail == "One"
    assert rig.write(". Two", at=3) == [Said("answer", "One.")]
    assert rig.telling.tail == " Two"
    assert rig.write(" and. Three", at=8) == [Said("answer", " Two and.")]
    assert rig.see(_answer("One. Two and. Three!")) == [Said("answer", " Three!")]
    assert rig.telling.tail == ""


def test_begun_anew_and_the_same_nothing_is_doubled() -> None:
    rig = _Rig(_message())
    rig.write("One. Two")
    for text in ("O", "One", "One. T"):
        assert rig.write(text) == []
        assert rig.telling.tail == " Two"
    assert rig.write("One. Two. Th") == [Said("answer", " Two.")]
    assert rig.see(_answer("One. Two. Three.")) == [Said("answer", " Three.")]


def test_begun_anew_and_different_it_is_said_and_told_whole() -> None:
    rig = _Rig(_message())
    rig.write("One. Two")
    assert rig.write("Uno. D") == [Said("beside", BEGUN_ANEW), Said("answer", "Uno.")]
    assert rig.see(_answer("Uno. Due.")) == [Said("answer", " Due.")]
    rig = _Rig(_message())
    rig.write("One. Two")
    assert rig.see(_answer("Uno. Due.")) == [Said("beside", BEGUN_ANEW), Said("answer", "Uno. Due.")]


def test_what_only_the_tail_showed_may_change_without_a_word() -> None:
    rig = _Rig(_message())
    rig.write("One. Two")
    assert rig.write("One. Three") == []
    assert rig.telling.tail == " Three"


def test_characters_for_the_terminal_are_left_out_wherever_the_pieces_are_cut() -> None:
    rig = _Rig(_message())
    rig.write("a\x1b")
    rig.write("[1m.\u202e b", at=2)
    assert rig.see(_answer("a\x1b[1m.\u202e bc")) == [Said("answer", " bc")]


def test_the_next_answer_waits_until_the_one_before_is_committed() -> None:
    rig = _Rig(_message())
    rig.write("One")
    assert rig.write("Next. And", name="a2") == []
    assert rig.telling.tail == "One"
    assert rig.see(_answer("One.", calls=(CALL,))) == [Said("answer", "One."), Said("beside", "calls clock {}"), Said("answer", "Next.")]
    assert rig.telling.tail == " And"


def test_an_answer_that_only_calls_does_not_tell_the_one_before_again() -> None:
    rig = _Rig(_message())
    assert rig.write("At noon.") == [Said("answer", "At noon.")]
    assert rig.see(_answer("At noon.")) == []
    rig.see(_message("And tomorrow?"))
    assert rig.see(_answer("", n=2, seen=3, calls=(CALL,))) == [Said("beside", "calls clock {}")]
    assert rig.see(_message("Well?")) == [Said("you", "Well?")], "nothing is being written, so it does not wait"


def test_messages_wait_until_the_answer_is_whole_and_commands_do_not() -> None:
    rig = _Rig(_message())
    rig.write("One. Tw")
    assert rig.see(_message("second")) == []
    assert rig.telling.held == ["second"]
    assert rig.see(_command("status")) == [Said("you", "/status")]
    assert rig.see(Notice(text="Working.", replies_to=3)) == [Said("gateway", "Working.")]
    assert rig.see(_answer("One. Two")) == [Said("answer", " Two"), Said("you", "second")]
    assert rig.telling.held == []


def test_a_stop_tells_what_there_was_and_that_it_was_broken_off() -> None:
    rig = _Rig(_message())
    rig.write("One. Tw")
    rig.see(_message("second"))
    assert rig.see(_command("stop")) == [
        Said("answer", " Tw"),
        Said("beside", BROKEN_OFF),
        Said("you", "second"),
        Said("you", "/stop"),
    ]


def test_what_was_written_before_a_cut_and_is_told_after_it_is_not_shown() -> None:
    rig = _Rig(_message(), _command("stop"))
    assert rig.write("Old. One") == []
    assert rig.telling.tail == ""
    rig.see(_message("again"))
    assert rig.write("New. One", name="a1.2") == [Said("answer", "New.")]
    assert rig.see(_answer("New. One", seen=3, after_cut=2)) == [Said("answer", " One")]
    assert rig.write("late", name="a1") == []
    assert rig.telling.tail == ""


def test_an_answer_that_was_set_aside_is_broken_off() -> None:
    rig = _Rig(_message())
    rig.write("One. Tw")
    assert rig.see(SetAside(since=1, upto=1, why="refused")) == [Said("answer", " Tw"), Said("beside", BROKEN_OFF)]


def test_leaving_tells_what_is_left() -> None:
    rig = _Rig(_message())
    rig.write("One. Tw")
    rig.see(_message("second"))
    assert rig.telling.leave() == [Said("answer", " Tw"), Said("you", "second")]


# --- the beginning -----------------------------------------------------------------------------------------------------------------------


def _begun(*bodies: AnyBody) -> list[Said]:
    return Telling(_sentences, "kitchen").begin([Entry(seq, 0.0, 1, body) for seq, body in enumerate(bodies, 1)])


def test_it_begins_with_the_last_two_messages_and_what_followed() -> None:
    told = _begun(_message("a"), _answer("A"), _message("b"), _answer("B", 2, 3), _message("c"), _answer("C", 3, 5), _command("status"))
    assert [said.text for said in told] == ["b", "B", "c", "C", "/status"]
    assert _begun() == []
    assert _begun(_message("a")) == [Said("you", "a")]


def test_a_message_stands_after_the_answer_that_was_being_written_when_it_came() -> None:
    told = _begun(_message("a"), _message("b"), _message("c"), _answer("A"), _answer("B and C", 2, 3))
    assert [said.text for said in told] == ["b", "c", "B and C"]
    told = _begun(_message("a"), _message("b"), _answer("A"), _answer("B", 2, 2))
    assert [said.text for said in told] == ["a", "A", "b", "B"]


# --- what the gateway says ---------------------------------------------------------------------------------------------------------------


def test_that_a_turn_waits_is_said_and_its_end_is_the_answer() -> None:
    rig = _Rig(_message())
    assert rig.see(Notice(text="main has not answered for 20 s.", about=1, stands=True)) == [
        Said("gateway", "main has not answered for 20 s.")
    ]
    assert rig.see(_answer("Here I am.")) == [Said("answer", "Here I am.")]
    assert rig.see(Notice(text="That took 27 s. It goes on.", edits=2)) == []


def test_what_the_owner_is_told_is_shown() -> None:
    rig = _Rig()
    assert rig.see(Note(text="main has no credit left.")) == [Said("gateway", "main has no credit left.")]
    assert Telling(_sentences, "kitchen").begin([Entry(1, 0.0, 0, Note(text="It has none."))]) == [Said("gateway", "It has none.")]
