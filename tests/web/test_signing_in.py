"""The steps of signing in, as they come to a reader."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import segno

from holdfast.ports import PlatformState, SignIn
from holdfast.web import signing_in
from holdfast.web.signing_in import picture

WECHAT = PlatformState("wechat", "wechat:mine", "stopped", 12.0, why="Nobody has signed in.", signs_in=True)
STEPS = (
    SignIn("Scan this.", picture="https://example.org/q/1"),
    SignIn("Which number?", asks=True),
    SignIn("Signed in.", done=True, person="ann"),
)
PATH = "/v1/platforms/wechat:mine/sign-in"


@pytest.fixture
def gateway(rig: Any) -> Any:
    rig.gateway.platform_states, rig.gateway.sign_in_steps = (WECHAT,), STEPS
    return rig.gateway


async def events(response: httpx2.Response) -> AsyncIterator[tuple[str, Any]]:
    kind = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            yield kind, json.loads(line[6:])


async def test_the_steps_come_as_they_are_and_an_answer_goes_on(rig: Any, gateway: Any) -> None:
    async with rig.client.stream("POST", PATH) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        steps = events(response)
        kind, first = await anext(steps)
        assert (kind, first["says"], first["text"], first["asks"], first["done"]) == (
            "step",
            "Scan this.",
            "https://example.org/q/1",
            False,
            False,
        )
        assert first["picture"] == list(picture("https://example.org/q/1"))
        _, second = await anext(steps)
        assert (second["asks"], second["picture"]) == (True, [])
        assert (await rig.client.post(f"{PATH}/answer", json={"said": "42"})).status_code == 200
        _, last = await anext(steps)
        assert last["done"]
        assert await anext(steps, None) is None
    assert gateway.answers == [("wechat:mine", "42")]


async def test_what_comes_to_nothing_says_why(rig: Any) -> None:
    async with rig.client.stream("POST", PATH) as response:
        assert [event async for event in events(response)] == [("refused", {"error": "Nobody signs 'wechat:mine' in."})]
    assert (await rig.client.post(f"{PATH}/answer", json={"code": 1})).status_code == 400


async def test_whoever_leaves_ends_it_and_so_does_a_gateway_that_stops(rig: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in, "KEEP_ALIVE_S", 0.02)
    left = asyncio.Event()

    async def steps(account: str) -> AsyncIterator[SignIn]:
        try:
            yield STEPS[0]
            await asyncio.Event().wait()
        finally:
            left.set()

    gateway.sign_in = steps
    async with rig.client.stream("POST", PATH) as response:
        lines = response.aiter_lines()
        while await anext(lines) != ": still here":
            pass
    await asyncio.wait_for(left.wait(), 20)
    async with rig.client.stream("POST", PATH) as response:
        came = events(response)
        await anext(came)
        async with asyncio.timeout(20):
            await rig.stop()
            assert [event async for event in came] == []  # the end, and no error


async def test_a_browser_that_is_not_logged_in_signs_nobody_in(site: Any) -> None:
    assert (await site.client.post(PATH, headers=site.own)).status_code == 401


def test_a_picture_is_what_a_phone_reads() -> None:
    rows = picture("https://example.org/q/1")
    assert len(rows) == len(rows[0]) >= 21
    assert set("".join(rows)) == {"0", "1"}
    assert rows[0].startswith("1111111")
    assert [list(map(int, row)) for row in rows] == [list(row) for row in segno.make_qr("https://example.org/q/1").matrix]
