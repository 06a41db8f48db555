"""Accounts: received from, each for itself, and who may talk (H-01 to H-07, H-54 to H-56, H-60; part I rows 8, 17, 25, 28, 29, 32)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from unittest.mock import patch

import pytest
from accounts_rig import POLL_S, RULES, AccountsRig

from holdfast.core.access import Rules
from holdfast.core.entries import Correction, UserMessage
from holdfast.core.incoming import Deleted, Edited, Incoming, Place, Unread, Wrote
from holdfast.core.request import User
from holdfast.errors import Config, JournalFailed, Temporary
from holdfast.ports import Accepted, Cursor, Traits
from holdfast.runtime import accounts
from holdfast.runtime.accounts import CONNECT_S_MAX
from holdfast.runtime.speech import gate_of
from holdfast.runtime.supervisor import BACK_OFF_S_MAX
from holdfast.testing.scripted_model import Say
from holdfast.testing.sim import simulated

A = "fake:a"
CODE = re.compile(r"[A-Z2-9]{8}")


def code_in(text: str) -> str:
    found = CODE.search(text)
    assert found is not None, text
    return found[0]


# --- received --------------------------------------------------------------------------------------------------------------------------


@simulated
async def test_what_was_written_while_the_gateway_was_down_is_answered_in_order_h01_h05() -> None:
    rig = AccountsRig()
    chats = rig.chats[A]
    for n in range(1, 7):
        chats.write(f"message {n}")
    async with rig.running():
        await asyncio.sleep(30)
    assert [b.text for b in rig.bodies(UserMessage, f"{A}:1")] == [f"message {n}" for n in range(1, 7)]  # type: ignore[union-attr] # messages
    assert rig.shown("1")[-1] == "Yes."
    assert rig.disk.cursors[A] == Cursor(A, "@bot", "6")


@pytest.mark.parametrize("point", ["ingest.before_commit", "ingest.after_commit", "acknowledge"])
@simulated
async def test_the_cursor_is_never_ahead_of_what_is_kept_row8(point: str) -> None:
    rig = AccountsRig()

    def die(passed: str) -> None:
        if passed == point:
            rig.journal.crash()
            raise JournalFailed("killed")

    rig.chats[A].write("one")
    rig.chats[A].write("two")
    with patch("holdfast.failpoints.failpoint", die), patch.object(accounts, "failpoint", die), pytest.raises(ExceptionGroup):
        await rig.supervisor.run(rig.accounts.children())
    kept = [b.text for b in rig.bodies(UserMessage, f"{A}:1")]  # type: ignore[union-attr] # messages
    assert (A in rig.disk.cursors) == bool(kept), "both, or neither"
    assert len(rig.chats[A].events) == 2, "nothing was acknowledged"
    again = AccountsRig(before=rig)
    async with again.running():
        await asyncio.sleep(30)
    assert [b.text for b in again.bodies(UserMessage, f"{A}:1")] == ["one", "two"]  # type: ignore[union-attr] # messages
    assert again.shown("1") == ["Yes."]


@simulated
async def test_whoever_calls_us_is_told_where_their_message_is_and_what_was_said_there() -> None:
    rig = AccountsRig()
    inbox, chats = rig.accounts._inboxes[A], rig.chats[A]
    async with rig.running():
        await asyncio.sleep(1)
        chats.write("Hello")
        await asyncio.sleep(5)
        hello = Incoming(place=Place("1"), id="m1", author="1", did=Wrote("Hello"))
        more = replace(hello, id="m2", did=Wrote("And?"))
        assert await inbox.keep(hello) == Accepted(f"{A}:1", 1, new=False)
        kept = await inbox.keep(more)
        assert kept is not None and (kept.conversation, kept.new) == (f"{A}:1", True) and kept.seq > 1
        assert await inbox.keep(replace(more, id="m3", place=Place("9"), author="9")) is None, "nobody knows them"
        first, *_ = await inbox.read(Place("1"), 0, 100)
        assert isinstance(first.body, UserMessage) and first.body.text == "Hello"
        assert [entry.seq for entry in await inbox.read(Place("1"), 1, 2)] == [2, 3]
        assert not await inbox.read(Place("9"), 0, 100)
    with pytest.raises(Temporary, match="not connected"):
        await inbox.keep(more)


@simulated
async def test_what_is_told_again_is_kept_once_h07_row28() -> None:
    rig = AccountsRig()
    chats = rig.chats[A]
    chats.write("one")
    event = chats.events[0][1]
    async with rig.running():
        await asyncio.sleep(5)
        for _ in range(24):
            chats.tell(event)
        await asyncio.sleep(5)
    assert len(rig.bodies(UserMessage, f"{A}:1")) == 1 and len(rig.model.requests) == 1
    assert rig.accounts.states()[0].received == 1


@simulated
async def test_of_a_message_that_was_never_kept_no_correction_is() -> None:
    rig = AccountsRig(rules=replace(RULES, groups=frozenset({"-5"})))
    chats = rig.chats[A]
    async with rig.running():
        chats.write("to somebody else", chat="-5", group=True, to_us=False)
        chats.do(Edited("x", "1"), "m1", chat="-5", group=True)
        chats.do(Deleted(), "m1", chat="-5", group=True)
        to_us = chats.write("to us", chat="-5", group=True)
        chats.do(Edited("to us!", "1"), to_us, chat="-5", group=True)
        await asyncio.sleep(5)
    corrections = rig.bodies(Correction, f"{A}:-5")
    assert [c.of for c in corrections] == ["m2"]  # type: ignore[union-attr] # corrections
    assert len(rig.bodies(UserMessage, f"{A}:-5")) == 1


@simulated
async def test_an_update_that_cannot_be_read_is_kept_and_the_owner_is_told_once_a_day() -> None:
    rig = AccountsRig()
    async with rig.running():
        for n in range(5):
            rig.chats[A].tell(Unread(f"raw {n}", "no such kind."))
            await asyncio.sleep(3)
        rig.chats[A].write("and I?")
        await asyncio.sleep(5)
    assert [raw for _, _, raw in rig.disk.unread] == [f"raw {n}" for n in range(5)]
    assert len(rig.told_owner()) == 1 and "could not be read (no such kind)" in rig.told_owner()[0]
    assert rig.shown("1") == ["Yes."]


# --- connected -------------------------------------------------------------------------------------------------------------------------


@simulated
async def test_two_accounts_without_names_and_one_bad_token_do_not_hold_up_the_third_h06_h54_h56_row29() -> None:
    rig = AccountsRig("fake:a", "fake:b", "fake:c", "fake:d")
    rig.chats["fake:a"].trouble = Temporary("The name api.example.org can't be resolved.")
    rig.chats["fake:b"].hangs = True
    rig.chats["fake:c"].trouble = Config("The token is not valid.")
    for chats in rig.chats.values():
        chats.write("hello")
    async with rig.running():
        await asyncio.sleep(2)
        assert rig.shown("1", "fake:d") == ["Yes."], "at once"
        assert (rig.state("fake:a"), rig.state("fake:c")) == ("waiting", "stopped")
        await asyncio.sleep(7200)
        assert rig.chats["fake:c"].requests == ["connect"], "what only a person can mend is not tried again"
        assert len([t for t in rig.told_owner() if "fake:c has stopped" in t]) == 1
        rig.chats["fake:a"].trouble, rig.chats["fake:b"].hangs = None, False
        await asyncio.sleep(BACK_OFF_S_MAX + CONNECT_S_MAX)
        assert rig.shown("1", "fake:a") == rig.shown("1", "fake:b") == ["Yes."], "by themselves"
        assert rig.shown("1", "fake:c") == []
        rig.chats["fake:c"].trouble = None
        rig.retry("fake:c")
        await asyncio.sleep(2)
        assert rig.shown("1", "fake:c") == ["Yes."]
    assert 24 < len(rig.chats["fake:a"].requests) < 60, "from 1 s to 5 min"


@simulated
async def test_a_deaf_connection_is_replaced_h55_row17_row32() -> None:
    rig = AccountsRig()
    silence_s = rig.platforms[A].traits.silence_s_max
    async with rig.running():
        await asyncio.sleep(10 * POLL_S)
        assert rig.accounts.states()[0].connects == 1, "an empty poll is a sign of life"
        rig.chats[A].deaf = True
        await asyncio.sleep(silence_s + POLL_S)
        rig.chats[A].deaf = False
        rig.chats[A].write("do you hear me?")
        await asyncio.sleep(silence_s + 10)
        assert rig.shown("1") == ["Yes."]
    assert rig.accounts.states()[0].connects > 1


@simulated
async def test_a_connection_that_hangs_in_its_clean_up_is_given_up_h54_row17_row25() -> None:
    rig = AccountsRig()
    async with rig.running():
        await asyncio.sleep(1)
        rig.chats[A].deaf = rig.chats[A].clings = True
        await asyncio.sleep(rig.platforms[A].traits.silence_s_max + accounts.CLEAN_UP_S_MAX + 3)
        assert rig.accounts.states()[0].connects == 1 or rig.state() != "stopped"
        rig.chats[A].deaf = rig.chats[A].clings = False
        rig.chats[A].write("hello")
        await asyncio.sleep(rig.platforms[A].traits.silence_s_max + 30)
        assert rig.shown("1") == ["Yes."]


@simulated
async def test_another_account_under_the_old_name_is_stopped_and_nothing_of_it_is_kept() -> None:
    rig = AccountsRig()
    rig.chats[A].write("one")
    async with rig.running():
        await asyncio.sleep(5)
    rig.chats[A].identity = "@other"
    again = AccountsRig(before=rig)
    again.chats[A].write("two")
    async with again.running():
        await asyncio.sleep(100)
        again.retry(A)
        await asyncio.sleep(100)
        assert again.state() == "stopped"
        assert not again.speech.is_open(A, "x")
    assert again.disk.cursors[A].identity == "@bot"
    assert len(again.bodies(UserMessage, f"{A}:1")) == 1
    assert len(again.told_owner()) == 1 and "was @bot so far, and is @other now" in again.told_owner()[0]


@simulated
async def test_a_token_revoked_while_sending_is_one_request_and_what_is_said_waits_h09_row4() -> None:
    rig = AccountsRig(script=lambda _: Say(text="Yes.", takes_s=5.0))
    chats = rig.chats[A]
    chats.write("one")
    async with rig.running():
        await asyncio.sleep(2)
        chats.trouble = Config("The token was revoked.")
        before = len(chats.requests)
        await asyncio.sleep(4)
        assert chats.requests[before:] == ["send"], "cut off: the poll asks no more"
        assert rig.state() == "stopped"
        assert len(rig.told_owner()) == 1
        await asyncio.sleep(7200)
        assert chats.requests[before:] == ["send"]
        chats.trouble = None
        rig.retry(A)
        await asyncio.sleep(3)
        assert rig.shown("1") == ["Yes."] and rig.state() == "ready"
        chats.trouble = Config("The token was revoked.")
        chats.write("two")
        await asyncio.sleep(60)
    assert len(rig.told_owner()) == 2, "another time is another matter"


@simulated
async def test_what_waits_at_a_stopped_account_is_said_after_a_restart() -> None:
    rig = AccountsRig(script=lambda _: Say(text="Yes.", takes_s=5.0))
    rig.chats[A].write("one")
    async with rig.running():
        await asyncio.sleep(2)
        rig.chats[A].trouble = Config("The token was revoked.")
        await asyncio.sleep(10)
    assert rig.disk.conversations[f"{A}:1"].speech_gate == gate_of(A)
    rig.chats[A].trouble = None
    again = AccountsRig(before=rig)
    async with again.running():
        await asyncio.sleep(5)
    assert again.shown("1") == ["Yes."]


@simulated
async def test_nothing_is_taken_before_it_is_known_whose_it_is() -> None:
    rig = AccountsRig()
    inbox = rig.accounts._inboxes[A]
    with pytest.raises(Temporary, match="not connected"):
        await inbox.take([], "7")
    assert rig.disk.cursors == {}


# --- many -------------------------------------------------------------------------------------------------------------------------------


@simulated
async def test_two_hundred_messages_at_once_to_one_chat_are_kept_in_order_h03_h04_row7_row9() -> None:
    rig = AccountsRig(script=lambda _: Say(text="Yes.", takes_s=2.0))
    async with rig.running():
        for n in range(200):
            rig.chats[A].write(f"message {n}")
        await asyncio.sleep(60)
    assert [b.text for b in rig.bodies(UserMessage, f"{A}:1")] == [f"message {n}" for n in range(200)]  # type: ignore[union-attr] # messages
    shown = "\n\n".join(m.text for m in rig.model.requests[-1].messages if isinstance(m, User))
    assert re.findall(r"message (\d+)", shown) == [str(n) for n in range(200)], "each in exactly one turn"
    assert rig.shown("1")[-1] == "Yes."


@simulated
async def test_two_hundred_messages_at_once_to_fifty_chats_are_all_answered() -> None:
    rig = AccountsRig(rules=Rules(allow=frozenset({"*"})), script=lambda _: Say(text="Yes.", takes_s=0.5), places=8)
    async with rig.running():
        for n in range(200):
            rig.chats[A].write(f"message {n}", str(100 + n % 50))
        await asyncio.sleep(120)
    for chat in range(100, 150):
        texts = [b.text for b in rig.bodies(UserMessage, f"{A}:{chat}")]  # type: ignore[union-attr] # messages
        assert texts == [f"message {n}" for n in range(200) if n % 50 == chat - 100]
        assert rig.shown(str(chat))[-1] == "Yes."


@simulated
async def test_a_chat_that_blocks_us_is_told_to_the_owner_once_and_rests_until_it_writes_h16() -> None:
    rig = AccountsRig(traits=Traits())
    async with rig.running():
        rig.screens[A].blocked.add("2")
        rig.chats[A].write("hello", "2")
        await asyncio.sleep(3600)
        assert len(rig.told_owner()) == 1 and "takes nothing from me" in rig.told_owner()[0]
        assert rig.chats[A].requests.count("send") == 1
        rig.screens[A].blocked.discard("2")
        rig.chats[A].write("again", "2")
        await asyncio.sleep(5)
        assert rig.shown("2") == ["Yes.", "Yes."]
