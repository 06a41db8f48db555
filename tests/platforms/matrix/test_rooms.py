"""What happens in rooms, on a real homeserver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from holdfast.core.incoming import Deleted, Edited, Moved, Place, Unread, Wrote
from holdfast.ports import Message
from holdfast.testing.matrix_rig import WITHIN_S, Open, connected, eventually, texts
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.synapse import Person

Somebody = Callable[[], Person]

pytestmark = pytest.mark.timeout(120)


async def test_from_an_invitation_to_an_answer(account: Open, bot: Person, ann: Person) -> None:
    room = ann.direct(bot.id)
    first = ann.write(room, "Hello")  # before anybody has taken the invitation
    platform = account()
    async with connected(platform) as inbox:
        await texts(inbox, "Hello")
        (event,) = inbox.messages
        assert (inbox.identity, event.author, event.id, event.place, event.group) == (bot.id, ann.id, first, Place(room), False)
        assert (await platform.send(event.place, Message("Hello *you*", "k1"))).refusal == ""
        await eventually(lambda: ann.texts(room, bot.id) == ["Hello *you*"])
        await eventually(lambda: first in str(ann.ask("GET", "/sync")["rooms"]["join"][room]["ephemeral"]))  # it was seen


async def test_what_was_there_before_the_account_is_no_matter_of_ours(account: Open, bot: Person, ann: Person) -> None:
    room = ann.room([bot.id])
    bot.join(room)
    ann.write(room, "long ago")
    async with connected(account()) as inbox:
        ann.write(room, "now")
        await texts(inbox, "now")


async def test_many_messages_while_away_come_once_and_in_order(account: Open, bot: Person, ann: Person, direct: str) -> None:
    """More than one page of `/messages`, and of two rooms at once."""
    other = ann.direct(bot.id)
    async with connected(account()) as inbox:
        await eventually(lambda: bot.id in ann.members(other))
        ann.write(other, "here")
        await texts(inbox, "here")
    inbox.events.clear()
    for number in range(100):
        ann.write(direct, f"m{number}")
        if number % 5 == 0:
            ann.write(other, f"o{number}")
    async with connected(account(), inbox):
        await inbox.wait_for(lambda inbox: len(inbox.events) >= 120, WITHIN_S)
        ann.write(direct, "last")
        await inbox.wait_for(lambda inbox: len(inbox.events) >= 121, WITHIN_S)
    said = [(event.place.chat, event.did.text) for event in inbox.messages if isinstance(event.did, Wrote)]
    assert [text for chat, text in said if chat == direct] == [*(f"m{number}" for number in range(100)), "last"]
    assert [text for chat, text in said if chat == other] == [f"o{number}" for number in range(0, 100, 5)]


async def test_what_was_not_taken_comes_again(account: Open, ann: Person, direct: str) -> None:
    async with connected(account()) as inbox:
        inbox.free.clear()
        ann.write(direct, "Hello")
        before = inbox.heard
        await eventually(lambda: inbox.heard > before)
    assert not inbox.events
    inbox.free.set()
    async with connected(account(), inbox):
        await texts(inbox, "Hello")


async def test_a_group_is_one_and_its_members_have_names(somebody: Somebody, account: Open, bot: Person, ann: Person) -> None:
    bob = somebody()
    bot.named("Kelp")
    ann.named("Ann")
    room = ann.room([bot.id, bob.id])
    bob.join(room)
    platform = account()
    async with connected(platform) as inbox:
        await eventually(lambda: bot.id in ann.members(room))
        ann.write(room, "just chatter")
        ann.write(room, "Kelp: what is it?")
        await inbox.wait_for(lambda inbox: len(inbox.events) == 2, WITHIN_S)
        assert [(event.group, event.to_us, event.name) for event in inbox.messages] == [(True, False, "Ann"), (True, True, "Ann")]
        ours = await platform.send(Place(room), Message("It is so.", "k1", replies_to=inbox.messages[1].id))
        bob.reply(room, ours.id, "why?")
        await inbox.wait_for(lambda inbox: len(inbox.events) == 3, WITHIN_S)
        reply = inbox.messages[2]
        assert (reply.author, reply.to_us, reply.did) == (bob.id, True, Wrote("why?", quote="Kelp: It is so."))
        assert ann.event(room, ours.id)["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": inbox.messages[1].id}}
    async with connected(account(), inbox):  # another life does not know who is there, and asks
        ann.write(room, "still chatter")
        await inbox.wait_for(lambda inbox: len(inbox.events) == 4, WITHIN_S)
        assert (inbox.messages[3].group, inbox.messages[3].to_us, inbox.messages[3].name) == (True, False, "Ann")


async def test_a_message_of_when_there_were_two_stays_a_direct_one(
    somebody: Somebody, account: Open, bot: Person, ann: Person, direct: str
) -> None:
    """Whoever came later, while the gateway was away, does not change that it was said to us."""
    async with connected(account()) as inbox:
        pass
    bob = somebody()
    ann.write(direct, "for you")
    ann.invite(direct, bob.id)
    bob.join(direct)
    ann.write(direct, "for all")
    async with connected(account(), inbox):
        await inbox.wait_for(lambda inbox: len(inbox.events) == 2, WITHIN_S)
    assert [event.group for event in inbox.messages] == [False, True]


async def test_threads_edits_and_deletions(account: Open, ann: Person, bot: Person, direct: str) -> None:
    platform = account()
    async with connected(platform) as inbox:
        root = ann.write(direct, "root")
        threaded = ann.in_thread(direct, root, "in it")
        await texts(inbox, "root", "in it")
        place = inbox.messages[1].place
        assert place == Place(direct, root)
        sent = await platform.send(place, Message("answer", "k1"))
        assert ann.event(direct, sent.id)["content"]["m.relates_to"]["event_id"] == root
        edit = ann.edit(direct, threaded, "in it, better")
        ann.redact(direct, threaded)
        await inbox.wait_for(lambda inbox: len(inbox.events) == 4, WITHIN_S)
        assert [(event.place, event.id, event.did) for event in inbox.messages[2:]] == [
            (place, threaded, Edited("in it, better", version=edit)),
            (place, threaded, Deleted()),
        ]


async def test_an_encrypted_message_is_said_to_be_unread(account: Open, bot: Person, ann: Person) -> None:
    room = ann.direct(bot.id, encrypted=True)
    ann.send(room, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "y"}, "m.room.encrypted")
    async with connected(account()) as inbox:
        await inbox.wait_for(lambda inbox: bool(inbox.events), WITHIN_S)
    (event,) = inbox.events
    assert isinstance(event, Unread)
    assert room in event.raw


async def test_an_upgraded_room_is_followed(account: Open, bot: Person, ann: Person) -> None:
    room = ann.room([bot.id], preset="public_chat")
    async with connected(account()) as inbox:
        await eventually(lambda: bot.id in ann.members(room))
        new = ann.upgrade(room)
        ann.write(new, "here now")
        await texts(inbox, "here now")
    assert inbox.events[0] == Moved(room, new)
    assert inbox.messages[0].place == Place(new)


async def test_a_room_that_claims_to_replace_another_one_does_not(account: Open, ann: Person, bot: Person, direct: str) -> None:
    async with connected(account()) as inbox:
        false = ann.room([bot.id], creation_content={"predecessor": {"room_id": direct, "event_id": "$none"}}, is_direct=True)
        await eventually(lambda: bot.id in ann.members(false))
        ann.write(false, "Hello")
        await texts(inbox, "Hello")
    assert not [event for event in inbox.events if isinstance(event, Moved)]


class TestAnInvitation:
    async def test_is_taken_from_those_who_may_talk_to_us(self, account: Open, bot: Person, ann: Person) -> None:
        room = ann.room([bot.id])
        async with connected(account(allow=(ann.id,), groups=())):
            await eventually(lambda: bot.id in ann.members(room))

    async def test_is_taken_to_a_group_on_the_list(self, account: Open, bot: Person, ann: Person) -> None:
        room = ann.room([bot.id])
        async with connected(account(allow=(), groups=(room,))):
            await eventually(lambda: bot.id in ann.members(room))

    async def test_of_a_stranger_is_taken_to_a_direct_chat_alone_and_only_where_there_are_codes(
        self, account: Open, bot: Person, ann: Person
    ) -> None:
        group, direct = ann.room([bot.id]), ann.direct(bot.id)
        async with connected(account(allow=(), groups=(), pairing=False)) as inbox:
            await asyncio.wait_for(_heard_of(inbox, ann, bot), WITHIN_S)
        assert bot.id not in ann.members(direct)
        async with connected(account(allow=(), groups=()), inbox):
            await eventually(lambda: bot.id in ann.members(direct))
        assert bot.id not in ann.members(group)


async def _heard_of(inbox: RecordingInbox, ann: Person, bot: Person) -> None:
    """Until an invitation that came later has been seen."""
    before = inbox.cursor
    ann.room([bot.id])
    await inbox.wait_for(lambda inbox: inbox.cursor != before, WITHIN_S)
