from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.platforms.webhook.account import WebhookPlatform
from holdfast.ports import Platform
from holdfast.runtime.clock import SystemClock
from holdfast.testing.contracts.chat import Chat, ChatContract
from holdfast.testing.hook_listener import Listener
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.webhook_service import SECRET, Program, WebhookChat


class TestWebhook(ChatContract):
    """A program that is called with the answers."""

    @pytest.fixture
    async def chat(self, program: Program, listener: Listener) -> Chat:
        await program.order("listen", url=listener.url("webhook:mine"))
        return WebhookChat(program)

    @pytest.fixture
    def connect(self, program: Program, listener: Listener) -> Callable[[MemoryFiles], Platform]:
        def connected(files: MemoryFiles) -> Platform:
            platform = WebhookPlatform("mine", SECRET, program.callback_url, files, SystemClock())
            listener.accounts[platform.account] = platform
            return platform

        return connected
