"""The gateway on Slack: both are real processes, and both get killed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.testing.contracts.through_gateway import Service, ThroughGateway
from holdfast.testing.process import GatewayProcess
from holdfast.testing.slack_client import Slack
from holdfast.testing.slack_service import ANN, ENVIRON, SlackService, table
from holdfast.testing.slack_world import US


class TestSlack(ThroughGateway):
    """By Socket Mode."""

    @pytest.fixture
    def service(self, slack: Slack) -> Service:
        return SlackService(slack)


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncIterator[Slack]:
    async with Slack(tmp_path) as server:
        await server.order("meet", chat=ANN)
        yield server
