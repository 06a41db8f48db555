from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from holdfast.config import Web
from holdfast.errors import Config, Temporary
from holdfast.testing.clock import ManualClock
from holdfast.web.login import CODE_S_MAX, CODES_MAX, COOKIE_S_MAX, KeyFile, Login, page_address


def _login(folder: Path, clock: ManualClock | None = None) -> Login:
    login = Login(folder, clock or ManualClock())
    login.address = "http://127.0.0.1:8420"
    return login


def _cookie(login: Login) -> str:
    cookie = login.redeem(login.link().code)
    assert cookie is not None
    return cookie


# --- the key ----------------------------------------------------------------------------------------------------------------------------


def test_the_key_is_made_at_the_first_start_for_its_owner_alone(tmp_path: Path) -> None:
    _login(tmp_path)
    file = tmp_path / "login.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(bytes.fromhex(file.read_text())) == 32
    text = file.read_text()
    _login(tmp_path)
    assert file.read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["login.key"]


def test_nobody_else_can_read_the_key_at_any_instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    fdopen = os.fdopen

    def looked_at(descriptor: int, mode: str) -> Any:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return fdopen(descriptor, mode)

    monkeypatch.setattr(os, "fdopen", looked_at)
    before = os.umask(0)
    try:
        KeyFile(tmp_path).replace()
    finally:
        os.umask(before)
    assert modes == [0o600]
    assert stat.S_IMODE((tmp_path / "login.key").stat().st_mode) == 0o600


def test_a_key_that_could_not_be_replaced_is_still_there_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = _login(tmp_path)
    cookie = _cookie(login)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Config, match="No space left"):
        KeyFile(tmp_path).replace()
    assert [path.name for path in tmp_path.iterdir()] == ["login.key"]
    assert login.knows(cookie)


