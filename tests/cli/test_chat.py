from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from typing import Any

import pytest

SLOW_S = 0.05
VERY_SLOW_S = 1.0
NOT_SAVED = "Your message was not saved: send it again when the gateway runs."
LONG = "one two three four five six seven eight nine ten"
ECHO = f"You wrote: {LONG}"


def _entries(home: Any, name: str = "terminal") -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(home.holdfast("show", name, "--json").stdout)
    return entries


def test_the_answer_is_the_output_and_nothing_else(home: Any) -> None:
    home.start()
    done = home.holdfast("chat", "-q", "Hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"You wrote: Hello\n", b"")


def test_a_message_comes_from_the_input(home: Any) -> None:
    home.start()
    assert home.holdfast("chat", "-q", "-", typed="Grüße\naus der Röhre\n".encode()).stdout.decode() == "You wrote: Grüße\naus der Röhre\n"


def test_a_conversation_is_named(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "Hello", "--conversation", "my kitchen")
    assert [entry["body"]["text"] for entry in _entries(home, "my kitchen")] == ["Hello", "You wrote: Hello"]


def test_all_answers_of_a_turn_are_printed_and_tools_are_told_beside(home: Any) -> None:
    home.start()
    done = home.holdfast("chat", "-q", "use a tool")
    assert done.stdout == b"Let me look.\n\nIt is noon.\n"
    assert b"clock_now: 12:00" in done.stderr
    assert done.returncode == 0


def test_a_question_ends_it_with_3_and_says_how_to_answer(home: Any) -> None:
    home.start()
    done = home.holdfast("chat", "-q", "ask me", "--conversation", "my kitchen")
    assert (done.returncode, done.stdout) == (3, b"Let me look.\n")
    assert b"Shall I go on?" in done.stderr
    assert b"""holdfast chat --conversation 'my kitchen' -q "/choose 5 go on\"""" in done.stderr


def test_a_choice_prints_its_reply_and_the_answer_that_follows(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "ask me")
    done = home.holdfast("chat", "-q", "/choose 5 go on")
    assert (done.returncode, done.stdout) == (0, b"You gave go on.\n\nIt is noon.\n")


def test_a_command_prints_its_reply(home: Any) -> None:
    home.start()
    done = home.holdfast("chat", "-q", "/status")
    assert (done.returncode, done.stdout) == (0, b"You gave status.\n")


@pytest.mark.parametrize("text", ["x" * 65_537, " "])
def test_a_message_that_cannot_be_sent_is_refused_at_once(home: Any, text: str) -> None:
    done = home.holdfast("chat", "-q", text)
    assert done.returncode == 2
    assert done.stderr.startswith(b"holdfast: The message is ")


def test_an_input_without_end_is_refused(home: Any) -> None:
    assert home.holdfast("chat", "-q", "-", typed=b"x" * 1_000_000).returncode == 2


def test_a_name_that_can_be_none_is_refused(home: Any) -> None:
    assert home.holdfast("chat", "-q", "Hello", "--conversation", "a/b").returncode == 2


def test_without_a_gateway_it_waits_says_so_and_gives_up_with_75(home: Any) -> None:
    done = home.holdfast("chat", "-q", "Hello", "--wait", "0.3")
    assert done.returncode == 75
    assert done.stdout == b""
    said, given_up = done.stderr.decode().splitlines()
    assert said.startswith("The gateway is not answering; I'll go on when it is back (waiting up to 0.3 s)")
    assert given_up == f"holdfast: The gateway is not running. Start it with `holdfast run`. I waited 0.3 s for it. {NOT_SAVED}"


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1"])
def test_a_wait_that_has_no_end_or_no_sense_is_refused(home: Any, seconds: str) -> None:
    done = home.holdfast("chat", "-q", "Hello", f"--wait={seconds}")
    assert (done.returncode, done.stderr) == (2, b"holdfast: `--wait` takes a number of seconds, 0 or more.\n")


def test_a_gateway_that_starts_meanwhile_gets_the_message(home: Any) -> None:
    chat = home.begin("chat", "-q", "Hello", stderr=subprocess.STDOUT)
    assert chat.stdout.readline().startswith(b"The gateway is not answering")
    home.start()
    assert chat.communicate(timeout=30)[0] == b"You wrote: Hello\n"
    assert chat.returncode == 0


def test_a_gateway_that_went_with_the_message_unanswered_may_have_it(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_FAILPOINT", "acknowledge")
    home.start()
    monkeypatch.delenv("HOLDFAST_FAILPOINT")
    done = home.holdfast("chat", "-q", "Hello", "--wait", "0.3")
    assert done.returncode == 75
    assert b"It has not said that it saved your message: look with `holdfast show terminal`" in done.stderr


def test_nobody_waits_for_a_gateway_that_can_not_start(home: Any) -> None:
    home.file.write_text(f'data_dir = "{home.data_dir}"\n[agnet]\n')
    done = home.holdfast("chat", "-q", "Hello")
    wrong, end = done.stderr.decode().splitlines()
    assert done.returncode == 78
    assert "agnet" in wrong and "so your message was not saved. Send it again" in end


def test_a_gateway_killed_between_commit_and_acknowledgement_has_the_message_once(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_FAILPOINT", "acknowledge")
    gateway = home.start()
    monkeypatch.delenv("HOLDFAST_FAILPOINT")
    chat = home.begin("chat", "-q", "Hello")
    assert gateway.wait(30) == -signal.SIGKILL
    home.start()
    assert chat.communicate(timeout=30)[0] == b"You wrote: Hello\n"
    assert len(_entries(home)) == 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart_in_mid_answer_prints_the_answer_once(home: Any, number: int) -> None:
    gateway = home.start(VERY_SLOW_S)
    chat = home.begin("chat", "-q", LONG)
    while not home.holdfast("show", "terminal").stdout:
        pass
    home.kill(gateway, number)
    assert "answer/1" not in (home.data_dir / "fake.jsonl").read_text()
    home.start()
    out, _ = chat.communicate(timeout=30)
    assert (chat.returncode, out.decode()) == (0, f"{ECHO}\n")


def test_a_restart_between_two_answers_prints_each_once(home: Any) -> None:
    gateway = home.start(SLOW_S)
    chat = home.begin("chat", "-q", "use a tool")
    assert chat.stdout.readline() == b"Let me look.\n"
    home.kill(gateway)
    home.start()
    out, _ = chat.communicate(timeout=30)
    assert chat.returncode == 0
    assert b"Let me look." not in out


def test_a_gateway_that_stays_away_after_it_took_the_message_is_told_so(home: Any) -> None:
    gateway = home.start(SLOW_S)
    terminal = _Terminal(home, "chat", "-q", LONG, "--wait", "0.3")
    terminal.until("You wrote: one")
    home.kill(gateway)
    assert "Your message is saved and will be answered; read it later with `holdfast show terminal`." in terminal.finish()
    assert terminal.process.returncode == 75


def test_ctrl_c_leaves_the_turn_to_the_gateway(home: Any) -> None:
    home.start(SLOW_S)
    terminal = _Terminal(home, "chat", "-q", LONG)
    terminal.until("You wrote: one")
    terminal.process.send_signal(signal.SIGINT)
    assert "The turn goes on in the gateway." in terminal.finish()
    assert terminal.process.returncode == 130
    assert home.holdfast("chat", "-q", "And now?").stdout == b"You wrote: And now?\n"
    assert ECHO in [entry["body"]["text"] for entry in _entries(home)]


def test_ctrl_c_before_the_gateway_has_the_message_says_so(home: Any) -> None:
    chat = home.begin("chat", "-q", "Hello")
    assert chat.stderr.readline().startswith(b"The gateway is not answering")
    chat.send_signal(signal.SIGINT)
    out, err = chat.communicate(timeout=30)
    assert (chat.returncode, out, err) == (130, b"", f"{NOT_SAVED}\n".encode())


# --- on a terminal --------------------------------------------------------------------------------------------------------------------


class _Terminal:
    def __init__(self, home: Any, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = home.begin(*arguments, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.text = ""

    def until(self, mark: str) -> None:
        while mark not in self.text:
            self.text += os.read(self._ours, 4096).decode().replace("\r\n", "\n")

    def finish(self) -> str:
        try:
            while more := os.read(self._ours, 4096):
                self.text += more.decode().replace("\r\n", "\n")
        except OSError:  # how a terminal says that nobody writes any more
            pass
        self.process.wait(30)
        os.close(self._ours)
        return self.text


def test_on_a_terminal_the_answer_is_seen_growing(home: Any) -> None:
    home.start(SLOW_S)
    terminal = _Terminal(home, "chat", "-q", LONG)
    terminal.until("You wrote: one two")
    assert "ten" not in terminal.text
    assert terminal.finish() == f"{ECHO}\n"


def test_on_a_terminal_a_restart_in_mid_answer_doubles_nothing(home: Any) -> None:
    gateway = home.start(SLOW_S)
    terminal = _Terminal(home, "chat", "-q", LONG)
    terminal.until("You wrote: one two")
    home.kill(gateway)
    home.start(SLOW_S)
    lines = terminal.finish().splitlines()  # where the restart took its time there is a word about that between
    assert "".join(line for line in lines if "not answering" not in line) == ECHO


def test_on_a_terminal_what_is_beside_the_answer_is_dim(home: Any) -> None:
    home.start()
    terminal = _Terminal(home, "chat", "-q", "use a tool")
    assert "\x1b[2mclock_now: 12:00\x1b[0m\n" in terminal.finish()


def test_no_answer_can_take_over_the_terminal(home: Any) -> None:
    home.start()
    assert _Terminal(home, "chat", "-q", "\x1b[2J\x07 red").finish() == "You wrote: [2J red\n"
    assert b"\x1b[2J" in home.holdfast("chat", "-q", "\x1b[2J\x07 red").stdout  # a pipe gets what was said
