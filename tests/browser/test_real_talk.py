"""The page before real parts: llama.cpp in each dialect, tool servers over stdio and HTTP; and whatever becomes of them in mid-answer.

Judged from outside. What the page shows is looked at all the time: no word of an answer may ever be there twice. At the end a reload has to show the same,
and the gateway is stopped and its journal read: each message, call, answer and delivery once; the tool's own file has counted each effect once.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest
from playwright.async_api import BrowserContext, Route, expect

from holdfast.core.entries import AssistantMessage, Choice, Delivered, ToolResult, ToolStarted, UserMessage
from holdfast.testing.gateway_rig import CALLS_THE_CLOCK, CLOCK, Parts, to
from holdfast.testing.llama import Llama, Options, Script
from holdfast.testing.process import GatewayProcess, effects_in, toolserver_table
from holdfast.testing.tcp_proxy import TcpProxy
from holdfast.testing.tool_rig import HttpServer

pytestmark = pytest.mark.needs("chromium")

DIALECTS: Final = ("openai-chat", "openai-responses", "anthropic")
QUICKER: Final = Options(slow_ms=8, context_tokens=16_384)
"""Where the model has many tools' descriptions to read first. An answer takes some seconds all the same."""
SLOWER: Final = Options(slow_ms=35)
"""Where an answer must not be finished before the page has come, or come back. (It tries every two seconds at least.)"""
SLOWEST: Final = Options(slow_ms=70)
"""Where the answer is waited for on a busy machine, and hurried once it was seen."""
ANSWER: Final = " ".join(f"{letter}{number}" for letter in "abcdefgh" for number in range(15))
"""A hundred and twenty words, no two alike."""
COUNTS: Final = Script(text=ANSWER, tool="t__count", arguments='{"key": "waves"}')
ASKS_THE_CLOCK: Final = dataclasses.replace(CALLS_THE_CLOCK, text=ANSWER)
DESK: Final[Mapping[str, Any]] = {"viewport": {"width": 1280, "height": 800}}
PHONE: Final[Mapping[str, Any]] = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}

WATCH: Final = """() => {
    globalThis.doubled = [];
    const look = () => {
        for (const prose of document.querySelectorAll("article.answer .prose")) {
            const words = prose.textContent.split(/\\s+/).filter(Boolean);
            if (new Set(words).size < words.length) globalThis.doubled.push(prose.textContent);
        }
        const answers = document.querySelectorAll("article.answer").length;
        if (answers > document.querySelectorAll("article.you").length) globalThis.doubled.push(`${answers} answers`);
    };
    new MutationObserver(look).observe(document.getElementById("items"), { subtree: true, childList: true, characterData: true });
}"""


def route(dialect: str, base_url: str) -> str:
    return to(base_url, f'dialect = "{dialect}"')


def over_http(tools: HttpServer) -> str:
    return f'\n[tools.t]\nurl = "{tools.url}"\ntrust_annotations = true\npolicy = "allow"\n'


async def kill(gateway: GatewayProcess) -> None:
    gateway.kill()
    await gateway.ended()


async def back(gateway: GatewayProcess) -> None:
    await gateway.start()
    await gateway.ready()


async def transcript(chat: Any) -> str:
    text: str = await chat.page.locator("#items").inner_text()
    return text


async def judge(gateway: GatewayProcess, asked: Sequence[str], *chats: Any, calls: int = 0) -> None:
    """Every message is there once and answered once, alone or together with its neighbours: on each of the pages, and in the journal."""
    shown = [await judge_page(chat, asked, calls) for chat in chats]
    assert len(set(shown)) == 1, "all tabs show the same"
    assert await gateway.stop() == 0
    (entries,) = (await gateway.journal()).values()
    bodies = [entry.body for entry in entries]
    answers = [body for body in bodies if isinstance(body, AssistantMessage)]
    texts = [body for body in answers if body.text]
    assert [body.text for body in bodies if isinstance(body, UserMessage)] == list(asked)
    assert [body.text for body in texts] == [ANSWER] * shown[0].count(ANSWER)
    assert len({body.seen for body in texts}) == len(texts), "none answers what another has answered"
    assert sum(len(body.calls) for body in answers) == calls
    assert sum(isinstance(body, ToolStarted) for body in bodies) == calls
    assert [body.outcome for body in bodies if isinstance(body, ToolResult)] == ["ok"] * calls
    names = {body.name for body in answers}  # where it took long, that was said, too
    assert [body.of for body in bodies if isinstance(body, Delivered) and body.of in names] == [body.name for body in texts]


async def judge_page(chat: Any, asked: Sequence[str], calls: int) -> str:
    """Returns the whole transcript as it is shown, also after a reload."""
    await chat.answered(len(asked))
    assert await chat.page.evaluate("globalThis.doubled") == []
    await expect(chat.mine).to_have_text([re.compile(re.escape(text)) for text in asked])
    await expect(chat.page.locator("article.tool")).to_have_count(calls)
    answers = await chat.answers.locator(".prose").all_inner_texts()
    shown = await transcript(chat)
    words = Counter(shown.split())
    assert set(answers) == {ANSWER}
    assert {words[word] for word in ANSWER.split()} == {len(answers)}
    await chat.page.reload()
    await chat.answered(len(asked))
    assert await transcript(chat) == shown
    return shown


