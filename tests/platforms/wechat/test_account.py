"""The adapter against a server that keeps the truth, in a process of its own."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.accounts import Wechat as Settings
from holdfast.core.entries import Produced
from holdfast.core.incoming import Incoming, Place, Unread, Wrote
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms import open_account
from holdfast.platforms.wechat import account as module
from holdfast.platforms.wechat.account import WechatPlatform
from holdfast.platforms.wechat.window import Reached
from holdfast.ports import Message, SignIn, SignsIn
from holdfast.runtime.clock import SystemClock
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.wechat_client import Wechat
from holdfast.testing.wechat_world import ANN

BOB = "o9-bob@im.wechat"
PLACE = Place(ANN)
PNG = b"\x89PNG\r\n\x1a\n picture"


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def platform(wechat: Wechat, files: MemoryFiles, tmp_path: Path) -> AsyncIterator[WechatPlatform]:
    """Signed in, not yet connected."""
    await wechat.signed_in(tmp_path)
    one = WechatPlatform("mine", wechat.base_url, files, SystemClock(), tmp_path, pause_s=0.02)
    yield one
    await one.close()


async def produced(files: MemoryFiles, name: str, data: bytes, media_type: str = "") -> Produced:
    async def pieces() -> AsyncIterator[bytes]:
        yield data

    return Produced(sha256=await files.put(pieces()), name=name, media_type=media_type)


def the_message(inbox: RecordingInbox) -> tuple[Incoming, Wrote]:
    (message,) = inbox.messages
    assert isinstance(message.did, Wrote)
    return message, message.did


def kept(folder: Path) -> dict[str, int]:
    """The files there, with their modes."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def heard(wechat: Wechat, platform: WechatPlatform, text: str = "Hello") -> RecordingInbox:
    """Ann wrote, and may be answered."""
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await wechat.write(text)
        await inbox.wait_for(lambda one: text in texts(one))
    return inbox


# --- receiving --------------------------------------------------------------------------------------------------------------------------


async def test_what_comes_again_is_the_same_message_whatever_it_is_called(wechat: Wechat, platform: WechatPlatform) -> None:
    """LEDGER I 28: seconds later, with another token, and even under another id; two messages of the same words are two all the same."""
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await wechat.write("ok")
        await wechat.order("again")
        await wechat.order("again", message_id=77)
        await wechat.write("ok")
        await wechat.write("end")
        await inbox.wait_for(lambda one: texts(one)[-1:] == ["end"])
    ids = [message.id for message in inbox.messages]
    assert texts(inbox) == ["ok", "ok", "ok", "ok", "end"]
    assert len(set(ids)) == 3
    assert ids[0] == ids[1] == ids[2]


async def test_what_a_server_that_forgets_has_handed_over_is_taken_before_it_is_asked_again(
    wechat: Wechat, platform: WechatPlatform
) -> None:
    """PLATFORMS 2: whatever was not asked for yet, it keeps."""
    await wechat.order("set", name="forgets", value="yes")
    first, second = RecordingInbox(), RecordingInbox()
    async with running(platform, first):
        first.free.clear()
        await wechat.write("one")
        await wechat.until(lambda: handed(wechat))
        polls = len(await wechat.calls("getupdates"))
        await wechat.write("two")
        assert len(await wechat.calls("getupdates")) == polls
        first.free.set()
        await first.wait_for(lambda one: texts(one) == ["one", "two"])
    await wechat.write("three")
    second.cursor = first.cursor
    async with running(platform, second):
        await second.wait_for(lambda one: texts(one) == ["three"])


async def handed(wechat: Wechat) -> bool:
    return bool(await wechat.calls("getupdates"))


async def test_what_can_not_be_read_is_kept_and_the_rest_goes_on(wechat: Wechat, platform: WechatPlatform) -> None:
    inbox = RecordingInbox()
    await wechat.order("write_raw", body='{"message_type": 1, "item_list": "none"}')
    await wechat.order("write_raw", body="null")
    await wechat.write("half a \ud83d character", session_id=None, items=[{"type": 1, "text_item": None}])
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: len(one.events) == 2)
    assert isinstance(inbox.events[0], Unread)
    assert texts(inbox) == ["half a ? character"]


