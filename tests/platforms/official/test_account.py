"""What only Official Accounts have. See `tests/platforms/tencent` for the rest."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from holdfast.core.entries import Produced
from holdfast.core.incoming import Chose, Place
from holdfast.platforms.official import open_account
from holdfast.platforms.official.account import OfficialPlatform
from holdfast.platforms.tencent.calls import signature
from holdfast.ports import Message
from holdfast.runtime.clock import SystemClock
from holdfast.testing.contracts.chat import PICTURE, running, texts
from holdfast.testing.hook_listener import Listener
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.tencent_server import TOKEN
from holdfast.testing.tencent_service import ANN, Tencent, TencentChat

PLACE = Place(ANN)
SEND = "message/custom/send"


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def platform(official: Tencent, files: MemoryFiles) -> AsyncIterator[OfficialPlatform]:
    await official.order("meet", chat=ANN)
    platform = open_account("mine", official.official(), files, SystemClock(), Path())
    yield platform
    await platform.close()


@pytest.fixture
async def plain(official: Tencent, files: MemoryFiles) -> AsyncIterator[OfficialPlatform]:
    platform = OfficialPlatform("mine", official.official(plain=True), files, SystemClock())
    yield platform
    await platform.close()


async def test_after_so_many_messages_what_is_left_waits_for_the_person(platform: OfficialPlatform, official: Tencent) -> None:
    """LEDGER H-16: it is no rate limit, and no fault of the account."""
    for number in range(20):
        assert (await platform.send(PLACE, Message(f"message {number}"))).refusal == ""
    receipt = await platform.send(PLACE, Message("one more"))
    assert (receipt.refusal, receipt.account, receipt.retry_after_s) == ("blocked", "", None)
    assert receipt.why == "they have had as many messages as WeChat allows until they write again (45047)"
    await official.write("Go on.")
    assert (await platform.send(PLACE, Message("one more"))).refusal == ""


async def test_after_two_days_it_waits_for_the_person_too(platform: OfficialPlatform, official: Tencent) -> None:
    """LEDGER H-16."""
    await official.order("age", chat=ANN, by_s=48 * 3600 + 1)
    receipt = await platform.send(PLACE, Message("Hi."))
    assert (receipt.refusal, "have not written for two days" in receipt.why) == ("blocked", True)
    await official.write("Hello")
    assert (await platform.send(PLACE, Message("Hi."))).refusal == ""


async def test_a_question_is_a_menu(platform: OfficialPlatform, official: Tencent, listener: Listener) -> None:
    listener.accounts[platform.account] = platform
    await official.order("listen", url=listener.url(platform.account))
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await platform.send(PLACE, Message("May I **go on**?", question=41, options=("go on", "stop")))
        (shown,) = await official.shown()
        assert shown["msgmenu"]["head_content"] == "May I go on?"
        assert [line["content"] for line in shown["msgmenu"]["list"]] == ["go on", "stop"]
        await TencentChat(official).press("go on")
        await inbox.wait_for(lambda one: len(one.messages) == 1)
    assert inbox.messages[0].did == Chose(41, "go on")


async def test_a_menu_that_wechat_does_not_want_is_a_text(platform: OfficialPlatform, official: Tencent) -> None:
    await official.fault("status", SEND, value=45002)
    assert (await platform.send(PLACE, Message("May I?", question=41, options=("yes", "no")))).refusal == ""
    assert [one["msgtype"] for one in await official.shown()] == ["text"]
    await official.fault("status", SEND, value=45047)
    assert (await platform.send(PLACE, Message("May I?", question=42, options=("yes", "no")))).refusal == "blocked"
    assert len(await official.shown()) == 1


async def test_pictures_are_sent_and_of_other_files_it_is_said_where_they_are(
    platform: OfficialPlatform, official: Tencent, files: MemoryFiles
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield PICTURE

    sha256 = await files.put(pieces())
    picture = Produced(sha256=sha256, name="chart.png", media_type="image/png")
    table = Produced(sha256=sha256, name="data.csv", media_type="text/csv")
    await platform.send(PLACE, Message("chart.png, data.csv", files=(picture, table)))
    await platform.send(PLACE, Message("data.csv", files=(table,)))
    shown = await official.shown()
    assert [one["msgtype"] for one in shown] == ["text", "image", "text"]
    assert shown[0]["text"]["content"].startswith("chart.png, data.csv\n(WeChat lets me send pictures alone.")
    assert len(await TencentChat(official).files()) == 1


async def test_that_an_answer_is_on_its_way_is_shown_and_may_fail(platform: OfficialPlatform, official: Tencent) -> None:
    await platform.typing(PLACE)
    assert [call["params"] for call in await official.calls("message/custom/typing")] == [{"touser": ANN, "command": "Typing"}]
    await official.fault("status", "message/custom/typing", value=45081)
    await platform.typing(PLACE)


# --- plain mode -----------------------------------------------------------------------------------------------------------------------


def called(text: str, at: float, nonce: str = "n") -> tuple[str, bytes]:
    query = urlencode({"signature": signature(TOKEN, str(int(at)), nonce), "timestamp": int(at), "nonce": nonce})
    said = f"<xml><FromUserName>ann</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><MsgId>7</MsgId><Content>{text}</Content></xml>"
    return query, said.encode()


async def test_in_plain_mode_it_is_answered_once_it_is_kept(plain: OfficialPlatform) -> None:
    inbox = RecordingInbox()
    async with running(plain, inbox):
        reply = await plain.hook("POST", *_with_headers(*called("Hello", time.time())))
        assert (reply.status, reply.body) == (200, b"success")
    assert texts(inbox) == ["Hello"]


async def test_in_plain_mode_what_was_signed_long_ago_is_refused(plain: OfficialPlatform) -> None:
    """Its signature does not cover what it says: whoever finds one in a log could say anything with it."""
    inbox = RecordingInbox()
    async with running(plain, inbox):
        for at in (time.time() - 301, time.time() + 310):
            assert (await plain.hook("POST", *_with_headers(*called("Hello", at)))).status == 403
        query, body = called("Hello", time.time())
        assert (await plain.hook("POST", query.replace("nonce=n", "nonce=x"), {}, body)).status == 403
        assert (await plain.hook("POST", f"signature={signature(TOKEN, 'soon', 'n')}&timestamp=soon&nonce=n", {}, body)).status == 403
    assert not inbox.events


async def test_with_a_key_nothing_is_taken_that_is_not_encrypted(platform: OfficialPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        assert (await platform.hook("POST", *_with_headers(*called("Hello", time.time())))).status == 403
    assert not inbox.events


def _with_headers(query: str, body: bytes) -> tuple[str, dict[str, str], bytes]:
    return query, {}, body
