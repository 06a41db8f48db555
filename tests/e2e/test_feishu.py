"""The gateway on Feishu: both are real processes, and both get killed. `HOLDFAST_LONG=1` kills at every passing of a point."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.testing.contracts.through_gateway import Service, ThroughGateway
from holdfast.testing.feishu_client import DIRECT, GROUP, KEY, SECRET, Feishu, FeishuService, table
from holdfast.testing.process import GatewayProcess


@pytest.fixture
async def feishu(tmp_path: Path) -> AsyncIterator[Feishu]:
    async with Feishu(tmp_path) as server:
        await server.meet()
        yield server


class TestFeishu(ThroughGateway):
    @pytest.fixture
    def service(self, feishu: Feishu) -> Service:
        return FeishuService(feishu)