async def test_what_is_none_of_ours_is_nothing(wechat: Wechat, platform: WechatPlatform) -> None:
    """What the bot said itself, what is said in groups, what is empty."""
    inbox = RecordingInbox()
    await wechat.write("an echo", message_type=2)
    await wechat.write("in a group", group_id="g1")
    await wechat.write("")
    async with running(platform, inbox):
        await wechat.write("to us")
        await inbox.wait_for(lambda one: texts(one) == ["to us"])
    assert len(inbox.events) == 1


@pytest.mark.parametrize("name", ["notes.txt", "picture.png", "voice.silk", "video.mp4"])
async def test_files_of_all_kinds_are_fetched_and_read(wechat: Wechat, platform: WechatPlatform, files: MemoryFiles, name: str) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await wechat.attach(name, PNG)
        await inbox.wait_for(lambda one: len(one.messages) == 1)
    (attachment,) = the_message(inbox)[1].attachments
    assert await files.read(await platform.fetch(attachment)) == PNG
    await wechat.fault("status", "download", value=500)
    with pytest.raises(Temporary):
        await platform.fetch(attachment)
    await wechat.fault("status", "download", value=404)
    with pytest.raises(Request, match=r"does not give .* any more"):
        await platform.fetch(attachment)


# --- sending ----------------------------------------------------------------------------------------------------------------------------


async def test_nobody_is_answered_who_did_not_write_within_a_day(wechat: Wechat, platform: WechatPlatform) -> None:
    """What is sent without the token of a message would vanish, and be said to be sent."""
    await heard(wechat, platform)
    assert (await platform.send(Place(BOB), Message("Hello"))).refusal == "blocked"
    assert (await platform.send(PLACE, Message("Hello"))).refusal == ""
    inbox = RecordingInbox()
    await wechat.order("handled")
    other = WechatPlatform("mine", wechat.base_url, MemoryFiles(), SystemClock(), Path(), pause_s=0.02)
    other._login = platform._login
    async with running(other, inbox):
        await wechat.write("yesterday", ago_s=module.KEPT_S + 60)
        await inbox.wait_for(lambda one: texts(one) == ["yesterday"])
    receipt = await other.send(PLACE, Message("Too late"))
    assert (receipt.refusal, receipt.account) == ("blocked", "")
    assert "24 hours" in receipt.why
    assert await wechat.shown() == ["Hello"]
    await other.close()


async def test_after_ten_answers_a_person_has_to_write_and_then_goes_on(wechat: Wechat, platform: WechatPlatform) -> None:
    inbox = await heard(wechat, platform)
    for number in range(10):
        assert (await platform.send(PLACE, Message(f"answer {number}"))).refusal == ""
    receipt = await platform.send(PLACE, Message("one more"))
    assert (receipt.refusal, receipt.account) == ("blocked", "")
    assert "about ten times" in receipt.why
    again = RecordingInbox(inbox.cursor)
    async with running(platform, again):
        await wechat.write("go on")
        await again.wait_for(lambda one: texts(one) == ["go on"])
    assert (await platform.send(PLACE, Message("one more"))).refusal == ""


async def test_a_restart_can_answer_what_was_written_before_it(wechat: Wechat, platform: WechatPlatform, tmp_path: Path) -> None:
    """The token is in the cursor, and nowhere else."""
    inbox = await heard(wechat, platform)
    assert kept(tmp_path) == {"login.json": 0o600}
    restarted = WechatPlatform("mine", wechat.base_url, MemoryFiles(), SystemClock(), tmp_path)
    async with running(restarted, RecordingInbox(inbox.cursor)):
        assert (await restarted.send(PLACE, Message("Here I am"))).refusal == ""
    assert await wechat.shown() == ["Here I am"]
    await restarted.close()


