"""The long connection: what comes in pieces, what goes silent, and who else is there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.errors import Config, Temporary
from holdfast.platforms.feishu import connection as module
from holdfast.platforms.feishu.account import FeishuPlatform
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.feishu_client import DIRECT, Feishu
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox

LONG = "很长的消息。😀 " * 2_000


async def test_events_that_come_in_pieces_are_put_together(platform: FeishuPlatform, feishu: Feishu) -> None:
    await feishu.order("split", pieces=7)
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await feishu.write(DIRECT, LONG)
        await feishu.write(DIRECT, "short")
        await inbox.wait_for(lambda one: len(one.messages) == 2)
    assert texts(inbox) == [LONG.strip(), "short"]


async def test_a_connection_that_ends_is_temporary_and_nothing_is_lost(platform: FeishuPlatform, feishu: Feishu) -> None:
    """LEDGER H-54, I 18: the supervisor connects again."""
    inbox = RecordingInbox()
    async with running(platform, inbox) as receiving:
        await feishu.write(DIRECT, "one")
        await inbox.wait_for(lambda one: texts(one) == ["one"])
        await feishu.order("close_lines")
        with pytest.raises(Temporary, match=r"Feishu closed the long connection"):
            await asyncio.wait_for(receiving, 20)
    await feishu.write(DIRECT, "two")
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: "two" in texts(one))


async def test_a_server_that_dies_in_the_middle_is_noticed(platform: FeishuPlatform, feishu: Feishu) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox) as receiving:
        feishu.kill()
        with pytest.raises(Temporary):
            await asyncio.wait_for(receiving, 20)


class Watched(RecordingInbox):
    """Notices when nothing was heard for half a second."""

    def __init__(self) -> None:
        super().__init__()
        self.deaf = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None

    def alive(self) -> None:
        super().alive()
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(0.5, self.deaf.set)


async def test_a_connection_is_heard_by_its_pongs_and_one_that_is_half_open_is_not(
    platform: FeishuPlatform, feishu: Feishu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LEDGER H-55, I 17, I 32: connected means heard within a time; the runtime replaces what is not."""
    monkeypatch.setattr(module, "_ping_s", lambda _: 0.05)
    inbox = Watched()
    async with running(platform, inbox):
        await feishu.until(lambda: heard(inbox, 5))
        inbox.deaf.clear()
        feishu.freeze()
        try:
            await asyncio.wait_for(inbox.deaf.wait(), 20)
        finally:
            feishu.thaw()
        before = inbox.heard
        await feishu.until(lambda: heard(inbox, before + 2))


async def heard(inbox: RecordingInbox, times: int) -> bool:
    return inbox.heard >= times


async def test_a_connection_that_brings_nothing_for_long_is_replaced(
    platform: FeishuPlatform, feishu: Feishu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LEDGER H-55, I 17: one that answers pings and is deaf."""
    monkeypatch.setattr(module, "QUIET_S_MAX", 0.3)
    monkeypatch.setattr(module, "_ping_s", lambda _: 0.05)
    await feishu.order("deafen")
    await feishu.write(DIRECT, "not heard")
    with pytest.raises(Temporary, match=r"feishu:work is connected anew: Feishu brought nothing"):
        await asyncio.wait_for(platform.run(RecordingInbox()), 20)
    await feishu.order("deafen", deaf=False)
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: texts(one) == ["not heard"])


async def test_another_program_that_uses_the_app_is_told_of(
    platform: FeishuPlatform, feishu: Feishu, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """LEDGER H-56: two processes share an app."""
    monkeypatch.setattr(module, "ALONE_S", 0.05)
    async with running(platform, RecordingInbox()):
        await feishu.until(lambda: looked(feishu, 1))
    assert "programs are connected" not in caplog.text
    await feishu.order("set_app", alone=0)
    async with running(platform, RecordingInbox()):
        await feishu.until(lambda: said_so(caplog))
    assert "feishu:work: 2 programs are connected as this app" in caplog.text


async def looked(feishu: Feishu, times: int) -> bool:
    return len(await feishu.calls("connection")) >= times


async def said_so(caplog: pytest.LogCaptureFixture) -> bool:
    return "programs are connected" in caplog.text


async def test_two_gateways_of_one_app_get_each_message_once_between_them(account: Any, feishu: Feishu, files: MemoryFiles) -> None:
    """LEDGER H-56: at random. It is in the docs that only one may be connected."""
    one, two = RecordingInbox(), RecordingInbox()
    async with running(account(files), one), running(account(files), two):
        for number in range(20):
            await feishu.write(DIRECT, str(number))
        await feishu.until(lambda: between(one, two, 20))
    assert sorted([*texts(one), *texts(two)]) == sorted(map(str, range(20)))


async def between(one: RecordingInbox, two: RecordingInbox, count: int) -> bool:
    return len(one.messages) + len(two.messages) >= count


@pytest.mark.parametrize(
    ("method", "value", "failure", "match"),
    [
        ("endpoint", 1000040350, Temporary, r"lets no more connections of this app in .* End other programs"),
        ("endpoint", 1000040343, Temporary, r"as ordered"),
        ("endpoint", 10003, Config, r"refuses feishu:work a long connection: as ordered \(code 10003\)\. Look at the app"),
        ("line", 1000040350, Temporary, r"lets no more connections"),
        ("line", 514, Temporary, r"refused"),
        ("line", 0, Config, r"refuses feishu:work a long connection"),
    ],
)
async def test_a_refused_connection_says_what_mends_it(
    platform: FeishuPlatform, feishu: Feishu, method: str, value: int, failure: type[Exception], match: str
) -> None:
    await feishu.fault("status", method, value=value)
    with pytest.raises(failure, match=match):
        await asyncio.wait_for(platform.run(RecordingInbox()), 20)
