"""What was written arrives in order, without a gap and once, in whatever way it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from holdfast.core.incoming import Deleted, Edited, Incoming, Place, Unread, Wrote
from holdfast.platforms.discord import account as account_module
from holdfast.platforms.discord import reception
from holdfast.platforms.discord.account import DiscordPlatform
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.discord_client import BOT, Discord
from holdfast.testing.discord_service import ANN
from holdfast.testing.recording_inbox import RecordingInbox

Connect = Callable[..., DiscordPlatform]

SERVER, GENERAL, OTHER, THREAD = "900000000000000001", "900000000000000002", "900000000000000003", "900000000000000004"
US = f"<@{BOT}>"


async def before(discord: Discord, connect: Connect, inbox: RecordingInbox, *channels: str, **more: object) -> None:
    """A life in which something came from each of these; then it is killed, and its session is over."""
    platform = connect(**more)
    async with running(platform, inbox):
        for channel in channels:
            await discord.write(channel, f"{US} before")
        await inbox.wait_for(lambda one: len(texts(one)) == len(channels))
    await platform.close()
    await discord.order("end_sessions")


def after(inbox: RecordingInbox) -> RecordingInbox:
    """The next life's: it has the cursor, and knows the conversations."""
    next_life = RecordingInbox(inbox.cursor)
    next_life.places = [message.place for message in inbox.messages]
    return next_life


def new(inbox: RecordingInbox) -> list[str]:
    """What is new there; a message counts once, as it does in every inbox."""
    once = {(one.place, one.id): one.did.text for one in inbox.messages if isinstance(one.did, Wrote)}
    return [text for text in once.values() if text != "before"]


# --- a session that goes on ---------------------------------------------------------------------------------------------------------------


async def test_a_cut_connection_goes_on_and_nothing_is_lost_or_doubled(discord: Discord, ann: str, platform: DiscordPlatform) -> None:
    """LEDGER H-07, I 29: cut ten times in the middle of a burst, and not one history is read."""
    inbox = RecordingInbox()
    for life in range(10):
        async with running(platform, inbox) as receiving:
            for number in range(5):
                await discord.write(ann, f"{life}.{number}")
                if number == 2:
                    await discord.order("connections", what="cut")
            await asyncio.wait([receiving], timeout=20)
            assert receiving.done()
    async with running(platform, inbox):
        await discord.write(ann, "end")
        await inbox.wait_for(lambda one: "end" in texts(one))
    assert texts(inbox) == [*(f"{life}.{number}" for life in range(10) for number in range(5)), "end"]
    assert await discord.order("sessions") == 1
    assert not await discord.calls("history")


async def test_another_life_goes_on_with_the_session_and_hears_even_of_edits_and_of_people_it_never_met(
    discord: Discord, ann: str, account: Connect
) -> None:
    first, second = RecordingInbox(), RecordingInbox()
    async with running(account(), first):
        asked = await discord.write(ann, "helo")
        await first.wait_for(lambda one: texts(one) == ["helo"])
    await discord.order("edit", message=asked, text="hello")
    bob = await discord.direct("700000000000000008", "Bob")
    await discord.write(bob, "I am new here")
    await discord.order("remove", message=asked)
    second.cursor = first.cursor
    async with running(account(), second):
        await second.wait_for(lambda one: len(one.messages) == 3)
    edit, wrote, deletion = second.messages
    assert (edit.id, isinstance(edit.did, Edited), wrote.place.chat, deletion.did) == (asked, True, bob, Deleted())
    assert deletion.author == ANN  # who else may have written in a direct chat?
    assert await discord.order("sessions") == 1


async def test_what_was_not_taken_is_told_again_to_the_next_life(discord: Discord, ann: str, account: Connect) -> None:
    """LEDGER H-05: it was on its way into the journal when we were killed."""
    first, second = RecordingInbox(), RecordingInbox()
    async with running(account(), first):
        await discord.write(ann, "one")
        await first.wait_for(lambda one: texts(one) == ["one"])
        first.free.clear()
        await discord.write(ann, "two")
        await discord.write(ann, "three")
        await discord.until(lambda: _told(discord, ann, 3))
    async with running(account(), second):
        await second.wait_for(lambda one: texts(one) == ["two", "three"])


