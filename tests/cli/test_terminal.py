from __future__ import annotations

import signal
import subprocess
from typing import Any

import pytest

from holdfast.models.practice_words import LONG_STORY
from holdfast.testing.terminal import Terminal

READY = "Ready."
SLOW_S = 0.1
LONG = "one two three four five six seven eight nine ten"


def _words(text: str) -> str:
    """On one line, as the terminal wrapped it or not."""
    return " ".join(text.split())


def _said(terminal: Terminal, text: str) -> int:
    return _words(terminal.text).count(_words(text))


# --- what one sees ---------------------------------------------------------------------------------------------------------------------


def test_a_message_is_answered_above_the_prompt(home: Any) -> None:
    home.start()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("Hello\r")
        terminal.until("You wrote: Hello")
        terminal.until(lambda terminal: terminal.screen.lines[:4] == ["> Hello", "", "You wrote: Hello", ""])
        assert terminal.screen.lines[4] == ">"


def test_it_begins_with_the_end_of_what_was_said(home: Any) -> None:
    home.start()
    for text in ("first", "second", "third"):
        home.holdfast("chat", "-q", text)
    with home.terminal() as terminal:
        terminal.until("You wrote: third")
        assert "You wrote: second" in terminal.text
        assert "first" not in terminal.text


def test_another_conversation_is_named(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "Hello", "--conversation", "my kitchen")
    with home.terminal("--conversation", "my kitchen") as terminal:
        terminal.until("You wrote: Hello")
        terminal.type("x")
        terminal.until("my kitchen ·")


def test_tools_are_told_beside_and_dim(home: Any) -> None:
    home.start()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("use a tool\r")
        terminal.until("It is noon.")
        assert '· calls clock_now {"tz":"UTC"}\n· clock_now: 12:00\n' in terminal.text
        assert "\x1b[2m· clock_now: 12:00" in terminal.raw


def test_a_question_says_how_to_answer_and_choose_is_completed(home: Any) -> None:
    home.start()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("ask me\r")
        terminal.until("    /choose 5 stop")
        terminal.type("/ch")
        terminal.until(lambda terminal: _said(terminal, "/choose 5 go on Shall I go on?") == 1)
        terminal.type("\t\r")
        terminal.until("> /choose 5 go on")
        terminal.until("It is noon.")


def test_models_are_completed_and_the_choice_is_said(home: Any) -> None:
    home.start_real('[routes.spare]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "qwen3:8b"\n')
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("/model\r")
        terminal.until("You can choose main, spare")
        terminal.type("/model s")
        terminal.until(lambda terminal: _said(terminal, "/model spare qwen3:8b") == 1)
        terminal.type("\t")
        terminal.until(lambda terminal: any(line.strip() == "> /model spare" for line in terminal.screen.lines))
        terminal.type("\r")
        terminal.until("From now on this conversation uses spare.")


def test_a_wait_says_when_it_is_tried_next(home: Any) -> None:
    home.start_real('[routes.spare]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "qwen3:8b"\n')
    home.holdfast("chat", "-q", "/model spare")
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("Hello\r")
        terminal.until(lambda terminal: _said(terminal, "Everything is saved, and it goes on by itself. Next try: ") > 0)


def test_markdown_is_rendered(home: Any) -> None:
    home.start()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("\x1b[200~list:\n\n- **one**\n- two\n\n```python\nprint(1)\n```\x1b[201~\r")
        terminal.until(" • one\n • two\n")
        terminal.until(lambda terminal: "```" not in terminal.text.split("You wrote")[1])
        assert "print(1)" in terminal.text.split("You wrote")[1]


def test_no_answer_and_no_history_can_take_over_the_terminal(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "\x1b]0;mine\x07\x1b[2J\x1b[31m\x9b5A &#x1b;[8m &#x202e; [link](http://x/\x1b]8;;evil) red\x07")
    with home.terminal() as terminal:
        terminal.until("You wrote:")
        terminal.type("more \x16\x1b]0;mine\x16\x07\r")
        terminal.until("You wrote: more")
        terminal.type("\x04")
        assert terminal.ended() == 0
        assert terminal.screen.titles == []
        assert "\u202e" not in terminal.raw
        assert "]0;mine[2J[31m5A" in terminal.text


