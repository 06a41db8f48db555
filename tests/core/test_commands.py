from __future__ import annotations

import pytest

from holdfast.core.commands import parse
from holdfast.core.entries import Choice, Command, UserMessage


@pytest.mark.parametrize(
    ("text", "name", "args"),
    [
        ("/stop", "stop", ""),
        ("/Stop", "stop", ""),
        ("/new  a fresh\nstart ", "new", "a fresh\nstart"),
        ("/foo-bar_2\tx", "foo-bar_2", "x"),
        ("/help\n", "help", ""),
    ],
)
def test_a_word_after_a_slash_is_a_command(text: str, name: str, args: str) -> None:
    assert parse(text, "ann", "7") == Command(author="ann", id="7", name=name, args=args)


@pytest.mark.parametrize(("text", "option"), [("/choose 41 retry", "retry"), ("/choose  41\tgo on ", "go on"), ("/CHOOSE 41 stop", "stop")])
def test_choose_with_a_number_and_an_option_is_a_choice(text: str, option: str) -> None:
    assert parse(text, "ann", "7") == Choice(author="ann", id="7", question=41, option=option)


@pytest.mark.parametrize("args", ["", "41", "retry", "x retry", "-1 retry", "41retry", "1" * 19 + " retry"])
def test_choose_without_number_and_option_is_a_command_whose_reply_explains(args: str) -> None:
    assert parse(f"/choose {args}", "ann", "7") == Command(author="ann", id="7", name="choose", args=args)


@pytest.mark.parametrize("text", ["Hello", " /stop", "/", "/ stop", "/etc/hosts is empty", "/5", "/stop,please", "1/2", ""])
def test_everything_else_is_a_message_as_it_was_typed(text: str) -> None:
    assert parse(text, "ann", "7") == UserMessage(author="ann", id="7", text=text)


def test_two_slashes_send_a_message_with_one() -> None:
    assert parse("//stop", "ann", "7") == UserMessage(author="ann", id="7", text="/stop")
