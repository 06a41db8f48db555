"""The account on a real homeserver: what is sent and fetched, and what goes wrong."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from holdfast.core.entries import Produced
from holdfast.core.incoming import Place, Wrote
from holdfast.errors import Request, Temporary
from holdfast.platforms.matrix import account as matrix_account
from holdfast.ports import Message
from holdfast.testing.matrix_rig import WITHIN_S, Open, connected, eventually, texts
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.synapse import Person, Synapse

pytestmark = pytest.mark.timeout(120)


async def test_the_server_is_killed_and_what_was_said_under_a_key_stays_one_message(
    synapse: Synapse, account: Open, bot: Person, ann: Person, direct: str
) -> None:
    message = Message("once", "matrix:home:!x/a1/0")
    platform, inbox = account(), RecordingInbox()
    running = asyncio.create_task(platform.run(inbox))
    await inbox.wait_for(lambda inbox: bool(inbox.cursor), WITHIN_S)
    first = await platform.send(Place(direct), message)
    synapse.kill()
    with pytest.raises(Temporary, match="broke off"):
        await asyncio.wait_for(running, WITHIN_S)
    with pytest.raises(Temporary, match="can't be reached"):
        await platform.run(inbox)
    lost = await platform.send(Place(direct), message)
    assert (lost.refusal, lost.account) == ("retry", "away")
    await asyncio.to_thread(synapse.start)
    ann.write(direct, "still there?")
    other = account()  # which signs in anew
    async with connected(other, inbox):
        await texts(inbox, "still there?")
        second = await other.send(Place(direct), message)
        assert (first.refusal, second.refusal, first.id) == ("", "", second.id)
        assert await other.find(Place(direct), message, 0.0) == first.id
        assert await other.find(Place(direct), Message("once", "another key"), 0.0) is None
    assert ann.texts(direct, bot.id) == ["once"]


async def test_edits_show_the_last_text(account: Open, bot: Person, ann: Person, direct: str) -> None:
    platform = account()
    async with connected(platform):
        sent = await platform.send(Place(direct), Message("He …", "k1"))
        for text in ("Hello …", "He …", "Hello you"):
            assert (await platform.send(Place(direct), Message(text, "k1", edit=sent.id))).id == sent.id
        assert ann.texts(direct, bot.id) == ["Hello you"]
        assert await platform.find(Place(direct), Message("Hello you", "k1"), 0.0) == sent.id


@pytest.mark.parametrize("said", ["x" * 10_000, "**a** " * 1_600, "🌊" * 2_500, '"\\<&' * 2_500])
async def test_the_longest_part_is_taken(account: Open, direct: str, said: str) -> None:
    platform = account()
    async with connected(platform):
        sent = await platform.send(Place(direct), Message(said, "k1"))
        assert sent.refusal == ""
        assert (await platform.send(Place(direct), Message(said, "k1", edit=sent.id))).refusal == ""


async def test_a_room_that_we_were_put_out_of_takes_nothing(account: Open, bot: Person, ann: Person, direct: str) -> None:
    platform = account()
    async with connected(platform):
        bot.leave(direct)
        receipt = await platform.send(Place(direct), Message("Hello", "k1"))
        assert (receipt.refusal, receipt.account) == ("blocked", "")


async def test_too_many_messages_are_sent_when_the_server_says(synapse: Synapse, account: Open, bot: Person, direct: str) -> None:
    synapse.person("admin", admin=True).limits(bot.id, messages_per_second=1, burst_count=1)
    platform = account()
    async with connected(platform):
        receipts = [await platform.send(Place(direct), Message("Hello", f"k{number}")) for number in range(4)]
    refused = [receipt for receipt in receipts if receipt.refusal]
    assert refused
    assert {(receipt.refusal, receipt.account) for receipt in refused} == {("retry", "")}
    assert all(receipt.retry_after_s for receipt in refused)


async def test_a_server_that_says_nothing_any_more_is_left(
    synapse: Synapse, account: Open, direct: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_account, "POLL_S", 0.2)
    monkeypatch.setattr(matrix_account, "POLL_SLACK_S", 1.0)
    platform, inbox = account(), RecordingInbox()
    running = asyncio.create_task(platform.run(inbox))
    await inbox.wait_for(lambda inbox: bool(inbox.cursor), WITHIN_S)
    synapse.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(Temporary, match="did not answer within"):
            await asyncio.wait_for(running, WITHIN_S)
    finally:
        synapse.send_signal(signal.SIGCONT)


async def test_typing_is_shown(account: Open, bot: Person, ann: Person, direct: str) -> None:
    platform = account()
    async with connected(platform):
        await platform.typing(Place(direct))
        await eventually(lambda: bot.id in str(ann.ask("GET", "/sync")["rooms"]["join"][direct]["ephemeral"]))
        await platform.typing(Place("!nowhere"))  # decoration: never raises


async def test_files_come_and_go(account: Open, files: MemoryFiles, ann: Person, direct: str) -> None:
    platform = account()
    async with connected(platform) as inbox:
        address = ann.upload(b"\x89PNG", "image/png")
        info = {"mimetype": "image/png"}
        ann.send(direct, {"msgtype": "m.image", "body": "look", "filename": "cat.png", "url": address, "info": info})
        await texts(inbox, "look")
        did = inbox.messages[0].did
        assert isinstance(did, Wrote)
        (attachment,) = did.attachments
        assert (attachment.name, attachment.media_type) == ("cat.png", "image/png")
        sha256 = await platform.fetch(attachment)
        assert files.kept[sha256] == b"\x89PNG"

        produced = Produced(sha256=sha256, name="dog.png", media_type="image/png")
        message = Message("Here it is", "k1", files=(produced, produced))
        first, again = await platform.send(Place(direct), message), await platform.send(Place(direct), message)
        assert (first.refusal, first.id) == ("", again.id)
        said = [event["content"] for event in ann.events(direct) if event["sender"] == inbox.identity]
        assert [content["body"] for content in said] == ["Here it is", "dog.png", "dog.png"]
        assert said[1]["msgtype"] == "m.image"
        assert ann.download(said[1]["url"]) == b"\x89PNG"


async def test_a_file_that_is_not_there_or_too_large_is_refused(account: Open, files: MemoryFiles, direct: str) -> None:
    platform = account()
    async with connected(platform):
        large = Produced(sha256=await files.put(_pieces(b"x" * 200_000)), name="large.bin")
        receipt = await platform.send(Place(direct), Message("", "k1", files=(large,)))
        assert (receipt.refusal, receipt.why) == ("refused", "large.bin is too large for the homeserver.")
        gone = await platform.send(Place(direct), Message("", "k2", files=(Produced(sha256="0" * 64, name="gone"),)))
        assert gone.refusal == "refused"


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_an_attachment_that_is_gone_can_not_be_had(account: Open, ann: Person, direct: str) -> None:
    platform = account()
    async with connected(platform) as inbox:
        ann.send(direct, {"msgtype": "m.file", "body": "a", "url": "mxc://holdfast.test/nothing"})
        ann.send(direct, {"msgtype": "m.file", "body": "b", "url": "https://elsewhere.example.org/b"})
        await inbox.wait_for(lambda inbox: len(inbox.events) == 2, WITHIN_S)
        for event in inbox.messages:
            assert isinstance(event.did, Wrote)
            with pytest.raises(Request):
                await platform.fetch(event.did.attachments[0])
