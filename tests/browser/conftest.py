"""The page in a real browser, before a real gateway: what its tests share.

    async def test_something(chats: Chats) -> None:
        gateway = await chats.gateway()          # with the practice model; or with a configuration of your own
        chat = await chats.open()                # a browser of its own, logged in by a link
        await chat.say("Hello")
        await chat.answered(1)
        await gateway.restart()                  # SIGKILL, and a new process on the same port

One browser serves all tests of this folder, each in a context of its own; so they share one loop, and so do their asynchronous fixtures.
When a test ends, no script of the page may have failed, its policy may have refused nothing, and nothing may have been asked of another host.
"""

from __future__ import annotations

import asyncio
import importlib.resources
import os
import re
import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, Route, async_playwright, expect

from holdfast.testing.gateway_rig import Parts, parts_in, unavailable
from holdfast.testing.process import GatewayProcess, practice
from holdfast.web.page import ASSETS, CONTENT_TYPES

CHROMIUM: Final = shutil.which("chromium-headless-shell") or "/usr/bin/chromium"
"""The same engine; without windows of its own it does a third less work."""
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS_MAX: Final = 20_000
LOOK_S: Final = 0.02
"""Between two looks at what does not stay. (Playwright's own become one a second.)"""
PRACTICE: Final = '[routes.main]\ndialect = "practice"\n'
EXPECTED_NOISE: Final = "Failed to load resource"
"""What the browser says of every request that a gateway which is away, or refuses, does not answer."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@dataclass
class Chat:
    """The page, as a person uses it."""

    page: Page
    gateway: GatewayProcess
    origin: str
    troubles: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """From now on, write down what must not happen."""
        self.page.on("pageerror", lambda error: self.troubles.append(f"a script failed: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)
        self.page.on("dialog", lambda dialog: self.troubles.append(f"a dialog opened: {dialog.message}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and EXPECTED_NOISE not in message.text:
            self.troubles.append(f"the console says: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).scheme not in {"blob", "data"} and not request.url.startswith(self.origin + "/"):
            self.troubles.append(f"asked of another host: {request.url}")

    async def login(self) -> None:
        """Open a one-time link, and wait until the page is there."""
        await self.page.goto(await self.gateway.door.login_link())
        await expect(self.field).to_be_visible()
        assert self.page.url.startswith(self.origin + "/")
        assert "login" not in self.page.url

    async def link(self) -> str:
        """A new one-time link, as `holdfast login` prints it."""
        said = await self.gateway.run("login")
        found = re.search(r"http://\S+#login=\S+", said.out)
        assert found is not None, (said, self.gateway.said())
        return found[0]

    @property
    def name(self) -> str:
        """The name of the conversation that is open."""
        return urlsplit(self.page.url).fragment

    @property
    def field(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def answers(self) -> Locator:
        return self.page.locator("article.answer")

    @property
    def mine(self) -> Locator:
        """The messages that this person wrote."""
        return self.page.locator("article.you:not(.order)")

    @property
    def away(self) -> Locator:
        return self.page.get_by_text("The gateway is away. Nothing is lost")

    async def say(self, text: str) -> None:
        await self.field.fill(text)
        await self.field.press("Enter")

    async def answered(self, count: int) -> None:
        """Wait until so many messages are there and every one of them is answered."""
        await expect(self.mine.locator(".state.answered")).to_have_count(count)
        await expect(self.page.locator(".state:not(.answered)")).to_have_count(0)
        await expect(self.page.locator("#stop")).to_be_hidden()

    async def in_mid_answer(self, chars: int = 100) -> str:
        """Wait until so much of an answer is shown, and return it."""
        live = self.page.locator("article.answer.live .prose")
        deadline = time.monotonic() + WAIT_MS_MAX / 1000
        while time.monotonic() < deadline:
            for text in await live.all_inner_texts():
                if len(text) >= chars:
                    return text
            await asyncio.sleep(LOOK_S)
        raise AssertionError(f"no answer was seen while it was written: {await self.page.locator('#log').inner_text()}")

    async def findings(self) -> list[str]:
        """What axe-core finds serious or worse, with where. (What is evaluated so is under no policy.)"""
        await self.page.evaluate((importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text())
        result = await self.page.evaluate("axe.run()")
        assert len(result["passes"]) > 10, "it looked at the page"
        return [
            f"{found['id']} ({found['impact']}): {node['html'][:200]} {node['failureSummary']}"
            for found in result["violations"]
            if found["impact"] in {"serious", "critical"}
            for node in found["nodes"]
        ]


class Chats:
    """Gateways and pages; all of them end with the test."""

    def __init__(self, folder: Path, browser: Browser, stack: AsyncExitStack) -> None:
        self.folder = folder
        self._browser = browser
        self._stack = stack
        self._gateway: GatewayProcess | None = None
        self._origin = ""
        self._open: list[Chat] = []

    async def gateway(self, config: str = "", *, ready: bool = True) -> GatewayProcess:
        """One on a port that stays the same when it is started again; without a configuration with the practice model alone."""
        port = free_port()
        self._origin = f"http://127.0.0.1:{port}"
        config = (config or PRACTICE) + f"\n[web]\nport = {port}\n"
        self._gateway = await self._stack.enter_async_context(GatewayProcess(self.folder / "gateway", config))
        if ready:
            await self._gateway.ready()
        return self._gateway

    async def gateway_with_tools(self) -> GatewayProcess:
        """The same with our own tool server as `t`, once that serves; it makes the way back longer."""
        gateway = await self.gateway(practice(self.folder / "effects"))
        await gateway.tools_ready()
        return gateway

    async def context(self, **options: Any) -> BrowserContext:
        """A browser that nobody has used: `color_scheme`, `viewport` and the like as Playwright takes them."""
        context = await self._browser.new_context(**options)
        context.set_default_timeout(WAIT_MS_MAX)
        self._stack.push_async_callback(context.close)
        return context

    async def open(self, context: BrowserContext | None = None, *, logged_in: bool = False, **options: Any) -> Chat:
        """A page that is logged in: by a link, unless its browser is already (`logged_in`)."""
        chat = await self.blank(context, **options)
        if logged_in:
            await chat.page.goto(self._origin)
            await expect(chat.field).to_be_visible()
        else:
            await chat.login()
        return chat

    async def blank(self, context: BrowserContext | None = None, **options: Any) -> Chat:
        """A page on which nothing was opened yet."""
        assert self._gateway is not None, "there is a gateway first"
        page = await (context or await self.context(**options)).new_page()
        chat = Chat(page, self._gateway, self._origin)
        chat.watch()
        self._open.append(chat)
        return chat

    @property
    def troubles(self) -> list[str]:
        """What must not have happened on any page."""
        return [trouble for chat in self._open for trouble in chat.troubles]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def scripts(browser: Browser) -> AsyncIterator[Page]:
    """A page that has nothing but the page's files, to ask one of its scripts."""
    page = await browser.new_page()

    async def serve(route: Route) -> None:
        path = ASSETS / route.request.url.rpartition("/assets/")[2]
        if path.is_file():
            await route.fulfill(body=path.read_bytes(), content_type=CONTENT_TYPES[path.suffix])
        else:
            await route.fulfill(body="<!doctype html>", content_type="text/html")

    await page.route("**/*", serve)
    await page.goto("http://page.test/")
    yield page
    await page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def chats(tmp_path: Path, browser: Browser) -> AsyncIterator[Chats]:
    expect.set_options(timeout=WAIT_MS_MAX)
    async with AsyncExitStack() as stack:
        chats = Chats(tmp_path, browser, stack)
        yield chats
        assert chats.troubles == []


@pytest_asyncio.fixture(loop_scope="session")
async def real(tmp_path: Path) -> AsyncIterator[Parts]:
    """Real parts for a gateway, where llama.cpp and mcp-server-time are installed."""
    if (why := unavailable()) and os.environ.get("HOLDFAST_TEST_ALL") != "1":
        pytest.skip(why)
    async with parts_in(tmp_path) as parts:
        yield parts