async def test_too_many_at_once_are_tried_again_and_when_that_does_not_help_they_wait_for_the_person(
    wechat: Wechat, platform: WechatPlatform
) -> None:
    await heard(wechat, platform)
    await wechat.fault("declined", "sendmessage", times=3)
    receipts = [await platform.send(PLACE, Message("Hello")) for _ in range(3)]
    assert [(one.refusal, one.retry_after_s) for one in receipts] == [("retry", 30.0), ("retry", 30.0), ("blocked", None)]
    assert (await platform.send(PLACE, Message("Hello"))).refusal == ""
    await wechat.fault("declined", "sendmessage")
    assert (await platform.send(PLACE, Message("Hello"))).refusal == "retry"


@pytest.mark.parametrize(
    ("fault", "value", "refusal", "account"),
    [("drop", 0, "unknown", ""), ("drop_before", 0, "unknown", ""), ("status", 502, "unknown", ""), ("garbage", 0, "unknown", "")],
)
async def test_a_send_whose_answer_is_lost_may_have_arrived(
    wechat: Wechat, platform: WechatPlatform, fault: str, value: float, refusal: str, account: str
) -> None:
    """LEDGER H-09."""
    await heard(wechat, platform)
    await wechat.fault(fault, "sendmessage", value=value)
    receipt = await platform.send(PLACE, Message("Hello"))
    assert (receipt.refusal, receipt.account) == (refusal, account)


async def test_files_of_ours_arrive_as_what_they_are_and_before_them_the_text(
    wechat: Wechat, platform: WechatPlatform, files: MemoryFiles
) -> None:
    await heard(wechat, platform)
    sent = (
        await produced(files, "chart.png", PNG, "image/png"),
        await produced(files, "clip.mp4", b"moving", "video/mp4"),
        await produced(files, "data.csv", b"a,b\n", "text/csv"),
    )
    assert (await platform.send(PLACE, Message("Look", files=sent))).refusal == ""
    assert await wechat.shown() == ["Look"]
    assert [(one["type"], one["name"], one["data"]) for one in await wechat.sent_files()] == [
        (2, "", PNG),
        (5, "", b"moving"),
        (4, "data.csv", b"a,b\n"),
    ]


async def test_a_file_that_can_not_be_put_there_leaves_nothing_said(wechat: Wechat, platform: WechatPlatform, files: MemoryFiles) -> None:
    await heard(wechat, platform)
    file = await produced(files, "chart.png", PNG, "image/png")
    for fault, value, refusal in (("status", 500, "retry"), ("drop", 0, "retry"), ("status", 400, "refused")):
        await wechat.fault(fault, "upload", value=value)
        assert (await platform.send(PLACE, Message("Look", files=(file,)))).refusal == refusal
    missing = Produced(sha256="0" * 64, name="gone.png", media_type="image/png")
    assert (await platform.send(PLACE, Message("Look", files=(missing,)))).refusal == "refused"
    assert await wechat.shown() == []


async def test_what_was_said_in_part_is_not_certainly_unsaid(wechat: Wechat, platform: WechatPlatform, files: MemoryFiles) -> None:
    await heard(wechat, platform)
    file = await produced(files, "chart.png", PNG, "image/png")
    await wechat.fault("nothing", "sendmessage")
    await wechat.fault("declined", "sendmessage")
    receipt = await platform.send(PLACE, Message("Look", files=(file,)))
    assert (receipt.refusal, await wechat.shown()) == ("unknown", ["Look"])


async def test_that_we_type_is_shown_until_something_was_said(wechat: Wechat, platform: WechatPlatform) -> None:
    await platform.typing(PLACE)
    await heard(wechat, platform)
    await platform.typing(PLACE)
    await platform.typing(PLACE)
    assert await wechat.order("signs") == [1, 1]
    await platform.send(PLACE, Message("Hello"))
    assert await wechat.order("signs") == [1, 1, 2]
    assert len(await wechat.calls("getconfig")) == 1
    await wechat.fault("status", "sendtyping", value=500)
    await platform.typing(PLACE)
    await platform.typing(PLACE)
    assert len(await wechat.calls("getconfig")) == 2


