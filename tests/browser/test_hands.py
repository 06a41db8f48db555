"""By keyboard alone, on a phone, with tools, questions, files, and while the model is away."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from playwright.async_api import expect

from holdfast.core.entries import Choice, UserMessage
from holdfast.testing.process import practice

pytestmark = pytest.mark.needs("chromium")

PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")


async def test_everything_can_be_done_with_the_keyboard(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    press, focused = chat.page.keyboard.press, chat.page.locator(":focus")
    await expect(chat.field).to_be_focused()
    await chat.page.keyboard.type("Hello")
    await press("Shift+Enter")
    await chat.page.keyboard.type("there")
    await press("Enter")
    await chat.answered(1)
    first = chat.name
    entry, *_ = await gateway.door.entries(first)
    assert isinstance(entry.body, UserMessage)
    assert entry.body.text == "Hello\nthere"
    await press("Alt+n")
    await expect(chat.field).to_be_focused()
    assert chat.name != first
    await press("Control+k")
    await expect(chat.page.get_by_role("searchbox")).to_be_focused()
    await press("ArrowDown")
    await expect(focused).to_have_attribute("data-name", first)
    await press("Enter")
    await expect(chat.mine).to_have_count(1)
    await expect(chat.field).to_be_focused()
    await chat.page.keyboard.type("/")
    options = chat.page.get_by_role("option")
    await expect(options.first).to_have_attribute("aria-selected", "true")
    await press("Escape")
    await expect(options.first).to_be_hidden()
    await press("Backspace")
    await chat.page.keyboard.type("/s")
    await press("ArrowDown")
    await press("Enter")
    await expect(chat.page.locator("article.order")).to_have_text("/status")
    await expect(chat.page.locator("article.notice")).to_have_count(1)
    await expect(chat.field).to_have_value("")


async def test_the_first_link_leads_to_the_message_box(chats: Any) -> None:
    await chats.gateway()
    chat = await chats.open()
    address = chat.page.url
    skip = chat.page.get_by_role("link", name="Skip to the message box")
    await skip.focus()
    await expect(skip).to_be_in_viewport()
    await skip.press("Enter")
    await expect(chat.field).to_be_focused()
    assert chat.page.url == address


@pytest.mark.parametrize("width", [390, 360])
async def test_a_phone_has_room_for_everything(chats: Any, width: int) -> None:
    await chats.gateway()
    chat = await chats.open(viewport={"width": width, "height": 780}, has_touch=True, is_mobile=True)
    await chat.say("How do I connect a real model? " + "Averylongword" * 20)
    await chat.answered(1)
    assert await chat.page.evaluate("document.documentElement.scrollWidth") <= width
    assert await chat.page.locator("#log").evaluate("(log) => log.scrollWidth <= log.clientWidth")
    assert await chat.page.evaluate(
        "[...document.querySelectorAll('input, textarea')].every((e) => parseFloat(getComputedStyle(e).fontSize) >= 16)"
    )
    await expect(chat.field).to_be_in_viewport(ratio=1)
    sidebar = chat.page.get_by_role("navigation", name="Conversations")
    await expect(sidebar).to_be_hidden()
    await chat.page.get_by_role("button", name="Conversations").tap()
    await expect(sidebar).to_be_visible()
    await chat.page.keyboard.press("Escape")
    await expect(sidebar).to_be_hidden()
    await chat.page.get_by_role("button", name="Conversations").tap()
    await sidebar.get_by_role("button", name="New conversation").tap()
    await expect(sidebar).to_be_hidden()
    await expect(chat.page.get_by_role("heading", name="What can I do for you?")).to_be_visible()


async def test_a_tool_at_work_is_shown_and_opens(chats: Any) -> None:
    await chats.gateway_with_tools()
    chat = await chats.open()
    await chat.say('use t__slow {"seconds": 1} and t__count {"key": "waves"}')
    tools = chat.page.locator("article.tool")
    await expect(tools.first).to_have_attribute("data-state", "working")
    await chat.answered(1)
    await expect(tools).to_have_count(2)
    await expect(tools.nth(1)).to_have_attribute("data-state", "ok")
    await expect(tools.nth(1).get_by_text("waves is counted: 1")).to_be_hidden()
    await tools.nth(1).locator("summary").press("Enter")
    await expect(tools.nth(1).get_by_text("waves is counted: 1")).to_be_visible()
    await chat.say("use t__slow {}")
    await chat.answered(2)
    await expect(tools.nth(2)).to_have_attribute("data-state", "failed")
    await expect(tools.nth(1).get_by_text("waves is counted: 1")).to_be_visible()  # what was opened stays open


async def test_a_question_is_answered_with_a_button(chats: Any) -> None:
    """A call that must not be made twice, and a kill while it is made."""
    gateway = await chats.gateway_with_tools()
    chat = await chats.open()
    await chat.say('use t__count {"key": "waves", "seconds": 30}')
    tool = chat.page.locator("article.tool")
    await expect(tool).to_have_attribute("data-state", "working")
    await gateway.restart()
    await expect(tool).to_have_attribute("data-state", "unknown")
    question = chat.page.locator("article.question")
    await question.get_by_role("button", name="done").click()
    await expect(question).to_have_class(re.compile("closed"))
    await expect(question.locator(".chosen")).to_contain_text("done")
    choices = [
        entry.body.option
        for entry in await gateway.told(chat.name, lambda entries: any(isinstance(e.body, Choice) for e in entries))
        if isinstance(entry.body, Choice)
    ]
    assert choices == ["done"]


async def test_files_and_pictures_go_with_a_message(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.page.locator("#files").set_input_files(
        [
            {"name": "shore.png", "mimeType": "image/png", "buffer": PICTURE},
            {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"kelp"},
        ]
    )
    uploads = chat.page.locator(".upload")
    await expect(uploads).to_have_count(2)
    await expect(uploads.get_by_text("ready")).to_have_count(2)
    await expect(uploads.first.locator("img")).to_be_visible()
    await chat.page.get_by_role("button", name="Remove notes.txt").click()
    await expect(uploads).to_have_count(1)
    await chat.say("Look at this")
    await chat.answered(1)
    await expect(uploads).to_have_count(0)
    photo = chat.mine.get_by_role("img", name="shore.png")
    await expect(photo).to_be_visible()
    assert await photo.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 1
    entry, *_ = await gateway.door.entries(chat.name)
    assert isinstance(entry.body, UserMessage)
    assert [(file.name, file.media_type) for file in entry.body.attachments] == [("shore.png", "image/png")]


async def test_a_message_that_is_refused_says_why_and_comes_back_to_be_changed(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.page.locator("#files").set_input_files([{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"kelp"}])
    await expect(chat.page.locator(".upload").get_by_text("ready")).to_be_visible()
    await chat.say("/help me")
    refusal = chat.page.get_by_text("Not sent: A command takes no files.")
    await expect(refusal).to_be_visible()
    await chat.page.reload()
    await expect(refusal).to_be_visible()
    await chat.page.get_by_role("button", name="Edit it").click()
    await expect(refusal).to_be_hidden()
    await expect(chat.field).to_have_value("/help me")
    await expect(chat.page.locator(".upload").get_by_text("notes.txt")).to_be_visible()
    await chat.say("What is in this?")
    await chat.answered(1)
    entry, *_ = await gateway.door.entries(chat.name)
    assert isinstance(entry.body, UserMessage)
    assert [file.name for file in entry.body.attachments] == ["notes.txt"]


async def test_a_message_longer_than_the_limit_is_not_sent(chats: Any) -> None:
    await chats.gateway()
    chat = await chats.open()
    await chat.field.fill("long " * 14_000)
    await expect(chat.page.get_by_text("This is longer than 64 kB")).to_be_visible()
    await expect(chat.page.get_by_role("button", name="Send")).to_be_disabled()
    await chat.page.reload()  # what was not sent is kept as a draft
    await expect(chat.page.get_by_text("This is longer than 64 kB")).to_be_visible()


@pytest.mark.parametrize("way", ["paste", "drop"])
async def test_files_are_taken_by_paste_and_drop(chats: Any, way: str) -> None:
    await chats.gateway()
    chat = await chats.open()
    await chat.field.evaluate(
        """(field, way) => {
            const data = new DataTransfer();
            data.items.add(new File(["kelp"], "notes.txt", { type: "text/plain" }));
            const event = way === "paste"
                ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
                : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
            field.dispatchEvent(event);
        }""",
        way,
    )
    await expect(chat.page.locator(".upload").get_by_text("ready")).to_be_visible()
    await chat.field.press("Enter")  # a message may be its files alone
    await expect(chat.mine.get_by_role("link", name="notes.txt")).to_be_visible()


async def test_a_file_waits_for_a_gateway_that_is_away(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    gateway.kill()
    await gateway.ended()
    await expect(chat.away).to_be_visible()
    await chat.page.locator("#files").set_input_files([{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"kelp"}])
    await expect(chat.page.locator(".upload").get_by_text("waiting for the gateway")).to_be_visible()
    await expect(chat.page.get_by_role("button", name="Send")).to_be_disabled()
    await gateway.start()
    await expect(chat.page.locator(".upload").get_by_text("ready")).to_be_visible()


async def test_a_message_says_that_it_waits_and_why(chats: Any) -> None:
    nobody = '[routes.main]\nbase_url = "http://127.0.0.1:9"\nmodel = "none"\n'
    gateway = await chats.gateway(nobody)
    chat = await chats.open()
    await chat.say("Hello")
    await expect(chat.mine.locator(".state")).to_have_text(re.compile("waiting"))
    standing = chat.page.locator("#standing")
    await expect(standing).to_contain_text(re.compile(r"Waiting for main.*Everything is saved", re.DOTALL))
    await expect(standing.get_by_role("button", name="Try now")).to_be_visible()
    await standing.get_by_role("button", name="Try now").click()
    address = chats.folder / "gateway" / "holdfast.toml"
    web = address.read_text().partition("\n[web]\n")[2]
    gateway.configure(practice(chats.folder / "effects") + "\n[web]\n" + web)
    await gateway.restart()
    await chat.answered(1)
