from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.platforms.wecom.account import WecomPlatform
from holdfast.ports import Platform
from holdfast.runtime.clock import SystemClock
from holdfast.testing.contracts.chat import Chat, ChatContract
from holdfast.testing.hook_listener import Listener
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.tencent_service import ANN, Tencent, TencentChat


class TestWecom(ChatContract):
    says_when = False

    @pytest.fixture
    async def chat(self, wecom: Tencent, listener: Listener) -> Chat:
        await wecom.order("listen", url=listener.url("wecom:mine"))
        await wecom.order("meet", chat=ANN)
        return TencentChat(wecom)

    @pytest.fixture
    def connect(self, wecom: Tencent, listener: Listener) -> Callable[[MemoryFiles], Platform]:
        def connected(files: MemoryFiles) -> Platform:
            platform = WecomPlatform("mine", wecom.wecom(), files, SystemClock())
            listener.accounts[platform.account] = platform
            return platform

        return connected
