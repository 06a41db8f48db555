"""What every adapter of a chat system promises, on a server that keeps the truth."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.ports import Platform
from holdfast.testing.contracts.chat import Chat, ChatContract
from holdfast.testing.discord_client import Discord
from holdfast.testing.discord_service import DiscordChat
from holdfast.testing.memory_files import MemoryFiles


class TestDiscord(ChatContract):
    @pytest.fixture
    async def chat(self, discord: Discord, ann: str) -> Chat:
        return DiscordChat(discord, ann)

    @pytest.fixture
    def connect(self, account: Callable[..., Platform]) -> Callable[[MemoryFiles], Platform]:
        return account
