"""The adapter against a server that keeps the truth, in a process of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from holdfast.accounts import Telegram as Settings
from holdfast.core.commands import COMMANDS
from holdfast.core.entries import Produced
from holdfast.core.incoming import Chose, Incoming, Moved, Place, Unread, Wrote
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms import open_account
from holdfast.platforms.telegram import account as module
from holdfast.platforms.telegram.account import SECRET_HEADER, TelegramPlatform
from holdfast.platforms.telegram.render import Rendered
from holdfast.ports import Message
from holdfast.runtime.clock import SystemClock
from holdfast.secrets import Secret
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.tcp_proxy import TcpProxy
from holdfast.testing.telegram_client import Telegram

ANN, GROUP = 7, -1001
PLACE = Place(str(ANN))
PNG = b"\x89PNG\r\n\x1a\n picture"


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def platform(telegram: Telegram, files: MemoryFiles) -> AsyncIterator[TelegramPlatform]:
    await telegram.order("meet", person=ANN)
    one = TelegramPlatform("mybot", telegram.token, telegram.base_url, files, SystemClock())
    yield one
    await one.close()


async def produced(files: MemoryFiles, name: str, data: bytes, media_type: str = "") -> Produced:
    async def pieces() -> AsyncIterator[bytes]:
        yield data

    return Produced(sha256=await files.put(pieces()), name=name, media_type=media_type)


def the_message(inbox: RecordingInbox) -> Incoming:
    (message,) = inbox.messages
    return message


# --- connecting -------------------------------------------------------------------------------------------------------------------------


async def test_it_says_which_bot_it_is_and_tells_its_commands(platform: TelegramPlatform, telegram: Telegram) -> None:
    """LEDGER H-56: another token under the old name has another identity."""
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await telegram.until(lambda: called(telegram, "getUpdates", 0))
        await telegram.until(lambda: called(telegram, "setMyCommands"))
    assert inbox.identity == str(telegram.bot_id)
    commands = (await telegram.order("about_bot", token=telegram.token))["commands"]
    assert [one["command"] for one in commands] == [one.name for one in COMMANDS]


async def heard(inbox: RecordingInbox) -> bool:
    return inbox.heard > 1


async def called(telegram: Telegram, method: str, least: int = 1) -> bool:
    return len(await telegram.calls(method)) >= least


@pytest.mark.parametrize("token", ["4242:another-token", "no token at all"])
async def test_a_bad_token_is_asked_about_once(telegram: Telegram, files: MemoryFiles, token: str) -> None:
    platform = TelegramPlatform("mybot", token.replace(" ", "-"), telegram.base_url, files, SystemClock())
    with pytest.raises(Config, match=r"does not know the token of telegram:mybot any more.*@BotFather"):
        await platform.run(RecordingInbox())
    await platform.close()
    assert len(await telegram.calls()) == 1


async def test_a_token_revoked_during_a_poll_ends_it(platform: TelegramPlatform, telegram: Telegram) -> None:
    """LEDGER H-55: no deaf account that looks connected."""
    async with running(platform, RecordingInbox()) as receiving:
        await telegram.order("revoke", token=telegram.token)
        with pytest.raises(Config, match="BotFather"):
            await asyncio.wait_for(receiving, 20)


async def test_another_poller_ends_the_one_that_was_there(platform: TelegramPlatform, telegram: Telegram, files: MemoryFiles) -> None:
    """LEDGER H-56: two processes share a token."""
    other, hears = TelegramPlatform("other", telegram.token, telegram.base_url, files, SystemClock()), RecordingInbox()
    async with running(platform, RecordingInbox()) as receiving:
        await telegram.until(lambda: called(telegram, "setMyCommands"))
        async with running(other, hears):
            with pytest.raises(Config, match=r"Another program receives .* End it"):
                await asyncio.wait_for(receiving, 20)
            await telegram.write(ANN, "Hello")
            await hears.wait_for(lambda one: texts(one) == ["Hello"])
    await other.close()


async def test_a_webhook_that_was_left_behind_is_taken_away(platform: TelegramPlatform, telegram: Telegram) -> None:
    await telegram.bot_call("setWebhook", url="http://127.0.0.1:9/left-behind")
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await telegram.write(ANN, "Hello")
        await inbox.wait_for(lambda one: texts(one) == ["Hello"])
    assert len(await telegram.calls("deleteWebhook")) == 1


@pytest.mark.parametrize(
    ("kind", "value"), [("status", 502), ("status", 500), ("limit", 3), ("garbage", 0), ("drop", 0), ("drop_before", 0)]
)
@pytest.mark.parametrize("method", ["getMe", "getUpdates"])
async def test_what_passes_is_temporary(platform: TelegramPlatform, telegram: Telegram, method: str, kind: str, value: int) -> None:
    """LEDGER H-54, I 25, I 29: the supervisor connects again, for ever."""
    await telegram.write(ANN, "kept")
    await telegram.fault(kind, method, value=value)
    inbox = RecordingInbox()
    with pytest.raises(Temporary) as failure:
        await asyncio.wait_for(platform.run(inbox), 20)
    assert failure.value.retry_after_s == (3 if kind == "limit" else None)
    assert telegram.token not in str(failure.value)
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: texts(one) == ["kept"])


async def test_a_server_that_stops_in_the_middle_is_noticed(
    telegram: Telegram, files: MemoryFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LEDGER H-55, I 17, I 25, I 32: half-open connections."""
    monkeypatch.setattr(module, "POLL_GRACE_S", 0.5)
    monkeypatch.setattr(module, "SIGN_S_MAX", 0.5)
    platform, inbox = TelegramPlatform("mybot", telegram.token, telegram.base_url, files, SystemClock(), poll_s=1), RecordingInbox()
    async with running(platform, inbox) as receiving:
        await telegram.until(lambda: heard(inbox))
        telegram.freeze()
        try:
            with pytest.raises(Temporary, match=r"it said nothing for 1\.5 s"):
                await asyncio.wait_for(receiving, 20)
            await asyncio.wait_for(platform.typing(PLACE), 20)
        finally:
            telegram.thaw()
    async with running(platform, inbox):
        await telegram.write(ANN, "again")
        await inbox.wait_for(lambda one: texts(one) == ["again"])
    await platform.close()


