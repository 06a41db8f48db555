"""What only WeCom applications have. See `tests/platforms/tencent` for the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.core.entries import Produced
from holdfast.core.incoming import Place
from holdfast.platforms.wecom import open_account
from holdfast.platforms.wecom.account import SHOWN_MAX, TEXT_BYTES_MAX, WecomPlatform
from holdfast.ports import Message
from holdfast.testing.clock import ManualClock
from holdfast.testing.contracts.chat import PICTURE
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.tencent_server import AGENT
from holdfast.testing.tencent_service import ANN, Tencent

PLACE = Place(ANN)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def platform(wecom: Tencent, files: MemoryFiles, clock: ManualClock) -> AsyncIterator[WecomPlatform]:
    await wecom.order("meet", chat=ANN)
    platform = open_account("mine", wecom.wecom(), files, clock, Path())
    yield platform
    await platform.close()


async def produced(files: MemoryFiles, name: str, media_type: str, data: bytes = PICTURE) -> Produced:
    async def pieces() -> AsyncIterator[bytes]:
        yield data

    return Produced(sha256=await files.put(pieces()), name=name, media_type=media_type)


async def test_a_member_is_sent_no_more_than_wecom_shows(platform: WecomPlatform, wecom: Tencent, clock: ManualClock) -> None:
    """LEDGER H-11, I 27: what is more WeCom takes, and drops without a word."""
    for number in range(30):
        clock.advance(0.5)
        assert (await platform.send(PLACE, Message(f"message {number}"))).refusal == ""
    one_more = await platform.send(PLACE, Message("one more"))
    assert (one_more.refusal, one_more.account) == ("retry", "")
    assert one_more.retry_after_s == pytest.approx(45.5)
    await wecom.order("meet", chat="bob")
    assert (await platform.send(Place("bob"), Message("Hello, Bob"))).refusal == ""
    clock.advance(45.5)
    assert (await platform.send(PLACE, Message("one more"))).refusal == ""
    assert len(await wecom.said()) == 31


async def test_nor_more_in_an_hour_and_who_hears_nothing_for_one_is_forgotten(platform: WecomPlatform, clock: ManualClock) -> None:
    for _ in range(1000):
        assert platform._until_shown_s(ANN) == 0.0
        clock.advance(2.5)
    assert 1000 < platform._until_shown_s(ANN) < 3600
    clock.advance(3601)
    assert platform._until_shown_s("bob") == 0.0
    assert list(platform._sent) == ["bob"]
    assert max(most for most, _ in SHOWN_MAX) == 1000


async def test_whoever_is_not_in_range_any_more_takes_nothing_until_they_write(platform: WecomPlatform, wecom: Tencent) -> None:
    """LEDGER H-16."""
    for code in (81013, 60111):
        await wecom.order("refuse", chat=ANN, code=code)
        receipt = await platform.send(PLACE, Message("Hi."))
        assert (receipt.refusal, str(code) in receipt.why) == ("blocked", True)
    await wecom.write("Hello")
    assert (await platform.send(PLACE, Message("Hi."))).refusal == ""


async def test_markup_is_sent_as_it_is_where_that_is_wanted(wecom: Tencent, files: MemoryFiles, clock: ManualClock) -> None:
    await wecom.order("meet", chat=ANN)
    platform = WecomPlatform("mine", wecom.wecom(markdown=True), files, clock)
    try:
        await platform.send(PLACE, Message("# Title\n\n**bold**"))
        assert [(one["msgtype"], one["agentid"], one["markdown"]) for one in await wecom.shown()] == [
            ("markdown", AGENT, {"content": "# Title\n\n**bold**"})
        ]
    finally:
        await platform.close()


async def test_pictures_are_pictures_other_files_are_files_and_their_names_are_not_said_beside_them(
    platform: WecomPlatform, wecom: Tencent, files: MemoryFiles
) -> None:
    sent = (await produced(files, "chart.png", "image/png"), await produced(files, "data.csv", "text/plain"))
    assert (await platform.send(PLACE, Message("chart.png, data.csv", files=sent))).refusal == ""
    assert [one["msgtype"] for one in await wecom.shown()] == ["image", "file"]
    assert (await platform.send(PLACE, Message("Look here.", files=sent[:1]))).refusal == ""
    assert [one["msgtype"] for one in await wecom.shown()] == ["image", "file", "text", "image"]


async def test_a_file_that_wecom_does_not_take_sends_nothing(platform: WecomPlatform, wecom: Tencent, files: MemoryFiles) -> None:
    sent = (await produced(files, "chart.png", "image/png"), await produced(files, "empty.txt", "text/plain", b""))
    receipt = await platform.send(PLACE, Message("Look here.", files=sent))
    assert (receipt.refusal, "40006" in receipt.why) == ("refused", True)
    assert not await wecom.shown()


async def test_what_gets_longer_as_plain_text_is_sent_as_it_was(platform: WecomPlatform, wecom: Tencent) -> None:
    text = ("* * *\n" + "1) x\n" * 1000)[:TEXT_BYTES_MAX]
    assert (await platform.send(PLACE, Message(text))).refusal == ""
    assert len((await wecom.said())[0].encode()) <= TEXT_BYTES_MAX
