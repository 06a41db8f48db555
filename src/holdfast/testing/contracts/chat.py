"""What every adapter of a chat system promises, without a word about its wire: on a fake that keeps the truth, or a real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import ClassVar, Protocol

import pytest

from holdfast.core.entries import Attachment, Produced
from holdfast.core.incoming import Chose, Edited, Incoming, Moved, Place, Unread, Wrote
from holdfast.core.text import cuts, part
from holdfast.errors import Config, Temporary
from holdfast.ports import Hook, Message, Platform
from holdfast.testing.contracts.platform import PlatformContract
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox

LONG = "\n\n".join(f"Paragraph {number}. 😀 " + "Some words that go on and on, until the line ends. " * 8 for number in range(40))
PICTURE = b"\x89PNG\r\n\x1a\n" + b"not much of a picture" * 10


class Chat(Protocol):
    """A direct chat with the account, as the person at its other end sees it, and the server between."""

    place: Place

    async def write(self, text: str) -> None: ...

    async def edit(self, text: str) -> None:
        """What was written last."""

    async def attach(self, name: str, data: bytes) -> None: ...

    async def press(self, option: str) -> None:
        """A button of what was said last."""

    async def shown(self) -> list[str]:
        """What the account says there, each message as it is now."""

    async def files(self) -> list[bytes]:
        """The files that the account sent."""

    async def block(self) -> None: ...

    async def limit(self, seconds: int) -> None:
        """The next send is one too many; another is welcome after these seconds."""

    async def revoke(self) -> None:
        """The account's credentials are not known any more."""

    async def leave(self) -> None:
        """The server is gone."""


