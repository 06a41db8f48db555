"""What others write does nothing, and who is not logged in sees nothing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.needs("chromium")

EVIL = "<script>globalThis.pwned = 1</script><img src=x onerror='globalThis.pwned = 2'><svg onload='globalThis.pwned = 3'>"
EVIL_NAME = "<img src=x onerror='globalThis.pwned = 4'>"
LINKS = (
    '[one](javascript:alert(1)) [two](data:text/html,x) [three](vbscript:x) [four](https://example.org "a\'><b>") <https://example.net> '
    "[five](mailto:a@example.org) ![six](https://example.org/six.png) [seven](/v1/status) ![eight](javascript:alert(1)) [nine](\\x01javascript:alert(1))"
)


async def test_scripts_in_messages_names_and_answers_are_only_text(chats: Any) -> None:
    """The practice model says what a tool says, and the tool says what it was told: so an answer says anything."""
    await chats.gateway_with_tools()
    chat = await chats.open()
    await chat.say(EVIL)
    await chat.answered(1)
    await chat.say(f"/title {EVIL_NAME}")
    await expect(chat.page.locator("#conversations .title")).to_have_text(EVIL_NAME)
    await expect(chat.page.get_by_role("heading", level=1)).to_have_text(EVIL_NAME)
    await chat.say(f"use t__count {json.dumps({'key': EVIL})}")
    await chat.answered(2)
    await expect(chat.answers.last).to_contain_text("onerror='globalThis.pwned = 2'")
    await chat.page.get_by_role("searchbox").fill("globalThis")
    await expect(chat.page.locator("#conversations .more")).to_contain_text("globalThis")
    assert await chat.page.evaluate("[globalThis.pwned, document.scripts.length]") == [None, 1]
    assert await chat.page.evaluate("document.querySelectorAll('#items script, #items svg[onload], #items img').length") == 0


async def test_links_lead_to_the_web_and_pictures_are_not_loaded(chats: Any) -> None:
    await chats.gateway_with_tools()
    chat = await chats.open()
    await chat.say(f"use t__count {json.dumps({'key': LINKS})}")
    await chat.answered(1)
    links = chat.answers.locator(".prose a")
    assert await links.evaluate_all("(links) => links.map((a) => [a.getAttribute('href'), a.rel, a.target])") == [
        [href, "noopener noreferrer", "_blank"]
        for href in ("https://example.org", "https://example.net", "mailto:a@example.org", "https://example.org/six.png")
    ]
    await expect(chat.answers.locator("img")).to_have_count(0)


async def test_the_policy_refuses_what_got_in_all_the_same(chats: Any) -> None:
    """The second wall, if the first one fell."""
    await chats.gateway()
    chat = await chats.open()
    inline = "() => { const script = document.createElement('script'); script.textContent = 'globalThis.pwned = 1'; document.body.append(script); }"
    await chat.page.evaluate(inline)
    assert await chat.page.evaluate("globalThis.pwned") is None
    assert any("Content Security Policy" in trouble for trouble in chat.troubles)
    chat.troubles.clear()


async def test_who_is_not_logged_in_is_told_how(chats: Any) -> None:
    gateway = await chats.gateway()
    await gateway.door.send("secret plan", "k", "said in confidence")
    chat = await chats.blank()
    await chat.page.goto(chat.origin)
    await expect(chat.page.get_by_role("heading", name="This browser isn’t logged in yet")).to_be_visible()
    await expect(chat.page.get_by_text("holdfast login", exact=True).first).to_be_visible()
    assert "confidence" not in await chat.page.content()
    await chat.page.get_by_label("Or paste the link here").fill(await chat.link())
    await chat.page.get_by_role("button", name="Log in").click()
    await expect(chat.mine).to_have_text(re.compile("said in confidence"))


async def test_a_link_works_once_and_stays_in_no_history(chats: Any) -> None:
    await chats.gateway()
    chat = await chats.blank()
    link = await chat.link()
    await chat.page.goto(link)
    await expect(chat.field).to_be_visible()
    assert "login" not in chat.page.url
    thief = await chats.blank()
    await thief.page.goto(link)
    await expect(thief.page.get_by_role("alert")).not_to_be_empty()
    await expect(thief.field).to_be_hidden()
    await chat.page.goto(chat.origin)  # who has logged in before needs no link, and an old one does no harm
    await expect(chat.field).to_be_visible()


async def test_logging_out_ends_it_and_a_new_link_goes_on(chats: Any) -> None:
    await chats.gateway()
    chat = await chats.open()
    await chat.say("Hello")
    await chat.answered(1)
    await chat.page.get_by_role("button", name="Log out").click()
    await expect(chat.page.get_by_text("You are logged out of this browser.")).to_be_visible()
    await expect(chat.mine).to_be_hidden()
    await chat.page.reload()
    await expect(chat.page.get_by_role("heading", name="This browser isn’t logged in yet")).to_be_visible()
    await chat.login()
    await expect(chat.mine).to_have_text(re.compile("Hello"))


async def test_a_login_that_is_forgotten_while_the_page_is_open_is_asked_for_again(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say("Hello")
    await chat.answered(1)
    await gateway.run("login", "--forget")
    await chat.say("Thank you")
    await expect(chat.page.get_by_role("heading", name="This browser isn’t logged in yet")).to_be_visible()
    await chat.page.get_by_label("Or paste the link here").fill(await chat.link())
    await chat.page.get_by_role("button", name="Log in").click()
    await chat.answered(2)
