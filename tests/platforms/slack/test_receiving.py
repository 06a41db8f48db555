"""What was missed, and what is brought: nothing is lost between them, and nothing comes before its time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence

import pytest

from holdfast.core.incoming import Edited, Incoming, Moved, Place, Unread, Wrote
from holdfast.platforms.slack import history, receiving
from holdfast.platforms.slack.account import SlackPlatform
from holdfast.ports import Message
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.slack_client import Slack
from holdfast.testing.slack_world import US

Connect = Callable[..., SlackPlatform]
OLD = f"{time.time() - 3 * 24 * 3600:.6f}"


def ago(s: float) -> str:
    return f"{time.time() - s:.0f}"


async def caught_up(inbox: RecordingInbox, since: str = "") -> None:
    """Everything was looked through: the cursor moved."""
    await inbox.wait_for(lambda one: one.cursor not in {"", since})


class _Careful(RecordingInbox):
    """Remembers what was taken whenever the cursor moved."""

    def __init__(self, cursor: str) -> None:
        super().__init__(cursor)
        self.moves: list[list[str]] = []

    async def take(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None = None) -> Sequence[Incoming]:
        if cursor is not None:
            self.moves.append(texts(self))
        return await super().take(events, cursor)


async def test_a_gap_is_read_to_its_end_before_the_cursor_moves(
    slack: Slack, platform: SlackPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LEDGER H-07: pages begin with the newest; whoever dies while reading them begins anew, and misses nothing."""
    monkeypatch.setattr(history, "PAGE", 3)
    for number in range(10):
        await slack.write("DANN", f"ann {number}")
        await slack.write("DBOB", f"bob {number}", author="UBOB")
    since = ago(60)
    await slack.fault("status", "conversations.history", value=500, chat="DBOB")
    dying = _Careful(since)
    with pytest.raises(Exception, match="500"):
        async with running(platform, dying) as receiving_:
            await receiving_
    assert dying.cursor == since
    inbox = _Careful(since)
    async with running(platform, inbox):
        await caught_up(inbox, since)
    for name in ("ann", "bob"):
        assert [text for text in inbox.moves[0] if text.startswith(name)] == [f"{name} {number}" for number in range(10)]


async def test_what_is_brought_moves_no_cursor_and_comes_after_what_was_missed(slack: Slack, platform: SlackPlatform) -> None:
    """LEDGER H-07: a crash in the middle of catching up must not skip the rest of the gap."""
    await slack.write("DANN", "missed")
    await slack.write("DZOE", "missed too", author="UZOE")
    since = ago(60)
    inbox = RecordingInbox(since)
    await slack.fault("delay_before", "conversations.history", value=1.0, chat="DZOE")
    async with running(platform, inbox):
        await slack.order("meet", chat="DNEW")
        await slack.write("DANN", "live")
        await inbox.wait_for(lambda one: "live" in texts(one))
        assert inbox.cursor == since
        await caught_up(inbox, since)
    assert [text for text in texts(inbox) if text in {"missed", "live"}] == ["missed", "live"]
    assert texts(inbox).count("live") == 1
    assert inbox.cursor.isdigit()
    assert float(since) < float(inbox.cursor) <= time.time() + 1


async def test_a_live_message_waits_for_the_gap_of_its_own_chat(slack: Slack, platform: SlackPlatform) -> None:
    await slack.write("DZOE", "first", author="UZOE")
    inbox = RecordingInbox(ago(60))
    await slack.fault("delay_before", "conversations.history", value=0.5)
    async with running(platform, inbox):
        await slack.write("DZOE", "second", author="UZOE")
        await inbox.wait_for(lambda one: "second" in texts(one))
    assert texts(inbox) == ["first", "second"]


async def test_what_was_said_in_threads_meanwhile_comes_too(slack: Slack, platform: SlackPlatform) -> None:
    """Below a message of yesterday; and below an old one, if there is a conversation there."""
    await slack.order("group", chat="C1")
    asked = await slack.write("C1", f"<@{US}> hello", ts=f"{time.time() - 3600:.6f}")
    old = await slack.write("DANN", "long ago", ts=OLD)
    forgotten = await slack.write("DANN", "long ago, too", ts=f"{float(OLD) + 1:.6f}")
    await slack.write("C1", "and then?", thread=asked)
    await slack.write("DANN", "still here?", thread=old)
    await slack.write("DANN", "nobody knows of this", thread=forgotten)
    inbox = RecordingInbox(ago(60))
    inbox.places.append(Place("DANN", old))
    async with running(platform, inbox):
        await caught_up(inbox, inbox.cursor)
    assert {(one.place, one.to_us) for one in inbox.messages} == {(Place("C1", asked), True), (Place("DANN", old), True)}
    assert sorted(texts(inbox)) == ["and then?", "still here?"]