# --- killed -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "transport"),
    [
        ("openai-chat", "stdio on a desk"),
        ("openai-chat", "http on a phone"),
        ("openai-responses", "http on a desk"),
        ("anthropic", "stdio on a phone"),
    ],
)
async def test_a_tool_is_used_and_the_answer_survives_a_kill(chats: Any, real: Parts, dialect: str, transport: str) -> None:
    """What is written in between waits in the browser."""
    llama = real.llama(QUICKER, COUNTS)
    async with HttpServer(real.effects) as remote:
        http = transport.startswith("http")
        gateway = await chats.gateway(route(dialect, llama.base_url) + (over_http(remote) if http else toolserver_table(real.effects)))
        chat = await chats.open(**(PHONE if transport.endswith("phone") else DESK))
        await chat.page.evaluate(WATCH)
        await chat.say("Use the TOOL")
        tool = chat.page.locator("article.tool")
        await expect(tool).to_have_attribute("data-state", "ok")
        shown = await chat.in_mid_answer(40)
        element = await chat.answers.element_handle()
        await kill(gateway)
        await expect(chat.away).to_be_visible()
        assert (await chat.answers.locator(".prose").inner_text()).startswith(shown)
        await chat.say("And then?")
        await expect(chat.mine.locator(".state.sending")).to_have_count(1)
        await back(gateway)
        await expect(chat.away).to_be_hidden()
        llama.hurry()
        await chat.answered(2)
        assert await chat.page.evaluate("([a, b]) => a === b", [element, await chat.answers.first.element_handle()])
        assert await chat.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await tool.locator("summary").click()
        await expect(tool.get_by_text("waves is counted: 1")).to_be_visible()
        await tool.locator("summary").click()
        await judge(gateway, ["Use the TOOL", "And then?"], chat, calls=1)
    assert effects_in(real.effects)["count", "waves"] == 1


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_model_that_is_killed_in_mid_answer_is_waited_for_by_name(chats: Any, real: Parts, dialect: str) -> None:
    """The tool is mcp-server-time."""
    llama = real.llama(QUICKER, ASKS_THE_CLOCK)
    gateway = await chats.gateway(route(dialect, llama.base_url) + CLOCK)
    chat = await chats.open(viewport={"width": 1280, "height": 400})
    await chat.page.evaluate(WATCH)
    await chat.say("Use the TOOL")
    shown = await chat.in_mid_answer(40)
    await asyncio.to_thread(llama.kill)
    await expect(chat.mine.locator(".state")).to_have_text(re.compile("waiting"))
    card = chat.page.get_by_role("region", name="Waiting for main")
    await expect(card).to_contain_text(re.compile(r"main has been away since.*Everything is saved", re.DOTALL))
    await expect(card.get_by_role("button", name="Try now")).to_be_in_viewport(ratio=1)
    await expect(chat.away).to_be_hidden()
    assert (await chat.answers.locator(".prose").inner_text()).startswith(shown)
    llama.hurry()
    await asyncio.to_thread(llama.start)
    await judge(gateway, ["Use the TOOL"], chat, calls=1)


async def test_a_choice_of_the_impatient_is_made_once(chats: Any, real: Parts) -> None:
    """Killed while a tool works elsewhere: it may or may not have happened."""
    llama = real.llama(QUICKER, Script(text=ANSWER, tool="t__count", arguments='{"key": "waves", "seconds": 30}'))
    async with HttpServer(real.effects) as remote:
        gateway = await chats.gateway(route("openai-responses", llama.base_url) + over_http(remote))
        chat = await chats.open(**PHONE)
        await chat.say("Use the TOOL")
        await expect(chat.page.locator("article.tool")).to_have_attribute("data-state", "working")
        await gateway.restart()
        llama.hurry()
        await chat.page.locator("article.question").get_by_role("button", name="done").dblclick()
        await chat.answered(1)
        assert await gateway.stop() == 0
    (entries,) = (await gateway.journal()).values()
    assert [entry.body.option for entry in entries if isinstance(entry.body, Choice)] == ["done"]
    assert [entry.body.outcome for entry in entries if isinstance(entry.body, ToolResult)] == ["unknown"]
    assert effects_in(real.effects)["count", "waves"] == 0


# --- cut off ----------------------------------------------------------------------------------------------------------------------------


