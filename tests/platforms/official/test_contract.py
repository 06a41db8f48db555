from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.platforms.official.account import OfficialPlatform
from holdfast.ports import Platform
from holdfast.runtime.clock import SystemClock
from holdfast.testing.contracts.chat import Chat, ChatContract
from holdfast.testing.hook_listener import Listener
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.tencent_service import ANN, Tencent, TencentChat


class TestOfficial(ChatContract):
    says_when = False

    @pytest.fixture
    async def chat(self, official: Tencent, listener: Listener) -> Chat:
        await official.order("listen", url=listener.url("official:mine"))
        await official.order("meet", chat=ANN)
        return TencentChat(official)

    @pytest.fixture
    def connect(self, official: Tencent, listener: Listener) -> Callable[[MemoryFiles], Platform]:
        def connected(files: MemoryFiles) -> Platform:
            platform = OfficialPlatform("mine", official.official(), files, SystemClock())
            listener.accounts[platform.account] = platform
            return platform

        return connected

    @pytest.mark.parametrize(("name", "media_type"), [("chart.png", "image/png")])
    async def test_a_file_of_ours_arrives(self, platform: Platform, chat: Chat, files: MemoryFiles, name: str, media_type: str) -> None:
        """WeChat takes pictures alone."""
        await super().test_a_file_of_ours_arrives(platform, chat, files, name, media_type)
