"""The dialog of the accounts, before a real gateway and a server that stands in for Telegram."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from holdfast.testing.telegram_client import Telegram

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(120)]

PHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}


@pytest.fixture
async def telegram(tmp_path: Path) -> AsyncIterator[Telegram]:
    async with Telegram(tmp_path) as server:
        yield server


def config(folder: Path, telegram: Telegram, more: str = "") -> str:
    (folder / "token").write_text(telegram.token)
    (folder / "token").chmod(0o600)
    account = f'[platforms.telegram.mybot]\ntoken = "file:{folder / "token"}"\nbase_url = "{telegram.base_url}"\n{more}\n'
    return f'[routes.main]\ndialect = "practice"\n{account}'


async def told_a_code(telegram: Telegram, person: int, name: str) -> str:
    """Somebody whom nobody knows writes."""
    await telegram.write(person, "Hello", name=name)
    codes: list[str] = []

    async def look() -> bool:
        codes[:] = [found[1] for text in await telegram.said(person) if (found := re.search(r"an hour: (\w{8})", text))]
        return bool(codes)

    await telegram.until(look)
    return codes[0]


async def test_who_wants_to_talk_is_let_in_and_removed_by_keyboard(chats: Any, telegram: Telegram, tmp_path: Path) -> None:
    await chats.gateway(config(tmp_path, telegram))
    ann, bob = await told_a_code(telegram, 7, "Ann"), await told_a_code(telegram, 8, "Bob")
    chat = await chats.open(reduced_motion="reduce")
    await chat.say(f"/pair {bob}")
    await expect(chat.page.get_by_text("Bob may talk to me now.", exact=True)).to_be_visible()
    await chat.page.get_by_role("button", name="Platforms", exact=True).press("Enter")
    panel = chat.page.get_by_role("dialog", name="Platforms")
    card = panel.locator("ul > li").nth(0)
    await expect(card).to_contain_text(re.compile(r"telegram:mybot\s*4242\s*connected.*Last heard\s*\d+ s ago.*To be sent\s*0", re.DOTALL))
    await expect(card).to_contain_text(re.compile(rf"Ann \(7\) wants to talk\. Code {ann}, until .*Bob \(8\) Approved", re.DOTALL))
    assert await chat.findings() == []
    await card.get_by_role("button", name="Approve Ann").press("Enter")
    await expect(card.get_by_role("status")).to_have_text("Ann may talk now.")
    await expect(card.get_by_role("heading", name="Who may talk")).to_be_focused()
    await telegram.until(lambda: has_heard(telegram, 7, "You may talk to me now"))
    remove = card.get_by_role("button", name="Remove Ann", exact=True)
    await remove.press("Enter")
    await card.get_by_role("button", name="Really remove Ann?").press("Enter")
    await expect(card.get_by_role("status")).to_have_text("Ann may no longer talk.")
    await expect(remove).to_have_count(0)
    await expect(card.get_by_role("button", name="Remove Bob")).to_be_visible()
    await chat.page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()


async def has_heard(telegram: Telegram, person: int, words: str) -> bool:
    return any(words in text for text in await telegram.said(person))


async def test_on_a_phone_and_in_the_dark_an_account_that_has_stopped_is_connected_by_hand(
    chats: Any, telegram: Telegram, tmp_path: Path
) -> None:
    await telegram.order("revoke", token=telegram.token)
    await chats.gateway(config(tmp_path, telegram, 'owners = ["1"]\nallow = ["@ada"]\ngroups = ["*"]'))
    chat = await chats.open(color_scheme="dark", reduced_motion="reduce", **PHONE)
    await chat.page.get_by_role("button", name="Conversations").tap()
    await chat.page.get_by_role("button", name="Platforms", exact=True).tap()
    panel = chat.page.get_by_role("dialog", name="Platforms")
    card = panel.locator("ul > li").nth(0)
    await expect(card).to_contain_text(re.compile(r"telegram:mybot\s*stopped.*Next try\s*by hand.*does not know the token", re.DOTALL))
    await expect(card).to_contain_text("By the configuration: Owners: 1. May talk: @ada. Groups: all.")
    assert await chat.findings() == []
    assert await panel.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")
    await telegram.order("revoke", token=telegram.token, revoked=False)
    await card.get_by_role("button", name="Try telegram:mybot now").tap()
    await expect(card).to_contain_text(re.compile(r"connected.*Reconnects\s*1", re.DOTALL))
    await expect(chat.page.locator("#announcer")).to_contain_text("telegram:mybot is connected.")


async def test_without_accounts_it_is_said_how_to_have_one(chats: Any) -> None:
    await chats.gateway('[routes.main]\ndialect = "practice"\n')
    chat = await chats.open()
    await chat.page.get_by_role("button", name="Platforms", exact=True).click()
    await expect(chat.page.get_by_role("dialog")).to_contain_text(
        "There are no accounts of chat systems. A table in the configuration makes one"
    )