async def test_a_name_that_no_server_has_is_temporary(files: MemoryFiles) -> None:
    """DNS at start."""
    platform = TelegramPlatform("mybot", "1:token", "http://telegram.invalid", files, SystemClock())
    with pytest.raises(Temporary, match=r"telegram.invalid can't be reached"):
        await asyncio.wait_for(platform.run(RecordingInbox()), 40)
    receipt = await platform.send(PLACE, Message("Hello"))
    assert (receipt.refusal, receipt.account) == ("retry", "away")
    await platform.close()


async def test_an_account_opens_by_its_name(telegram: Telegram, files: MemoryFiles, tmp_path: Path) -> None:
    settings = Settings(token=Secret("env:T", telegram.token), base_url=telegram.base_url)
    platform = open_account("telegram:mybot", settings, files, SystemClock(), Path("unused"))
    assert platform.account == "telegram:mybot"
    async with running(platform, RecordingInbox()):
        pass
    await platform.close()


# --- receiving --------------------------------------------------------------------------------------------------------------------------


async def test_two_hundred_messages_come_in_order_through_a_server_that_is_killed(platform: TelegramPlatform, telegram: Telegram) -> None:
    """LEDGER H-04, I 9."""
    inbox = RecordingInbox()
    for number in range(120):
        await telegram.write(ANN, str(number))
    telegram.kill()
    await telegram.start()
    async with running(platform, inbox):
        for number in range(120, 200):
            await telegram.write(ANN, str(number))
        await inbox.wait_for(lambda one: len(one.messages) >= 200)
    assert texts(inbox) == [str(number) for number in range(200)]


