"""What every adapter of a chat system promises, on a real homeserver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import pytest

from holdfast.core.incoming import Incoming, Moved, Place, Unread, Wrote
from holdfast.platforms.matrix import open_account
from holdfast.ports import Message, Platform
from holdfast.runtime.clock import SystemClock
from holdfast.testing.contracts.chat import Chat, ChatContract, running, texts
from holdfast.testing.matrix_rig import settings_of
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.synapse import Person, Synapse

pytestmark = pytest.mark.timeout(120)


class MatrixChat:
    """Ann's room with the bot."""

    def __init__(self, synapse: Synapse, ann: Person, bot: Person, room: str) -> None:
        self._synapse, self._ann, self._bot = synapse, ann, bot
        self.place = Place(room)
        self._last = ""

    async def write(self, text: str) -> None:
        self._last = self._ann.write(self.place.chat, text)

    async def edit(self, text: str) -> None:
        self._ann.edit(self.place.chat, self._last, text)

    async def attach(self, name: str, data: bytes) -> None:
        content = {"msgtype": "m.file", "body": name, "url": self._ann.upload(data, "text/plain")}
        self._ann.send(self.place.chat, content)

    async def press(self, option: str) -> None:
        raise NotImplementedError(f"nobody can press {option}: there are no buttons")

    async def shown(self) -> list[str]:
        said = self._ann.texts(self.place.chat, self._bot.id)
        return ["\n".join(line.strip() for line in text.split("\n")) for text in said]

    async def files(self) -> list[bytes]:
        said = [event["content"] for event in self._ann.events(self.place.chat) if event["sender"] == self._bot.id]
        return [self._ann.download(content["url"]) for content in said if "url" in content]

    async def block(self) -> None:
        self._bot.leave(self.place.chat)

    async def limit(self, seconds: int) -> None:
        raise NotImplementedError(f"nobody can say that it is to be {seconds} s")

    async def revoke(self) -> None:
        self._bot.ask("POST", "/logout/all", {})

    async def leave(self) -> None:
        self._synapse.kill()


class TestMatrix(ChatContract):
    @pytest.fixture
    async def chat(self, synapse: Synapse, ann: Person, bot: Person, direct: str) -> AsyncGenerator[Chat]:
        yield MatrixChat(synapse, ann, bot, direct)
        if not synapse.runs:
            await asyncio.to_thread(synapse.start)

    @pytest.fixture
    def connect(self, synapse: Synapse, bot: Person, tmp_path: Path) -> Callable[[MemoryFiles], Platform]:
        return lambda files: open_account("home", settings_of(synapse, bot), files, SystemClock(), tmp_path / "keys")

    async def test_a_button_is_a_choice(self, platform: Platform, chat: Chat) -> None:
        """There are none: a question says what to write."""
        inbox = RecordingInbox()
        async with running(platform, inbox):
            asked = await platform.send(chat.place, Message("May I?", question=41, options=("once", "deny")))
            assert asked.id
            await chat.write("!choose 41 deny")
            await inbox.wait_for(lambda one: texts(one) == ["/choose 41 deny"])

    async def test_too_many_is_tried_again_when_it_is_said(self, platform: Platform, chat: Chat) -> None:
        """See test_account: how long, only the server knows."""

    async def test_nothing_is_acknowledged_before_it_was_taken(self, platform: Platform, chat: Chat) -> None:
        await self._dies(platform, chat, _DyingInbox(keeps=False))

    async def test_what_was_taken_does_not_come_again(self, platform: Platform, chat: Chat) -> None:
        await self._dies(platform, chat, _DyingInbox(keeps=True))

    async def _dies(self, platform: Platform, chat: Chat, dying: _DyingInbox) -> None:
        """From the account's first cursor on: before that, it was not there."""
        next_life = RecordingInbox()
        async with running(platform, dying):
            await dying.wait_for(lambda one: bool(one.cursor))
            dying.dies = True
            await chat.write("do not lose me")
            await dying.wait_for(lambda one: bool(dying.told))
        next_life.cursor, next_life.events = dying.cursor, dying.events
        async with running(platform, next_life):
            await chat.write("nor me")
            await next_life.wait_for(lambda one: "nor me" in texts(one))
        assert texts(next_life) == ["do not lose me", "nor me"]

    async def test_what_comes_again_has_the_same_id(self, platform: Platform, chat: Chat) -> None:
        first, again = RecordingInbox(), RecordingInbox()
        async with running(platform, first):
            await first.wait_for(lambda one: bool(one.cursor))
            again.cursor = first.cursor
            await chat.write("once")
            await first.wait_for(lambda one: texts(one) == ["once"])
        async with running(platform, again):
            await again.wait_for(lambda one: texts(one) == ["once"])
        assert first.messages == again.messages
        assert again.messages[0].did == Wrote("once")


class _DyingInbox(RecordingInbox):
    """Once it `dies`, it never comes back from `take`: what it was told was made durable before (`keeps`), or not."""

    def __init__(self, *, keeps: bool) -> None:
        super().__init__()
        self.dies, self.told, self._keeps = False, 0, keeps

    async def take(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None = None) -> Sequence[Incoming]:
        self.told += self.dies
        kept = await super().take(events if self._keeps or not self.dies else (), cursor if self._keeps or not self.dies else None)
        if self.dies:
            await asyncio.Event().wait()
        return kept
