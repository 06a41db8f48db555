"""Accounts: who may talk to them, what the running gateway says of them, and whether they connect."""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast import accounts
from holdfast.checks import World, check_everything, check_file
from holdfast.checks.accounts import check_access, check_accounts, check_notify, check_there
from holdfast.checks.findings import Finding
from holdfast.runtime.clock import SystemClock
from holdfast.secrets import Secret
from holdfast.testing.telegram_client import Telegram


def bot(**more: Any) -> accounts.Telegram:
    return accounts.Telegram(token=Secret("env:TOKEN", "4242:x"), **more)


def access(account: accounts.Account, let_in: int | None = None) -> list[Finding]:
    there = None if let_in is None else {"platforms": [{"name": "telegram:mybot", "let_in": let_in}]}
    return list(check_access({"telegram:mybot": account}, there))


def test_an_account_to_which_nobody_may_talk_says_how_somebody_may() -> None:
    (shut,) = access(bot(pairing=False), 0)
    assert (shut.level, shut.about, shut.mend) == (
        "error",
        "platforms.telegram.mybot",
        'owners = ["YOUR_ID"]    (in [platforms.telegram.mybot])',
    )
    (pairing,) = access(bot(), 0)
    assert (pairing.level, pairing.mend) == ("warning", "holdfast people approve CODE")
    assert pairing.what.startswith("Nobody may talk to it yet. Whoever writes to it is told a code")
    (unknown,) = access(bot())
    assert (unknown.level, unknown.what[:26]) == ("ok", "No list names anybody: it ")


def test_one_to_which_everybody_may_talk_is_warned_of() -> None:
    (open_,) = access(bot(allow=("*",)))
    assert (open_.level, open_.mend) == ("warning", 'allow = ["THEIR_ID"]    (in [platforms.telegram.mybot])')
    (owned,) = access(bot(owners=("*",), allow=("*",)))
    assert owned.what.startswith("Everybody owns it")


def test_where_somebody_may_talk_nothing_is_said() -> None:
    assert [access(bot(**lists)) for lists in ({"allow": ("1",)}, {"owners": ("1",)}, {"groups": ("*",)})] == [[], [], []]
    assert access(bot(), 2) == []


def test_who_is_told_through_one_account_alone_is_warned() -> None:
    known = {"telegram:mybot": bot()}
    (one,) = check_notify(["telegram:mybot:7"], known)
    assert (one.level, one.mend) == ("warning", 'notify = ["web","telegram:mybot:7"]    (in [owner])')
    (none,) = check_notify([], known)
    assert none.mend == 'notify = ["web"]    (in [owner])'
    assert list(check_notify(["web"], known)) == list(check_notify(["telegram:a:7", "matrix:home:!x:y"], known)) == []


def test_the_running_gateway_tells_how_its_accounts_are() -> None:
    well = {"name": "telegram:a", "state": "connected", "identity": "42", "why": "", "unread": 1}
    stopped = {"name": "telegram:b", "state": "stopped", "identity": "", "why": "the token is not known"}
    away = {"name": "matrix:c", "state": "waiting", "identity": "", "why": "no such host"}
    found = [(one.level, one.about, one.cause, one.mend) for one in check_there({"platforms": [well, stopped, away]})]
    assert found == [
        ("ok", "platforms.telegram.a", "", ""),
        ("warning", "platforms.telegram.a", "", ""),
        ("error", "platforms.telegram.b", "the token is not known", "holdfast platforms retry telegram:b    (connects it now)"),
        ("warning", "platforms.matrix.c", "no such host", "holdfast platforms retry matrix:c    (connects it now)"),
    ]


# --- connected for real ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def telegram(tmp_path: Path) -> AsyncIterator[Telegram]:
    async with Telegram(tmp_path) as server:
        yield server


def configured(folder: Path, telegram: Telegram, token: str = "TOKEN") -> str:
    return (
        f'data_dir = "{folder / "data"}"\n[routes.main]\ndialect = "practice"\n[web]\nport = 0\n'
        f'[platforms.telegram.mybot]\ntoken = "env:{token}"\nbase_url = "{telegram.base_url}"\nowners = ["1"]\n'
        '[platforms.telegram.other]\ntoken = "env:NOT_SET"\nowners = ["1"]\n'
    )


async def checked(folder: Path, text: str, environ: dict[str, str], status: Any = None) -> dict[str, Finding]:
    file = folder / "config.toml"
    file.write_text(text)
    settings, _ = check_file(file, {})
    assert settings is not None
    return {one.about: one for one in await check_everything(settings, World(environ, SystemClock(), status))}


async def test_each_account_is_connected_and_a_missing_secret_hides_no_other(telegram: Telegram, tmp_path: Path) -> None:
    found = await checked(tmp_path, configured(tmp_path, telegram), {"TOKEN": telegram.token})
    well, missing = found["platforms.telegram.mybot"], found["platforms.telegram.other"]
    assert (well.level, well.what) == ("ok", "It connects, as 4242.")
    assert (missing.level, missing.check) == ("error", "config.start")
    assert "NOT_SET" in missing.what
    assert [call["method"] for call in await telegram.calls()] == ["getMe"]  # nothing was received
    assert not (tmp_path / "data").exists()


async def test_a_token_that_is_not_known_has_to_be_changed_and_is_not_shown(telegram: Telegram, tmp_path: Path) -> None:
    found = await checked(tmp_path, configured(tmp_path, telegram), {"TOKEN": "4242:wrong-one"})
    finding = found["platforms.telegram.mybot"]
    assert (finding.level, finding.away, finding.mend) == ("error", False, "Correct [platforms.telegram.mybot]")
    assert "wrong-one" not in repr(found)


async def test_a_platform_that_is_away_may_come_back(telegram: Telegram, tmp_path: Path) -> None:
    text = configured(tmp_path, telegram)
    telegram.kill()
    finding = (await checked(tmp_path, text, {"TOKEN": telegram.token}))["platforms.telegram.mybot"]
    assert (finding.level, finding.away) == ("error", True)


async def test_what_a_gateway_has_is_not_tried_even_if_that_does_not_answer(telegram: Telegram, tmp_path: Path) -> None:
    there = {"version": "1", "started": 2e9, "platforms": [{"name": "telegram:mybot", "state": "connected", "identity": "42", "why": ""}]}
    found = await checked(tmp_path, configured(tmp_path, telegram), {"TOKEN": telegram.token}, there)
    assert found["platforms.telegram.mybot"].what == "The running gateway is connected, as 42."
    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (held,) = await check_accounts({"telegram:mybot": bot(base_url=telegram.base_url)}, tmp_path, SystemClock())
    assert (held.level, held.what[:32]) == ("warning", "A gateway that does not answer h")
    assert await telegram.calls() == []


async def test_an_account_that_nobody_signed_in_says_how_that_is_done(tmp_path: Path) -> None:
    """Nothing is asked of the platform for that."""
    ours = accounts.Wechat(base_url="http://127.0.0.1:1", owners=("1",))
    (found,) = await check_accounts({"wechat:mine": ours}, tmp_path, SystemClock())
    assert (found.level, found.mend) == ("error", "holdfast platforms login wechat:mine, while the gateway runs")
    stopped = {"name": "wechat:mine", "state": "stopped", "identity": "", "why": found.what, "signs_in": True}
    assert [one.mend for one in check_there({"platforms": [stopped]})] == ["holdfast platforms login wechat:mine"]