def test_a_narrow_terminal_and_one_that_changes(home: Any) -> None:
    home.start()
    with home.terminal(columns=40, rows=12) as terminal:
        terminal.until("Enter sends")
        terminal.type(f"{LONG} {LONG}\r")
        terminal.until(lambda terminal: _said(terminal, f"You wrote: {LONG} {LONG}") == 1)
        assert max(map(len, terminal.text.splitlines())) <= 40
        terminal.resize(100, 30)
        terminal.type(f"{LONG} 台灣 {LONG}\r")
        terminal.until(f"You wrote: {LONG} 台灣 one two three four five")


def test_no_color_means_none(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "`code` and **bold**")
    with home.terminal(NO_COLOR="1") as terminal:
        terminal.until("code and bold")
        terminal.type("/")
        terminal.until("/stop")
        terminal.type("\x03\x04")
        terminal.ended()
        assert _said(terminal, "code and bold") == 1
        codes = {
            code
            for part in terminal.raw.split("\x1b[")[1:]
            for code in part.split("m")[0].split(";")
            if part.split("m")[0].replace(";", "").isdigit()
        }
        assert not {code for code in codes if 30 <= int(code) <= 107}


# --- the line one types ----------------------------------------------------------------------------------------------------------------


def test_a_message_of_several_lines(home: Any) -> None:
    home.start()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("one\x1b\rtwo\x0athree\\\rfour\r")
        terminal.until("> one\n  two\n  three\n  four\n")
        terminal.until("You wrote: one")
    entries = home.holdfast("show", "terminal", "--json").stdout
    assert rb'"one\ntwo\nthree\nfour"' in entries


def test_what_is_pasted_is_one_message(home: Any) -> None:
    home.start()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("\x1b[200~one\rtwo\x1b[201~")
        terminal.until("> one\n  two\n")
        terminal.type("\r")
        terminal.until("You wrote: one")


def test_the_commands_are_listed_while_one_is_typed(home: Any) -> None:
    home.start()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("/")
        terminal.until(lambda terminal: _said(terminal, "/stop stops what is being done") == 1 and "/help" in terminal.text)
        terminal.type("sta")
        terminal.until(lambda terminal: "/stop" not in terminal.text)
        terminal.type("\t")
        terminal.until("> /status\n")
        terminal.type("\r")
        terminal.until("Holdfast: You gave status.")


def test_what_was_typed_is_there_the_next_time_and_private(home: Any) -> None:
    home.start()
    for typed in ("Hello\r", "\x1b[A\r"):
        with home.terminal() as terminal:
            terminal.until("Enter sends")
            terminal.type(typed)
            terminal.until("You wrote: Hello")
            terminal.type("\x04")
            assert terminal.ended() == 0
    assert home.holdfast("show", "terminal").stdout.count(b"You wrote: Hello") == 2
    assert (home.data_dir / "typed").stat().st_mode & 0o777 == 0o600


def test_what_was_typed_is_searched(home: Any) -> None:
    home.start()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("first\rsecond\r")
        terminal.until("You wrote: second")
        terminal.type("\x12fir")
        terminal.until("I-search backward: fir")
        terminal.until("> first\nI-search")
        terminal.type("\r\r")
        terminal.until(lambda terminal: terminal.text.count("You wrote: first") == 2)


def test_a_message_that_is_too_long_stays_to_be_shortened(home: Any) -> None:
    home.start()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type(f"\x1b[200~{'x' * 66_000}\x1b[201~\r")
        terminal.until("The message is longer than 65,536 bytes. Send it in parts.")


# --- while an answer is written ----------------------------------------------------------------------------------------------------------


def test_messages_typed_ahead_are_answered_in_order(home: Any) -> None:
    home.start(SLOW_S)
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type(f"{LONG}\r")
        terminal.until("You wrote: one two")
        terminal.type("second\rthird\r")
        terminal.until("third (saved, next)")
        terminal.until("You wrote: third")
        terminal.until(lambda terminal: "(saved" not in terminal.text)
        order = [
            terminal.text.index(text) for text in (f"You wrote: {LONG}", "> second", "> third", "You wrote: second", "You wrote: third")
        ]
        assert order == sorted(order)


def test_stop_in_mid_answer(home: Any) -> None:
    home.start_real()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("tell me a long story\r")
        terminal.until("In the first night")
        terminal.until("Working on it. /stop stops it.")
        terminal.type("/stop\r")
        terminal.until("Holdfast: Stopped.")
        terminal.until(READY)
        assert "· (That answer was broken off.)\n\n> /stop\n" in terminal.text
        assert _said(terminal, "There was once a lighthouse") == _said(terminal, "In the first night") == 1
        terminal.type("/status\r")
        terminal.until("Everything is answered.")


