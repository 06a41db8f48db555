"""A picture that is scanned, in all the ways that may go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.errors import Request, Temporary
from holdfast.platforms.wechat import signing_in as module
from holdfast.platforms.wechat.account import WechatPlatform
from holdfast.platforms.wechat.api import Servers
from holdfast.platforms.wechat.signing_in import Login, LoginFile, Signing
from holdfast.ports import SignIn
from holdfast.runtime.clock import SystemClock
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.wechat_client import Wechat
from holdfast.testing.wechat_world import ANN


@pytest.fixture
async def signing(wechat: Wechat) -> AsyncIterator[Signing]:
    http = Servers()
    yield Signing(http, wechat.base_url, SystemClock(), pause_s=0.02)
    await http.close()


async def test_whoever_scans_it_and_says_yes_is_signed_in(wechat: Wechat, signing: Signing) -> None:
    steps = signing.steps()
    shown = await anext(steps)
    assert shown.picture.endswith(f"/q/{(await wechat.order('pictures'))[-1]}?bot_type=3")
    assert shown.says.startswith("Scan this with WeChat")
    await wechat.order("scan")
    assert (await anext(steps)).says == "Scanned. Now confirm it on the phone."
    await wechat.order("confirm")
    done = await anext(steps)
    assert (done.done, done.person) == (True, ANN)
    assert await anext(steps, None) is None
    assert signing.login is not None
    assert (signing.login.user, signing.login.base_url) == (ANN, wechat.base_url)
    assert signing.login.token not in repr(signing.login)


async def test_a_picture_that_is_not_good_any_more_makes_place_for_another(
    wechat: Wechat, signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is over because WeChat says so, or because it is old."""
    monkeypatch.setattr(module, "PICTURE_S_MAX", 0.5)
    steps = signing.steps()
    first = await anext(steps)
    await wechat.order("expire")
    second, third = await anext(steps), await anext(steps)
    assert len({first.picture, second.picture, third.picture}) == 3
    assert second.says == "That picture is not good any more. Scan this one."
    await steps.aclose()


async def test_nobody_is_waited_for_for_ever(wechat: Wechat, signing: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PICTURE_S_MAX", 0.02)
    monkeypatch.setattr(module, "PICTURES_MAX", 3)
    with pytest.raises(Request, match=r"Nobody scanned any of the pictures\."):
        assert [step async for step in signing.steps()]
    assert len(await wechat.order("pictures")) == 3


async def test_a_number_that_the_phone_shows_is_asked_for_until_it_is_right(wechat: Wechat, signing: Signing) -> None:
    steps = signing.steps()
    await anext(steps)
    with pytest.raises(Request, match="asks for nothing now"):
        signing.answer("42")
    await wechat.order("scan", number="42")
    assert await anext(steps) == SignIn("WeChat shows a number on the phone. Which one?", asks=True)
    following = asyncio.create_task(anext(steps))
    await asyncio.sleep(0)
    signing.answer("41")
    assert await following == SignIn("That was not the number. WeChat shows a number on the phone. Which one?", asks=True)
    following = asyncio.create_task(anext(steps))
    await asyncio.sleep(0)
    signing.answer(" 42 ")
    assert (await following).says == "Scanned. Now confirm it on the phone."
    await steps.aclose()


async def test_who_is_elsewhere_is_asked_about_there(wechat: Wechat, signing: Signing) -> None:
    await wechat.order("set", name="redirect", value="yes")
    steps = signing.steps()
    await anext(steps)
    await wechat.order("scan")
    await wechat.order("confirm")
    done = await anext(steps)
    assert done.done
    assert signing.login is not None
    assert signing.login.base_url.startswith("http://localhost:")


async def test_a_picture_can_be_scanned_whatever_the_network_does(wechat: Wechat, signing: Signing) -> None:
    steps = signing.steps()
    await anext(steps)
    await wechat.fault("drop", "get_qrcode_status")
    await wechat.fault("status", "get_qrcode_status", value=524)
    await wechat.fault("garbage", "get_qrcode_status")
    await wechat.order("scan")
    assert (await anext(steps)).says == "Scanned. Now confirm it on the phone."
    await steps.aclose()


async def test_without_a_picture_it_is_said_why(wechat: Wechat, signing: Signing) -> None:
    await wechat.fault("status", "get_bot_qrcode", value=500)
    with pytest.raises(Temporary, match=r"WeChat gives no picture to scan now: it answered with status 500\."):
        await anext(signing.steps())


async def test_who_begins_anew_ends_what_was_begun(wechat: Wechat, tmp_path: Path) -> None:
    platform = WechatPlatform("mine", wechat.base_url, MemoryFiles(), SystemClock(), tmp_path, pause_s=0.02)
    with pytest.raises(Request, match="Nobody is signing wechat:mine in"):
        platform.answer("42")
    first, second = platform.sign_in(), platform.sign_in()
    await anext(first)
    await anext(second)
    with pytest.raises(Request, match="Somebody began to sign in anew"):
        await anext(first)
    await second.aclose()
    await platform.close()


def test_a_login_that_can_not_be_read_is_none(tmp_path: Path) -> None:
    file = LoginFile(tmp_path / "wechat" / "mine")
    assert file.read() is None
    file.write(Login("token", "bot", ANN, "https://ilink.example"))
    assert file.read() == Login("token", "bot", ANN, "https://ilink.example")
    (tmp_path / "wechat" / "mine" / "login.json").write_text("{")
    assert file.read() is None


def test_where_it_can_not_be_written_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "wechat").write_text("no folder")
    with pytest.raises(Temporary, match="can't be written"):
        LoginFile(tmp_path / "wechat" / "mine").write(Login("token", "bot", ANN, "https://ilink.example"))