async def test_what_was_changed_meanwhile_is_known_as_it_is_now(slack: Slack, platform: SlackPlatform) -> None:
    before = await slack.write("DANN", "helo", ts=f"{time.time() - 3000:.6f}")
    await slack.order("edit", chat="DANN", ts=before, text="hello")
    inbox = RecordingInbox(ago(60))
    async with running(platform, inbox):
        await caught_up(inbox, inbox.cursor)
    (changed,) = inbox.messages
    assert changed.id == before
    assert isinstance(changed.did, Edited)
    assert changed.did.text == "hello"


async def test_whoever_is_limited_goes_on_where_it_was(slack: Slack, platform: SlackPlatform) -> None:
    """LEDGER H-16: to begin anew would never end where there is much to read."""
    await slack.write("DANN", "missed")
    await slack.fault("limit", "conversations.history", value=1)
    inbox = RecordingInbox(ago(60))
    async with running(platform, inbox):
        await caught_up(inbox, inbox.cursor)
    assert texts(inbox) == ["missed"]
    assert len(await slack.calls("apps.connections.open")) == 1


async def test_what_slack_failed_to_bring_is_found_while_all_seems_well(slack: Slack, connect: Connect) -> None:
    """LEDGER H-55, I 17, I 18, I 32: connected, and deaf: the connection answers, and events get lost."""
    platform = connect(look_s=0.3)
    inbox = RecordingInbox()
    await slack.order("meet", chat="DANN")
    async with running(platform, inbox):
        await slack.write("DANN", "heard")
        await inbox.wait_for(lambda one: texts(one) == ["heard"])
        await slack.fault("drop", "event")
        await slack.write("DANN", "lost")
        await inbox.wait_for(lambda one: "lost" in texts(one))
        assert len(await slack.calls("apps.connections.open")) == 1
    assert texts(inbox) == ["heard", "lost"]
    await platform.close()


async def test_only_groups_that_are_listed_or_known_are_looked_through(slack: Slack, platform: SlackPlatform) -> None:
    for chat in ("C1", "C2", "C3"):
        await slack.order("group", chat=chat)
        await slack.write(chat, f"<@{US}> in {chat}")
    inbox = RecordingInbox(ago(60))
    inbox.places.append(Place("C3"))
    async with running(platform, inbox):
        await caught_up(inbox, inbox.cursor)
    assert sorted(texts(inbox)) == ["in C1", "in C3"]


async def test_what_was_written_shortly_before_the_first_start_is_answered(slack: Slack, platform: SlackPlatform) -> None:
    await slack.write("DANN", "is anybody there?")
    await slack.write("DANN", "of old", ts=OLD)
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: texts(one) == ["is anybody there?"])


async def test_a_chat_that_can_not_be_read_harms_no_other(slack: Slack, platform: SlackPlatform) -> None:
    await slack.write("DANN", "missed")
    await slack.order("meet", chat="DAAA")
    await slack.fault("error channel_not_found", "conversations.history", chat="DAAA")
    inbox = RecordingInbox(ago(60))
    async with running(platform, inbox):
        await caught_up(inbox, inbox.cursor)
    assert texts(inbox) == ["missed"]


async def test_a_mention_comes_once_though_slack_tells_of_it_twice(slack: Slack, platform: SlackPlatform) -> None:
    await slack.order("group", chat="C1")
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await caught_up(inbox)
        await slack.write("C1", f"<@{US}> hello <@UANN>", files=[await slack.upload("a.txt", b"a")])
        await slack.write("DANN", "end")
        await inbox.wait_for(lambda one: "end" in texts(one))
    mention, _ = inbox.messages
    assert isinstance(mention.did, Wrote)
    assert (mention.did.text, mention.name, len(mention.did.attachments)) == ("hello @Ann", "Ann", 1)


async def test_a_thread_is_asked_about_once(slack: Slack, platform: SlackPlatform) -> None:
    """Whether a thread is a talk with us is written above it."""
    await slack.order("group", chat="C1")
    theirs = await slack.write("C1", "Look at this", ts=OLD)
    ours = await slack.write("C1", f"<@{US}> hello", ts=f"{float(OLD) + 1:.6f}")
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await caught_up(inbox)
        for number in range(3):
            await slack.write("C1", f"among them {number}", thread=theirs)
            await slack.write("C1", f"to us {number}", thread=ours)
        await slack.write("C1", f"<@{US}> what is this?", thread=theirs)
        await inbox.wait_for(lambda one: "what is this?" in texts(one))
    assert [one.to_us for one in inbox.messages] == [False, True] * 3 + [True]
    asked = inbox.messages[-1].did
    assert isinstance(asked, Wrote)
    assert asked.quote == "Ann: Look at this"
    lookups = [call for call in await slack.calls("conversations.replies") if call["params"].get("limit") == "1"]
    assert len(lookups) == 2


