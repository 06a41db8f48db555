"""What holds for the whole gateway stands above all conversations: safe mode, and a configuration that was not taken."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.async_api import expect

from holdfast.core.lives import UNHEALTHY_MAX, Life
from holdfast.store.sqlite import SqliteJournal

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(120)]


async def test_safe_mode_is_said_and_left_by_a_button_and_a_refused_configuration_is_said(chats: Any) -> None:
    gateway = await chats.gateway(ready=False)
    gateway.kill()
    await gateway.ended()
    journal = SqliteJournal.open(gateway.data_dir)
    for number in range(UNHEALTHY_MAX):
        await journal.put_life(Life(time.time() - number, time.time() - number))
    await journal.close()
    await gateway.start(environ={"HOLDFAST_SAFE_MODE": ""})
    await gateway.ready()
    chat = await chats.open(color_scheme="dark", viewport={"width": 390, "height": 780})
    safe, refused = chat.page.locator("#safe"), chat.page.locator("#refused")
    await expect(safe).to_contain_text("Safe mode: Holdfast ended 3 times within minutes of its start, so it rests")
    await expect(refused).to_be_hidden()
    good = gateway.config.read_text()
    gateway.config.write_text(good + "[agnt]\n")
    assert (await gateway.run("reload")).exit == 78
    await safe.get_by_role("button", name="Leave safe mode").press("Enter")
    await expect(safe).to_contain_text("one conversation at a time is worked on")
    await expect(safe.get_by_role("button")).to_be_hidden()
    await expect(refused).to_contain_text("The new configuration was not taken, and the old one goes on:")
    await expect(refused).to_contain_text("there is no setting 'agnt' here. Did you mean 'agent'?")
    assert await chat.findings() == []
    assert await chat.page.evaluate("document.body.scrollWidth <= document.body.clientWidth")
    gateway.config.write_text(good + "[backup]\nkeep = 6\n")
    assert (await gateway.run("reload")).exit == 0
    await expect(safe).to_be_hidden()
    await expect(refused).to_be_hidden()
