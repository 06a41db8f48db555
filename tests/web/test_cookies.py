from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

from holdfast.config import Web
from holdfast.testing.clock import ManualClock
from holdfast.web import cookies, stream
from holdfast.web.login import KeyFile

EVENTS = "/v1/conversations/web:local:x/events"


async def _try(site: Any, code: str) -> httpx2.Response:
    response: httpx2.Response = await site.client.post("/v1/login", json={"code": code}, headers=site.own)
    return response


async def test_a_link_gives_a_cookie_that_no_script_and_no_other_site_can_use(site: Any) -> None:
    response = await _try(site, site.login.link().code)
    assert (response.status_code, response.json()) == (200, {})
    name, *attributes = response.headers["set-cookie"].split("; ")
    assert name.startswith(f"holdfast-{site.port}=")
    assert sorted(attributes) == ["HttpOnly", f"Max-Age={90 * 86400}", "Path=/", "SameSite=strict"]
    assert (await site.client.get("/v1/status")).status_code == 200


async def test_without_a_cookie_there_is_nothing(site: Any) -> None:
    response = await site.client.get("/v1/status")
    assert response.status_code == 401
    assert "holdfast login" in response.json()["error"]


async def test_a_stolen_link_is_of_no_use_after_it_was_opened(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cookies, "WRONG_S", 0.0)
    code = site.login.link().code
    assert [(await _try(site, code)).status_code for _ in range(2)] == [200, 401]


async def test_of_many_who_open_a_link_at_the_same_time_one_gets_in(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cookies, "WRONG_S", 0.1)
    code = site.login.link().code
    statuses = Counter([response.status_code for response in await asyncio.gather(*(_try(site, code) for _ in range(6)))])
    assert statuses == {200: 1, 401: 5}


async def test_wrong_codes_are_slow_and_few_at_once_and_lock_nobody_out(tmp_path: Path, open_site: Any) -> None:
    clock = ManualClock()
    async with open_site(tmp_path, Web(port=0), clock=clock) as site:
        guesses = [asyncio.create_task(_try(site, f"guess {number}")) for number in range(cookies.WRONG_AT_ONCE_MAX)]
        while clock.sleepers < cookies.WRONG_AT_ONCE_MAX:  # noqa: ASYNC110 it has no event
            await asyncio.sleep(0.001)
        assert (await _try(site, "one more")).status_code == 429
        assert (await _try(site, site.login.link().code)).status_code == 200
        assert not any(guess.done() for guess in guesses)
        clock.advance(cookies.WRONG_S)
        assert {(await guess).status_code for guess in guesses} == {401}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"code": 7}', b'{"code": null}', b"\xff"])
async def test_what_is_no_login_is_refused_with_a_sentence(site: Any, body: bytes) -> None:
    response = await site.client.post("/v1/login", content=body, headers=site.own)
    assert response.status_code == 400
    assert response.json()["error"].endswith("as JSON.")


async def test_a_login_takes_no_more_than_a_code(site: Any) -> None:
    response = await _try(site, "x" * 2000)
    assert response.status_code == 413


async def test_logging_out_takes_the_cookie_back(site: Any) -> None:
    await site.log_in()
    response = await site.client.post("/v1/logout", headers=site.own)
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert (await site.client.get("/v1/status")).status_code == 401


async def test_a_cookie_is_found_among_others_and_a_false_one_hides_no_true_one(site: Any) -> None:
    """Another program on another port of this machine can set cookies for it, of any name."""
    cookie = await site.log_in()
    site.client.cookies.clear()
    name = cookie.partition("=")[0]
    for sent in (f"a=b; {cookie}", f"{name}=false; {cookie}", f'{cookie};{name}="', f"{name};;=;{cookie}"):
        assert (await site.client.get("/v1/status", headers={"cookie": sent})).status_code == 200
    for sent in (f"a=b; {name}=false", cookie.replace("holdfast-", "holdfast-1"), cookie[:-1], f"x{cookie}", name):
        assert (await site.client.get("/v1/status", headers={"cookie": sent})).status_code == 401


async def test_a_cookie_is_known_after_a_restart(tmp_path: Path, open_site: Any) -> None:
    async with open_site(tmp_path, Web(port=0)) as site:
        value = (await site.log_in()).partition("=")[2]
    async with open_site(tmp_path, Web(port=0)) as site:
        assert (await site.client.get("/v1/status", headers={"cookie": f"holdfast-{site.port}={value}"})).status_code == 200


async def test_a_cookie_is_for_tls_alone_where_a_proxy_speaks_it(tmp_path: Path, open_site: Any) -> None:
    web = Web(port=0, url="https://chat.example.org", behind_proxy=True)
    async with open_site(tmp_path, web) as site:
        response = await site.client.post(
            "/v1/login", json={"code": site.login.link().code}, headers={"x-holdfast": "1", "origin": "https://chat.example.org"}
        )
        assert site.login.link().link.startswith("https://chat.example.org/#login=")
    assert response.headers["set-cookie"].startswith(f"__Host-holdfast-{site.port}=")
    assert "; Secure" in response.headers["set-cookie"]


@pytest.mark.parametrize("busy", [False, True])
async def test_a_browser_that_was_forgotten_reads_no_further(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    """An event stream that is open ends at its next sign of life; one that is busy, before its next event."""
    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 60.0 if busy else 0.02)
    await site.log_in()
    async with site.client.stream("GET", EVENTS) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == ": open"
        if not busy:
            assert [await anext(lines) for _ in range(2)] == ["", ": still here"]  # the negative control: it goes on by itself
        KeyFile(tmp_path).replace()
        if busy:
            site.platform.show("web:local:x", "a1", "secret")
        rest = [line async for line in lines]
    assert "secret" not in "".join(rest)
    assert (await site.client.get(EVENTS)).status_code == 401
