"""What every adapter of a chat system promises, on a server that replays; see test_account for one that forgets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from holdfast.platforms.wechat.account import WechatPlatform
from holdfast.ports import Platform
from holdfast.runtime.clock import SystemClock
from holdfast.testing.contracts.chat import Chat, ChatContract, running, texts
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.wechat_client import Wechat, WechatChat


class TestWechat(ChatContract):
    @pytest.fixture
    async def chat(self, wechat: Wechat, tmp_path: Path) -> Chat:
        await wechat.signed_in(tmp_path)
        return WechatChat(wechat)

    @pytest.fixture
    def connect(self, wechat: Wechat, tmp_path: Path) -> Callable[[MemoryFiles], Platform]:
        return lambda files: WechatPlatform("mine", wechat.base_url, files, SystemClock(), tmp_path)

    @pytest.fixture
    async def platform(self, connect: Callable[[MemoryFiles], Platform], files: MemoryFiles, chat: Chat) -> AsyncIterator[Platform]:
        """Somebody has written: only they can be answered."""
        platform, inbox = connect(files), RecordingInbox()
        await chat.write("Are you there?")
        async with running(platform, inbox):
            await inbox.wait_for(lambda one: bool(texts(one)))
        assert isinstance(chat, WechatChat)
        await chat.wechat.order("handled")
        yield platform
        await platform.close()
