"""What nobody works on, whatever it waits for, says so everywhere: in safe mode, where its account is not configured, and while the gateway is stopped."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.entries import UserMessage
from holdfast.core.lives import UNHEALTHY_MAX, Life
from holdfast.core.words import RESTING, TRYING, no_account
from holdfast.ports import Arrival
from holdfast.store.sqlite import SqliteJournal

GONE = no_account("telegram:home")
TELEGRAM = '[platforms.telegram.home]\ntoken = "env:NOBODY_SET_THIS"\nallow = ["7"]\n'
PATIENCE_S = 60


async def _left_behind(data_dir: Path) -> None:
    """A journal of short lives, with a message on an account that is not configured."""
    journal, now = SqliteJournal.open(data_dir), time.time()
    for ago in range(UNHEALTHY_MAX, 0, -1):
        await journal.put_life(Life(now - ago, now - ago))
    body = UserMessage(author="7", id="1", text="Is anybody there?")
    await journal.ingest([Arrival("telegram:home:7", "telegram:home", "7", "telegram:home 7 1", body, now - 100)])
    await journal.close()


@pytest.fixture(scope="module")
def resting(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Any]) -> Iterator[Any]:
    """A gateway in safe mode. The tests go on from one another."""
    home = new_home(tmp_path_factory.mktemp("held"))
    asyncio.run(_left_behind(home.data_dir))
    home.start_real()
    yield home
    home.end()


def words(home: Any, *arguments: str) -> str:
    """What a command prints, on one line."""
    return " ".join(home.holdfast(*arguments).stdout.decode().split())


def rows(home: Any, *arguments: str) -> dict[str, tuple[str, str]]:
    """The conversations: their states and words."""
    return {row["name"]: (row["state"], row["words"]) for row in json.loads(home.holdfast(*arguments, "--json").stdout)}


def test_in_safe_mode_a_script_hears_that_its_message_is_saved_and_that_nobody_answers_now(resting: Any) -> None:
    done = resting.holdfast("chat", "-q", "Hello", "--wait", "0")
    assert (done.returncode, done.stdout) == (75, b"")
    said = "Your message is saved and will be answered; read it later with `holdfast show terminal`."
    assert done.stderr.decode() == f"{RESTING}\n{said}\n"
    status = resting.holdfast("chat", "-q", "/status", "--wait", "0")
    assert (status.returncode, status.stderr.decode().splitlines()[0]) == (75, RESTING)


def test_in_safe_mode_a_terminal_says_so_at_once(resting: Any) -> None:
    with resting.terminal() as terminal:
        terminal.until(
            lambda terminal: "terminal · Safe mode: what is written is saved, and no turn runs" in " ".join(terminal.text.split())
        )
        terminal.until(lambda terminal: "Next try:" in " ".join(terminal.text.split()))


def test_in_safe_mode_every_command_that_is_asked_says_so(resting: Any) -> None:
    both = {"terminal": ("waiting", RESTING), "telegram:home:7": ("waiting", GONE)}
    assert rows(resting, "queue") == rows(resting, "show") == both
    assert words(resting, "why", "terminal").startswith(f"{RESTING} By itself it tries in ")
    assert RESTING in words(resting, "why") and GONE in words(resting, "why")
    status = words(resting, "status")
    assert "2 waiting (holdfast queue)" in status and "at work" not in status
    assert "Safe mode: Holdfast ended 3 times" in status and "30 minutes after its start it tries again by itself" in status
    check = resting.holdfast("check")
    assert check.returncode == 75 and b"The gateway is in safe mode: no turn runs." in check.stdout


def test_where_an_account_is_gone_that_is_its_reason_and_it_counts_as_waiting(resting: Any) -> None:
    """LEDGER H-59: what a changed configuration leaves standing says so."""
    assert words(resting, "why", "telegram:home:7") == GONE
    status = words(resting, "status")
    assert "longest telegram:home:7, for" in status and GONE in status
    assert any(row["words"] == GONE for row in json.loads(resting.holdfast("search", "anybody", "--json").stdout))


def test_when_it_is_tried_that_is_said_and_whoever_waits_has_the_answer(resting: Any) -> None:
    chat = resting.begin("chat", "-q", "Are you there?", "--conversation", "patient")
    assert chat.stderr.readline().decode() == f"{RESTING} (Waiting for that for up to 60 s.)\n"
    assert b"`holdfast status` says how it is" in resting.holdfast("safe-mode").stdout
    out, _ = chat.communicate(timeout=PATIENCE_S)
    assert chat.returncode == 0 and b"practice" in out
    end = time.monotonic() + PATIENCE_S
    while set(rows(resting, "queue")) != {"telegram:home:7"}:
        assert time.monotonic() < end
    assert "1 waiting (holdfast queue)" in words(resting, "status")
    resting.holdfast("forget", "telegram:home:7", "--yes")
    assert words(resting, "why") == f"No conversation waits, and none asks. {TRYING}"


def test_while_it_is_stopped_nothing_goes_on_by_itself(resting: Any) -> None:
    """The last of these: it is killed here."""
    resting.kill(resting.gateway)

    async def arrives() -> None:
        journal, body = SqliteJournal.open(resting.data_dir), UserMessage(author="7", id="2", text="And now?")
        await journal.ingest([Arrival("telegram:home:8", "telegram:home", "8", "telegram:home 8 2", body, time.time())])
        await journal.ingest([Arrival("web:local:late", "web:local", "late", "late 2", body, time.time())])
        await journal.close()

    asyncio.run(arrives())
    later = ("waiting", "It goes on when the gateway is started.")
    assert rows(resting, "queue") == {"telegram:home:8": ("waiting", GONE), "late": later}
    assert rows(resting, "show")["terminal"] == ("idle", "Everything is answered.")
    assert words(resting, "why", "telegram:home:8").endswith(f"`holdfast run`. {GONE}")
    assert GONE in words(resting, "status") and "2 waiting" in words(resting, "status")
    assert f"telegram:home:8: {GONE}" in words(resting, "run", "--dry")
    resting.configure(TELEGRAM)
    assert rows(resting, "queue") == {"telegram:home:8": later, "late": later}
    resting.configure("[platforms")
    assert set(rows(resting, "queue").values()) == {later}, "nobody can tell which accounts there will be"