async def test_a_journal_that_was_put_back_is_told_all_that_it_has_not(discord: Discord, ann: str, account: Connect) -> None:
    """The session is newer than the backup: it would go on behind what is missing."""
    first = RecordingInbox()
    async with running(account(), first):
        await discord.write(ann, "one")
        await first.wait_for(lambda one: texts(one) == ["one"])
        second = after(first)
        await discord.write(ann, "two")
        await first.wait_for(lambda one: texts(one) == ["one", "two"])
    await discord.write(ann, "three")
    async with running(account(), second):
        await second.wait_for(lambda one: "three" in texts(one))
    assert new(second) == ["one", "two", "three"]


async def _told(discord: Discord, channel: str, messages: int) -> bool:
    return len(await discord.shown(channel)) == messages


@pytest.mark.parametrize("what", ["reconnect", "invalid", "close", "cut"])
async def test_however_discord_ends_a_connection_it_is_taken_up_again(
    discord: Discord, ann: str, platform: DiscordPlatform, what: str
) -> None:
    """LEDGER I 32."""
    inbox = RecordingInbox()
    async with running(platform, inbox) as receiving:
        await discord.order("connections", what=what, code={"invalid": 1, "close": 4000}.get(what, 0))
        await asyncio.wait([receiving], timeout=20)
    await discord.write(ann, "meanwhile")
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: texts(one) == ["meanwhile"])
    assert await discord.order("sessions") == 1


# --- a gap --------------------------------------------------------------------------------------------------------------------------------


async def test_without_its_session_what_was_missed_is_read_in_every_channel(discord: Discord, ann: str, account: Connect) -> None:
    """LEDGER H-07: direct chats, channels, threads; to the end of the gap, in order, and once."""
    await discord.order("guild", guild=SERVER, channels=[GENERAL, OTHER])
    await discord.order("thread", thread=THREAD, parent=GENERAL)
    first = RecordingInbox()
    await before(discord, account, first, ann, GENERAL, THREAD, groups=("*",))
    for number in range(230):
        await discord.write(ann, f"direct {number}")
    for number in range(3):
        await discord.write(GENERAL, f"{US} general {number}")
        await discord.write(GENERAL, "not to us")
        await discord.write(THREAD, f"{US} thread {number}", author="8", name="Bob")
    second = after(first)
    async with running(account(groups=("*",)), second):
        await second.wait_for(lambda one: len(new(one)) == 236)
        await second.wait_for(lambda one: int(one.cursor) > int(first.cursor))
    by_place = {
        place: [one.did.text for one in second.messages if one.place == place and isinstance(one.did, Wrote)] for place in second.places
    }
    assert by_place[Place(ann)] == ["before", *(f"direct {number}" for number in range(230))]
    assert by_place[Place(GENERAL)] == ["before", *(f"general {number}" for number in range(3))]
    assert by_place[Place(GENERAL, THREAD)] == ["before", *(f"thread {number}" for number in range(3))]
    assert {one.id for one in first.messages} <= {one.id for one in second.messages}, "they have the same names when they come again"
    assert {one["params"]["channel"] for one in await discord.calls("history")} == {ann, GENERAL, THREAD}, "elsewhere nothing was written"


async def test_what_comes_live_waits_for_its_own_history_alone_and_moves_no_cursor(discord: Discord, ann: str, account: Connect) -> None:
    """LEDGER H-07: a kill in the middle of the catch-up loses nothing."""
    bob = await discord.direct("700000000000000008", "Bob")
    first = RecordingInbox()
    await before(discord, account, first, ann, bob)
    for number in range(150):
        await discord.write(ann, f"missed {number}")
    await discord.fault("status", "history", value=503, chat=ann, times=1000)
    second = after(first)
    async with running(account(), second):
        await discord.until(lambda: _asked_for(discord, ann))
        await discord.write(ann, "live")
        await discord.write(bob, "live, of Bob")
        await second.wait_for(lambda one: "live, of Bob" in texts(one))
        assert (second.cursor, new(second)) == (first.cursor, ["live, of Bob"])
    third = after(first)
    await discord.order("end_sessions")
    await discord.order("heal")
    async with running(account(), third):
        await third.wait_for(lambda one: int(one.cursor) > int(first.cursor))
    assert [text for text in new(third) if "Bob" not in text] == [*(f"missed {number}" for number in range(150)), "live"]


async def _asked_for(discord: Discord, channel: str) -> bool:
    return any(one["params"]["channel"] == channel for one in await discord.calls("history"))


