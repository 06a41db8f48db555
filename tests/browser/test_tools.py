"""The dialog of the tool servers, before a real gateway with real servers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from holdfast.testing.process import practice

pytestmark = pytest.mark.needs("chromium")

PHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}


def late(folder: Path) -> str:
    """A server whose command is not there until it is `mended`."""
    return f'[tools.late]\ncommand = ["{folder / "late"}"]\npolicy = "deny"\nenv = {{ PYTHONPATH = "{os.pathsep.join(filter(None, sys.path))}" }}\n'


def mend(folder: Path) -> None:
    draft = folder / "draft"
    draft.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m holdfast.testing.toolserver --journal "{folder / "late.log"}"\n')
    draft.chmod(0o755)
    shutil.move(draft, folder / "late")


async def test_tool_servers_are_shown_and_one_that_was_misconfigured_is_started_by_hand(chats: Any, tmp_path: Path) -> None:
    await chats.gateway(practice(tmp_path / "effects") + late(tmp_path))
    chat = await chats.open(reduced_motion="reduce")
    await chat.page.get_by_role("button", name="Tools", exact=True).press("Enter")
    panel = chat.page.get_by_role("dialog", name="Tool servers")
    first, second = panel.locator("ul > li").nth(0), panel.locator("ul > li").nth(1)
    await expect(first).to_contain_text(
        re.compile(r"t\s*ready.*Next try.*Restarts\s*0.*Tools\s*5.*Memory\s*\d+ MB.*Process\s*\d+", re.DOTALL)
    )
    await expect(first.get_by_role("button", name="Try t now")).to_have_attribute("aria-disabled", "true")
    await expect(second).to_contain_text(re.compile(r"late\s*misconfigured.*Next try\s*by hand.*was not found\. Install it", re.DOTALL))
    await second.locator("summary").press("Enter")
    await expect(second.get_by_text("It has shown no tools yet.")).to_be_visible()
    assert await chat.findings() == []
    mend(tmp_path)
    again = second.get_by_role("button", name="Try late now")
    await again.press("Enter")
    await expect(second).to_contain_text(re.compile(r"late\s*ready.*Restarts\s*1", re.DOTALL))
    await expect(again).to_be_focused()
    await expect(chat.page.locator("#announcer")).to_contain_text("late is ready.")
    await expect(second.get_by_role("row", name=re.compile(r"^count .*deny you are asked$"))).to_be_visible()
    assert await chat.findings() == []
    await chat.page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(chat.page.get_by_role("button", name="Tools", exact=True)).to_be_focused()


async def test_on_a_phone_and_in_the_dark_a_server_that_died_is_seen_to_come_back(chats: Any, tmp_path: Path) -> None:
    await chats.gateway(practice(tmp_path / "effects") + late(tmp_path))
    chat = await chats.open(color_scheme="dark", reduced_motion="reduce", **PHONE)
    await chat.page.get_by_role("button", name="Conversations").tap()
    await chat.page.get_by_role("button", name="Tools", exact=True).tap()
    panel = chat.page.get_by_role("dialog", name="Tool servers")
    first = panel.locator("ul > li").nth(0)
    process = first.locator("dl > div", has_text="Process").locator("dd")
    await expect(process).to_have_text(re.compile(r"\d+"))
    os.kill(int(await process.inner_text()), signal.SIGKILL)
    await expect(first).to_contain_text(re.compile(r"ready.*Restarts\s*1", re.DOTALL))
    await first.locator("summary").tap()
    await expect(first.get_by_role("row", name=re.compile("^count "))).to_be_visible()
    assert await chat.findings() == []
    assert await panel.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")


async def test_without_tool_servers_it_is_said_how_to_have_one(chats: Any) -> None:
    await chats.gateway('[routes.main]\ndialect = "practice"\n')
    chat = await chats.open()
    await chat.page.get_by_role("button", name="Tools", exact=True).click()
    await expect(chat.page.get_by_role("dialog")).to_contain_text(
        "There are no tool servers. A table [tools.NAME] in the configuration makes one."
    )
