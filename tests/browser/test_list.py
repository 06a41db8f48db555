"""Conversations: new ones, their names, and finding them again."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.needs("chromium")


async def test_a_new_conversation_is_another_one(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say("Hello")
    await chat.answered(1)
    first = chat.name
    await chat.page.get_by_role("button", name="New conversation").click()
    await expect(chat.page.get_by_role("heading", name="What can I do for you?")).to_be_visible()
    assert chat.name != first
    await chat.say("Thank you")
    await chat.answered(1)
    await expect(chat.page.locator("#conversations .title")).to_have_text(["Thank you", "Hello"])
    assert {row.key for row in await gateway.door.rows()} == {f"web:local:{first}", f"web:local:{chat.name}"}
    await chat.page.get_by_role("link", name=re.compile("Hello")).click()
    await expect(chat.mine).to_have_text(re.compile("Hello"))
    assert chat.name == first
    await chat.page.go_back()
    await expect(chat.mine).to_have_text(re.compile("Thank you"))


async def test_new_typed_in_a_conversation_is_a_command_there(chats: Any) -> None:
    await chats.gateway()
    chat = await chats.open()
    await chat.say("Hello")
    await chat.answered(1)
    name = chat.name
    await chat.say("/new")
    await expect(chat.page.locator("article.divider")).to_have_text("A fresh start")
    await expect(chat.page.locator("article.notice")).to_have_text(re.compile("^A fresh start"))
    await expect(chat.mine).to_have_count(1)
    assert chat.name == name


async def test_a_conversation_is_renamed_on_the_page_and_by_command(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say("Hello")
    await chat.answered(1)
    heading = chat.page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("Hello")
    await chat.page.get_by_role("button", name="Rename this conversation").click()
    field = chat.page.get_by_role("textbox", name="Name of this conversation")
    await expect(field).to_be_focused()
    await field.fill("The tides")
    await field.press("Enter")
    await expect(heading).to_have_text("The tides")
    await expect(chat.page.locator("#conversations .title")).to_have_text("The tides")
    await expect(chat.page).to_have_title("The tides · Holdfast")
    await chat.say("/title Boats")
    await expect(heading).to_have_text("Boats")
    assert [row.title for row in await gateway.door.rows()] == ["Boats"]
    await chat.page.get_by_role("button", name="Rename this conversation").click()
    await field.press("Escape")
    await expect(chat.page.get_by_role("button", name="Rename this conversation")).to_be_focused()
    await expect(heading).to_have_text("Boats")


async def test_a_conversation_is_found_by_what_was_said_in_it(chats: Any) -> None:
    gateway = await chats.gateway()
    for name, text in (("a", "The kelp forest is deep"), ("b", "Hello")):
        await gateway.door.send(name, "k", text)
    chat = await chats.open()
    titles = chat.page.locator("#conversations .title")
    await expect(titles).to_have_count(2)
    await chat.page.get_by_role("searchbox").fill("forest")
    await expect(titles).to_have_text(["The kelp forest is deep"])
    await expect(chat.page.locator("#conversations .more")).to_have_text([re.compile("forest")])
    await chat.page.get_by_role("searchbox").fill("no such words")
    await expect(chat.page.get_by_text("Nothing found for “no such words”.")).to_be_visible()
    await chat.page.get_by_role("searchbox").press("Escape")
    await expect(titles).to_have_count(2)


async def test_the_list_follows_what_happens_elsewhere(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await gateway.door.send("elsewhere", "k", "From a terminal")
    await expect(chat.page.locator("#conversations .title")).to_have_text("From a terminal")


async def test_a_long_conversation_is_loaded_from_its_end_and_earlier_ones_on_scrolling_up(chats: Any) -> None:
    gateway = await chats.gateway()
    for number in range(1, 131):
        await gateway.door.send("long", str(number), "/status")
    await gateway.until(
        lambda rows: all(row.last_seq == 4 * 130 and not row.running for row in rows)
    )  # each is replied to, and that is delivered
    chat = await chats.open()
    shown, first = chat.page.locator("article"), chat.page.locator("article").first
    await expect(shown.last).to_be_in_viewport()
    while (count := await shown.count()) < 2 * 130:
        await chat.page.locator("#log").evaluate("(log) => { log.scrollTop = 0; }")
        await expect(shown).not_to_have_count(count)
        await expect(first).not_to_be_in_viewport()  # what was read stays where it is
    await expect(chat.page.get_by_role("button", name="Earlier messages")).to_be_hidden()
    await chat.page.locator("#log").evaluate("(log) => { log.scrollTop = 0; }")
    await expect(first).to_be_in_viewport()
    await chat.page.get_by_role("button", name="Newest").click()
    await expect(shown.last).to_be_in_viewport()
