"""While the model is away: the card of a conversation that waits, what can be done meanwhile, and how it goes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from holdfast.core.entries import Command, Entry, Note, Notice, UserMessage
from holdfast.testing.outages import LOADING
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, answering, http
from holdfast.web.wire import NOTES

pytestmark = pytest.mark.needs("chromium")

AWAY: Final = Reply(http(b"<html>502 Bad Gateway</html>", 502, "text/html"))
WATCH: Final = """() => {
    globalThis.blinks = 0;
    globalThis.spoken = [];
    new MutationObserver(() => (globalThis.blinks += 1)).observe(document.getElementById("wait"), { attributeFilter: ["hidden"] });
    const announcer = document.getElementById("announcer");
    new MutationObserver(() => globalThis.spoken.push(announcer.lastChild.textContent)).observe(announcer, { childList: true });
}"""
"""How often the card goes or comes, and what is read aloud."""
COUNTS_DOWN: Final = re.compile(r"Next try in \d+ s\.")
COMES_SOON: Final = re.compile(r"Next try|Trying it now")


def refusal(status: int, message: str, headers: Any = None, **fields: str) -> Reply:
    body = json.dumps({"error": {"message": message, **fields}}).encode()
    return Reply(http(body, status, "application/json", headers))


def limited(seconds: int) -> Reply:
    """Away for as long as the test needs."""
    return refusal(429, "Too many requests", {"retry-after": str(seconds)}, code="rate_limit_exceeded")


@dataclass
class Models:
    """Providers whose answers can be changed while they run, and what was asked of them."""

    says: dict[str, Reply] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def script(self, name: str) -> Any:
        def reply(_: Hit) -> Reply:
            self.asked.append(name)
            return self.says[name]

        return reply


@dataclass
class Scene:
    """Two routes, `main` and `spare`; conversations use `main` unless something else is chosen."""

    models: Models
    config: str


@pytest_asyncio.fixture(loop_scope="session")
async def scene() -> AsyncIterator[Scene]:
    models = Models({"main": AWAY, "spare": answering("Spare says hello.")})
    async with AsyncExitStack() as stack:
        stubs = {name: await stack.enter_async_context(StubProvider(models.script(name))) for name in models.says}
        tables = [f'[routes.{name}]\nbase_url = "{stub.base_url}"\nmodel = "m-{name}"\n' for name, stub in stubs.items()]
        yield Scene(models, '[agent]\nchain = ["main"]\n[chains]\nquick = ["spare", "main"]\n' + "".join(tables))


def card(chat: Any) -> Locator:
    found: Locator = chat.page.get_by_role("region", name=re.compile("^Waiting for"))
    return found


def bodies(entries: Sequence[Entry], kind: type) -> list[Any]:
    return [entry.body for entry in entries if isinstance(entry.body, kind)]


async def test_the_card_says_for_what_since_when_why_and_counts_down_to_the_next_try(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = limited(90)
    await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    waits = card(chat)
    await expect(waits).to_contain_text("main is at its limit")
    await expect(waits).to_contain_text("Everything is saved, and it goes on by itself.")
    await expect(chat.mine.locator(".state")).to_contain_text("waiting")
    left = waits.get_by_role("timer")
    await expect(left).to_have_text(COUNTS_DOWN)
    before = await left.inner_text()
    await expect(left).not_to_have_text(before)
    assert int(re.findall(r"\d+", await left.inner_text())[0]) < int(re.findall(r"\d+", before)[0])


async def test_the_card_stays_as_it_is_while_one_try_after_the_other_fails_and_goes_when_it_is_over(chats: Any, scene: Scene) -> None:
    await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    waits = card(chat)
    await expect(waits).to_contain_text(re.compile(r"main has been away since \d\d:\d\d"))
    await chat.page.evaluate(WATCH)
    tries = len(scene.models.asked)
    while len(scene.models.asked) < tries + 3:
        await expect(waits.get_by_role("timer")).to_have_text(COMES_SOON)
        await waits.get_by_role("button", name="Try now").click()
        await expect(waits.get_by_role("timer")).not_to_have_text("Trying it now.")
    assert await chat.page.evaluate("blinks") == 0
    assert not [words for words in await chat.page.evaluate("spoken") if words.startswith("Waiting for")], "it had been read before"
    scene.models.says["main"] = answering("Main says hello.")
    await waits.get_by_role("button", name="Try now").click()
    await chat.answered(1)
    await expect(waits).to_be_hidden()
    await expect(chat.answers).to_have_text(re.compile("^Main says hello"))


async def test_try_now_tries_at_once_and_adds_no_message(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = limited(3000)
    gateway = await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    waits = card(chat)
    await expect(waits.get_by_role("timer")).to_have_text(re.compile(r"Next try at .*\d\d:\d\d.*, in \d\d min\."))
    await waits.get_by_role("button", name="Try now").click()
    await expect(waits.get_by_role("timer")).to_have_text("Trying it now.")
    await expect(waits.get_by_role("timer")).to_have_text(re.compile("Next try at"))
    assert len(scene.models.asked) == 2
    scene.models.says["main"] = answering("Main says hello.")
    await waits.get_by_role("button", name="Try now").press("Enter")
    await chat.answered(1)
    await expect(chat.page.locator("#log")).to_be_focused()
    entries = await gateway.door.entries(chat.name)
    assert [body.text for body in bodies(entries, UserMessage)] == ["Hello"]
    assert not bodies(entries, Command)


async def test_stop_stops_waiting(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = limited(3000)
    gateway = await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    await chat.page.get_by_role("button", name="Stop").click()
    await expect(card(chat)).to_be_hidden()
    await expect(chat.mine.locator(".state")).to_contain_text("stopped")
    await expect(chat.page.locator("article.notice")).to_contain_text("Stopped.")
    (order,) = bodies(await gateway.door.entries(chat.name), Command)
    assert order.name == "stop"


async def test_another_model_answers_at_once_and_is_named_below(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = limited(3000)
    gateway = await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    others = card(chat).get_by_role("group", name="Or go on with")
    await expect(others.get_by_role("button")).to_have_text([re.compile(r"quick\s+ready"), re.compile(r"spare\s+ready")])
    await others.get_by_role("button", name="spare").dblclick()
    await chat.answered(1)
    await expect(card(chat)).to_be_hidden()
    await expect(chat.answers).to_have_text(re.compile("^Spare says hello"))
    await expect(chat.page.locator("article.notice")).to_have_text("From now on this conversation uses spare.")
    await expect(chat.page.locator("#model")).to_have_text(re.compile("spare$"))
    orders = bodies(await gateway.door.entries(chat.name), Command)
    assert [(order.name, order.args) for order in orders] == [("model", "spare")], "once, however often it is clicked"


async def test_a_choice_that_is_away_too_is_called_so_and_comes_last(chats: Any, scene: Scene) -> None:
    scene.models.says |= {"main": limited(3000), "spare": limited(3000)}
    await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("/model spare")
    await chat.say("Hello")
    await expect(card(chat)).to_contain_text("spare is at its limit")
    await expect(card(chat).get_by_role("button", name=re.compile("^default"))).to_contain_text("ready")
    await chat.say("/model default")
    await expect(card(chat)).to_contain_text("main is at its limit")
    await expect(card(chat).get_by_role("button", name=re.compile("^spare"))).to_contain_text("at its limit")


async def test_the_same_card_is_there_when_a_gateway_that_was_killed_is_back(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = limited(3000)
    gateway = await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    waits = card(chat)
    await expect(waits.get_by_role("timer")).to_have_text(re.compile("Next try at"))
    why = await waits.get_by_role("list").inner_text()
    await chat.page.evaluate(WATCH)
    gateway.kill()
    await gateway.ended()
    await expect(chat.away).to_be_visible()
    await expect(waits.get_by_role("timer")).to_have_text("The next try comes when the gateway is back.")
    await expect(waits.get_by_role("button", name="Try now")).to_have_attribute("aria-disabled", "true")
    await gateway.start()
    await expect(chat.away).to_be_hidden()
    await expect(waits.get_by_role("timer")).to_have_text(re.compile("Next try at"))
    assert await waits.get_by_role("list").inner_text() == why
    assert await chat.page.evaluate("blinks") == 0
    assert len(scene.models.asked) == 1, "nothing was asked anew"
    scene.models.says["main"] = answering("Main says hello.")
    await waits.get_by_role("button", name="Try now").click()
    await chat.answered(1)


async def test_a_mistake_in_the_configuration_names_its_table_and_is_told_to_the_owner(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = refusal(401, "Incorrect API key provided.", code="invalid_api_key")
    gateway = await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    await expect(card(chat)).to_contain_text("main can't be used as it is configured")
    await expect(card(chat)).to_contain_text("Look under [routes.main]; holdfast check says what to change.")
    told = chat.page.get_by_role("link", name=NOTES)
    await expect(told.locator(".title")).to_have_text(NOTES)
    await told.click()
    note = chat.page.get_by_role("article", name="A note to you")
    await expect(note).to_contain_text("main can't be used as it is configured")
    await expect(chat.page.get_by_role("heading", level=1)).to_have_text(NOTES)
    await chat.page.reload()
    await expect(note).to_be_visible()
    assert len(bodies(await gateway.door.entries(NOTES), Note)) == 1


async def test_loading_is_said_as_loading(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = Reply(LOADING)
    await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    await expect(card(chat)).to_contain_text("main has been loading its model since")
    await expect(card(chat)).not_to_contain_text("away")


async def test_what_was_said_of_a_wait_becomes_how_long_it_took(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = refusal(429, "You exceeded your current quota.", code="insufficient_quota")  # of this is said at once
    gateway = await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    await gateway.told(chat.name, lambda entries: bool(bodies(entries, Notice)))
    await expect(card(chat)).to_be_visible()
    scene.models.says["main"] = answering("Main says hello.")
    notice = chat.page.locator("article.notice")
    await expect(notice).to_have_count(0)  # the card says it
    await card(chat).get_by_role("button", name="Try now").click()
    await expect(notice).to_have_text(re.compile(r"^That took (less than a second|\d+ s)\. It goes on\.$"))
    await chat.answered(1)
    await expect(card(chat)).to_be_hidden()


async def test_model_typed_without_a_name_says_which_there_are(chats: Any, scene: Scene) -> None:
    await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.field.fill("/mo")
    await chat.page.get_by_role("option").click()
    await expect(chat.field).to_have_value("/model ")  # now a name; but it may go without
    await chat.say("/model")
    await expect(chat.page.locator("article.notice")).to_contain_text(
        "You can choose quick (spare, and main when that can't answer), main, spare"
    )


async def test_an_answer_that_breaks_off_stays_readable_while_it_waits(chats: Any, scene: Scene) -> None:
    whole = answering("One two three four five six seven eight nine ten.").pieces[0]
    assert isinstance(whole, bytes)
    scene.models.says["main"] = Reply(whole[: len(whole) // 2], end="reset")
    await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Count")
    await expect(card(chat)).to_be_visible()
    await expect(chat.answers.locator(".prose")).to_contain_text("One two")
    await expect(chat.answers).to_have_class(re.compile("stale"))
    scene.models.says["main"] = Reply(whole)
    await card(chat).get_by_role("button", name="Try now").click()
    await chat.answered(1)
    await expect(chat.answers.locator(".prose")).to_have_text("One two three four five six seven eight nine ten.")


async def test_the_routes_are_shown_with_what_they_do_and_can_be_tried(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = limited(3000)
    await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("/model spare")
    await chat.say("Hello")
    await chat.answered(1)
    await chat.page.get_by_role("button", name="Routes. The last answer came from spare").click()
    panel = chat.page.get_by_role("dialog", name="Routes")
    main, spare = panel.get_by_role("listitem").nth(0), panel.get_by_role("listitem").nth(1)
    await expect(main).to_contain_text(re.compile(r"main.*m-main.*not tried yet.*Used by\s*the agent, quick", re.DOTALL))
    await expect(spare).to_contain_text(
        re.compile(r"spare.*works.*Under way\s*0 of 4.*Answers today\s*1.*Tokens today\s*10 in, 3 out", re.DOTALL)
    )
    await expect(spare.get_by_role("button", name="Try spare now")).to_have_attribute("aria-disabled", "true")
    await chat.page.keyboard.press("Escape")
    await expect(chat.page.locator("#model")).to_be_focused()
    await chat.say("/model default")
    await chat.say("Still there?")
    await expect(card(chat)).to_be_visible()
    await chat.page.get_by_role("button", name="Routes", exact=True).click()
    await expect(main).to_contain_text(re.compile(r"at its limit.*Next try\s*in (49|50) min.*Too many", re.DOTALL))
    scene.models.says["main"] = answering("Main says hello.")
    await main.get_by_role("button", name="Try main now").press("Enter")
    await expect(main).to_contain_text(re.compile(r"works.*Answers today\s*1", re.DOTALL))  # by itself
    await expect(main.get_by_role("button")).to_be_focused()


async def test_nothing_in_the_routes_moves_when_one_goes_away_or_the_gateway_does(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = answering("Main says hello.")
    gateway = await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    await chat.answered(1)
    await chat.page.get_by_role("button", name="Routes", exact=True).click()
    routes = chat.page.get_by_role("dialog", name="Routes").get_by_role("listitem")
    places = """() => [...document.querySelectorAll("#routes ul *")].filter((one) => !one.matches(".word, .part-foot p")).map((one) => {
        const { left, top } = one.getBoundingClientRect();
        return [left, top];
    })"""
    await expect(routes.nth(0)).to_contain_text("works")
    before = await chat.page.evaluate(places)
    scene.models.says["main"] = limited(3000)
    await gateway.door.send(chat.name, "from elsewhere", "And now?")
    await expect(routes.nth(0)).to_contain_text("at its limit")
    assert await chat.page.evaluate(places) == before
    gateway.kill()
    await gateway.ended()
    await expect(chat.page.get_by_role("dialog")).to_contain_text("The gateway is away. This is how it was.")
    assert await chat.page.evaluate(places) == before
    await gateway.start()
    await expect(chat.page.get_by_role("dialog")).to_contain_text("Kept up to date while you look.")
    assert await chat.page.evaluate(places) == before


async def test_a_try_that_takes_its_time_is_shown_and_can_be_stopped(chats: Any, scene: Scene) -> None:
    scene.models.says["main"] = limited(3000)
    await chats.gateway(scene.config)
    chat = await chats.open()
    await chat.say("Hello")
    waits = card(chat)
    await expect(waits.get_by_role("timer")).to_have_text(re.compile("Next try at"))
    scene.models.says["main"] = Reply(end="hang")
    await chat.page.evaluate(WATCH)
    await waits.get_by_role("button", name="Try now").click()
    await expect(waits.get_by_role("timer")).to_have_text("Trying it now.")
    await chat.say("/status")
    await expect(chat.page.locator("article.notice")).to_have_count(1)
    await expect(waits.get_by_role("timer")).to_have_text("Trying it now.")
    await expect(chat.mine.locator(".state")).to_contain_text("waiting")
    assert await chat.page.evaluate("blinks") == 0
    await waits.get_by_role("button", name="Stop").click()
    await expect(waits).to_be_hidden()
    await expect(chat.mine.locator(".state")).to_contain_text("stopped")
