"""Each attack is a request of the page itself in which one thing is another: without that it is answered (the negative control), with it refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from holdfast.config import Web
from holdfast.core.entries import UserMessage
from holdfast.web.guard import API_HEADERS
from holdfast.web.page import HEADERS

MESSAGES = "/v1/conversations/x/messages"
BODY = {"key": "k", "text": "Delete everything"}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),  # another program's page on this machine
        ({"origin": "http://127.0.0.1"}, 403),
        ({"origin": "http://localhost:{port}"}, 403),
        ({"origin": "https://127.0.0.1:{port}"}, 403),
        ({"origin": "http://127.0.0.1:{port}.evil.example"}, 403),
        ({"origin": None, "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"x-holdfast": None}, 403),
        ({"x-holdfast": "0"}, 403),
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example", "origin": "http://evil.example"}, 421),  # DNS rebinding
        ({"host": "127.0.0.1.evil.example:{port}"}, 421),
        ({"host": "localhost.evil.example"}, 421),
        ({"host": "192.168.0.2"}, 421),
        ({"host": "0.0.0.0:{port}"}, 421),
        ({"host": "[::2]"}, 421),
        ({"host": ""}, 421),
        ({"cookie": None}, 401),
        ({"cookie": "holdfast-{port}=9999999999.00"}, 401),
        ({"cookie": None, "origin": None}, 403),
        ({"upgrade": "websocket", "connection": "upgrade"}, 400),
    ],
)
async def test_a_post_that_the_page_did_not_make_is_refused(site: Any, changed: dict[str, str | None], status: int) -> None:
    cookie = await site.log_in()
    site.client.cookies.clear()
    own = {**site.own, "host": f"127.0.0.1:{site.port}", "cookie": cookie}
    attack = {name: value.replace("{port}", str(site.port)) for name, value in {**own, **changed}.items() if value is not None}
    refused = await site.client.post(MESSAGES, json=BODY, headers=attack)
    assert refused.status_code == status
    assert refused.json()["error"].endswith(".")
    assert site.gateway.transcripts == {}
    assert (await site.client.post(MESSAGES, json=BODY, headers=own)).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost:{port}", "LOCALHOST:{port}", "127.0.0.1:{port}", "127.0.0.2", "[::1]:{port}", "[::1]", "localhost:9"]
)
async def test_this_machines_own_names_are_answered_with_their_own_origin(site: Any, host: str) -> None:
    """Also with another port: one reaches it through a tunnel."""
    cookie = await site.log_in()
    site.client.cookies.clear()
    host = host.replace("{port}", str(site.port))
    headers = {**site.own, "host": host, "origin": f"http://{host.lower()}", "cookie": cookie}
    assert (await site.client.post(MESSAGES, json=BODY, headers=headers)).status_code == 200


async def test_a_program_with_a_cookie_needs_no_origin(site: Any) -> None:
    cookie = await site.log_in()
    assert (await site.client.post(MESSAGES, json=BODY, headers={"cookie": cookie, "x-holdfast": "1"})).status_code == 200


async def test_a_login_needs_the_pages_own_origin(site: Any) -> None:
    for headers in ({"x-holdfast": "1"}, {**site.own, "origin": "https://evil.example"}, {"origin": site.origin}):
        code = site.login.link().code
        assert (await site.client.post("/v1/login", json={"code": code}, headers=headers)).status_code == 403
        assert (await site.client.post("/v1/login", json={"code": code}, headers=site.own)).status_code == 200


async def test_a_request_with_two_lengths_is_refused_and_nothing_after_it_is_read(site: Any) -> None:
    cookie = await site.log_in()
    head = f"host: 127.0.0.1\r\ncookie: {cookie}\r\nx-holdfast: 1\r\n"
    hidden = f"GET /v1/status HTTP/1.1\r\n{head}\r\n"
    answer = await site.raw(
        f"POST {MESSAGES} HTTP/1.1\r\n{head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}".encode()
    )
    assert answer.startswith(b"HTTP/1.1 400") and answer.count(b"HTTP/1.1") == 1


async def test_two_hosts_are_none(site: Any) -> None:
    for hosts in (b"host: 127.0.0.1\r\nhost: evil.example\r\n", b"host: evil.example\r\nhost: 127.0.0.1\r\n"):
        answer = await site.raw(b"GET / HTTP/1.1\r\n" + hosts + b"connection: close\r\n\r\n")
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))


@pytest.mark.parametrize("name", ["sec-fetch-site", "origin"])
async def test_a_foreign_page_may_not_even_ask_to_read(site: Any, name: str) -> None:
    """It could not read the answer, but another page on this machine is of the same site, and its requests carry the cookie."""
    site.gateway.append("web:local:x", UserMessage(author="local", id="1", text="secret"))
    await site.log_in()
    foreign = {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:1"}[name]
    for path in ("/v1/conversations", "/v1/conversations/web:local:x/entries", "/v1/conversations/web:local:x/events", "/v1/status"):
        response = await site.client.get(path, headers={name: foreign})
        assert response.status_code == 403
        assert "access-control-allow-origin" not in response.headers
    assert (await site.client.get("/v1/conversations", headers={"sec-fetch-site": "same-origin"})).status_code == 200


async def test_a_link_in_a_mail_leads_to_the_page(site: Any) -> None:
    response = await site.client.get("/assets/nowhere.js", headers={"sec-fetch-site": "cross-site"})
    assert response.status_code == 404  # and not 403: the shell and its files may be opened from anywhere


async def test_what_is_taken_away_needs_the_same_as_what_is_sent(site: Any) -> None:
    path = "/v1/people/telegram:mybot/7"
    assert (await site.client.delete(path, headers=site.own)).status_code == 401
    cookie = await site.log_in()
    for headers in ({}, {"origin": site.origin}, {**site.own, "origin": "https://evil.example"}):
        assert (await site.client.delete(path, headers=headers)).status_code == 403
    assert (await site.client.delete(path, headers=site.own)).status_code == 400  # nobody is there, but it was asked
    site.client.cookies.clear()
    assert (await site.client.delete(path, headers={"cookie": cookie, "x-holdfast": "1"})).status_code == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
async def test_other_methods_are_refused_and_no_page_is_given_leave(site: Any, method: str) -> None:
    asks = {"origin": site.origin, "access-control-request-method": "POST", "access-control-request-headers": "x-holdfast"}
    response = await site.client.request(method, "/v1/conversations", headers=asks)
    assert response.status_code == 405
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/conversations",
        "/v1/conversations/web:local:x/entries",
        "/v1/conversations/web:local:x/events",
        "/v1/status",
        "/v1/files/" + "0" * 64,
        "/v1/nothing",
        "/v2",
        "/assets",
        "//",
        "/.",
        "/v1/login/codes",
        "/%76%31/status",
        "/v1/status/",
        "/v1/../v1/status",
        "/./v1/status",
        "/v1/status%2f",
    ],
)
async def test_every_path_but_the_shell_needs_a_login(site: Any, path: str) -> None:
    for request in (
        b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n",
        b"GET http://127.0.0.1%s HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n",
    ):
        answer = await site.raw(request % path.encode())
        assert answer.startswith(b"HTTP/1.1 401"), path


@pytest.mark.parametrize(
    "path", ["/assets/../v1/status", "/assets/%2e%2e/v1/status", "/assets/..%2f..%2fpage.py", "/assets//etc/passwd", "/assets/%00"]
)
async def test_no_path_leads_out_of_the_shells_files(site: Any, path: str) -> None:
    answer = await site.raw(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404"), answer


async def test_a_route_that_nobody_thought_of_is_closed(tmp_path: Path, open_site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every route of the application is asked for without a cookie, and one that is planted."""

    async def careless(_: Any) -> None:
        raise AssertionError("it was reached")

    planted = Route("/v1/careless", careless, methods=["GET", "POST"])
    real = Starlette.__init__

    def with_one_more(self: Starlette, routes: list[Any], **rest: Any) -> None:
        seen.extend(routes)
        real(self, routes=[*routes, planted], **rest)

    seen: list[Route] = []
    monkeypatch.setattr(Starlette, "__init__", with_one_more)
    async with open_site(tmp_path, Web(port=0)) as other:
        for route in (*seen, planted):
            path = route.path.replace(":path}", "}").replace("{", "").replace("}", "")
            for method in sorted(route.methods or ()):
                response = await other.client.request(method, path, headers=other.own)
                if route.path in {"/", "/worker.js", "/assets/{path:path}", "/v1/login"}:
                    assert response.status_code in {200, 404, 400}, path
                else:
                    assert response.status_code == 401, path
        assert len(seen) >= 11


