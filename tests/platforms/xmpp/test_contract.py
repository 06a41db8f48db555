"""What every adapter of a chat system promises, on a real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.ports import Platform
from holdfast.testing.contracts.chat import Chat, ChatContract
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.prosody import Prosody, User
from holdfast.testing.xmpp_service import Person, XmppChat


class TestXmpp(ChatContract):
    says_when = False

    @pytest.fixture
    def chat(self, prosody: Prosody, ann: Person, bot: User) -> Chat:
        return XmppChat(prosody, ann, bot)

    @pytest.fixture
    def connect(self, account: Callable[..., Platform]) -> Callable[[MemoryFiles], Platform]:
        return account
