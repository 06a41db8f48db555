"""The bot: what it says, where, and once; and how each refusal and each end is told apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from holdfast.checks.accounts import _Connected, _Probe
from holdfast.core.commands import COMMANDS
from holdfast.core.entries import Attachment, Produced
from holdfast.core.incoming import Chose, Place, Wrote
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.discord import gateway
from holdfast.platforms.discord.account import DiscordPlatform
from holdfast.platforms.discord.session import Kept, Session
from holdfast.ports import Message
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.discord_client import BOT, Discord
from holdfast.testing.discord_service import ANN
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox

Connect = Callable[..., DiscordPlatform]

SERVER, GENERAL, THREAD = "900000000000000001", "900000000000000002", "900000000000000004"


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


# --- saying things ------------------------------------------------------------------------------------------------------------------------


async def test_a_key_is_one_message_for_some_minutes_and_is_found_after_that(discord: Discord, ann: str, platform: DiscordPlatform) -> None:
    """LEDGER H-11, H-15: the answer to the send was lost, again and again."""
    await discord.order("set", name="nonce_s", value=0.0)
    await discord.fault("drop", "create_message")
    lost = await platform.send(Place(ann), Message("Hello", key="discord:mybot:1/a1/0"))
    assert (lost.refusal, lost.id) == ("unknown", "")
    (there,) = await discord.shown(ann)
    assert await platform.find(Place(ann), Message("Hello", key="discord:mybot:1/a1/0"), 0.0) == there.id
    assert await platform.find(Place(ann), Message("Goodbye", key="discord:mybot:1/a2/0"), 0.0) is None
    await discord.order("set", name="nonce_s", value=300.0)
    await discord.fault("drop", "create_message")
    for refusal in ("unknown", "", ""):
        assert (await platform.send(Place(ann), Message("Once", key="discord:mybot:1/a3/0"))).refusal == refusal
    assert await discord.said(ann) == ["Hello", "Once"]


async def test_what_is_found_is_ours_new_enough_and_may_be_the_beginning_of_an_answer(
    discord: Discord, ann: str, platform: DiscordPlatform
) -> None:
    message = Message("Hello, and a good day", key="k")
    await discord.write(ann, "Hello, and a good day")
    await platform.send(Place(ann), Message("Hello, and a good day", key="older"))
    since = (int((await discord.shown(ann))[-1].id) >> 22) / 1000 + 1_420_070_400 + 10
    assert await platform.find(Place(ann), message, since) is None
    assert await platform.find(Place(ann), Message("", key="k"), 0.0) is None
    begun = await platform.send(Place(ann), Message("Hello, and a …", key="preview"))
    assert await platform.find(Place(ann), message, 0.0) == begun.id


async def test_markdown_arrives_and_nobody_is_called(discord: Discord, ann: str, platform: DiscordPlatform) -> None:
    await platform.send(Place(ann), Message("@everyone **look**: <@1> || https://example.org"))
    (shown,) = await discord.shown(ann)
    assert shown.text == "@everyone **look**: \\<@1> \\|\\| https://example.org"
    assert shown.now["mention_everyone"] is False
    (call,) = await discord.calls("create_message")
    assert call["params"]["allowed_mentions"] == {"parse": []}
    await platform.send(Place(ann), Message("@everyone", edit=shown.id))
    (call,) = await discord.calls("edit_message")
    assert call["params"]["allowed_mentions"] == {"parse": []}


async def test_in_a_server_an_answer_is_a_reply_where_the_question_stands(discord: Discord, platform: DiscordPlatform) -> None:
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    await discord.order("thread", thread=THREAD, parent=GENERAL)
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await discord.write(THREAD, f"<@{BOT}> hello", author=ANN)
        await inbox.wait_for(lambda one: len(one.messages) == 1)
        (asked,) = inbox.messages
        assert (asked.place, asked.group, asked.did) == (Place(GENERAL, THREAD), True, Wrote("hello"))
        await discord.until(lambda: _seen(discord, THREAD))
    shared = Place(GENERAL)  # where those in threads share the channel's conversation
    sent = await platform.send(shared, Message("Hello …", key="a1/0", replies_to=asked.id))
    assert sent.id.endswith(f"@{THREAD}")
    assert (await platform.send(shared, Message("Hello!", edit=sent.id))).id == sent.id
    answer = (await discord.shown(THREAD))[-1]
    assert (answer.text, f"{answer.reply_to}@{THREAD}") == ("Hello!", asked.id)
    assert await platform.find(shared, Message("Hello!", key="x", replies_to=asked.id), 0.0) == sent.id
    in_thread = await platform.send(asked.place, Message("And more", key="a1/1"))
    assert (await discord.shown(THREAD))[-1].id == in_thread.id


async def _seen(discord: Discord, channel: str) -> bool:
    return (await discord.shown(channel))[0].reactions == ("👀",)


async def test_a_reply_to_what_is_gone_is_said_all_the_same(discord: Discord, ann: str, platform: DiscordPlatform) -> None:
    asked = await discord.write(ann, "hello")
    await discord.order("remove", message=asked)
    assert (await platform.send(Place(ann), Message("Hello", key="a1/0", replies_to=asked))).refusal == ""
    lost = await platform.send(Place(ann), Message("Hello again", key="a2/0", replies_to=f"{asked}@{THREAD}"))  # there is no such thread
    assert (lost.refusal, "@" in lost.id) == ("", False)
    assert await discord.said(ann) == ["Hello", "Hello again"]


async def test_a_question_has_buttons_and_an_edit_takes_them_away(discord: Discord, ann: str, platform: DiscordPlatform) -> None:
    options = ("once", "always", "deny", "later", "ask me tomorrow", "o" * 90, "far too long " * 10)
    asked = await platform.send(Place(ann), Message("May I?", key="q", question=41, options=options))
    (shown,) = await discord.shown(ann)
    assert shown.buttons == [*options[:5], "o" * 79 + "…"]
    assert [len(row["components"]) for row in shown.now["components"]] == [5, 1]
    await platform.send(Place(ann), Message("Done.", edit=asked.id))
    assert (await discord.shown(ann))[0].buttons == []


async def test_files_go_ten_at_a_time_and_too_large_ones_are_refused(discord: Discord, ann: str, account: Connect) -> None:
    files = MemoryFiles()
    platform = account(files)
    some = tuple([Produced(sha256=await files.put(pieces(b"%d" % n)), name=f"{n}.txt", media_type="text/plain") for n in range(12)])
    for _ in range(2):  # the same key, once
        receipt = await platform.send(Place(ann), Message("twelve files", key="a1/0", files=some))
    assert await discord.sent_files(ann) == [b"%d" % n for n in range(12)]
    assert receipt.id == (await discord.shown(ann))[0].id
    large = Produced(sha256=await files.put(pieces(b"x" * 10_500_000)), name="large.bin", media_type="")
    receipt = await platform.send(Place(ann), Message("large.bin", key="a2/0", files=(large,)))
    assert (receipt.refusal, receipt.account) == ("refused", "")
    receipt = await platform.send(Place(ann), Message("none", key="a3/0", files=(Produced(sha256="0" * 64, name="x", media_type=""),)))
    assert receipt.refusal == "refused"


# --- what becomes of it -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "refusal", "whose"),
    [("status", 502, "unknown", ""), ("drop_before", 0, "unknown", ""), ("garbage", 0, "unknown", ""), ("status", 403, "retry", "away")],
)
async def test_what_is_not_certain_is_not_said_to_be(
    discord: Discord, ann: str, platform: DiscordPlatform, kind: str, value: int, refusal: str, whose: str
) -> None:
    """LEDGER H-15, H-16, I 4."""
    await discord.fault(kind, "create_message", value=value)
    receipt = await platform.send(Place(ann), Message("Hello", key="a1/0"))
    assert (receipt.refusal, receipt.account) == (refusal, whose)
    assert receipt.why


@pytest.mark.parametrize(("code", "refusal"), [(50007, "blocked"), (50001, "blocked"), (50013, "blocked"), (200000, "refused")])
async def test_what_discord_refuses_is_told_apart_by_its_code(
    discord: Discord, ann: str, platform: DiscordPlatform, code: int, refusal: str
) -> None:
    """LEDGER H-16: never by its words, and nothing of it is a rate limit."""
    await discord.order("refuse", channel=ann, code=code)
    receipt = await platform.send(Place(ann), Message("Hello", key="a1/0"))
    assert (receipt.refusal, receipt.account) == (refusal, "")


async def test_what_is_gone_or_another_ones_can_not_be_edited(discord: Discord, ann: str, platform: DiscordPlatform) -> None:
    theirs = await discord.write(ann, "hello")
    sent = await platform.send(Place(ann), Message("Hello", key="a1/0"))
    await discord.order("remove", message=sent.id)
    for message in (sent.id, theirs):
        assert (await platform.send(Place(ann), Message("Hello!", edit=message))).refusal == "gone"
    assert (await platform.send(Place("999999999999999999"), Message("Hello"))).refusal == "blocked"


async def test_discords_own_count_of_what_it_takes_is_heeded(discord: Discord, ann: str, platform: DiscordPlatform) -> None:
    """LEDGER H-16: after the last one that it takes no other is sent before its time, and none is refused."""
    await discord.order("allow", route="create_message", most=2, window_s=0.3)
    for number in range(5):
        assert (await platform.send(Place(ann), Message(f"{number}", key=f"a{number}/0"))).refusal == ""
    assert await discord.said(ann) == [f"{number}" for number in range(5)]
    assert {call["status"] for call in await discord.calls("create_message")} == {200}
    await discord.order("allow", route="create_message", most=1, window_s=60)
    await discord.order("reset")
    there = await discord.direct(ANN)
    await discord.order("allow", route="create_message", most=1, window_s=60)
    assert (await platform.send(Place(there), Message("1", key="b1/0"))).refusal == ""
    early = await platform.send(Place(there), Message("2", key="b2/0"))
    assert (early.refusal, early.account) == ("retry", "")
    assert early.retry_after_s is not None
    assert 50 < early.retry_after_s <= 60
    assert len(await discord.calls("create_message")) == 1
    other = await discord.direct("700000000000000008", "Bob")
    assert (await platform.send(Place(other), Message("3", key="b3/0"))).refusal == ""


# --- what people do -----------------------------------------------------------------------------------------------------------------------


async def test_a_slash_command_is_as_if_it_had_been_written_and_is_acknowledged_once_it_is_kept(
    discord: Discord, ann: str, platform: DiscordPlatform
) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await discord.until(lambda: _registered(discord))
        inbox.free.clear()
        given = await discord.order("slash", channel=ann, command="title", value="My own name")
        assert not (await discord.order("interactions"))[0]["answer"]
        inbox.free.set()
        await inbox.wait_for(lambda one: texts(one) == ["/title My own name"])
        await discord.until(lambda: _answered(discord, given))
    assert await discord.said(ann) == ["/title My own name"]
    assert (inbox.messages[0].author, inbox.messages[0].place, inbox.messages[0].group) == (ANN, Place(ann), False)


async def _registered(discord: Discord) -> bool:
    commands = (await discord.order("about_bot", token=discord.token))["commands"]
    return [one["name"] for one in commands] == [one.name for one in COMMANDS]


async def _answered(discord: Discord, id_: str) -> bool:
    return any(one["id"] == id_ and one["answer"] for one in await discord.order("interactions"))


async def test_a_press_in_a_thread_is_a_choice_there_and_stops_blinking(discord: Discord, platform: DiscordPlatform) -> None:
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    await discord.order("thread", thread=THREAD, parent=GENERAL, quiet=True)
    asked = await platform.send(Place(GENERAL, THREAD), Message("May I?", key="q", question=41, options=("once", "deny")))
    inbox = RecordingInbox()
    async with running(platform, inbox):
        pressed = await discord.order("press", message=asked.id, option="deny", author=ANN)
        await inbox.wait_for(lambda one: len(one.messages) == 1)
        await discord.until(lambda: _answered(discord, pressed))
        await discord.order(
            "push", type="INTERACTION_CREATE", body={"id": "1", "token": "x", "type": 3, "channel_id": THREAD, "data": {"custom_id": "?"}}
        )
        await discord.write(THREAD, f"<@{BOT}> end")
        await inbox.wait_for(lambda one: texts(one) == ["end"])
    (choice, _) = inbox.messages
    assert (choice.place, choice.author, choice.did, choice.id) == (Place(GENERAL, THREAD), ANN, Chose(41, "deny"), pressed)
    assert json.loads((await discord.order("interactions"))[0]["answer"]) == {"type": 6}


async def test_files_are_fetched_from_where_they_are_now(discord: Discord, ann: str, account: Connect) -> None:
    files, inbox = MemoryFiles(), RecordingInbox()
    platform = account(files)
    async with running(platform, inbox):
        asked = await discord.write(ann, file=await discord.upload("a b.txt", b"what was in it"))
        await inbox.wait_for(lambda one: len(one.messages) == 1)
    did = inbox.messages[0].did
    assert isinstance(did, Wrote)
    (attachment,) = did.attachments
    assert (attachment.name, attachment.media_type, "http" in attachment.source) == ("a b.txt", "text/plain", False)
    assert await files.read(await platform.fetch(attachment)) == b"what was in it"
    for kind, value in (("status", 503), ("limit", 60), ("drop", 0)):
        await discord.fault(kind, "message", value=value)
        with pytest.raises(Temporary):
            await account().fetch(attachment)
    missing = Attachment(id="1", name="x", media_type="", source=f"{ann}/{asked}/1")
    with pytest.raises(Request, match="Send it again"):
        await platform.fetch(missing)
    await discord.order("remove", message=asked)
    with pytest.raises(Request, match="Send it again"):
        await platform.fetch(attachment)


# --- the connection -----------------------------------------------------------------------------------------------------------------------


async def test_without_the_intent_it_stops_and_says_where_to_switch_it_on(discord: Discord, platform: DiscordPlatform) -> None:
    """LEDGER H-56."""
    await discord.order("about_bot", token=discord.token, intents=0)
    with pytest.raises(Config, match=r"Developer Portal.*switch on Message Content Intent") as stopped:
        await asyncio.wait_for(platform.run(RecordingInbox()), 20)
    assert discord.token not in str(stopped.value)
    assert len(await discord.calls("identify")) == 1


@pytest.mark.parametrize("code", [4004, 4010, 4011, 4012, 4013])
async def test_what_only_a_person_can_mend_is_not_tried_again(discord: Discord, platform: DiscordPlatform, code: int) -> None:
    async with running(platform, RecordingInbox()) as receiving:
        await discord.order("connections", what="close", code=code)
        await asyncio.wait([receiving], timeout=20)
        assert isinstance(receiving.exception(), Config)


async def test_a_token_that_is_not_known_is_asked_about_once(discord: Discord, platform: DiscordPlatform, ann: str) -> None:
    await discord.order("revoke", token=discord.token)
    with pytest.raises(Config, match="Reset Token"):
        await asyncio.wait_for(platform.run(RecordingInbox()), 20)
    assert len(await discord.calls()) == 1
    with pytest.raises(Temporary, match="401"):
        await platform.find(Place(ann), Message("x", key="k"), 0.0)


async def test_no_more_sessions_are_begun_than_discord_allows_in_a_day(discord: Discord, platform: DiscordPlatform) -> None:
    await discord.order("about_bot", token=discord.token, starts=0, reset_after_ms=90_000)
    with pytest.raises(Temporary, match="too often today") as waits:
        await asyncio.wait_for(platform.run(RecordingInbox()), 20)
    assert waits.value.retry_after_s == 90.0
    assert not await discord.calls("identify")


@pytest.mark.parametrize("code", [4007, 4009])
async def test_a_session_that_is_not_known_any_more_is_followed_by_a_new_one(
    discord: Discord, ann: str, platform: DiscordPlatform, code: int
) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox) as receiving:
        await discord.write(ann, "hello")
        await inbox.wait_for(lambda one: texts(one) == ["hello"])
        await discord.order("connections", what="close", code=code)
        await asyncio.wait([receiving], timeout=20)
        assert isinstance(receiving.exception(), Temporary)
    await discord.write(ann, "are you there?")
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: "are you there?" in texts(one))
    assert await discord.order("sessions") == 2
    assert not await discord.calls("resume")


async def test_a_session_that_can_not_be_begun_is_not_begun_in_a_loop(discord: Discord, platform: DiscordPlatform) -> None:
    with pytest.raises(Temporary):
        await asyncio.wait_for(platform.run(_Invalidated(discord)), 20)
    assert len(await discord.calls("identify")) == 1


class _Invalidated(RecordingInbox):
    """While it begins, Discord changes its mind."""

    def __init__(self, discord: Discord) -> None:
        super().__init__()
        self._discord = discord

    async def begin(self, identity: str) -> str:
        await self._discord.order("connections", what="invalid")
        return await super().begin(identity)


async def test_beats_say_what_is_durable_and_silence_is_noticed(discord: Discord, ann: str, platform: DiscordPlatform) -> None:
    """LEDGER I 17, I 18: deaf is not connected."""
    await discord.order("set", name="beat_ms", value=100)
    inbox = RecordingInbox()
    async with running(platform, inbox) as receiving:
        await discord.write(ann, "one")
        await inbox.wait_for(lambda one: texts(one) == ["one"])
        await discord.until(lambda: _beat(discord, 2))
        assert inbox.heard > 1
        inbox.free.clear()
        await discord.write(ann, "two")
        await asyncio.wait([receiving], timeout=20)  # nothing is heard while it waits for the disk
    assert max(call["params"]["seq"] or 0 for call in await discord.calls("beat")) == 2
    inbox.free.set()
    async with running(platform, inbox) as receiving:
        await inbox.wait_for(lambda one: texts(one) == ["one", "two"])
        await discord.order("set", name="deaf", value=1)
        await asyncio.wait([receiving], timeout=20)
        assert isinstance(receiving.exception(), Temporary)
        assert "silent" in str(receiving.exception())


async def _beat(discord: Discord, seq: int) -> bool:
    return any(call["params"]["seq"] == seq for call in await discord.calls("beat"))


async def test_a_gateway_that_takes_connections_and_says_nothing_is_left(
    discord: Discord, account: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "CONNECT_S_MAX", 0.2)
    platform = account()
    async with running(platform, RecordingInbox()):
        pass
    discord.freeze()
    try:
        with pytest.raises(Temporary, match="can't be reached"):
            await asyncio.wait_for(platform.run(RecordingInbox()), 20)
    finally:
        discord.thaw()


async def test_a_check_connects_and_takes_nothing_away(discord: Discord, ann: str, account: Connect) -> None:
    first, second = RecordingInbox(), RecordingInbox()
    async with running(account(), first):
        await discord.write(ann, "one")
        await first.wait_for(lambda one: texts(one) == ["one"])
    await discord.write(ann, "two")
    with pytest.raises(_Connected, match=BOT):
        await asyncio.wait_for(account().run(_Probe()), 20)
    second.cursor = first.cursor
    async with running(account(), second):
        await second.wait_for(lambda one: texts(one) == ["two"])


async def test_a_gateway_of_then_that_is_gone_is_replaced_by_the_one_of_now(discord: Discord, ann: str, account: Connect) -> None:
    """And the session goes on there; it needs no new one, which Discord may not allow today."""
    first, second = RecordingInbox(), RecordingInbox()
    then = account()
    async with running(then, first):
        await discord.write(ann, "one")
        await first.wait_for(lambda one: texts(one) == ["one"])
    assert then._kept.now is not None
    then._kept.now.url = "ws://127.0.0.1:9"
    then._kept.save()
    await discord.write(ann, "two")
    await discord.order("about_bot", token=discord.token, starts=0)
    platform = account()
    with pytest.raises(Temporary, match="can't be reached"):
        await asyncio.wait_for(platform.run(second), 20)
    async with running(platform, second):
        await second.wait_for(lambda one: texts(one) == ["two"])
    assert await discord.order("sessions") == 1


async def test_what_is_left_of_a_session_that_can_not_be_read_is_none(tmp_path: Path) -> None:
    for said in (b"", b"{}", b"\xff", b'{"id": 5}'):
        (tmp_path / "session.json").write_bytes(said)
        assert Kept(tmp_path).now is None
    kept = Kept(tmp_path / "session.json")  # no folder can be there
    kept.now = Session("s", "", "42", 1)
    kept.save()