def test_ctrl_c_says_how_to_stop_or_empties_the_line(home: Any) -> None:
    home.start(SLOW_S)
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("half\x03")
        terminal.until(lambda terminal: "half" not in terminal.text)
        terminal.type("\x03")
        terminal.until("Ctrl+D leaves.")
        terminal.type(f"{LONG}\r")
        terminal.until("You wrote: one")
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("The answer goes on. /stop stops it, Ctrl+D leaves.")
        terminal.until(f"You wrote: {LONG}")


@pytest.mark.parametrize("way", ["ctrl+d", "sigterm"])
def test_who_leaves_is_told_that_the_turn_goes_on(home: Any, way: str) -> None:
    home.start(SLOW_S)
    with home.terminal("--conversation", "my kitchen") as terminal:
        terminal.until("Enter sends")
        terminal.type(f"{LONG}\r")
        terminal.until("You wrote: one two")
        if way == "ctrl+d":
            terminal.type("\x04")
        else:
            terminal.process.terminate()
        assert terminal.ended() == 0
        assert _said(terminal, "· The turn goes on in the gateway. `holdfast chat --conversation 'my kitchen'` shows how.") == 1
        assert _said(terminal, "You wrote: one two") == 1
    assert home.holdfast("chat", "-q", "And now?", "--conversation", "my kitchen").stdout == b"You wrote: And now?\n"


# --- while the gateway is away ----------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(180)
def test_a_gateway_killed_in_mid_answer_prints_the_answer_once(home: Any) -> None:
    gateway = home.start_real()
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("tell me a long story\r")
        for night in ("first", "second"):
            terminal.until(f"In the {night} night")
            home.kill(gateway)
            terminal.until("Nothing is lost")
            gateway = home.start_real()
        terminal.until(lambda terminal: READY in terminal.text and _said(terminal, LONG_STORY) == 1, 50)
        assert "begun anew" not in terminal.text
        story = _words(LONG_STORY)
        text = _words(terminal.text)
        for sentence in story.split(". "):
            assert text.count(sentence) == story.count(sentence)


def test_away_at_the_start_it_says_so_and_sends_when_it_can(home: Any) -> None:
    with home.terminal() as terminal:
        terminal.until("The gateway is not running. Start it with `holdfast run`.")
        terminal.type("Hello\r")
        terminal.until("> Hello (not sent yet)")
        home.start()
        terminal.until("You wrote: Hello")
        terminal.until(lambda terminal: "not sent" not in terminal.text and "not running" not in terminal.text)
        assert terminal.text.startswith("> Hello\n\nYou wrote: Hello")


def test_a_gateway_killed_between_commit_and_acknowledgement_has_the_message_once(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_FAILPOINT", "acknowledge")
    gateway = home.start()
    monkeypatch.delenv("HOLDFAST_FAILPOINT")
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("Hello\r")
        assert gateway.wait(30) == -signal.SIGKILL
        home.start()
        terminal.until("You wrote: Hello")
        terminal.until(lambda terminal: "(sending)" not in terminal.text)
        assert _said(terminal, "> Hello") == 1
    assert home.holdfast("show", "terminal").stdout.count(b"local wrote") == 1


def test_who_leaves_before_a_message_is_saved_is_told_which(home: Any) -> None:
    with home.terminal() as terminal:
        terminal.until("not running")
        terminal.type("keep\x0athis\r")
        terminal.until("not sent yet")
        terminal.type("\x04")
        assert terminal.ended() == 75
        assert _said(terminal, "The gateway has not said that it has what follows. Next time, Up brings it back:") == 1
        assert "\n\n> keep\n  this" in terminal.text


# --- what is no terminal ------------------------------------------------------------------------------------------------------------------


def test_without_a_terminal_it_names_the_way_that_needs_none(home: Any) -> None:
    done = home.holdfast("chat", typed=b"Hello\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b'holdfast: A conversation needs a terminal. For one message and its answer: holdfast chat -q "Hello"\n'


def test_one_that_knows_nothing_is_none(home: Any) -> None:
    with home.terminal(TERM="dumb") as terminal:
        assert terminal.ended() == 2


def test_a_door_of_somebody_else_is_a_sentence(home: Any) -> None:
    gateway = home.start()
    (home.data_dir / "door.sock").chmod(0)
    with home.terminal() as terminal:
        if subprocess.run(["id", "-u"], capture_output=True, check=True).stdout != b"0\n":
            assert terminal.ended() == 78
            assert "belongs to somebody else" in terminal.text
    home.kill(gateway)