async def test_a_browser_that_is_offline_for_a_while_misses_nothing(chats: Any, real: Parts) -> None:
    """The gateway goes on meanwhile."""
    llama = real.llama(SLOWER, ASKS_THE_CLOCK)
    gateway = await chats.gateway(route("anthropic", llama.base_url))
    chat = await chats.open(**PHONE)
    await chat.page.evaluate(WATCH)
    await chat.say("Tell me")
    await chat.in_mid_answer(40)
    await chat.page.context.set_offline(True)
    await expect(chat.away).to_be_visible()
    await chat.say("Are you there?")
    await expect(chat.mine.locator(".state.sending")).to_have_count(1)
    llama.hurry()
    await gateway.told(chat.name, lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
    await chat.page.context.set_offline(False)
    await judge(gateway, ["Tell me", "Are you there?"], chat)


async def test_a_wire_that_breaks_and_comes_back_doubles_nothing(chats: Any, real: Parts) -> None:
    """The gateway lives; its port can't be reached, and an acknowledgement is lost on the way."""
    llama = real.llama(SLOWER, ASKS_THE_CLOCK)
    gateway = await chats.gateway(route("openai-responses", llama.base_url))
    near = await chats.open(**DESK)  # its login is that browser's, whatever the port
    wire = TcpProxy(int(near.origin.rpartition(":")[2]))
    async with wire:
        chats._origin = f"http://127.0.0.1:{wire.port}"
        chat = await chats.open(near.page.context, logged_in=True)
        await chat.page.evaluate(WATCH)
        await chat.say("Tell me")
        await chat.in_mid_answer(40)
        name = chat.name
    await expect(chat.away).to_be_visible()
    await chat.say("Are you there?")
    wire.trouble = "swallow"
    async with wire:
        await gateway.told(name, lambda entries: sum(isinstance(entry.body, UserMessage) for entry in entries) == 2)
        wire.trouble = ""
        await expect(chat.away).to_be_hidden()
        llama.hurry()
        await judge(gateway, ["Tell me", "Are you there?"], chat)


async def two_tabs(chats: Any, context: BrowserContext, llama: Llama) -> tuple[Any, Any]:
    """Both look on, and both write while the gateway is away; each knows what the other has not sent yet. Returns the tabs."""
    one = await chats.open(context)
    two = await chats.open(context, logged_in=True)
    await two.page.goto(one.page.url)
    for tab in (one, two):
        await tab.page.evaluate(WATCH)
    await one.say("Tell me")
    await two.in_mid_answer(10)
    await kill(one.gateway)
    await expect(one.away).to_be_visible()
    await one.say("From the first")
    await expect(two.mine).to_have_count(2)
    await two.say("From the second")
    await expect(one.mine).to_have_count(3)
    await back(one.gateway)
    for tab in (one, two):
        await expect(tab.away).to_be_hidden()
    await one.in_mid_answer(10)  # it is being written anew while they look on
    llama.hurry()
    return one, two


TABS_ASKED: Final = ("Tell me", "From the first", "From the second")


async def test_two_tabs_and_a_kill_send_everything_once(chats: Any, real: Parts) -> None:
    llama = real.llama(SLOWEST, ASKS_THE_CLOCK)
    gateway = await chats.gateway(route("openai-chat", llama.base_url))
    await judge(gateway, TABS_ASKED, *await two_tabs(chats, await chats.context(**DESK), llama))


# --- controls: the same with a page that is wrong ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Bug:
    """What is right in which file, what stands there instead, and what is then said."""

    planted: Mapping[str, Mapping[str, str]]
    found: str


BUGS: Final[Mapping[str, Bug]] = {
    "what is written anew is appended": Bug(
        {
            "conversation.js": {
                'if (at < writing.chars) writing.text = [...writing.text].slice(0, at).join("");': "",
                "this.#writing = null; // it will be written anew": "",
            }
        },
        r"assert \['a0 a1",
    ),
    "what was heard before is heard and shown again": Bug(
        {
            "events.js": {"this.#hears.last()": "0"},
            "conversation.js": {"if (entry.seq <= this.last) return;": ""},
            "transcript.js": {'type: "message", id: `key:${body.id}`': 'type: "message", id: `key:${this.items.length}`'},
        },
        r"Actual value: (4|\['Tell me.*'Tell me)",
    ),
    "each try has a key of its own": Bug(
        {"outbox.js": {"await send(message)": "await send({ ...message, key: newKey() })"}}, r"count '2'\s+Actual value: [34]"
    ),
}


@pytest.mark.parametrize("name", BUGS if os.environ.get("HOLDFAST_LONG") == "1" else [*BUGS][-1:])
async def test_a_page_that_doubles_something_is_found_out(chats: Any, real: Parts, name: str) -> None:
    bug = BUGS[name]
    planted = set()

    async def plant(route: Route) -> None:
        file = route.request.url.rpartition("/")[2]
        response = await route.fetch()
        body = await response.text()
        for right, wrong in bug.planted.get(file, {}).items():
            if right in body:
                planted.add(right)
            body = body.replace(right, wrong)
        await route.fulfill(response=response, body=body)

    llama = real.llama(SLOWEST, ASKS_THE_CLOCK)
    gateway = await chats.gateway(route("openai-chat", llama.base_url))
    context = await chats.context(**DESK)
    await context.route("**/assets/*.js", plant)

    async def judged() -> None:
        tabs = await two_tabs(chats, context, llama)
        expect.set_options(timeout=12_000)  # what is wrong stays so
        await judge(gateway, TABS_ASKED, *tabs)

    with pytest.raises(AssertionError, match=bug.found):
        await judged()
    assert planted == {right for rights in bug.planted.values() for right in rights}, "the page has changed: plant the bug elsewhere"
