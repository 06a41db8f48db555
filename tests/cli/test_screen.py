from __future__ import annotations

import io

import pytest

from holdfast.cli.screen import Screen, plain


class _Stream(io.StringIO):
    def __init__(self, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


class _Rig:
    def __init__(self, tty: bool) -> None:
        self.out, self.err = _Stream(tty), _Stream(tty=False)
        self.screen = Screen(self.out, self.err)

    @property
    def texts(self) -> tuple[str, str]:
        return self.out.getvalue(), self.err.getvalue()


@pytest.fixture
def terminal() -> _Rig:
    return _Rig(tty=True)


@pytest.fixture
def pipe() -> _Rig:
    return _Rig(tty=False)


def test_a_pipe_gets_answers_only_when_they_are_whole(pipe: _Rig) -> None:
    pipe.screen.writing("a1", "Hel")
    assert pipe.texts == ("", "")
    pipe.screen.answer("a1", "Hello\x1b")
    pipe.screen.answer("a2", "Again")
    assert pipe.texts == ("Hello\x1b\n\nAgain\n", "")


def test_a_terminal_sees_them_grow_once(terminal: _Rig) -> None:
    for text in ("Hel", "Hello", "Hello"):
        terminal.screen.writing("a1", text)
    assert terminal.texts == ("Hello", "")
    terminal.screen.answer("a1", "Hello you")
    terminal.screen.writing("a2", "Ag")
    terminal.screen.answer("a2", "Again")
    assert terminal.texts == ("Hello you\n\nAgain\n", "")


def test_begun_anew_and_the_same_so_far_nothing_is_doubled(terminal: _Rig) -> None:
    for text in ("Hello you", "H", "Hello", "Hello you there"):
        terminal.screen.writing("a1", text)
    assert terminal.texts == ("Hello you there", "")


def test_begun_anew_and_different_it_is_said_and_printed_whole(terminal: _Rig) -> None:
    terminal.screen.writing("a1", "Hello")
    terminal.screen.writing("a1", "Good d")
    terminal.screen.answer("a1", "Good day")
    out, err = terminal.texts
    assert out == "Hello\nGood day\n"
    assert "begun anew" in err


def test_a_whole_answer_that_differs_from_what_grew_is_printed_whole(terminal: _Rig) -> None:
    terminal.screen.writing("a1", "Hello")
    terminal.screen.answer("a1", "Good day")
    assert terminal.texts[0] == "Hello\nGood day\n"


def test_the_next_answer_waits_until_the_one_before_is_settled(terminal: _Rig) -> None:
    terminal.screen.writing("a1", "Hel")
    terminal.screen.writing("a2", "Next")
    terminal.screen.answer("a1", "Hello")
    terminal.screen.writing("a2", "Next one")
    assert terminal.texts[0] == "Hello\n\nNext one"


def test_an_answer_that_was_broken_off_is_said_to_be(terminal: _Rig) -> None:
    terminal.screen.writing("a1", "Hel")
    terminal.screen.dropped()
    terminal.screen.dropped()
    assert terminal.texts == ("Hel\n", "(That answer was broken off.)\n")


def test_an_answer_to_an_earlier_message_is_not_taken_for_ours(pipe: _Rig, terminal: _Rig) -> None:
    pipe.screen.answer("a1", "Hello", late=True)
    assert pipe.texts == ("", "(An earlier message was answered meanwhile.)\n")
    terminal.screen.writing("a1", "Hel")
    terminal.screen.answer("a1", "Hello", late=True)
    assert terminal.texts == ("Hello\n", "(That was the answer to an earlier message.)\n")


def test_a_word_beside_leaves_the_answer_where_it_is(terminal: _Rig) -> None:
    terminal.screen.writing("a1", "Hello ")
    terminal.screen.note("The gateway is not answering.")
    terminal.screen.writing("a1", "Hello you")
    terminal.screen.answer("a1", "Hello you")
    assert terminal.texts == ("Hello \nyou\n", "The gateway is not answering.\n")


def test_a_text_cannot_take_over_the_terminal(terminal: _Rig) -> None:
    terminal.screen.writing("a1", "\x1b]0;title\x07Hel")
    terminal.screen.answer("a1", "\x1b]0;title\x07Hello\r\u202e")
    terminal.screen.reply("\x9b31mred")
    assert terminal.texts[0] == "]0;titleHello\n\n31mred\n"


def test_plain_keeps_lines_tabs_and_all_scripts() -> None:
    assert plain("a\tb\nä台 🙂") == "a\tb\nä台 🙂"
