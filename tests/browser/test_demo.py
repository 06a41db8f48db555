from __future__ import annotations

import importlib.resources
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from holdfast.models.practice_words import LONG_STORY
from holdfast.testing.demo_rig import DemoProcess
from holdfast.testing.process import effects_in

WAIT_MS_MAX = 30_000
STORY = "Tell me a long story"
GATEWAY, TOOL, MODEL = "Kill it: the gateway", "Kill it: the tool server", "Take it away: the model"

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(150)]  # stories take their time


@dataclass
class Shown:
    """The demo, as a person sees it."""

    demo: DemoProcess
    page: Page

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def ask(self, text: str) -> None:
        await self.page.get_by_role("group", name="Ask for").get_by_role("button", name=re.compile(text.replace("?", "."))).click()

    @property
    def news(self) -> Locator:
        return self.page.locator("#demo-now")

    @property
    def owed(self) -> Locator:
        return self.page.locator("#demo-owed")

    @property
    def lines(self) -> Locator:
        return self.page.locator("#demo-entries li")

    async def in_mid_answer(self) -> None:
        await expect(self.page.locator("article.answer.live:not(.stale) .prose")).to_have_text(re.compile(r"[\s\S]{100}"))

    async def answers(self) -> list[str]:
        return [" ".join(text.split()) for text in await self.page.locator("article.answer .prose").all_inner_texts()]


@pytest_asyncio.fixture(loop_scope="session")
async def shown(browser: Browser) -> AsyncIterator[Shown]:
    expect.set_options(timeout=WAIT_MS_MAX)
    failures: list[str] = []
    async with DemoProcess.started() as demo:
        page = await browser.new_page(viewport={"width": 1360, "height": 860})
        page.on("pageerror", lambda error: failures.append(str(error)))
        await page.goto(await demo.link())
        await expect(page.locator("#demo-tool-state")).to_contain_text("process")
        yield Shown(demo, page)
        await page.close()
    assert failures == []


async def test_killed_in_mid_answer_the_panel_shows_the_death_and_the_answer_is_finished_once(shown: Shown) -> None:
    state = shown.page.locator("#demo-gateway-state")
    first = await shown.demo.gateway()
    await expect(state).to_contain_text(f"process {first}")
    await shown.ask(STORY)
    await shown.in_mid_answer()
    await expect(shown.owed).to_contain_text("an answer")
    await shown.button(GATEWAY).click()
    await expect(shown.news).to_contain_text("asks the model again")
    second = await shown.demo.gateway(2)
    await expect(state).to_contain_text(f"process {second}")
    await expect(shown.lines.nth(1)).to_contain_text(f"process {first} died here")
    await expect(shown.lines.nth(1)).to_contain_text(f"process {second} takes over")
    await expect(shown.news).to_contain_text("The answer was written down once, and whole, in spite of a death")
    await expect(shown.owed).to_have_text("Still owed: nothing.")
    assert await shown.answers() == [" ".join(LONG_STORY.split())]
    await expect(shown.lines.filter(has_text="the whole answer, 3,220 characters")).to_have_count(1)


async def test_whoever_kills_it_too_often_is_warned_then_asked_and_then_has_the_answer(shown: Shown) -> None:
    await shown.ask(STORY)
    for life in (1, 2, 3):
        await shown.in_mid_answer()
        await shown.button(GATEWAY).click()
        await shown.demo.gateway(life + 1)
        if life == 2:
            await expect(shown.news).to_contain_text("Once more without a step forward")
    await expect(shown.news).to_contain_text("Holdfast sets it aside and asks you")
    await shown.button("try again").click()
    await expect(shown.news).to_contain_text("in spite of 3 deaths")
    assert await shown.answers() == [" ".join(LONG_STORY.split())]


async def test_a_tool_that_is_safe_to_repeat_is_run_again_by_the_next_process(shown: Shown) -> None:
    await shown.ask("Use the slow tool")
    await expect(shown.owed).to_have_text("Still owed: the result of demo__slow.")
    await shown.button(GATEWAY).click()
    await expect(shown.news).to_contain_text("safe to repeat, so the new process runs it again")
    await expect(shown.lines.filter(has_text="demo__slow is about to run again")).to_have_count(1)
    await expect(shown.news).to_contain_text("Finished.")
    assert effects_in(shown.demo.folder / "effects")["slow", "visitors"] == 1


async def test_a_tool_that_must_not_run_twice_is_asked_about_and_can_be_checked(shown: Shown) -> None:
    await shown.ask("Use the count tool")
    await expect(shown.owed).to_have_text("Still owed: the result of demo__count.")
    await shown.button(TOOL).click()
    await expect(shown.news).to_contain_text("you are asked instead")
    await expect(shown.lines.filter(has_text="nobody can know whether demo__count happened")).to_have_count(1)
    await shown.button("check").click()
    await expect(shown.page.locator("article.answer", has_text="visitors was counted 0 times")).to_be_visible()
    await expect(shown.page.locator("#demo-tool-state")).to_contain_text("up")


