"""What axe-core says of the page: nothing serious, in the light and in the dark, on a desk and on a phone."""

from __future__ import annotations

import importlib.resources
import json
from typing import Any, Final

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.needs("chromium")

SERIOUS: Final = {"serious", "critical"}
EVERYTHING: Final = (
    "# Head\n\n| a | b |\n|:--|--:|\n| 1 | [link](https://example.org) |\n\n```python\nx = 1\n```\n\n> said\n\n- one\n- `two`\n\n"
)
AWAY: Final = """
[agent]
chain = ["main", "spare"]
[routes.main]
base_url = "http://models.invalid/v1"
model = "m"
[routes.spare]
dialect = "practice"
"""
DESK: Final = {"viewport": {"width": 1280, "height": 800}}
PHONE: Final = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}
LOOKS: Final = pytest.mark.parametrize(
    ("screen", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk in the light", "phone in the dark"]
)
"""What lies where depends on the screen, and the colours on the scheme: two looks show all of both."""


async def findings(page: Page) -> list[str]:
    """What axe-core finds serious or worse, with where. (What is evaluated so is under no policy.)"""
    await page.evaluate((importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text())
    result = await page.evaluate("axe.run()")
    assert len(result["passes"]) > 10, "it looked at the page"
    return [
        f"{found['id']} ({found['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for found in result["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


@LOOKS
async def test_axe_finds_nothing_serious_while_it_waits(chats: Any, screen: Any, scheme: str) -> None:
    """The card, the routes, and the note to the owner."""
    gateway = await chats.gateway(f"{AWAY}\n[chains]\nquick = ['main', 'spare']\n")
    chat = await chats.open(color_scheme=scheme, reduced_motion="reduce", **screen)
    await chat.say("/model main")
    await chat.say("Hello")
    card = chat.page.get_by_role("region", name="Waiting for main")
    await expect(card.get_by_role("button", name="spare")).to_be_visible()
    assert await findings(chat.page) == []
    gateway.kill()
    await gateway.ended()
    await expect(card.get_by_role("timer")).to_have_text("The next try comes when the gateway is back.")
    assert await findings(chat.page) == []
    await gateway.start()
    await expect(chat.away).to_be_hidden()
    if screen is PHONE:
        await chat.page.get_by_role("button", name="Conversations").tap()
    await chat.page.get_by_role("button", name="Routes", exact=True).click()
    routes = chat.page.get_by_role("dialog", name="Routes")
    await expect(routes.get_by_role("listitem")).to_have_count(2)
    assert await findings(chat.page) == []
    assert await routes.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")
    await chat.page.keyboard.press("Escape")
    await expect(routes).to_be_hidden()
    await chat.page.get_by_role("link", name="Holdfast").click()
    await expect(chat.page.get_by_role("article", name="A note to you")).to_be_visible()
    assert await findings(chat.page) == []


@LOOKS
async def test_axe_finds_nothing_serious(chats: Any, screen: Any, scheme: str) -> None:
    gateway = await chats.gateway_with_tools()
    chat = await chats.blank(color_scheme=scheme, reduced_motion="reduce", **screen)
    await chat.page.goto(chat.origin)
    await expect(chat.page.get_by_role("heading", name="This browser isn’t logged in yet")).to_be_visible()
    assert await findings(chat.page) == []
    await chat.login()
    assert await findings(chat.page) == []
    await chat.say(f"use t__count {json.dumps({'key': EVERYTHING})}")
    await chat.answered(1)
    await chat.page.locator("article.tool summary").click()
    await chat.page.locator("#files").set_input_files([{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"kelp"}])
    await expect(chat.page.locator(".upload").get_by_text("ready")).to_be_visible()
    assert await findings(chat.page) == []
    await chat.page.get_by_role("button", name="Remove notes.txt").click()
    await chat.say('use t__count {"key": "waves", "seconds": 30}')
    await expect(chat.page.locator('article.tool[data-state="working"]')).to_be_visible()
    assert await findings(chat.page) == []
    gateway.kill()
    await gateway.ended()
    await expect(chat.away).to_be_visible()
    await chat.field.fill("/")
    await expect(chat.page.get_by_role("listbox")).to_be_visible()
    assert await findings(chat.page) == []
    await chat.field.fill("")
    await gateway.start()
    await expect(chat.page.locator("article.question button").first).to_be_visible()
    assert await findings(chat.page) == []
    if screen is PHONE:
        await chat.page.get_by_role("button", name="Conversations").tap()
        await expect(chat.page.get_by_role("navigation", name="Conversations")).to_be_visible()
        assert await findings(chat.page) == []
