from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx2
import pytest
from starlette.applications import Starlette

from holdfast.web.page import ASSETS, CONTENT_TYPES, HEADERS, page_routes

FILES = sorted(path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*") if path.is_file())


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(Starlette(routes=page_routes())), base_url="http://page") as client:
        yield client


async def test_the_shell_is_html(client: httpx2.AsyncClient) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>Holdfast</title>" in response.text


@pytest.mark.parametrize("name", FILES)
async def test_every_file_is_served_as_what_it_is(client: httpx2.AsyncClient, name: str) -> None:
    response = await client.get(f"/assets/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"] == CONTENT_TYPES["." + name.rpartition(".")[2]]
    assert response.content == (ASSETS / name).read_bytes()


async def test_what_keeps_the_files_in_the_browser_may_do_so_for_the_whole_page(client: httpx2.AsyncClient) -> None:
    response = await client.get("/worker.js")
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.content == (ASSETS / "worker.js").read_bytes()


async def test_a_file_that_has_not_changed_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    first = await client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = await client.get("/", headers={"if-none-match": f'"another", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (await client.get("/", headers={"if-none-match": '"another"'})).status_code == 200


@pytest.mark.parametrize(
    "path", ["/assets/", "/assets/none.js", "/assets/../page.py", "/assets/%2e%2e/page.py", "/assets/..%2fpage.py", "/assets//etc/passwd"]
)
async def test_what_is_no_file_of_the_page_is_not_served(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_the_page_is_only_read(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/")).status_code == 405


def test_the_policy_allows_files_of_our_own_and_nothing_else() -> None:
    policy = dict(directive.strip().split(" ", 1) for directive in HEADERS["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


class _Shell(HTMLParser):
    """What the policy would refuse, and what comes from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name: value or "" for name, value in attrs}
        self.loaded += [names[name] for name in ("src", "href") if name in names and not names[name].startswith("#")]
        if tag == "style" or (tag == "script" and "src" not in names) or any(name == "style" or name.startswith("on") for name in names):
            self.inline.append(self.get_starttag_text() or tag)


def test_the_shell_has_no_inline_script_or_style_and_loads_its_own_files_alone() -> None:
    shell = _Shell((ASSETS / "index.html").read_text())
    assert shell.inline == []
    assert {path.removeprefix("/assets/") for path in shell.loaded} <= set(FILES)


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("vendor/")])
def test_our_files_name_no_other_address(name: str) -> None:
    addresses = re.findall(r"https?://[^\s\"'`)]+", (ASSETS / name).read_text())
    assert [address for address in addresses if not address.startswith("http://www.w3.org/")] == []  # the name of SVG's vocabulary


def test_the_library_is_the_one_its_note_names() -> None:
    note = (ASSETS / "vendor/README.md").read_text()
    assert hashlib.sha256((ASSETS / "vendor/markdown-it.js").read_bytes()).hexdigest() in note
