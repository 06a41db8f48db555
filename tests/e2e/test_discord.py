"""The gateway on Discord: both are real processes, and both get killed. `HOLDFAST_LONG=1` kills at every passing of a point."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.testing.contracts.through_gateway import Service, ThroughGateway
from holdfast.testing.discord_client import Discord
from holdfast.testing.discord_service import ANN, DiscordService


@pytest.fixture
async def discord(tmp_path: Path) -> AsyncIterator[Discord]:
    async with Discord(tmp_path) as server:
        yield server


class TestDiscord(ThroughGateway):
    @pytest.fixture
    async def service(self, discord: Discord) -> Service:
        return DiscordService(discord, await discord.direct(ANN))