async def test_updates_numbered_anew_are_not_missed(telegram: Telegram, files: MemoryFiles) -> None:
    """After a silent week ids begin anywhere: an old offset must neither hide nor delete what is new. (Here a second is a silent week.)"""
    platform = TelegramPlatform("mybot", telegram.token, telegram.base_url, files, SystemClock(), poll_s=1)
    first, second = RecordingInbox(), RecordingInbox()
    async with running(platform, first):
        await telegram.write(ANN, "old")
        await first.wait_for(lambda one: texts(one) == ["old"])
        await telegram.until(lambda: confirmed(telegram))
        await telegram.order("recycle", next_update=3)
        await telegram.write(ANN, "new, while connected")
        await first.wait_for(lambda one: len(one.messages) == 2)
        await telegram.until(lambda: confirmed(telegram))
    await telegram.order("recycle", next_update=2)
    await telegram.write(ANN, "new, after a restart")
    second.cursor = first.cursor
    async with running(platform, second):
        await second.wait_for(lambda one: texts(one) == ["new, after a restart"])
    await platform.close()


async def confirmed(telegram: Telegram) -> bool:
    return not await telegram.order("unconfirmed")


async def test_what_cannot_be_read_is_kept_and_stops_nothing(platform: TelegramPlatform, telegram: Telegram) -> None:
    """LEDGER H-56: one bad update costs only itself."""
    inbox = RecordingInbox()
    await telegram.write(ANN, "before")
    await telegram.order("push", update={"message": {"message_id": "what", "odd": True}})
    await telegram.write(ANN, "half \ud83d")
    await telegram.order("push", update={"odd": True, "brand_new_kind": {}})
    await telegram.write(ANN, "after")
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: len(one.events) == 4)
        await telegram.until(lambda: confirmed(telegram))
    before, odd, _, after = inbox.events
    assert texts(inbox) == ["before", "half ?", "after"]
    assert isinstance(odd, Unread)
    assert json.loads(odd.raw)["message"]["message_id"] == "what"
    assert isinstance(before, Incoming)
    assert isinstance(after, Incoming)


async def test_a_press_stops_blinking_once_it_is_taken(platform: TelegramPlatform, telegram: Telegram) -> None:
    inbox = RecordingInbox()
    asked = await platform.send(PLACE, Message("May I?", question=41, options=("once", "always", "deny")))
    assert (await telegram.shown(ANN))[-1].buttons == ["once", "always", "deny"]
    async with running(platform, inbox):
        query = await telegram.order("press", chat=ANN, message=int(asked.id), option="always")
        await telegram.until(lambda: called(telegram, "answerCallbackQuery"))
    assert the_message(inbox).did == Chose(41, "always")
    assert the_message(inbox).id == query
    receipt = await platform.send(PLACE, Message("May I? Always.", edit=asked.id))
    assert (receipt.id, (await telegram.shown(ANN))[-1].buttons) == (asked.id, [])


async def test_a_group_that_moves_is_told_and_a_send_finds_it(platform: TelegramPlatform, telegram: Telegram) -> None:
    await telegram.order("group", chat=-5, kind="group")
    inbox = RecordingInbox()
    sent = await platform.send(Place("-5"), Message("Hello"))
    await telegram.order("migrate", chat=-5, to=-1005)
    receipt = await platform.send(Place("-5"), Message("Still here"))
    edited = await platform.send(Place("-5"), Message("Hello, all of you", edit=sent.id))
    assert (receipt.refusal, receipt.moved, edited.moved) == ("", "-1005", "-1005")
    assert await telegram.said(-1005) == ["Still here", "Hello, all of you"]
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: len(one.events) == 2)
    assert inbox.events == [Moved("-5", "-1005")] * 2


async def test_a_shared_conversation_answers_in_the_topic_it_was_asked_in(platform: TelegramPlatform, telegram: Telegram) -> None:
    await telegram.order("group", chat=GROUP, forum=True, topics=[77, 78])
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await telegram.write(GROUP, "@holdfast_bot hello", author=ANN, thread=77)
        await inbox.wait_for(lambda one: len(one.messages) == 1)
    asked = the_message(inbox)
    assert asked.place == Place(str(GROUP), "77")
    await platform.send(Place(str(GROUP)), Message("Hello", replies_to=asked.id))
    await platform.send(asked.place, Message("Here too"))
    await telegram.order("close_topic", chat=GROUP, thread=77)
    receipt = await platform.send(asked.place, Message("Beside it"))
    assert receipt.refusal == ""
    mine = [shown for shown in await telegram.shown(GROUP) if shown.mine]
    assert [shown.thread for shown in mine] == [77, 77, 0]
    assert mine[0].reply_to == int(asked.id.partition("@")[0])


