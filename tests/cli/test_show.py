from __future__ import annotations

import asyncio
import json
import re
import signal
from typing import Any

import pytest

from holdfast.core.entries import UserMessage
from holdfast.ports import Arrival
from holdfast.store.sqlite import SqliteJournal


def test_conversations_are_a_table(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "Hello")
    home.holdfast("chat", "-q", "Hello", "--conversation", "my kitchen")
    head, first, second = home.holdfast("show").stdout.decode().splitlines()
    assert head.split() == ["CONVERSATION", "LAST", "ACTIVITY", "STATE"]
    assert re.fullmatch(r"my kitchen    \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  Ready\.", first)
    assert second.startswith("terminal    ")


def test_a_conversation_is_a_story(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "use a tool")
    text = home.holdfast("show", "terminal").stdout.decode()
    assert text == home.holdfast("show", "web:local:terminal").stdout.decode()
    assert [line.partition("  ")[2] for line in text.splitlines() if not line.startswith(" ")] == [
        "local wrote  [1]",
        "the agent answered through main  [2]",
        "clock_now was started  [3]",
        "clock_now is done  [4]",
        "the agent answered through main  [5]",
    ]


def test_programs_get_json(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "Hello")
    assert [row["key"] for row in json.loads(home.holdfast("show", "--json").stdout)] == ["web:local:terminal"]
    assert [entry["body"]["kind"] for entry in json.loads(home.holdfast("show", "terminal", "--json").stdout)] == ["user/1", "answer/1"]


@pytest.mark.parametrize("running", [True, False])
def test_a_conversation_that_does_not_exist_is_a_sentence(home: Any, running: bool) -> None:
    gateway = home.start_real()
    home.holdfast("chat", "-q", "Hello")
    if not running:
        home.kill(gateway)
    done = home.holdfast("show", "nowhere")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"holdfast: There is no conversation 'web:local:nowhere'. `holdfast show` lists them.\n"


def test_before_the_first_conversation_it_says_how_to_begin(home: Any) -> None:
    assert b"holdfast chat -q" in home.holdfast("show").stdout
    home.data_dir.joinpath("door.sock").unlink(missing_ok=True)


def test_while_no_gateway_runs_the_journal_is_read(home: Any) -> None:
    async def fill() -> None:
        journal = SqliteJournal.open(home.data_dir)
        body = UserMessage(author="local", id="k", text="Is anybody there?")
        await journal.ingest([Arrival("web:local:terminal", "web:local", "terminal", "k", body, 1.0)])
        await journal.close()

    asyncio.run(fill())
    assert (
        home.holdfast("show").stdout.decode().splitlines()[1]
        == "terminal      1970-01-01 00:00:01  It goes on when the gateway is started."
    )
    assert "Is anybody there?" in home.holdfast("show", "terminal").stdout.decode()


def test_a_gateway_that_does_not_answer_is_a_sentence(home: Any) -> None:
    """The lock is held, and behind the door is nobody."""

    async def held() -> Any:
        journal = SqliteJournal.open(home.data_dir)
        done = await asyncio.to_thread(home.holdfast, "show")
        await journal.close()
        return done

    done = asyncio.run(held())
    assert done.returncode == 75
    assert b"its door does not answer" in done.stderr


def test_a_story_cannot_take_over_the_terminal(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "\x1b[2J red")
    assert b"\x1b" not in home.holdfast("show", "terminal").stdout


def test_a_gateway_that_was_killed_is_no_obstacle(home: Any) -> None:
    gateway = home.start()
    home.kill(gateway, signal.SIGKILL)
    assert home.holdfast("show").returncode == 0