async def test_a_history_that_can_not_be_read_just_now_is_asked_for_again(
    discord: Discord, ann: str, account: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "READ_AGAIN_S", 0.05)
    first = RecordingInbox()
    await before(discord, account, first, ann)
    await discord.write(ann, "missed")
    for kind, value in (("status", 503), ("drop", 0), ("garbage", 0), ("limit", 0.05)):
        await discord.fault(kind, "history", value=value)
    second = after(first)
    async with running(account(), second):
        await discord.until(lambda: _asked_for(discord, ann))
        await discord.write(ann, "live")
        await second.wait_for(lambda one: new(one) == ["missed", "live"])


async def test_channels_that_we_may_not_see_any_more_hold_nothing_up(discord: Discord, ann: str, account: Connect) -> None:
    await discord.order("guild", guild=SERVER, channels=[GENERAL, OTHER])
    first = RecordingInbox()
    await before(discord, account, first, ann, GENERAL, OTHER, groups=("*",))
    for channel in (GENERAL, OTHER, ann):
        await discord.write(channel, f"{US} missed")
    await discord.order("refuse", channel=GENERAL, code=50001, hidden=True)
    second = after(first)
    second.places.append(Place("999999999999999999"))
    async with running(account(groups=("*",)), second):
        await second.wait_for(lambda one: len(new(one)) == 2)
        await second.wait_for(lambda one: int(one.cursor) > int(first.cursor))


async def test_a_server_that_is_away_keeps_the_cursor_where_it_is_until_it_is_back(discord: Discord, ann: str, account: Connect) -> None:
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    first = RecordingInbox()
    await before(discord, account, first, ann, GENERAL, groups=("*",))
    await discord.write(GENERAL, f"{US} before it went away")
    await discord.order("guild", guild=SERVER, away=True)
    second = after(first)
    second.places = [Place(ann)]
    async with running(account(groups=("*",)), second):
        await discord.write(ann, "meanwhile")
        await second.wait_for(lambda one: new(one) == ["meanwhile"])
        assert second.cursor == first.cursor
        await discord.order("guild", guild=SERVER)
        await second.wait_for(lambda one: new(one) == ["meanwhile", "before it went away"])
        await second.wait_for(lambda one: int(one.cursor) > int(first.cursor))


async def test_channels_in_which_we_do_not_answer_are_not_read(discord: Discord, ann: str, account: Connect) -> None:
    await discord.order("guild", guild=SERVER, channels=[GENERAL, OTHER])
    first = RecordingInbox()
    await before(discord, account, first, ann, GENERAL, groups=(GENERAL,))
    for channel in (OTHER, GENERAL):
        await discord.write(channel, f"{US} missed")
    second = after(first)
    async with running(account(groups=(GENERAL,)), second):
        await second.wait_for(lambda one: new(one) == ["missed"] and int(one.cursor) > int(first.cursor))
        await discord.write(OTHER, f"{US} live")
        await discord.write(GENERAL, f"{US} live")
        await second.wait_for(lambda one: new(one) == ["missed", "live"])
    assert OTHER not in {one["params"]["channel"] for one in await discord.calls("history")}


@pytest.mark.parametrize("over", [False, True])
async def test_a_connection_that_ends_in_the_middle_of_the_catch_up_goes_on_with_it(
    discord: Discord, ann: str, account: Connect, over: bool
) -> None:
    """Be it that its session is over, too: then all is read anew."""
    first = RecordingInbox()
    await before(discord, account, first, ann)
    for number in range(3):
        await discord.write(ann, f"missed {number}")
    await discord.fault("delay_before", "history", value=60)
    second, platform = after(first), account()
    async with running(platform, second) as receiving:
        await discord.until(lambda: _identified(discord, 2))
        await discord.write(ann, "live")
        await (discord.order("end_sessions") if over else discord.order("connections", what="cut"))
        await asyncio.wait([receiving], timeout=20)
    assert new(second) == []
    await discord.order("heal")
    async with running(platform, second):
        await second.wait_for(lambda one: "live" in texts(one))
    assert new(second) == ["missed 0", "missed 1", "missed 2", "live"]
    assert len(await discord.calls("identify")) == (3 if over else 2)


async def _identified(discord: Discord, times: int) -> bool:
    return len(await discord.calls("identify")) == times and bool(await discord.calls("channel"))


async def test_more_than_can_wait_is_read_anew(discord: Discord, ann: str, account: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception, "HELD_MAX", 3)
    first = RecordingInbox()
    await before(discord, account, first, ann)
    await discord.write(ann, "missed")
    await discord.fault("delay_before", "history", value=60)
    second, platform = after(first), account()
    async with running(platform, second) as receiving:
        await discord.until(lambda: _identified(discord, 2))
        for number in range(4):
            await discord.write(ann, f"live {number}")
        await asyncio.wait([receiving], timeout=20)
        assert isinstance(receiving.exception(), reception.TooMuch)
    await discord.order("heal")
    async with running(platform, second):
        await second.wait_for(lambda one: new(one) == ["missed", *(f"live {number}" for number in range(4))])