@contextlib.asynccontextmanager
async def running(platform: Platform, inbox: RecordingInbox) -> AsyncIterator[asyncio.Task[None]]:
    """It receives, until cancelled here."""
    task = asyncio.create_task(platform.run(inbox))
    try:
        begun = asyncio.create_task(inbox.wait_for(lambda one: bool(one.begun)))
        await asyncio.wait((task, begun), return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if task.done():
            task.result()
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _DyingInbox(RecordingInbox):
    """Is killed while it makes durable what it is told: just before (`told` counts), or just after. (A cursor alone tells nothing.)"""

    def __init__(self, *, keeps: bool) -> None:
        super().__init__()
        self.told = 0
        self._keeps = keeps

    async def take(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None = None) -> Sequence[Incoming]:
        if not events:
            return await super().take(events, cursor)
        self.told += 1
        await super().take(events if self._keeps else (), cursor if self._keeps else None)
        await asyncio.Event().wait()
        return ()


def texts(inbox: RecordingInbox) -> list[str]:
    return [event.did.text for event in inbox.messages if isinstance(event.did, Wrote)]


class ChatContract(PlatformContract):
    """A suite gives `chat`, and `connect`, which makes a connection of its account with these files. `platform` may be its own.

    `says_when`: a platform to which something was too much says when it will not be.
    """

    says_when: ClassVar[bool] = True

    @pytest.fixture
    def chat(self) -> Chat:
        raise NotImplementedError

    @pytest.fixture
    def connect(self) -> Callable[[MemoryFiles], Platform]:
        raise NotImplementedError

    @pytest.fixture
    def files(self) -> MemoryFiles:
        return MemoryFiles()

    @pytest.fixture
    async def platform(self, connect: Callable[[MemoryFiles], Platform], files: MemoryFiles, chat: Chat) -> AsyncIterator[Platform]:  # noqa: ARG002 - the chat is there first
        platform = connect(files)
        yield platform
        await platform.close()

    @pytest.fixture
    def place(self, chat: Chat) -> Place:
        return chat.place

    async def test_messages_come_in_the_order_in_which_they_were_written(self, platform: Platform, chat: Chat) -> None:
        inbox = RecordingInbox()
        async with running(platform, inbox):
            for number in range(10):
                await chat.write(f"message {number}")
            await inbox.wait_for(lambda one: len(texts(one)) >= 10)
        assert texts(inbox) == [f"message {number}" for number in range(10)]
        assert {event.place for event in inbox.messages} == {chat.place}
        assert len({event.id for event in inbox.messages}) == 10
        assert not any(event.group for event in inbox.messages)

    async def test_what_was_written_while_nobody_listened_comes_later_in_order(self, platform: Platform, chat: Chat) -> None:
        """LEDGER H-01."""
        first, second = RecordingInbox(), RecordingInbox()
        async with running(platform, first):
            await chat.write("before")
            await first.wait_for(lambda one: texts(one) == ["before"])
        for number in range(6):
            await chat.write(f"meanwhile {number}")
        second.cursor = first.cursor
        async with running(platform, second):
            await second.wait_for(lambda one: "meanwhile 5" in texts(one))
        assert [text for text in texts(second) if text != "before"] == [f"meanwhile {number}" for number in range(6)]

    async def test_nothing_is_acknowledged_before_it_was_taken(self, platform: Platform, chat: Chat) -> None:
        """LEDGER H-05, I 8: whoever dies before the commit is told again."""
        dying, next_life = _DyingInbox(keeps=False), RecordingInbox()
        async with running(platform, dying):
            await chat.write("do not lose me")
            await dying.wait_for(lambda _: bool(dying.told))
        async with running(platform, next_life):
            await next_life.wait_for(lambda one: texts(one) == ["do not lose me"])

    async def test_what_comes_again_has_the_same_id(self, platform: Platform, chat: Chat) -> None:
        """LEDGER I 28: a kill between the commit and the acknowledgement."""
        dying, next_life = _DyingInbox(keeps=True), RecordingInbox()
        async with running(platform, dying):
            await chat.write("once")
            await dying.wait_for(lambda one: texts(one) == ["once"])
        next_life.cursor = dying.cursor
        async with running(platform, next_life):
            await chat.write("more")
            await next_life.wait_for(lambda one: "more" in texts(one))
        assert [event for event in next_life.messages if event.did == Wrote("once")] in ([], dying.messages)

    async def test_an_edit_says_which_message_it_changes(self, platform: Platform, chat: Chat) -> None:
        if not platform.traits.corrections:
            return  # it promises nothing
        inbox = RecordingInbox()
        async with running(platform, inbox):
            await chat.write("helo")
            await inbox.wait_for(lambda one: len(one.messages) == 1)
            await chat.edit("hello")
            await chat.edit("hello!")
            await inbox.wait_for(lambda one: len(one.messages) == 3)
        wrote, *edits = inbox.messages
        assert [edit.id for edit in edits] == [wrote.id] * 2
        assert [edit.did.text for edit in edits if isinstance(edit.did, Edited)] == ["hello", "hello!"]
        assert len({edit.did.version for edit in edits if isinstance(edit.did, Edited)}) == 2

    async def test_a_button_is_a_choice(self, platform: Platform, chat: Chat) -> None:
        if not platform.traits.buttons:
            return  # it promises nothing
        inbox = RecordingInbox()
        async with running(platform, inbox):
            await chat.write("Hello")
            await inbox.wait_for(lambda one: len(one.messages) == 1)
            asked = await platform.send(chat.place, Message("May I?", question=41, options=("once", "deny")))
            assert asked.id
            await chat.press("deny")
            await inbox.wait_for(lambda one: len(one.messages) == 2)
        pressed = inbox.messages[-1]
        assert pressed.did == Chose(41, "deny")
        assert (pressed.place, pressed.author) == (chat.place, inbox.messages[0].author)

    async def test_a_file_of_theirs_can_be_fetched(self, platform: Platform, chat: Chat, files: MemoryFiles) -> None:
        inbox = RecordingInbox()
        async with running(platform, inbox):
            await chat.attach("notes.txt", b"what was in it")
            await inbox.wait_for(lambda one: len(one.messages) == 1)
            attachment = _attachment(inbox.messages[0])
            assert attachment.name == "notes.txt"
            assert await files.read(await platform.fetch(attachment)) == b"what was in it"

    @pytest.mark.parametrize(("name", "media_type"), [("chart.png", "image/png"), ("data.bin", "application/octet-stream")])
    async def test_a_file_of_ours_arrives(self, platform: Platform, chat: Chat, files: MemoryFiles, name: str, media_type: str) -> None:
        sha256 = await files.put(_pieces(PICTURE))
        file = Produced(sha256=sha256, name=name, media_type=media_type)
        receipt = await platform.send(chat.place, Message(name, key="r1/0", files=(file,)))
        assert (receipt.refusal, bool(receipt.id)) == ("", True)
        assert await chat.files() == [PICTURE]

    async def test_a_part_that_fills_the_limit_is_one_message(self, platform: Platform, chat: Chat) -> None:
        at = cuts(LONG, platform.traits.limit)
        for index in range(len(at) + 1):
            receipt = await platform.send(chat.place, Message(part(LONG, at, index), key=f"a1/{index}"))
            assert receipt.refusal == ""
        shown = await chat.shown()
        assert len(shown) == len(at) + 1
        lines = [line.strip() for message in shown for line in message.split("\n") if line]
        assert lines == [line.strip() for line in LONG.split("\n") if line]

    async def test_an_edit_changes_what_is_shown(self, platform: Platform, chat: Chat) -> None:
        """LEDGER H-11, H-12."""
        if not platform.traits.edits:
            return
        first = await platform.send(chat.place, Message("An ans", key="a1/0"))
        for _ in range(2):  # a repeat is harmless
            receipt = await platform.send(chat.place, Message("An answer.", key="a1/0/final", edit=first.id))
            assert (receipt.refusal, receipt.id) == ("", first.id)
        assert await chat.shown() == ["An answer."]

    async def test_a_chat_that_takes_nothing_is_blocked(self, platform: Platform, chat: Chat) -> None:
        """LEDGER I 4, H-16: no rate limit, and not tried for ever."""
        await chat.block()
        receipt = await platform.send(chat.place, Message("Hello?", key="a1/0"))
        assert (receipt.refusal, receipt.account) == ("blocked", "")
        assert receipt.why

    async def test_too_many_is_tried_again_when_it_is_said(self, platform: Platform, chat: Chat) -> None:
        """LEDGER H-16."""
        await chat.limit(7)
        receipt = await platform.send(chat.place, Message("Hello", key="a1/0"))
        assert (receipt.refusal, receipt.account) == ("retry", "")
        assert receipt.retry_after_s is not None
        assert 5 < receipt.retry_after_s <= 7 or not self.says_when
        assert not await chat.shown()

    async def test_revoked_credentials_end_receiving_at_once_whatever_shows_it(self, platform: Platform, chat: Chat) -> None:
        async with running(platform, RecordingInbox()) as receiving:
            await chat.revoke()
            receipt = await platform.send(chat.place, Message("Hello", key="a1/0"))
            assert (receipt.refusal, receipt.account) == ("retry", "stopped")
            with pytest.raises(Config, match=r"."):
                await asyncio.wait_for(receiving, 5)

    async def test_a_server_that_is_gone_takes_nothing_and_that_is_certain(self, platform: Platform, chat: Chat) -> None:
        """LEDGER H-09, H-54."""
        await chat.leave()
        receipt = await platform.send(chat.place, Message("Hello", key="a1/0"))
        assert (receipt.refusal, receipt.account) == ("retry", "away")
        if not (isinstance(platform, Hook) and platform.is_called):  # whoever is called may hear all the same
            with pytest.raises(Temporary):
                await asyncio.wait_for(platform.run(RecordingInbox()), 20)
        await asyncio.wait_for(platform.typing(chat.place), 20)


def _attachment(incoming: Incoming) -> Attachment:
    assert isinstance(incoming.did, Wrote)
    (attachment,) = incoming.did.attachments
    return attachment


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data
