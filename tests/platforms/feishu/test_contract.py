from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.core.incoming import Edited
from holdfast.ports import Platform
from holdfast.testing.contracts.chat import Chat, ChatContract, running
from holdfast.testing.feishu_client import Feishu, FeishuChat
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox


class TestFeishu(ChatContract):
    @pytest.fixture
    def chat(self, feishu: Feishu) -> Chat:
        return FeishuChat(feishu)

    @pytest.fixture
    def connect(self, account: Callable[[MemoryFiles], Platform]) -> Callable[[MemoryFiles], Platform]:
        return account

    async def test_an_edit_says_which_message_it_changes(self, platform: Platform, chat: Chat) -> None:
        """Feishu says that a message was edited, not how: what it says is asked for."""
        inbox = RecordingInbox()
        async with running(platform, inbox):
            await chat.write("helo")
            await inbox.wait_for(lambda one: len(one.messages) == 1)
            await chat.edit("hello")
            await inbox.wait_for(lambda one: len(one.messages) == 2)
            await chat.edit("hello!")
            await inbox.wait_for(lambda one: len(one.messages) == 3)
        wrote, *edits = inbox.messages
        assert [edit.id for edit in edits] == [wrote.id] * 2
        assert [edit.did.text for edit in edits if isinstance(edit.did, Edited)] == ["hello", "hello!"]
        assert len({edit.did.version for edit in edits if isinstance(edit.did, Edited)}) == 2