# --- what is told -------------------------------------------------------------------------------------------------------------------------


async def test_what_is_not_for_us_moves_the_cursor_all_the_same(
    discord: Discord, platform: DiscordPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_module, "SETTLE_S", 0.05)
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    inbox = RecordingInbox()
    async with running(platform, inbox):
        last = await discord.write(GENERAL, "not for us")
        await inbox.wait_for(lambda one: one.cursor == last)
    assert inbox.events == []


async def test_an_update_that_is_no_edit_is_none(discord: Discord, ann: str, platform: DiscordPlatform) -> None:
    """LEDGER H-07: Discord tells of a link that it shows now as of an update of the message."""
    inbox = RecordingInbox()
    async with running(platform, inbox):
        asked = await discord.write(ann, "https://example.org")
        await discord.order("unfurl", message=asked)
        await discord.write(ann, "end")
        await inbox.wait_for(lambda one: "end" in texts(one))
    assert len(inbox.messages) == 2


async def test_deletions_are_told_of_with_the_author_that_we_know(discord: Discord, platform: DiscordPlatform) -> None:
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    inbox = RecordingInbox()
    async with running(platform, inbox):
        asked = [await discord.write(GENERAL, f"{US} {number}", author=f"80{number}", name="Bob") for number in range(3)]
        unknown = await discord.write(GENERAL, "not for us")
        await inbox.wait_for(lambda one: len(one.messages) == 3)
        await discord.order("remove", message=unknown)
        await discord.order("remove", message=asked[0])
        await discord.order("remove", messages=asked[1:])
        await inbox.wait_for(lambda one: len(one.messages) == 6)
    assert [(one.id, one.author, one.did) for one in inbox.messages[3:]] == [(asked[n], f"80{n}", Deleted()) for n in range(3)]


async def test_a_thread_that_we_were_not_told_of_is_looked_up_and_what_can_not_be_looked_up_waits(
    discord: Discord, platform: DiscordPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "READ_AGAIN_S", 0.05)
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await discord.order("thread", thread=THREAD, parent=GENERAL, quiet=True)
        await discord.fault("status", "channel", value=503, times=3)
        await discord.write(THREAD, f"{US} one")
        await discord.write(THREAD, f"{US} two")
        await inbox.wait_for(lambda one: texts(one) == ["one", "two"])
    assert {one.place for one in inbox.messages} == {Place(GENERAL, THREAD)}
    assert all(one.id.endswith(f"@{THREAD}") for one in inbox.messages)


async def test_a_mention_of_the_role_that_is_ours_alone_is_one_of_us(discord: Discord, platform: DiscordPlatform) -> None:
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    await discord.order("role", role="9001", guild=SERVER, name="Holdfast", bot=BOT)
    await discord.order("role", role="9002", guild=SERVER, name="everybody here")
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await discord.write(GENERAL, "<@&9002> not you")
        await discord.write(GENERAL, "<@&9001> you")
        await inbox.wait_for(lambda one: texts(one) == ["you"])


async def test_what_can_not_be_read_is_kept_and_stops_nothing(discord: Discord, ann: str, platform: DiscordPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await discord.order("push", type="MESSAGE_CREATE", body={"id": 5, "channel_id": ["?"]})
        await discord.order("push", type="MESSAGE_CREATE", body={"id": "five", "channel_id": "1"})
        await discord.order("push", type="SOMETHING_NEW", body={"id": 5})
        await discord.write(ann, "after it")
        await inbox.wait_for(lambda one: texts(one) == ["after it"])
    broken = [one for one in inbox.events if isinstance(one, Unread)]
    assert ["MESSAGE_CREATE" in one.why and '"channel_id"' in one.raw for one in broken] == [True, True]


async def test_what_is_broken_in_a_history_is_kept_too(discord: Discord, ann: str, account: Connect) -> None:
    first = RecordingInbox()
    await before(discord, account, first, ann)
    await discord.write(ann, "missed", attachments=5)
    await discord.write(ann, "and this")
    second = after(first)
    async with running(account(), second):
        await second.wait_for(lambda one: new(one) == ["and this"])
    assert [isinstance(one, Unread) for one in second.events if not isinstance(one, Incoming)] == [True]