async def test_a_thread_that_begins_in_a_direct_chat_says_below_what(slack: Slack, platform: SlackPlatform) -> None:
    """It is a conversation of its own, which knows nothing of the other."""
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await slack.order("meet", chat="DANN")
        said = await platform.send(Place("DANN"), Message("The answer is *42*."))
        for text in ("why?", "and how?"):
            await slack.write("DANN", text, thread=said.id)
            await inbox.wait_for(lambda one: texts(one)[-1:] == [text])  # noqa: B023 - it is awaited here
    assert [one.did.quote for one in inbox.messages if isinstance(one.did, Wrote)] == ["The answer is _42_.", ""]
    assert {one.place for one in inbox.messages} == {Place("DANN", said.id)}


async def test_whose_name_can_not_be_had_is_called_by_their_id(slack: Slack, platform: SlackPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await slack.write("DXYZ", "hello <@UABC>", author="UXYZ")
        await inbox.wait_for(lambda one: texts(one) == ["hello @UABC"])
    assert inbox.messages[0].name == ""


async def test_what_is_for_the_same_app_elsewhere_is_not_taken(slack: Slack, platform: SlackPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await slack.order("meet", chat="DANN")
        elsewhere = {"type": "message", "channel": "DELSE", "user": "U1", "ts": "1.1", "text": "not here"}
        await slack.order("push", event=elsewhere, user="UOTHER")
        await slack.write("DANN", "here")
        await inbox.wait_for(lambda one: texts(one) == ["here"])


async def test_what_can_not_be_read_is_kept_and_acknowledged(slack: Slack, platform: SlackPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await slack.order("push", event={"type": "message", "channel": "DANN", "ts": {"odd": True}, "text": "half \ud83d of one"})
        await inbox.wait_for(lambda one: len(one.events) == 1)
        await slack.until(lambda: acknowledged(slack, 1))
    (unread,) = inbox.events
    assert isinstance(unread, Unread)
    assert json.loads(unread.raw)["event"]["ts"] == {"odd": True}


async def acknowledged(slack: Slack, times: int) -> bool:
    return len(await slack.calls("acknowledge")) >= times


async def test_a_chat_that_moved_is_told_of(slack: Slack, platform: SlackPlatform) -> None:
    await slack.order("group", chat="C1")
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await slack.order("migrate", chat="C1", to="C9")
        await inbox.wait_for(lambda one: one.events == [Moved("C1", "C9")])


async def test_people_see_that_they_were_heard(slack: Slack, platform: SlackPlatform) -> None:
    async with running(platform, RecordingInbox()):
        await slack.write("DANN", "hello")

        async def seen() -> bool:
            return (await slack.shown("DANN"))[0].reactions == ["eyes"]

        await slack.until(seen)


async def test_the_command_works_where_we_are_and_says_so_where_we_are_not(slack: Slack, platform: SlackPlatform) -> None:
    """Slack offers it in every chat, also between two people."""
    await slack.order("meet", chat="DANN")
    await slack.order("group", chat="C2", member=False)
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await slack.order("slash", chat="DANN", text="status")
        await inbox.wait_for(lambda one: texts(one) == ["/status"])
        for number, chat in enumerate(("DTWO", "C2")):
            await slack.order("slash", chat=chat, text="status")
            await slack.until(lambda: acknowledged(slack, 2 + number))  # noqa: B023 - it is awaited here
        assert len(inbox.messages) == 1
    replies = [call["params"].get("payload") for call in await slack.calls("acknowledge")]
    assert replies == [None, {"text": receiving.NOT_HERE}, {"text": receiving.NOT_HERE}]


async def test_what_was_taken_is_not_remembered_for_ever(slack: Slack, platform: SlackPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "TAKEN_MAX", 2)
    inbox = RecordingInbox()
    async with running(platform, inbox):
        for number in range(5):
            await slack.write("DANN", str(number))
            await asyncio.wait_for(inbox.wait_for(lambda one: len(texts(one)) > number), 30)  # noqa: B023 - it is awaited here
        assert platform._receiving is not None
        assert len(platform._receiving._taken) <= 2
