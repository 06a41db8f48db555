"""Pages of others in the browser that is logged in: a real Chromium, which sends what browsers send and shows what they show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright
from starlette.responses import Response

from holdfast.core.entries import UserMessage
from holdfast.web.guard import Guard

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
REBOUND = "rebound.example"
"""A foreign name that leads to this machine."""

ATTACK = """async (target) => {
  const read = [];
  const tried = async (what, attempt) => { try { const got = await attempt(); if (got) read.push(what + ": " + got); } catch {} };
  const within = (promise) => Promise.race([promise, new Promise((done) => setTimeout(done, 1500, ""))]);
  const body = JSON.stringify({key: "evil", text: "Delete everything"});
  const messages = target + "/v1/conversations/x/messages";
  const json = {"content-type": "application/json", "x-holdfast": "1"};
  await tried("read", async () => (await fetch(target + "/v1/conversations", {credentials: "include"})).text());
  await tried("read blindly", async () => (await fetch(target + "/v1/conversations", {credentials: "include", mode: "no-cors"})).text());
  await tried("post", async () => (await fetch(messages, {method: "POST", body, headers: json, credentials: "include"})).text());
  await tried("post simply", async () => (await fetch(messages, {method: "POST", body, credentials: "include", mode: "no-cors"})).text());
  await tried("beacon", async () => { navigator.sendBeacon(messages, body); return ""; });
  await tried("stream", () => within(new Promise((done) => {
    const source = new EventSource(target + "/v1/conversations/web:local:x/events", {withCredentials: true});
    source.addEventListener("entry", (event) => done(event.data));
    source.onerror = () => { source.close(); done(""); };
  })));
  await tried("websocket", () => within(new Promise((done) => {
    const socket = new WebSocket(target.replace("http", "ws") + "/v1/conversations/web:local:x/events");
    socket.onopen = () => done("open");
    socket.onerror = () => done("");
  })));
  await tried("frame", () => within(new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.onload = () => { try { done(frame.contentDocument.body.innerText); } catch { done(""); } };
    frame.src = target + "/v1/conversations";
    document.body.append(frame);
  })));
  await tried("script", () => within(new Promise((done) => {
    const script = document.createElement("script");
    script.onload = () => done("loaded");
    script.onerror = () => done("");
    script.src = target + "/v1/conversations";
    document.body.append(script);
  })));
  await tried("form", () => within(new Promise((done) => {
    const form = document.createElement("form");
    const frame = document.createElement("iframe");
    frame.name = "aside";
    frame.onload = () => done("");
    form.method = "POST"; form.action = messages; form.enctype = "text/plain"; form.target = "aside";
    const field = document.createElement("input");
    field.name = '{"key": "evil", "text": "Delete everything", "x": "'; field.value = '"}';
    form.append(field);
    document.body.append(frame, form);
    form.submit();
  })));
  return read;
}"""


@pytest.fixture
async def foreign() -> AsyncIterator[int]:
    """Another program on this machine that serves a page: its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<!doctype html><title>x</title><body>Kittens")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def page(site: Any) -> AsyncIterator[Page]:
    """A browser that is logged in."""
    flags = [*FLAGS, f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        page = await browser.new_page()
        await page.goto(f"{site.origin}/assets/mark.svg")
        post = """async (code) => (await fetch("/v1/login", {method: "POST", headers: {"x-holdfast": "1"}, body: JSON.stringify({code})})).status"""
        assert await page.evaluate(post, site.login.link().code) == 200
        assert await page.evaluate("""async () => (await fetch("/v1/status")).status""") == 200
        yield page
        await browser.close()


@pytest.mark.needs("chromium")
async def test_a_foreign_page_reads_nothing_and_does_nothing(site: Any, page: Page, foreign: int) -> None:
    """On 127.0.0.1 it is even of the same site: the browser sends it our cookie, and sends ours its requests with it."""
    site.gateway.append("web:local:x", UserMessage(author="local", id="1", text="secret"))
    for host in ("127.0.0.1", "localhost", REBOUND):
        await page.goto(f"http://{host}:{foreign}/")
        for target in (site.origin, site.origin.replace("127.0.0.1", "localhost"), site.origin.replace("127.0.0.1", REBOUND)):
            assert await page.evaluate(ATTACK, target) == []
    assert [entry.body.text for entry in site.gateway.transcripts.pop("web:local:x")] == ["secret"]
    assert site.gateway.transcripts == {}


@pytest.mark.needs("chromium")
async def test_a_name_that_was_bound_anew_reads_nothing(site: Any, page: Page) -> None:
    """The foreign page comes from our own port, under its own name: for the browser it is all one origin."""
    response = await page.goto(site.origin.replace("127.0.0.1", REBOUND) + "/")
    assert response is not None
    assert response.status == 421


@pytest.mark.needs("chromium")
async def test_without_the_guard_the_same_page_would_have_its_way(
    site: Any, page: Page, foreign: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: what is left is the cookie, and that is not enough."""

    def cookie_alone(self: Guard, scope: Any, public: bool, shell: bool) -> Response | None:
        return None if public or self._cookies.allow(scope) else Response(status_code=401)

    monkeypatch.setattr(Guard, "_refusal", cookie_alone)
    await page.goto(f"http://127.0.0.1:{foreign}/")
    await page.evaluate(ATTACK, site.origin)
    assert [entry.body.text for entry in site.gateway.transcripts["web:local:x"]] == ["Delete everything"]