async def test_who_kills_the_tool_server_and_then_the_gateway_is_told_of_both(shown: Shown) -> None:
    tool = shown.page.locator("#demo-tool-state")
    await shown.ask("Use the slow tool")
    await expect(shown.owed).to_have_text("Still owed: the result of demo__slow.")
    before = await tool.inner_text()
    await shown.button(TOOL).click()
    await shown.button(GATEWAY).click()
    await shown.demo.gateway(2)
    await expect(tool).to_contain_text("up")
    assert await tool.inner_text() != before
    await expect(shown.button(TOOL)).not_to_have_attribute("aria-disabled", "true")
    await expect(shown.news).to_contain_text("Finished.")


async def test_a_model_that_is_away_is_waited_for_also_by_the_next_process(shown: Shown) -> None:
    state = shown.page.locator("#demo-model-state")
    await shown.ask(STORY)
    await shown.in_mid_answer()
    await shown.button(MODEL).click()
    await shown.demo.told("model taken away for 20 s")
    await expect(state).to_contain_text("back in")
    await expect(shown.button(MODEL)).to_have_attribute("aria-disabled", "true")
    await expect(shown.news).to_contain_text("as a row on the disk, not as a timer in memory")
    await shown.button(GATEWAY).click()
    await shown.demo.gateway(2)
    await expect(state).to_contain_text(re.compile("next try|is here"))
    await shown.demo.told("model back")
    await shown.page.evaluate("document.getElementById('try-now').click()")  # it may have gone on by itself meanwhile
    await expect(shown.news).to_contain_text("Finished.")
    assert await shown.answers() == [" ".join(LONG_STORY.split())]


async def test_a_new_conversation_has_its_own_entries_and_the_deaths_of_others_are_not_in_it(shown: Shown) -> None:
    await shown.ask("What time is it?")
    await expect(shown.lines.filter(has_text="the answer was shown")).to_have_count(1)
    await shown.button(GATEWAY).click()
    await expect(shown.news).to_contain_text("Nothing was owed just then")
    await shown.page.get_by_role("button", name="New conversation").click()
    await expect(shown.lines).to_have_text(["Nothing yet. Ask for something."])
    await shown.ask("What time is it?")
    await expect(shown.lines.filter(has_text="demo__clock is done")).to_have_count(1)
    await expect(shown.lines.filter(has_text="died here")).to_have_count(0)
    await shown.page.reload()
    await expect(shown.lines.filter(has_text="demo__clock is done")).to_have_count(1)


async def test_it_can_be_used_by_keyboard_alone_and_stays_as_it_was_put(shown: Shown) -> None:
    toggle = shown.button("Break it")
    await toggle.focus()
    await shown.page.keyboard.press("Tab")
    await shown.page.keyboard.press("Enter")  # the first of the things to ask for
    await shown.in_mid_answer()
    await shown.button(GATEWAY).focus()
    await shown.page.keyboard.press("Space")
    await shown.demo.gateway(2)
    await expect(shown.button(GATEWAY)).to_be_focused()
    await toggle.press("Enter")
    await expect(toggle).to_have_attribute("aria-expanded", "false")
    await expect(shown.button(GATEWAY)).to_be_hidden()
    await shown.page.reload()
    await expect(toggle).to_have_attribute("aria-expanded", "false")


async def test_axe_finds_nothing_serious_in_the_panel_whatever_has_just_happened(shown: Shown) -> None:
    async def finds() -> list[str]:
        result = await shown.page.evaluate("axe.run('#demo')")
        serious = [found for found in result["violations"] if found["impact"] in {"serious", "critical"}]
        return [f"{found['id']}: {node['html']}" for found in serious for node in found["nodes"]]

    await shown.page.evaluate((importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text())
    await shown.ask(STORY)
    await shown.in_mid_answer()
    await shown.button(MODEL).click()
    await expect(shown.button(MODEL)).to_have_attribute("aria-disabled", "true")
    await shown.button(GATEWAY).click()
    await expect(shown.lines.filter(has_text="died here")).to_have_count(1)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        await shown.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width in (1360, 390):
            await shown.page.set_viewport_size({"width": width, "height": 860})
            assert await finds() == []


async def test_a_draft_stays_where_it_was(shown: Shown) -> None:
    field = shown.page.get_by_role("textbox", name="Message", exact=True)
    await field.fill("what I was about to write")
    await shown.ask("What time is it?")
    await expect(shown.page.locator("article.you .said")).to_have_text(["What time is it?"])
    await expect(field).to_have_value("what I was about to write")


async def test_on_every_screen_the_talk_and_the_buttons_are_there_side_by_side(shown: Shown) -> None:
    await shown.ask(STORY)
    await shown.in_mid_answer()
    for width, height in ((360, 740), (820, 1180), (1360, 700)):
        await shown.page.set_viewport_size({"width": width, "height": height})
        for seen in (
            shown.button(GATEWAY),
            shown.button(TOOL),
            shown.button(MODEL),
            shown.button("Stop"),
            shown.page.locator("article.answer"),
        ):
            await expect(seen).to_be_in_viewport()
        assert await shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
