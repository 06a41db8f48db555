"""`holdfast why`: what a conversation waits for."""

from __future__ import annotations

import time
from typing import Any

import pytest

SPARE = '[routes.spare]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n'
PATIENCE_S = 30


@pytest.fixture
def waiting(home: Any) -> Any:
    """A gateway with a conversation that waits."""
    home.start_real(SPARE)
    for text in ("/model spare", "Hello"):
        home.begin("chat", "--conversation", "my kitchen", "-q", text)
        end = time.monotonic() + PATIENCE_S
        while text not in home.holdfast("show", "my kitchen").stdout.decode().replace("gave the command ", ""):
            assert time.monotonic() < end
            time.sleep(0.05)
    return home


def test_a_conversation_that_waits_says_for_what_and_why(waiting: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    for name in ("my kitchen", "web:local:my kitchen"):
        while not (told := waiting.holdfast("why", name)).stdout.startswith(b"spare has not answered for "):
            assert time.monotonic() < end and told.returncode == 0  # just now it may be tried
            time.sleep(0.05)
        assert b"Your conversation is saved, and I go on by myself when it does" in told.stdout


def test_without_a_name_each_that_waits_has_a_line(waiting: Any) -> None:
    waiting.holdfast("chat", "-q", "Hello")  # this one is answered
    end = time.monotonic() + PATIENCE_S
    while not (lines := waiting.holdfast("why").stdout.decode().splitlines()) or not lines[0].startswith("my kitchen: spare has not"):
        assert time.monotonic() < end, lines
        time.sleep(0.05)
    assert len(lines) == 1


def test_where_nothing_waits_that_is_said(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "Hello")
    assert home.holdfast("why").stdout == b"No conversation waits, and none asks.\n"
    assert home.holdfast("why", "terminal").stdout == b"Everything is answered.\n"


def test_a_conversation_that_does_not_exist_is_a_sentence(home: Any) -> None:
    home.start_real()
    done = home.holdfast("why", "nowhere")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"holdfast: There is no conversation 'web:local:nowhere'. `holdfast show` lists them.\n"


def test_while_the_gateway_is_stopped_the_journal_says_how_it_was_left(waiting: Any) -> None:
    waiting.kill(waiting.processes[0])
    one = waiting.holdfast("why", "my kitchen")
    assert one.returncode == 0
    stopped, words = one.stdout.decode().splitlines()
    assert stopped == "The gateway is stopped. Nothing is lost; it goes on when it is started: `holdfast run`."
    assert (words.startswith("Waiting for spare, which has been away") and "by itself" not in words) or words.startswith("It goes on")
    assert words.endswith("goes on when the gateway is started.")
    assert waiting.holdfast("why").stdout.decode().splitlines()[1].startswith("my kitchen: ")
    assert waiting.holdfast("why", "nowhere").returncode == 2


def test_before_the_first_start_nothing_waits(home: Any) -> None:
    home.data_dir.rmdir()
    assert home.holdfast("why").stdout.startswith(b"The gateway is stopped. Nothing is lost")
    assert not home.data_dir.exists()