async def test_in_a_group_eyes_say_that_a_message_was_kept(platform: TelegramPlatform, telegram: Telegram) -> None:
    await telegram.order("group", chat=GROUP)
    async with running(platform, RecordingInbox()):
        await telegram.write(ANN, "hello")
        asked = await telegram.write(GROUP, "@holdfast_bot hello", author=ANN)
        await telegram.until(lambda: called(telegram, "setMessageReaction"))
    (call,) = await telegram.calls("setMessageReaction")
    assert (call["params"]["chat_id"], call["params"]["message_id"], call["status"]) == (GROUP, asked, 200)


async def test_what_was_not_kept_gets_no_eyes(platform: TelegramPlatform, telegram: Telegram) -> None:
    """Nobody is told that a stranger's message was seen."""
    await telegram.order("group", chat=GROUP)
    inbox = _StrictInbox()
    async with running(platform, inbox):
        await telegram.write(GROUP, "@holdfast_bot hello", author=8)
        await telegram.until(lambda: confirmed(telegram))
    assert not await telegram.calls("setMessageReaction")


class _StrictInbox(RecordingInbox):
    """Keeps nothing."""

    async def take(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None = None) -> Sequence[Incoming]:
        await super().take((), cursor)
        return ()


async def test_a_reply_to_what_is_gone_is_said_all_the_same(platform: TelegramPlatform, telegram: Telegram) -> None:
    await telegram.order("group", chat=GROUP)
    asked = await telegram.write(GROUP, "@holdfast_bot hello", author=ANN)
    await telegram.order("remove", chat=GROUP, message=asked)
    assert (await platform.send(Place(str(GROUP)), Message("Hello", replies_to=str(asked)))).id
    assert await telegram.said(GROUP) == ["Hello"]


# --- sending ----------------------------------------------------------------------------------------------------------------------------


async def test_markdown_is_shown_without_previews_of_links(platform: TelegramPlatform, telegram: Telegram) -> None:
    await platform.send(PLACE, Message("Some **bold** [link](https://e.org) 😀 *too*"))
    (shown,) = await telegram.shown(ANN)
    assert (shown.text, shown.styled("bold"), shown.styled("text_link")) == ("Some bold link 😀 too", ["bold"], ["link"])
    (call,) = await telegram.calls("sendMessage")
    assert call["params"]["link_preview_options"] == {"is_disabled": True}


async def test_what_telegram_cannot_style_is_said_plainly(platform: TelegramPlatform, telegram: Telegram, monkeypatch: Any) -> None:
    broken = {"type": "bold", "offset": 500, "length": 9}
    monkeypatch.setattr("holdfast.platforms.telegram.sending.render", lambda text: Rendered(text, (broken,)))
    assert (await platform.send(PLACE, Message("*hello*"))).id
    assert await telegram.said(ANN) == ["*hello*"]


@pytest.mark.parametrize(
    ("kind", "value", "happened"), [("drop", 0, 1), ("drop_before", 0, 0), ("status", 502, 0), ("status_after", 500, 1), ("garbage", 0, 1)]
)
async def test_a_send_whose_answer_is_lost_is_unknown_and_never_repeated_here(
    platform: TelegramPlatform, telegram: Telegram, kind: str, value: int, happened: int
) -> None:
    """LEDGER H-11, H-15, I 6: nobody can know, and so it is said."""
    await telegram.fault(kind, "sendMessage", value=value)
    receipt = await platform.send(PLACE, Message("Hello"))
    assert (receipt.refusal, receipt.account) == ("unknown", "")
    assert telegram.token not in receipt.why
    assert await telegram.said(ANN) == ["Hello"] * happened


