"""What every adapter of a chat system promises, both ways in which Slack brings what happened."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.platforms.slack.account import SlackPlatform
from holdfast.ports import Platform
from holdfast.runtime.clock import SystemClock
from holdfast.testing.contracts.chat import Chat, ChatContract
from holdfast.testing.hook_listener import Listener
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.slack_client import Slack
from holdfast.testing.slack_service import ANN, SlackChat


class TestSocketMode(ChatContract):
    @pytest.fixture
    async def chat(self, slack: Slack) -> Chat:
        await slack.order("meet", chat=ANN)
        return SlackChat(slack)

    @pytest.fixture
    def connect(self, slack: Slack) -> Callable[[MemoryFiles], Platform]:
        return lambda files: SlackPlatform("mybot", slack.settings(), files, SystemClock())


class TestEventsAPI(ChatContract):
    @pytest.fixture
    async def chat(self, slack: Slack, listener: Listener) -> Chat:
        await slack.order("meet", chat=ANN)
        await slack.order("listen", url=listener.url("slack:mybot"))
        return SlackChat(slack)

    @pytest.fixture
    def connect(self, slack: Slack, listener: Listener) -> Callable[[MemoryFiles], Platform]:
        def connected(files: MemoryFiles) -> Platform:
            platform = SlackPlatform("mybot", slack.settings(called=True), files, SystemClock())
            listener.accounts[platform.account] = platform
            return platform

        return connected
