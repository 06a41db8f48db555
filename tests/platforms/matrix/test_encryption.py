"""Encrypted rooms on a real homeserver, with somebody in them whose client is a whole one."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.entries import Produced
from holdfast.core.incoming import Place, Unread, Wrote
from holdfast.errors import Config
from holdfast.ports import Message
from holdfast.testing.matrix_rig import WITHIN_S, Open, connected, eventually, secret, texts
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.synapse import Person, Synapse

nio: Any = pytest.importorskip("nio", reason="matrix-nio not installed: pip install 'matrix-nio[e2e]'")

pytestmark = pytest.mark.timeout(120)


class Whole:
    """Somebody's client that encrypts. It sees what others say as clients show it."""

    def __init__(self, url: str, person: Person, folder: Path) -> None:
        settings = nio.AsyncClientConfig(max_timeouts=1, max_limit_exceeded=0, encryption_enabled=True, store_sync_tokens=False)
        self.client = nio.AsyncClient(url, person.id, device_id=person.device, store_path=str(folder), config=settings)
        self.client.restore_login(person.id, person.device, person.token)
        self.heard: list[Any] = []
        self.client.add_event_callback(self._hear, nio.Event)

    async def _hear(self, _room: Any, event: Any) -> None:
        self.heard.append(event)

    async def sync(self) -> None:
        answer = await self.client.sync(timeout=0, full_state=False)
        assert isinstance(answer, nio.SyncResponse), answer
        if self.client.should_upload_keys:
            await self.client.keys_upload()
        if self.client.should_query_keys:
            await self.client.keys_query()

    async def write(self, room: str, text: str, **content: Any) -> str:
        await self.sync()
        content = {"msgtype": "m.text", "body": text} | content
        sent = await self.client.room_send(room, "m.room.message", content, ignore_unverified_devices=True)
        return str(sent.event_id)

    async def until_said(self, by: str, text: str) -> Any:
        """The event in which this was said, once it is here and could be read."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                await self.sync()
                for event in self.heard:
                    content = event.source.get("content", {})
                    if event.sender == by and content.get("m.new_content", content).get("body") == text:
                        return event


@pytest.fixture
async def whole(synapse: Synapse, ann: Person, tmp_path: Path) -> AsyncGenerator[Whole]:
    folder = tmp_path / "ann"
    folder.mkdir()
    whole = Whole(synapse.url, ann, folder)
    await whole.sync()
    yield whole
    whole.client.store.database.close()
    await whole.client.close()


@pytest.fixture
def room(ann: Person, bot: Person) -> str:
    return ann.direct(bot.id, encrypted=True)


async def test_messages_files_and_edits_are_read_and_written(
    account: Open, whole: Whole, room: str, ann: Person, bot: Person, files: MemoryFiles
) -> None:
    platform = account(encrypted=True)
    async with connected(platform) as inbox:
        await eventually(lambda: bot.id in ann.members(room))
        await whole.write(room, "Hello")
        await texts(inbox, "Hello")
        sent = await platform.send(Place(room), Message("He …", "k1"))
        assert sent.refusal == ""
        assert (await platform.send(Place(room), Message("He …", "k1"))).id == sent.id
        assert (await platform.send(Place(room), Message("Hello *you*", "k1", edit=sent.id))).id == sent.id
        await whole.until_said(bot.id, "He …")
        assert (await whole.until_said(bot.id, "Hello *you*")).decrypted
        assert {event["type"] for event in ann.events(room, "m.room.message")} == set()
        assert await platform.find(Place(room), Message("Hello", "k1"), 0.0) == sent.id

        picture = Produced(sha256=await files.put(_pieces(b"\x89PNG")), name="cat.png", media_type="image/png")
        assert (await platform.send(Place(room), Message("", "k2", files=(picture,)))).refusal == ""
        said = await whole.until_said(bot.id, "cat.png")
        keys = said.source["content"]["file"]
        assert b"PNG" not in ann.download(keys["url"])
        await whole.write(room, "cat.png", msgtype="m.image", file=keys)  # and back again
        await inbox.wait_for(lambda inbox: len(inbox.events) == 2, WITHIN_S)
        did = inbox.messages[1].did
        assert isinstance(did, Wrote)
        assert files.kept[await platform.fetch(did.attachments[0])] == b"\x89PNG"


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_the_keys_outlive_the_process(account: Open, whole: Whole, room: str, ann: Person, bot: Person) -> None:
    """What was written while nothing was received is read in the next life, also by the keys of the one before."""
    first = account(encrypted=True)
    async with connected(first) as inbox:
        await eventually(lambda: bot.id in ann.members(room))
        await whole.write(room, "one")
        await texts(inbox, "one")
    await first.close()
    await whole.write(room, "two")
    second = account(encrypted=True)
    async with connected(second, inbox):
        await texts(inbox, "one", "two")
        assert (await second.send(Place(room), Message("three", "k1"))).refusal == ""
        await whole.until_said(bot.id, "three")


async def test_whoever_lost_the_keys_is_another_device_and_goes_on(
    account: Open, whole: Whole, room: str, ann: Person, bot: Person, tmp_path: Path
) -> None:
    first = account(encrypted=True)
    async with connected(first) as inbox:
        await eventually(lambda: bot.id in ann.members(room))
        await whole.write(room, "one")
        await texts(inbox, "one")
    await first.close()
    shutil.rmtree(tmp_path / "keys")
    async with connected(account(encrypted=True), inbox):
        await whole.sync()  # and so it knows the new device
        await whole.write(room, "two")
        await texts(inbox, "one", "two")


async def test_whoever_joins_later_can_read_what_comes_then(
    synapse: Synapse, account: Open, whole: Whole, room: str, ann: Person, bot: Person, tmp_path: Path
) -> None:
    platform = account(encrypted=True)
    async with connected(platform) as inbox:
        await eventually(lambda: bot.id in ann.members(room))
        await platform.send(Place(room), Message("for two", "k1"))
        await whole.until_said(bot.id, "for two")
        bob = synapse.person("bob")
        (tmp_path / "bob").mkdir()
        late = Whole(synapse.url, bob, tmp_path / "bob")
        await late.sync()
        cursor = inbox.cursor
        ann.invite(room, bob.id)
        bob.join(room)
        await inbox.wait_for(lambda inbox: inbox.cursor != cursor, WITHIN_S)
        ann.write(room, "a word in between")  # so that his coming has been seen
        await texts(inbox, "a word in between")
        await platform.send(Place(room), Message("for three", "k2"))
        await late.until_said(bot.id, "for three")
        late.client.store.database.close()
        await late.client.close()


async def test_who_comes_or_goes_while_a_key_is_told_makes_it_a_key_no_more(
    account: Open, whole: Whole, room: str, ann: Person, bot: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform: Any = account(encrypted=True)
    crypto = platform._crypto
    tell = crypto._tell
    told: list[str] = []

    async def told_while_somebody_comes(kind: str, messages: Any) -> None:
        told.append(kind)
        await tell(kind, messages)
        if len(told) == 1:
            crypto.changed(room, {"type": "m.room.member"})

    async with connected(platform):
        await eventually(lambda: bot.id in ann.members(room))
        monkeypatch.setattr(crypto, "_tell", told_while_somebody_comes)
        await platform.send(Place(room), Message("for all of us", "k1"))
        await whole.until_said(bot.id, "for all of us")
    assert len(told) >= 2, "with the next key"


async def test_a_message_without_its_key_is_unread(account: Open, room: str, ann: Person, bot: Person) -> None:
    async with connected(account(encrypted=True)) as inbox:
        await eventually(lambda: bot.id in ann.members(room))
        content = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "y", "sender_key": "z", "device_id": "D"}
        ann.send(room, content, "m.room.encrypted")
        await inbox.wait_for(lambda inbox: bool(inbox.events), WITHIN_S)
    assert isinstance(inbox.events[0], Unread)


async def test_a_room_that_is_not_encrypted_stays_so(account: Open, ann: Person, bot: Person, direct: str) -> None:
    platform = account(encrypted=True)
    async with connected(platform):
        assert (await platform.send(Place(direct), Message("Hello", "k1"))).refusal == ""
        assert ann.texts(direct, bot.id) == ["Hello"]


async def test_lost_keys_of_the_device_of_a_token_are_said(account: Open, bot: Person, tmp_path: Path) -> None:
    bot.login("MINE")
    way = {"access_token": secret(bot.token), "encrypted": True}
    first = account(**way)
    async with connected(first):
        pass
    await first.close()
    shutil.rmtree(tmp_path / "keys")
    with pytest.raises(Config, match="are lost"):
        await account(**way).run(RecordingInbox())


async def test_without_the_library_it_is_said_what_to_install(account: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nio", None)  # as if it were not there
    with pytest.raises(Config, match="matrix-e2e"):
        await account(encrypted=True).run(RecordingInbox())