async def test_before_it_was_ever_connected_nothing_is_sent(
    wechat: Wechat, platform: WechatPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECTED_S_MAX", 0.05)
    receipt = await platform.send(PLACE, Message("Hello"))
    assert (receipt.refusal, receipt.account) == ("retry", "away")


# --- the session ------------------------------------------------------------------------------------------------------------------------


async def test_whoever_never_signed_in_is_told_how(wechat: Wechat, tmp_path: Path) -> None:
    platform = open_account("wechat:mine", Settings(base_url=wechat.base_url), MemoryFiles(), SystemClock(), tmp_path)
    with pytest.raises(
        Config, match=r"Nobody has signed wechat:mine in yet\. Run holdfast platforms login wechat:mine, or sign in on the page"
    ):
        await platform.run(RecordingInbox())
    await platform.close()


async def test_a_session_that_only_slept_is_woken(wechat: Wechat, platform: WechatPlatform) -> None:
    """Its end is believed when it is said twice."""
    await heard(wechat, platform)
    inbox = RecordingInbox(Reached("another bot", "bm90IG91cnM=").cursor)
    async with running(platform, inbox):
        await wechat.write("Hello")
        await inbox.wait_for(lambda one: "Hello" in texts(one))
    assert Reached.of(inbox.cursor).bot != "another bot"


async def test_the_end_of_a_session_stops_the_account_and_says_so(wechat: Wechat, platform: WechatPlatform) -> None:
    async with running(platform, RecordingInbox()) as receiving:
        await wechat.order("end")
        with pytest.raises(Config, match=r"has ended the session of wechat:mine.*Run holdfast platforms login wechat:mine"):
            await asyncio.wait_for(receiving, 20)


@pytest.mark.parametrize("fault", [("status", 500), ("limit", 9), ("garbage", 0), ("drop", 0)])
async def test_whatever_else_a_poll_meets_is_tried_again(wechat: Wechat, platform: WechatPlatform, fault: tuple[str, float]) -> None:
    await wechat.order("set", name="hold_s", value="0.05")
    await wechat.fault(fault[0], "getupdates", value=fault[1])
    with pytest.raises(Temporary) as failure:
        await asyncio.wait_for(platform.run(RecordingInbox()), 20)
    assert failure.value.retry_after_s == (9 if fault[0] == "limit" else None)


# --- signing in -------------------------------------------------------------------------------------------------------------------------


async def sign_in(wechat: Wechat, platform: WechatPlatform, person: str = ANN) -> list[SignIn]:
    """Somebody scans the picture, and says yes."""
    steps: list[SignIn] = []
    async for step in platform.sign_in():
        steps.append(step)
        if step.picture:
            await wechat.order("scan", person=person)
            await wechat.order("confirm")
    return steps


async def test_who_signs_in_anew_goes_on_where_they_were(wechat: Wechat, platform: WechatPlatform, tmp_path: Path) -> None:
    assert isinstance(platform, SignsIn)
    inbox = RecordingInbox()
    async with running(platform, inbox) as receiving:
        await wechat.write("before")
        await inbox.wait_for(lambda one: texts(one) == ["before"])
        steps = await sign_in(wechat, platform)
        assert (steps[-1].done, steps[-1].person) == (True, ANN)
        await inbox.wait_for(lambda one: one.begun == 2)
        await wechat.order("handled")
        await wechat.write("after")
        await inbox.wait_for(lambda one: "after" in texts(one))
        assert (await platform.send(PLACE, Message("Hello again"))).refusal == ""
        assert not receiving.done()
    assert inbox.identity == ANN
    assert kept(tmp_path) == {"login.json": 0o600}


async def test_another_person_does_not_take_an_account_over(wechat: Wechat, platform: WechatPlatform) -> None:
    before = platform._login.read()
    with pytest.raises(Request, match=f"is the bot of {ANN}, and {BOB} scanned the picture"):
        await sign_in(wechat, platform, BOB)
    assert platform._login.read() == before
