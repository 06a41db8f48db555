"""Talking on the page, and what becomes of it when the gateway is killed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from playwright.async_api import expect

from holdfast.core.entries import AssistantMessage, Entry, UserMessage
from holdfast.models.practice_words import CONNECT, INTRODUCTION
from holdfast.testing.process import GatewayProcess

pytestmark = pytest.mark.needs("chromium")

QUESTION = "What can you do?"
ANSWER = f"{INTRODUCTION}\n\n{CONNECT}"
"""Some 200 words in four seconds: it can be interrupted."""
FINISHED = re.compile(re.escape(ANSWER[-60:]) + r"\s*$")


def said(entries: Sequence[Entry]) -> list[str]:
    return [entry.body.text for entry in entries if isinstance(entry.body, UserMessage)]


def answers(entries: Sequence[Entry]) -> list[str]:
    return [entry.body.text for entry in entries if isinstance(entry.body, AssistantMessage)]


async def kill(gateway: GatewayProcess) -> None:
    gateway.kill()
    await gateway.ended()


async def back(gateway: GatewayProcess) -> None:
    await gateway.start()
    await gateway.ready()


async def test_an_answer_is_shown_while_it_is_written_and_finished_once(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say(QUESTION)
    first = await chat.in_mid_answer()
    await expect(chat.mine.locator(".state")).to_have_text(re.compile("working"))
    await expect(chat.page.get_by_role("button", name="Stop")).to_be_visible()
    assert len(await chat.in_mid_answer(len(first) + 50)) > len(first)
    await chat.answered(1)
    await expect(chat.answers).to_have_count(1)
    await expect(chat.answers.locator(".prose")).to_have_text(FINISHED)
    assert answers(await gateway.door.entries(chat.name)) == [ANSWER]


async def test_a_kill_in_mid_answer_is_said_and_the_answer_finishes_in_place(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say(QUESTION)
    shown = await chat.in_mid_answer(600)
    element = await chat.answers.element_handle()
    await kill(gateway)
    await expect(chat.away).to_be_visible()
    assert (await chat.answers.locator(".prose").inner_text()).startswith(shown)
    await expect(chat.answers).to_have_class(re.compile(r"\bstale\b"))
    await expect(chat.mine.locator(".state")).to_have_text(re.compile("saved"))
    await back(gateway)
    await expect(chat.away).to_be_hidden()
    await chat.in_mid_answer(len(shown))
    await chat.answered(1)
    await expect(chat.answers).to_have_count(1)
    await expect(chat.answers.locator(".prose")).to_have_text(FINISHED)
    assert await chat.page.evaluate("([a, b]) => a === b", [element, await chat.answers.element_handle()])
    entries = await gateway.door.entries(chat.name)
    assert (said(entries), answers(entries)) == ([QUESTION], [ANSWER])


async def test_what_is_shown_never_shrinks_over_two_kills(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say(QUESTION)
    await chat.in_mid_answer()
    await chat.page.evaluate(
        """() => {
            const lengths = [];
            const look = () => lengths.push(document.querySelector("article.answer .prose")?.textContent.length ?? 0);
            new MutationObserver(look).observe(document.getElementById("items"), { subtree: true, childList: true, characterData: true });
            globalThis.shrunk = () => lengths.some((length, index) => length < lengths[index - 1]);
        }"""
    )
    for chars in (200, 500):  # after four tries without an answer it would be set aside
        await chat.in_mid_answer(chars)
        await gateway.restart()
    await chat.answered(1)
    assert await chat.page.evaluate("shrunk()") is False
    assert answers(await gateway.door.entries(chat.name)) == [ANSWER]


async def test_what_is_written_while_the_gateway_is_away_is_sent_when_it_is_back_once_and_in_order(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say("Hello")
    await chat.answered(1)
    await kill(gateway)
    await expect(chat.away).to_be_visible()
    await chat.say("Are you there?")
    await chat.say("Thank you")
    await expect(chat.mine.locator(".state.sending")).to_have_count(2)
    await back(gateway)
    await chat.answered(3)
    await expect(chat.mine).to_have_text([re.compile("Hello"), re.compile("Are you there"), re.compile("Thank you")])
    assert said(await gateway.door.entries(chat.name)) == ["Hello", "Are you there?", "Thank you"]


async def test_what_was_not_sent_outlives_the_page(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say("Hello")
    await chat.answered(1)
    address = chat.page.url
    await kill(gateway)
    await expect(chat.away).to_be_visible()
    await chat.say("Kept in this browser")
    await chat.page.goto("about:blank")
    chat.troubles.clear()  # that address is not the gateway's
    await back(gateway)
    await chat.page.goto(address)
    await chat.answered(2)
    assert said(await gateway.door.entries(chat.name)) == ["Hello", "Kept in this browser"]
    assert await chat.page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('holdfast.outbox.'))") == []


async def test_the_page_opens_while_the_gateway_is_away_and_what_is_written_then_is_sent_when_it_is_back(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say("Hello")
    await chat.answered(1)
    await chat.page.wait_for_function("async () => navigator.serviceWorker.controller && await caches.match('/')")
    await kill(gateway)
    await chat.page.reload()
    await expect(chat.away).to_be_visible()
    await chat.say("Kept in this browser")
    await expect(chat.mine.locator(".state.sending")).to_have_count(1)
    await back(gateway)
    await expect(chat.away).to_be_hidden()
    await chat.answered(2)
    assert said(await gateway.door.entries(chat.name)) == ["Hello", "Kept in this browser"]


async def test_a_new_conversation_asks_for_nothing_that_is_not_there(chats: Any) -> None:
    await chats.gateway()
    chat = await chats.open()
    refused: list[str] = []
    chat.page.on("response", lambda response: refused.append(response.url) if response.status >= 400 else None)
    await chat.page.get_by_role("button", name="New conversation").click()
    await chat.say("Hello")
    await chat.answered(1)
    assert refused == []


async def test_a_message_whose_acknowledgement_was_lost_is_not_doubled(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    lost: list[Any] = []

    async def lose(route: Any) -> None:
        if not lost:
            lost.append(await route.fetch())  # the gateway has it
            await route.abort()
        else:
            await route.continue_()

    await chat.page.route("**/messages", lose)
    await chat.say("Once, please")
    await chat.answered(1)
    assert said(await gateway.door.entries(chat.name)) == ["Once, please"]
    await expect(chat.mine).to_have_count(1)


async def test_a_message_is_shown_as_saved_only_when_the_gateway_has_said_so(chats: Any) -> None:
    await chats.gateway()
    chat = await chats.open()
    held: list[Any] = []

    async def hold(route: Any) -> None:
        held.append(route)

    await chat.page.route("**/messages", hold)
    await chat.say("Wait for it")
    await expect(chat.mine.locator(".state")).to_have_text(re.compile("sending"))
    assert await chat.page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('holdfast.outbox.')).length") == 1
    await held[0].continue_()
    await chat.answered(1)


async def test_a_reload_in_mid_answer_loses_nothing(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say(QUESTION)
    await chat.in_mid_answer(300)
    await chat.page.reload()
    await chat.in_mid_answer(300)
    await chat.answered(1)
    await expect(chat.answers).to_have_count(1)
    assert answers(await gateway.door.entries(chat.name)) == [ANSWER]


async def test_two_tabs_show_the_same(chats: Any) -> None:
    gateway = await chats.gateway()
    one = await chats.open()
    await one.say("Hello")
    await one.answered(1)
    two = await chats.open(one.page.context, logged_in=True)
    assert two.name == one.name
    await two.say(QUESTION)
    await one.in_mid_answer()
    await two.in_mid_answer()
    await gateway.restart()
    await one.say("Thank you")
    for tab in (one, two):
        await tab.answered(3)
        await expect(tab.mine).to_have_text([re.compile("Hello"), re.compile("What can"), re.compile("Thank you")])
    assert said(await gateway.door.entries(one.name)) == ["Hello", QUESTION, "Thank you"]


async def test_a_hidden_tab_lets_its_connection_go_and_catches_up_when_it_is_seen(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say("Hello")
    await chat.answered(1)
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }); document.dispatchEvent(new Event('visibilitychange')); }"
    async with chat.page.expect_event("requestfailed", lambda request: "/events" in request.url):
        await chat.page.evaluate(hide, True)
    await gateway.door.send(chat.name, "from elsewhere", "Thank you")
    await gateway.told(chat.name, lambda entries: len(answers(entries)) == 2)
    await expect(chat.answers).to_have_count(1)
    await expect(chat.away).to_be_hidden()
    await chat.page.evaluate(hide, False)
    await chat.answered(2)


async def test_stop_stops(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    await chat.say(QUESTION)
    await chat.in_mid_answer()
    await chat.page.get_by_role("button", name="Stop").click()
    await expect(chat.mine.locator(".state")).to_have_text(re.compile("stopped"))
    await expect(chat.page.locator("article.notice")).to_have_text(re.compile("^Stopped"))
    await expect(chat.page.get_by_role("button", name="Stop")).to_be_hidden()
    await expect(chat.answers.locator(".foot")).to_have_text(re.compile("stopped"))
    assert answers(await gateway.door.entries(chat.name)) == []
