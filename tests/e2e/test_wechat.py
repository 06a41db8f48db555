"""The gateway on WeChat: both are real processes, and both get killed. `HOLDFAST_LONG=1` kills at every passing of a point."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from holdfast.testing.contracts.through_gateway import BURST, Service, ThroughGateway
from holdfast.testing.process import GatewayProcess
from holdfast.testing.telegram_client import Telegram
from holdfast.testing.telegram_service import ANN as ANN_ELSEWHERE
from holdfast.testing.telegram_service import table as telegram_table
from holdfast.testing.wechat_client import Wechat, WechatService, table
from holdfast.testing.wechat_world import ANN

KEY = f"wechat:mine:{ANN}"
PRACTICE = '[routes.main]\ndialect = "practice"\n'


@pytest.fixture
async def wechat(tmp_path: Path) -> AsyncIterator[Wechat]:
    """Where Ann has signed the account in."""
    async with Wechat(tmp_path) as server:
        await server.signed_in(folder(tmp_path))
        yield server


@pytest.fixture
async def gateway(tmp_path: Path, wechat: Wechat) -> AsyncIterator[GatewayProcess]:
    """Not started yet."""
    process = GatewayProcess(tmp_path / "gateway", f'{PRACTICE}{table(wechat)}allow = ["*"]\n')
    yield process
    await process.end()


def folder(tmp_path: Path) -> Path:
    """Of the account, in the gateway's data folder."""
    return tmp_path / "gateway" / "data" / "platforms" / "wechat" / "mine"


class TestWechat(ThroughGateway):
    """On a server that hands over again what comes after where we were."""

    @pytest.fixture
    def service(self, wechat: Wechat) -> Service:
        return WechatService(wechat)

    async def test_many_messages_at_once_are_answered_in_order(self, wechat: Wechat, gateway: GatewayProcess) -> None:  # type: ignore[override]  # more of it
        """A message lets us send ten: what is still to be said then waits until another one comes."""
        await gateway.start()
        names = [f"name{number}" for number in range(BURST)]
        for name in names:
            await wechat.write(f"/title {name}")
        blocked = 0
        while await _waits(wechat, gateway, blocked, len(names)):
            blocked, names = blocked + 1, [*names, f"name{len(names)}"]
            await wechat.write(f"/title {names[-1]}")
        await says(wechat, *names)


async def _waits(wechat: Wechat, gateway: GatewayProcess, blocked: int, names: int) -> bool:
    """True when it is on disk that one more send has to wait for Ann; False when all was said."""
    waits = False

    async def look() -> bool:
        nonlocal waits
        entries = await gateway.door.entries_of(KEY) if any(row.key == KEY for row in await gateway.door.rows()) else ()
        waits = msgspec.json.encode(entries).count(b'"refusal":"blocked"') > blocked
        return waits or len(await wechat.shown()) == names

    await gateway.eventually(look)
    return waits


async def says(wechat: Wechat, *titles: str) -> None:
    """Return when these titles were confirmed, in this order, and nothing else was."""

    async def look() -> bool:
        said = [found[1] for text in await wechat.shown() if (found := re.search("“(.*)”", text))]
        return said == list(titles)

    await wechat.until(look)


async def test_on_a_server_that_forgets_what_is_on_disk_is_answered_once(wechat: Wechat, gateway: GatewayProcess) -> None:
    await wechat.order("set", name="forgets", value="yes")
    await gateway.start(environ={"HOLDFAST_FAILPOINT": "ingest.after_commit:1"})
    await wechat.write("/title alpha")
    await gateway.ended()
    await wechat.write("/title beta")
    await gateway.start()
    await says(wechat, "alpha", "beta")


async def test_on_a_server_that_forgets_what_was_not_on_disk_is_gone_and_nothing_else(wechat: Wechat, gateway: GatewayProcess) -> None:
    """The one window that the docs name: what was handed over, and died with the process before its commit."""
    await wechat.order("set", name="forgets", value="yes")
    await gateway.start(environ={"HOLDFAST_FAILPOINT": "ingest.before_commit:1"})
    await wechat.write("/title alpha")
    await gateway.ended()
    await wechat.write("/title beta")
    await gateway.start()
    await says(wechat, "beta")


async def test_what_nobody_may_be_told_any_more_waits_until_they_write(wechat: Wechat, gateway: GatewayProcess) -> None:
    """LEDGER I 4: kept, neither tried for ever nor dropped; a restart changes nothing."""
    await gateway.start()
    await wechat.write("/title alpha")
    await says(wechat, "alpha")
    await wechat.write("/title beta", context_token="void")
    assert await _waits(wechat, gateway, 0, 2)
    gateway.kill()
    await gateway.ended()
    await gateway.start()
    await gateway.ready()
    await wechat.write("/title gamma")
    await says(wechat, "alpha", "beta", "gamma")
    assert sum(call["status"] == -2 for call in await wechat.calls("sendmessage")) == 1


async def test_an_ended_session_is_told_elsewhere_and_signing_in_again_mends_it(
    wechat: Wechat, gateway: GatewayProcess, tmp_path: Path
) -> None:
    """LEDGER H-06, H-54: nothing else stops meanwhile, and what was to be said comes."""
    (tmp_path / "telegram").mkdir()
    async with Telegram(tmp_path / "telegram") as telegram:
        notify = f'[owner]\nnotify = ["telegram:mybot:{ANN_ELSEWHERE}"]\n'
        gateway.configure(f'{PRACTICE}{notify}{table(wechat)}allow = ["*"]\n{telegram_table(telegram)}allow = ["*"]\n')
        await gateway.start(environ={"TOKEN": telegram.token})
        await telegram.write(ANN_ELSEWHERE, "/title other")
        await wechat.write("/title alpha")
        await says(wechat, "alpha")
        await wechat.order("end")

        async def told() -> bool:
            return any("wechat:mine has stopped: WeChat has ended the session" in text for text in await telegram.said(ANN_ELSEWHERE))

        await telegram.until(told)
    signing = await _login(gateway, wechat)
    assert "Scan this with WeChat" in signing
    assert f"wechat:mine is connected, as {ANN}." in signing
    await wechat.order("handled")
    await wechat.write("/title beta")
    await says(wechat, "alpha", "beta")
    said = gateway.said()
    assert "im.bot:" not in said
    assert "context_token" not in said


async def _login(gateway: GatewayProcess, wechat: Wechat) -> str:
    """`holdfast platforms login`, while Ann scans the picture. Returns what it prints."""
    running = asyncio.create_task(gateway.run("platforms", "login", "mine"))
    await wechat.until(lambda: _pictured(wechat))
    await wechat.order("scan")
    await wechat.order("confirm")
    said = await running
    assert said.exit == 0, said
    return said.out


async def _pictured(wechat: Wechat) -> bool:
    return bool(await wechat.order("pictures"))
