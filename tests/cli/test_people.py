"""`holdfast people`: the list, and who is let in and removed."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

from holdfast.cli.people import told
from holdfast.ports import Access, Person
from holdfast.testing.telegram_client import Telegram

NOW = datetime(2026, 11, 21, 14, 0, 0).astimezone().timestamp()
NOBODY = Access("telegram:mybot", (), (), (), pairing=True, people=())
ANN = Person("telegram:mybot", "7", "Ann", "7", "AB23CD45", NOW + 1800)


def test_who_may_talk_is_told_with_the_reason() -> None:
    bob = replace(ANN, id="9", name="", since=NOW - 86_400.0)
    ada = replace(ANN, id="8", name="Ada\nL.", since=NOW, handle="@ada")
    access = Access("telegram:mybot", ("1",), ("@ada", "*"), ("-5", "*"), pairing=True, people=(ada, bob))
    assert [re.sub(" {2,}", " | ", line.strip()) for line in told([access, NOBODY], NOW)] == [
        "telegram:mybot",
        "1 | owner, by the configuration",
        "@ada | may talk, by the configuration",
        "everybody | may talk, by the configuration",
        "group -5 | whoever mentions it or replies to it there is heard, by the configuration",
        "every group | whoever mentions it or replies to it there is heard, by the configuration",
        "8 (Ada L.) | may talk, since the configuration names @ada",
        "9 | may talk, approved 2026-11-20 14:00:00",
        "",
        "telegram:mybot",
        "nobody may talk yet",
        'Whoever writes to it is told a code that you can approve; allow = ["..."] or owners in [platforms.telegram.mybot] names people.',
    ]


def test_who_waits_is_told_with_the_command_that_lets_them_in() -> None:
    assert list(told([replace(NOBODY, owners=("1",), people=(ANN,))], NOW))[-1] == (
        "    Ann (7) wants to talk. To let them in until 14:30:00: holdfast people approve AB23CD45"
    )


def test_where_pairing_is_off_the_lists_are_named() -> None:
    assert list(told([replace(NOBODY, pairing=False)], NOW))[-1].strip().startswith("Pairing is off there: allow = ")
    assert next(told([], NOW)).startswith("There are no accounts of chat systems.")


def test_what_a_person_is_called_can_not_take_over_the_terminal() -> None:
    lines = list(told([replace(NOBODY, people=(replace(ANN, name="\x1b[2J\nAnn"), replace(ANN, name="\x1b[2J", since=NOW)))], NOW))
    assert not any("\x1b" in line or "\n" in line for line in lines)


# --- with a gateway -------------------------------------------------------------------------------------------------------------------


def people(home: Any) -> list[Any]:
    (access,) = json.loads(home.holdfast("people", "--json").stdout)
    found: list[Any] = access["people"]
    return found


def until_somebody_waits(home: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := people(home):
            return dict(found[0])
    raise AssertionError("nobody waits")


def test_a_stranger_is_let_in_by_their_code_is_answered_and_is_removed(home: Any, telegram: Telegram) -> None:
    """LEDGER H-60."""
    (home.folder / "token").write_text(telegram.token)
    (home.folder / "token").chmod(0o600)
    home.start_real(f'[platforms.telegram.mybot]\ntoken = "file:token"\nbase_url = "{telegram.base_url}"\n')
    assert b"nobody may talk yet" in home.holdfast("people").stdout

    async def write(text: str, answer: str) -> None:
        await telegram.write(7, text, name="Ann")
        await telegram.until(lambda: said(answer))

    async def said(part: str) -> bool:
        return any(part in text for text in await telegram.said(7))

    asyncio.run(write("Hello", "I don't know you yet"))
    ann = until_somebody_waits(home)
    assert "Ann (7) wants to talk. To let them in until" in home.holdfast("people").stdout.decode()
    assert home.holdfast("people", "approve", "WRONG").returncode == 2
    approved = home.holdfast("people", "approve", ann["code"])
    assert (approved.returncode, approved.stdout) == (0, b"Ann may talk on telegram:mybot now, and was told so.\n")
    asyncio.run(telegram.until(lambda: said("You may talk to me now")))
    asyncio.run(write("/title alpha", "alpha"))
    assert "telegram:mybot:7" in home.holdfast("show").stdout.decode()
    removed = home.holdfast("people", "remove", "telegram:mybot", "7")
    assert (removed.returncode, removed.stdout[:35]) == (0, b"7 may no longer talk on telegram:my")
    assert people(home) == []
    assert home.holdfast("people", "remove", "telegram:mybot", "7").returncode == 2


def test_what_can_not_be_done_is_told(home: Any) -> None:
    home.start_real()
    assert home.holdfast("people").stdout.startswith(b"There are no accounts of chat systems.")
    assert b"No code 'AB23CD45' is waiting." in home.holdfast("people", "approve", "AB23CD45").stderr
    assert home.holdfast("people", "remove", "telegram:mybot", "7").stderr.startswith(b"holdfast: There is no account 'telegram:mybot'.")
    for words in (("approve",), ("remove", "telegram:mybot"), ("let", "7")):
        done = home.holdfast("people", *words)
        assert (done.returncode, done.stderr.startswith(b"holdfast: Write `")) == (2, True)