async def test_every_answer_carries_the_headers_of_a_careful_page(site: Any) -> None:
    await site.log_in()
    answers = [
        await site.client.get("/assets/nowhere.js"),
        await site.client.get("/v1/status"),
        await site.client.get("/v1/nothing"),
        await site.client.get("/v1/status", headers={"host": "evil.example"}),
        await site.client.post("/v1/login", headers=site.own),
        await site.client.put("/v1/status"),
    ]
    for response in answers:
        for name in ("x-content-type-options", "referrer-policy", "x-frame-options", "cross-origin-resource-policy"):
            assert response.headers[name] == HEADERS[name]
    for response in answers[1:]:
        assert response.headers["content-security-policy"] == API_HEADERS["content-security-policy"]
        assert response.headers["cache-control"] == "no-store"
    site.gateway.conversations = None  # a bug
    response = await site.client.get("/v1/conversations")
    assert response.status_code == 500
    assert response.headers["content-security-policy"] == API_HEADERS["content-security-policy"]


@pytest.mark.parametrize(
    ("url", "host", "origin", "status"),
    [
        ("https://chat.example.org", "chat.example.org", "https://chat.example.org", 200),
        ("https://chat.example.org", "127.0.0.1:{port}", "https://chat.example.org", 200),  # a proxy that rewrites `Host`
        ("https://chat.example.org:443/", "CHAT.example.org", "https://chat.example.org", 200),
        ("https://chat.example.org:8443", "chat.example.org:8443", "https://chat.example.org:8443", 200),
        ("https://chat.example.org", "chat.example.org", "http://chat.example.org", 403),
        ("https://chat.example.org", "chat.example.org", "https://example.org", 403),
        ("https://chat.example.org", "chat.example.org", "https://chat.example.org:8443", 403),
        ("https://chat.example.org", "example.org", "https://chat.example.org", 421),
        ("https://chat.example.org", "evil.chat.example.org", "https://chat.example.org", 421),
    ],
)
async def test_behind_a_proxy_the_url_is_the_pages_own_name(
    tmp_path: Path, open_site: Any, url: str, host: str, origin: str, status: int
) -> None:
    async with open_site(tmp_path, Web(port=0, url=url, behind_proxy=True)) as site:
        headers = {"x-holdfast": "1", "origin": origin, "host": host.replace("{port}", str(site.port))}
        response = await site.client.post("/v1/login", json={"code": site.login.link().code}, headers=headers)
        assert response.status_code == status


async def test_what_a_proxy_says_of_others_is_not_believed(site: Any) -> None:
    """Anybody can write such a header."""
    await site.log_in()
    headers = {"host": "evil.example", "x-forwarded-host": "127.0.0.1", "forwarded": "host=127.0.0.1", "x-forwarded-for": "127.0.0.1"}
    assert (await site.client.get("/v1/status", headers=headers)).status_code == 421


async def test_no_websocket_is_opened(site: Any) -> None:
    cookie = await site.log_in()
    for cookies in ("", f"cookie: {cookie}\r\n"):
        for path in ("/", "/v1/conversations/web:local:x/events"):
            answer = await site.raw(
                f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{cookies}connection: Upgrade\r\nupgrade: WebSocket\r\n"
                "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode(),
                b"}",
            )
            assert answer.startswith(b"HTTP/1.1 400")
