"""Signing an account in on the page, before a real gateway and a server that stands in for WeChat."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from holdfast.testing.wechat_client import Wechat, table

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(120)]

PHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}
LOOK = os.environ.get("HOLDFAST_LOOK", "")
"""A folder for pictures of the page."""


@pytest.fixture
async def wechat(tmp_path: Path) -> AsyncIterator[Wechat]:
    async with Wechat(tmp_path) as server:
        yield server


async def test_a_person_scans_a_picture_types_a_number_and_is_answered(chats: Any, wechat: Wechat) -> None:
    await chats.gateway(f'[routes.main]\ndialect = "practice"\n{table(wechat)}')
    chat = await chats.open(reduced_motion="reduce")
    await chat.page.get_by_role("button", name="Platforms", exact=True).press("Enter")
    card = chat.page.get_by_role("dialog", name="Platforms").locator("ul > li").nth(0)
    await expect(card).to_contain_text(
        re.compile(r"wechat:mine\s*stopped.*Nobody has signed wechat:mine in yet\. Run holdfast platforms login wechat:mine", re.DOTALL)
    )
    await card.get_by_role("button", name="Sign wechat:mine in").press("Enter")
    picture = card.get_by_role("img", name="A picture to scan with the phone")
    await expect(picture).to_be_visible()
    await expect(card.get_by_role("status").nth(0)).to_have_text(re.compile("^Scan this with WeChat on your phone"))
    await expect(card).to_contain_text(f"/q/{(await wechat.order('pictures'))[-1]}")
    assert await chat.findings() == []
    await _look(chat, "picture")
    await wechat.order("expire")
    await expect(card.get_by_role("status").nth(0)).to_have_text("That picture is not good any more. Scan this one.")
    await wechat.order("scan", number="42")
    number = card.get_by_role("textbox", name="The number that the phone shows")
    await expect(number).to_be_focused()
    await expect(picture).to_have_count(0)
    await number.fill("42")
    await _look(chat, "number")
    await number.press("Enter")
    await expect(card.get_by_role("status").nth(0)).to_have_text("Scanned. Now confirm it on the phone.")
    await wechat.order("confirm")
    await expect(card).to_contain_text(
        re.compile(r"o9-ann@im\.wechat\s*connected.*o9-ann@im\.wechat \(o9-ann@im\.wechat\) Approved", re.DOTALL)
    )
    await expect(card.get_by_role("button", name="Sign wechat:mine in")).to_be_hidden()
    await wechat.write("Hello")
    await wechat.until(lambda: _answered(wechat))


async def test_on_a_phone_and_in_the_dark_it_can_be_left_and_begun_again(chats: Any, wechat: Wechat) -> None:
    await chats.gateway(f'[routes.main]\ndialect = "practice"\n{table(wechat)}')
    chat = await chats.open(color_scheme="dark", reduced_motion="reduce", **PHONE)
    await chat.page.get_by_role("button", name="Conversations").tap()
    await chat.page.get_by_role("button", name="Platforms", exact=True).tap()
    panel = chat.page.get_by_role("dialog", name="Platforms")
    picture = panel.get_by_role("img", name="A picture to scan with the phone")
    begin = panel.get_by_role("button", name="Sign wechat:mine in")
    await begin.tap()
    await expect(picture).to_be_visible()
    assert await chat.findings() == []
    assert await panel.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")
    await expect(picture).to_be_in_viewport(ratio=1)
    await _look(chat, "phone")
    await panel.get_by_role("button", name="Cancel signing in").tap()
    await expect(picture).to_have_count(0)
    await wechat.fault("status", "get_bot_qrcode", value=500)
    await begin.tap()
    await expect(panel).to_contain_text("WeChat gives no picture to scan now")
    await begin.tap()
    await expect(picture).to_be_visible()


async def _answered(wechat: Wechat) -> bool:
    return bool(await wechat.shown())


async def _look(chat: Any, name: str) -> None:
    if LOOK:
        await chat.page.screenshot(path=f"{LOOK}/{name}.png")
