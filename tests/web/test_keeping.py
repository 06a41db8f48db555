"""What only the door may ask: backups, room, forgetting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from holdfast.errors import Request, Temporary
from holdfast.ports import Backup, Forgot, Freed
from holdfast.runtime.clock import SystemClock
from holdfast.testing.fake_gateway import FakeGateway
from holdfast.web import door
from holdfast.web.login import Login
from holdfast.web.platform import WebPlatform


class Keeper:
    """Does what it is told, and remembers it."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.failure: Exception | None = None

    async def back_up(self, file: Path) -> Backup:
        self.asked.append(file)
        if self.failure:
            raise self.failure
        return Backup(str(file), 1.0, 2, 3, 4)

    async def forget(self, conversation: str) -> Forgot:
        self.asked.append(conversation)
        return Forgot(1, 2, (), rewritten=True)

    async def vacuum(self) -> Freed:
        return Freed(3, 2, 1)

    async def drop_files(self, before: float) -> int:
        raise NotImplementedError


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
async def client(tmp_path: Path, keeper: Keeper) -> AsyncIterator[httpx2.AsyncClient]:
    gateway, clock = FakeGateway(), SystemClock()
    app = door.door(gateway, WebPlatform(gateway.files), Login(tmp_path, clock), clock, keeper=keeper)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door") as client:
        yield client


async def test_whoever_can_open_the_socket_may_ask(client: httpx2.AsyncClient, keeper: Keeper) -> None:
    made = await client.post("/v1/backups", json={"file": "/b/x.tar"})
    assert made.json() == {"file": "/b/x.tar", "at": 1.0, "conversations": 2, "files": 3, "size": 4, "damaged": []}
    assert (await client.post("/v1/vacuum")).json() == {"before": 3, "after": 2, "unused": 1}
    assert (await client.delete("/v1/conversations/telegram:mybot:1%202")).json()["entries"] == 1
    assert keeper.asked == [Path("/b/x.tar"), "telegram:mybot:1 2"]


async def test_a_path_that_begins_nowhere_is_refused(client: httpx2.AsyncClient, keeper: Keeper) -> None:
    refused = await client.post("/v1/backups", json={"file": "x.tar"})
    assert refused.status_code == 400
    assert "is no whole path" in refused.json()["error"]
    assert keeper.asked == []


@pytest.mark.parametrize(("failure", "status"), [(Temporary("The disk is full."), 503), (Request("It is there already."), 400)])
async def test_what_goes_wrong_is_said(client: httpx2.AsyncClient, keeper: Keeper, failure: Exception, status: int) -> None:
    keeper.failure = failure
    refused = await client.post("/v1/backups", json={"file": "/x.tar"})
    assert (refused.status_code, refused.json()) == (status, {"error": str(failure)})


async def test_a_browser_may_ask_for_none_of_it(site: Any) -> None:
    await site.log_in()
    for method, path in (("POST", "/v1/backups"), ("POST", "/v1/vacuum"), ("DELETE", "/v1/conversations/web:local:x")):
        refused = await site.client.request(method, path, json={"file": "/x.tar"}, headers=site.own)
        assert refused.status_code in {404, 405}, path
