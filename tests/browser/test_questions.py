"""What tools ask, how far they have come and what they bring, before a real gateway with tool servers that do all this."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from holdfast.testing.process import practice

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(180)]

TOOLS = Path(__file__).parents[1] / "tools"
FORM = {
    "type": "object",
    "properties": {"name": {"type": "string", "title": "Whose name"}, "note": {"type": "string", "description": "Anything else?"}},
    "required": ["name"],
}
LOOKS: tuple[dict[str, Any], ...] = (
    {"color_scheme": "light"},
    {"color_scheme": "dark"},
    {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
)


def config(folder: Path) -> str:
    """Our own tool server, which has to ask for everything; one that asks in mid-call, and one that makes files."""

    def server(name: str) -> str:
        return f'[tools.{name}]\ncommand = {json.dumps([sys.executable, str(TOOLS / f"{name}_server.py")])}\npolicy = "allow"\n'

    return practice(folder / "effects").replace('policy = "allow"', 'policy = "ask"') + server("asking") + server("file")


def asks(form: dict[str, Any]) -> str:
    return "use asking__ask " + json.dumps({"params": {"message": "Whom is the parcel for?", "requestedSchema": form}})


def field(chat: Any) -> Locator:
    found: Locator = chat.page.get_by_role("textbox", name="Your answer")
    return found


async def started(chats: Any) -> Any:
    gateway = await chats.gateway(config(chats.folder))
    await gateway.tools_ready()
    return gateway


async def test_an_answer_is_written_where_the_question_stands_and_the_next_one_goes_on_there(chats: Any) -> None:
    await started(chats)
    chat = await chats.open()
    await chat.say(asks(FORM))
    await field(chat).fill("Ada")
    await chat.page.reload()
    await expect(field(chat)).to_have_value("Ada")  # what is not sent yet stays
    await expect(chat.page.get_by_text("Waiting for your answer to a question.")).to_be_visible()
    await field(chat).press("Shift+Enter")
    await field(chat).press_sequentially("Lovelace")
    await field(chat).press("Enter")
    await expect(chat.page.get_by_text("note: Anything else? (2 of 2)", exact=True)).to_be_visible()
    await expect(field(chat)).to_be_focused()
    await expect(field(chat)).to_have_value("")
    await expect(chat.page.locator(".option.chosen")).to_contain_text("Ada\nLovelace")
    await chat.page.keyboard.type("Before noon")
    await chat.page.keyboard.press("Enter")
    await chat.answered(1)
    await chat.page.locator("article.tool summary").click()
    await expect(chat.page.get_by_role("group", name="Result")).to_contain_text("Before noon")
    await expect(field(chat)).to_have_count(0)
    assert await chat.page.evaluate("Object.keys(sessionStorage).length") == 0


async def test_a_message_beside_a_question_is_no_answer_and_a_button_is(chats: Any) -> None:
    await started(chats)
    chat = await chats.open()
    await chat.say(asks(FORM))
    await expect(field(chat)).to_be_visible()
    await chat.say("Ada")
    await expect(chat.page.locator("article.notice")).to_contain_text("is no answer to")
    await expect(field(chat)).to_be_visible()
    await chat.page.get_by_role("button", name="decline").click()
    await chat.answered(2)
    await expect(chat.page.locator(".option.chosen")).to_contain_text("decline")


async def test_an_answer_that_is_sent_while_the_gateway_is_away_arrives_and_is_told_to_be_too_late(chats: Any) -> None:
    """Its call died with the gateway: nothing is guessed, and nothing is lost."""
    gateway = await started(chats)
    chat = await chats.open()
    await chat.say(asks(FORM))
    await field(chat).fill("Ada")
    gateway.kill()
    await gateway.ended()
    await expect(chat.away).to_be_visible()
    await field(chat).press("Enter")
    await expect(chat.page.locator(".order .state.sending")).to_be_visible()
    await expect(field(chat)).not_to_be_editable()
    await chat.page.reload()
    await gateway.start()
    await gateway.ready()
    said = chat.page.locator("article.notice")
    await expect(said.get_by_text("is closed already; nothing has changed.").or_(said.get_by_text("Noted: Ada."))).to_be_visible()
    await expect(chat.page.locator("article.tool")).to_have_attribute("data-state", "unknown")
    await expect(field(chat)).to_have_count(0)


async def test_arguments_are_shown_as_they_are_every_sign_of_them(chats: Any) -> None:
    await started(chats)
    chat = await chats.open()
    given = {"key": "<b>**bold**</b>", "to": ["ada", "bob\u202egro.elpmaxe"], "lines": [f"line {number}" for number in range(60)]}
    await chat.say("use t__count " + json.dumps(given))
    box = chat.page.locator("article.question").get_by_role("group", name="Arguments")
    shown = await box.inner_text()
    assert shown == json.dumps(given, indent=2)
    assert await box.evaluate("(box) => box.scrollHeight > box.clientHeight && box.clientHeight <= innerHeight / 2"), "it can be scrolled"
    await box.press("End")
    await expect(chat.page.locator("article.tool .gist")).to_contain_text("\\u202e")
    await chat.say("/stop")
    await expect(chat.page.locator("article.question .foot")).to_have_text(
        "“May I run t__count?” needs no answer any more: it was not run."
    )


async def test_a_page_to_be_opened_can_be_and_leads_where_it_says(chats: Any) -> None:
    await started(chats)
    chat = await chats.open()
    page = {"mode": "url", "message": "Log in first.", "url": "https://example.org/login?a=1", "elicitationId": "1"}
    await chat.say("use asking__ask " + json.dumps({"params": page}))
    link = chat.page.get_by_role("link", name="https://example.org/login?a=1")
    await expect(link).to_have_attribute("href", "https://example.org/login?a=1")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")


async def test_what_a_tool_made_is_shown_and_can_be_had(chats: Any) -> None:
    await started(chats)
    chat = await chats.open()
    await chat.say("use file__picture {} and file__report {} and file__long {}")
    await expect(chat.page.locator("article.files")).to_have_count(2)
    picture = chat.page.get_by_role("img", name="picture-1.png")
    await expect(picture).to_have_js_property("naturalWidth", 1)
    await chat.page.locator("article.tool summary").last.click()
    for name, size in (("report.pdf", "15 bytes"), ("result.txt", "240 kB")):
        async with chat.page.expect_download() as download:
            await chat.page.get_by_role("link", name=f"{name} {size}").click()
        assert (await download.value).suggested_filename == name


async def test_how_far_a_call_has_come_is_shown_beside_it_while_it_runs(chats: Any) -> None:
    await started(chats)
    chat = await chats.open()
    await chat.say('use t__slow {"seconds": 2}')
    await chat.page.get_by_role("button", name="once").click()
    progress = chat.page.locator("article.tool .progress")
    await expect(progress).to_contain_text("of 2")
    await expect(chat.page.locator("article.answer")).to_have_count(0)  # it is no answer that is being written
    await chat.answered(1)
    await expect(progress).to_be_empty()


async def test_a_screen_reader_finds_its_way_in_every_light(chats: Any) -> None:
    await started(chats)
    for look in LOOKS:
        chat = await chats.open(**look)
        await chat.page.keyboard.press("Alt+n")
        await chat.page.get_by_role("heading", name="What can I do for you?").wait_for()
        await chat.say("use file__report {}")
        await chat.answered(1)
        await chat.say('use t__count {"key": "a"}')
        await chat.page.get_by_role("button", name="deny").click()
        await chat.answered(2)
        await chat.say(asks(FORM))
        await field(chat).fill("Ada")
        assert await chat.findings() == []
        assert await chat.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        await chat.page.get_by_role("button", name="decline").click()
        await chat.answered(3)  # for its server can't say for which of two calls it asks
        await chat.page.close()
