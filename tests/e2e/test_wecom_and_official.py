"""WeCom applications and Official Accounts through the gateway: all are real processes, and get killed. (What they call is brought again sooner, and more often,
than they do: a test has no time.)"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.testing.contracts import through_gateway
from holdfast.testing.contracts.through_gateway import Service, ThroughGateway
from holdfast.testing.process import GatewayProcess
from holdfast.testing.tencent_service import Tencent, TencentService

PATIENT = ("--retry-s", "0.5", "--tries", "600")
PRACTICE = '[routes.main]\ndialect = "practice"\n'


class TestWecom(ThroughGateway):
    @pytest.fixture
    async def service(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
        monkeypatch.setattr(through_gateway, "BURST", 30)  # so many messages a minute a person is shown
        async with Tencent(tmp_path, "wecom", *PATIENT) as server:
            yield TencentService(server)


class TestOfficial(ThroughGateway):
    @pytest.fixture
    async def service(self, tmp_path: Path) -> AsyncIterator[Service]:
        async with Tencent(tmp_path, "official", "--quota", "500", *PATIENT) as server:
            yield TencentService(server)


async def test_what_wechat_does_not_let_us_say_is_said_when_they_write_again(tmp_path: Path) -> None:
    """LEDGER H-16: a window that is over is no rate limit, and nothing is lost in it."""
    async with Tencent(tmp_path, "official", "--quota", "2", *PATIENT) as server:
        service = TencentService(server)
        gateway = GatewayProcess(tmp_path / "gateway", f'{service.table}allow = ["*"]\n{PRACTICE}')
        try:
            await gateway.start(environ=service.environ)
            await service.listens(gateway)
            await server.write("/title alpha")
            await said(gateway, server, "alpha")
            await server.fault("status", "message/custom/send", value=45047)
            await server.write("/title beta")
            await gateway.eventually(lambda: rests(gateway, server, 45047))
            assert [text for text in await server.said() if "beta" in text] == []
            await server.write("/title gamma")
            await said(gateway, server, "gamma")
            assert ["beta" in text for text in (await server.said())[-2:]] == [True, False]
        finally:
            await gateway.end()


async def said(gateway: GatewayProcess, server: Tencent, name: str) -> None:
    async def look() -> bool:
        return any(f"“{name}”" in text for text in await server.said())

    await gateway.eventually(look)


async def rests(gateway: GatewayProcess, server: Tencent, code: int) -> bool:
    """It was refused so, and that is written down."""
    refused = any(call["status"] == code for call in await server.calls("message/custom/send"))
    return refused and not any(row.running for row in await gateway.door.rows())