async def test_a_send_without_an_answer_ends_and_is_unknown(platform: TelegramPlatform, telegram: Telegram, monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.platforms.telegram.sending.CALL_S_MAX", 1.0)
    await telegram.fault("delay", "sendMessage", value=5)
    receipt = await asyncio.wait_for(platform.send(PLACE, Message("Hello")), 20)
    assert receipt.refusal == "unknown"
    assert await telegram.said(ANN) == ["Hello"]


async def test_a_connection_that_breaks_before_the_request_was_written_is_certain(files: MemoryFiles) -> None:
    """A port that nobody listens on."""
    async with TcpProxy(9) as proxy:
        port = proxy.port
    platform = TelegramPlatform("mybot", "1:token", f"http://127.0.0.1:{port}", files, SystemClock())
    receipt = await platform.send(PLACE, Message("Hello"))
    assert (receipt.refusal, receipt.account) == ("retry", "away")
    await platform.close()


async def test_a_storm_of_limits_is_waited_out(platform: TelegramPlatform, telegram: Telegram) -> None:
    """LEDGER H-16, I 4: each is said, with its time; what was refused was not sent."""
    await telegram.order("allow", most=2, window_s=60.0, chat=ANN)
    receipts = [await platform.send(PLACE, Message(str(number))) for number in range(5)]
    assert [receipt.refusal for receipt in receipts] == ["", "", "retry", "retry", "retry"]
    assert all(receipt.retry_after_s and 30 < receipt.retry_after_s <= 61 for receipt in receipts[2:])
    assert await telegram.said(ANN) == ["0", "1"]


async def test_an_edit_of_what_is_gone_is_refused(platform: TelegramPlatform, telegram: Telegram) -> None:
    sent = await platform.send(PLACE, Message("Hello"))
    await telegram.order("remove", chat=ANN, message=int(sent.id))
    receipt = await platform.send(PLACE, Message("Hello you", edit=sent.id))
    assert (receipt.refusal, receipt.why) == ("gone", "Telegram: message to edit not found")


async def test_files_go_together_with_their_names(platform: TelegramPlatform, telegram: Telegram, files: MemoryFiles) -> None:
    made = tuple([await produced(files, f"{number}.txt", f"file {number}".encode(), "text/plain") for number in range(12)])
    receipt = await platform.send(PLACE, Message(", ".join(file.name for file in made), files=made))
    assert receipt.id
    assert await telegram.sent_files(ANN) == [f"file {number}".encode() for number in range(12)]
    assert [call["status"] for call in await telegram.calls("sendMediaGroup")] == [200, 200]


async def test_a_picture_is_shown_as_one_unless_telegram_cannot(platform: TelegramPlatform, telegram: Telegram, files: MemoryFiles) -> None:
    for data in (PNG, b"not really a picture"):
        await platform.send(PLACE, Message("chart.png", files=(await produced(files, "chart.png", data, "image/png"),)))
    good, bad = await telegram.shown(ANN)
    assert "photo" in good.now
    assert "document" in bad.now
    assert await telegram.sent_files(ANN) == [PNG, b"not really a picture"]


async def test_what_is_too_long_for_a_caption_stands_before_the_file(
    platform: TelegramPlatform, telegram: Telegram, files: MemoryFiles
) -> None:
    await platform.send(PLACE, Message("word " * 400, files=(await produced(files, "a.bin", b"data"),)))
    assert await telegram.said(ANN) == [("word " * 400).strip(), ""]


async def test_a_file_that_is_not_here_is_refused(platform: TelegramPlatform) -> None:
    receipt = await platform.send(PLACE, Message("a.bin", files=(Produced(sha256="0" * 64, name="a.bin"),)))
    assert receipt.refusal == "refused"


async def test_a_file_over_20_mb_is_refused_in_words(platform: TelegramPlatform, telegram: Telegram) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await telegram.write(ANN, file=await telegram.upload("film.mkv", b"x", size=21 * 1024 * 1024))
        await inbox.wait_for(lambda one: len(one.messages) == 1)
    did = the_message(inbox).did
    assert isinstance(did, Wrote)
    with pytest.raises(Request, match=r"film.mkv is larger than 20 MB, .* Send a smaller one"):
        await platform.fetch(did.attachments[0])
    await telegram.fault("status", "getFile", value=502)
    with pytest.raises(Temporary, match=r"film.mkv can't be had"):
        await platform.fetch(did.attachments[0])


async def test_typing_is_shown_and_never_fails(platform: TelegramPlatform, telegram: Telegram) -> None:
    await platform.typing(PLACE)
    await platform.typing(Place("12345"))
    assert [call["status"] for call in await telegram.calls("sendChatAction")] == [200, 400]
    assert (platform.pace_s(PLACE), platform.pace_s(Place(str(GROUP)))) == (1.2, 4.0)
    assert await platform.find(PLACE, Message("Hello"), 0.0) is None


# --- being called -----------------------------------------------------------------------------------------------------------------------


async def test_updates_that_are_brought_are_taken_before_they_are_acknowledged(telegram: Telegram, files: MemoryFiles) -> None:
    """The listener is the gateway's own: here the test calls the hook."""
    platform = TelegramPlatform("mybot", telegram.token, telegram.base_url, files, SystemClock(), hook_url="http://127.0.0.1:9/x/")
    body = json.dumps(
        {"update_id": 900, "message": {"message_id": 1, "chat": {"id": 7, "type": "private"}, "from": {"id": 7}, "text": "hi"}}
    )
    inbox = RecordingInbox()
    assert (await platform.hook("POST", "", {}, body.encode())).status == 403
    async with running(platform, inbox):
        await telegram.until(lambda: called(telegram, "getWebhookInfo"))
        hook = (await telegram.order("about_bot", token=telegram.token))["webhook"]
        assert (hook["url"], hook["max_connections"]) == ("http://127.0.0.1:9/x/hooks/telegram/mybot", 1)
        headers = {SECRET_HEADER: hook["secret_token"]}
        assert telegram.token not in hook["secret_token"]
        assert (await platform.hook("POST", "", {SECRET_HEADER: "guess"}, body.encode())).status == 403
        assert (await platform.hook("GET", "", headers, b"")).status == 405
        assert (await platform.hook("POST", "", headers, b"what")).status == 400
        inbox.free.clear()
        bringing = asyncio.create_task(platform.hook("POST", "", headers, body.encode()))
        await asyncio.wait((bringing,), timeout=0.05)
        assert not bringing.done()
        inbox.free.set()
        assert (await bringing).status == 200
        assert texts(inbox) == ["hi"]
    assert (await platform.hook("POST", "", headers, body.encode())).status == 503
    await platform.close()


async def test_what_telegram_could_not_bring_is_said(telegram: Telegram, files: MemoryFiles, caplog: pytest.LogCaptureFixture) -> None:
    async with TcpProxy(9) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
    clock = SystemClock()
    platform = TelegramPlatform("mybot", telegram.token, telegram.base_url, files, clock, hook_url=url)
    async with running(platform, RecordingInbox()):
        await telegram.until(lambda: called(telegram, "getWebhookInfo"))
        await telegram.write(ANN, "Hello")
        await telegram.until(lambda: failing(telegram))
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await telegram.until(lambda: failing(telegram))
        await telegram.until(lambda: heard(inbox))
    await platform.close()
    assert "telegram:mybot: Telegram could not bring us what was written: Connection failed" in caplog.text


async def failing(telegram: Telegram) -> bool:
    return bool((await telegram.order("about_bot", token=telegram.token))["webhook"].get("last_error_date"))


async def test_a_webhook_of_somebody_else_stops_the_account(telegram: Telegram, files: MemoryFiles, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    platform = TelegramPlatform("mybot", telegram.token, telegram.base_url, files, SystemClock(), hook_url="http://127.0.0.1:9")
    async with running(platform, RecordingInbox()) as receiving:
        await telegram.until(lambda: called(telegram, "getWebhookInfo"))
        await telegram.bot_call("setWebhook", url="http://127.0.0.1:9/other")
        with pytest.raises(Config, match=r"Telegram calls http://127.0.0.1:9/other now"):
            await asyncio.wait_for(receiving, 20)
    await platform.close()