@pytest.mark.parametrize("damage", ["readable", "short", "no hex", "empty", "link", "gone"])
def test_a_key_that_cannot_be_trusted_lets_nobody_in_and_is_replaced_for_the_next_link(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    login = _login(tmp_path)
    cookie, file = _cookie(login), tmp_path / "login.key"
    match damage:
        case "readable":
            file.chmod(0o640)
        case "short":
            file.write_text(file.read_text()[:62])
        case "no hex":
            file.write_text("x" * 64)
        case "empty":
            file.write_text("")
        case "link":
            file.rename(tmp_path / "elsewhere")
            file.symlink_to(tmp_path / "elsewhere")
        case _:
            file.unlink()
    assert not login.knows(cookie)
    assert login.redeem("x") is None
    assert login.knows(_cookie(login))
    assert not login.knows(cookie)
    assert ("all browsers are logged out" in caplog.text) == (damage != "gone")


def test_a_key_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(Config, match=r"login\.key can't be written"):
        _login(tmp_path / "nowhere")


def test_a_key_that_did_not_change_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = KeyFile(tmp_path)
    file.replace()
    key = file.read()
    monkeypatch.setattr(KeyFile, "_load", lambda _: pytest.fail("it was read again"))
    assert file.read() == key


# --- links ------------------------------------------------------------------------------------------------------------------------------


def test_a_link_carries_its_code_where_no_server_sees_it(tmp_path: Path) -> None:
    link = _login(tmp_path).link()
    assert link.link == f"http://127.0.0.1:8420/#login={link.code}"
    assert len(link.code) >= 43
    assert link.valid_s == 600


def test_while_the_page_is_not_served_there_is_no_link(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="not served"):
        Login(tmp_path, ManualClock()).link()


def test_a_link_works_once(tmp_path: Path) -> None:
    login = _login(tmp_path)
    code = login.link().code
    assert login.redeem(code) is not None
    assert login.redeem(code) is None


def test_a_link_is_void_after_ten_minutes(tmp_path: Path) -> None:
    clock = ManualClock()
    login = _login(tmp_path, clock)
    early, late = login.link().code, login.link().code
    clock.advance(CODE_S_MAX - 1)
    assert login.redeem(early) is not None
    clock.advance(1)
    assert login.redeem(late) is None


def test_a_link_outlives_neither_the_gateway_nor_its_key(tmp_path: Path) -> None:
    login = _login(tmp_path)
    first, second = login.link().code, login.link().code
    assert _login(tmp_path).redeem(first) is None
    KeyFile(tmp_path).replace()
    assert login.redeem(second) is None


def test_of_many_links_the_newest_work(tmp_path: Path) -> None:
    login = _login(tmp_path)
    codes = [login.link().code for _ in range(CODES_MAX + 1)]
    assert login.redeem(codes[0]) is None
    assert all(login.redeem(code) for code in codes[1:])


@pytest.mark.parametrize("code", ["", "x", "é" * 43, "\ud800", "x" * 100_000])
def test_what_is_no_code_of_a_link_is_refused(tmp_path: Path, code: str) -> None:
    login = _login(tmp_path)
    login.link()
    assert login.redeem(code) is None


# --- cookies ----------------------------------------------------------------------------------------------------------------------------


def test_a_cookie_outlives_the_gateway(tmp_path: Path) -> None:
    cookie = _cookie(_login(tmp_path))
    assert _login(tmp_path).knows(cookie)


def test_a_cookie_ends(tmp_path: Path) -> None:
    clock = ManualClock()
    login = _login(tmp_path, clock)
    cookie = _cookie(login)
    clock.advance(COOKIE_S_MAX - 1)
    assert login.knows(cookie)
    clock.advance(1)
    assert not login.knows(cookie)


def test_a_new_key_ends_all_cookies_at_once(tmp_path: Path) -> None:
    login = _login(tmp_path)
    cookies = [_cookie(login), _cookie(login)]
    KeyFile(tmp_path).replace()  # by another process: `holdfast login --forget`
    assert not any(login.knows(cookie) for cookie in cookies)
    assert login.knows(_cookie(login))


def test_a_cookie_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    login = _login(tmp_path)
    cookie = _cookie(login)
    until, _, signature = cookie.partition(".")
    forged = [
        "",
        ".",
        until,
        f"{until}.",
        f".{signature}",
        cookie[:-1],
        f"{cookie}0",
        f"{int(until) + 1}.{signature}",
        f"0{cookie}",
        f"{until}.{signature[:-1]}{'0' if signature[-1] != '0' else '1'}",
        f"{until}.{signature.upper()}",
        f"{until}.{'é' * 64}",
        f"{'9' * 10_000}.{signature}",
        login.link().code,
    ]
    assert [bad for bad in forged if login.knows(bad)] == []
    assert login.knows(cookie)


def test_a_cookie_of_another_gateway_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert not _login(tmp_path).knows(_cookie(_login(tmp_path / "other")))


def test_the_code_of_a_link_cannot_be_made_into_a_cookie(tmp_path: Path) -> None:
    """Both are signed with one key: what is signed says for what."""
    login = _login(tmp_path)
    code = login.link().code
    (signature,) = login._codes
    assert not login.knows(f"{code}.{signature}")
    until = str(int(ManualClock().now()) + 10)
    login._codes = {_cookie(login).partition(".")[2]: 1e12}
    assert login.redeem(until) is None


def test_to_know_a_cookie_holds_nobody_up(tmp_path: Path) -> None:
    login = _login(tmp_path)
    cookie = _cookie(login)
    began = time.process_time()
    assert all(login.knows(cookie) for _ in range(1000))
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("web", "address"),
    [
        (Web(), "http://127.0.0.1:9"),
        (Web(host="localhost"), "http://localhost:9"),
        (Web(host="::1"), "http://[::1]:9"),
        (Web(host="0.0.0.0", url="https://chat.example.org/", behind_proxy=True), "https://chat.example.org"),
    ],
)
def test_the_address_is_the_one_that_people_use(web: Web, address: str) -> None:
    assert page_address(web, 9) == address
