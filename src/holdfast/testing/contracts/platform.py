"""What every `ports.Platform` promises, without a word about its wire."""

from __future__ import annotations

import time

import pytest

from holdfast.core.incoming import Place
from holdfast.ports import Message, Platform

SHOWS = 1000
SHOWS_S_MAX = 1.0


class PlatformContract:
    """A suite gives `platform`, connected to whatever it talks to, and `place`, a chat that takes messages."""

    @pytest.fixture
    def place(self) -> Place:
        return Place("chat")

    def test_its_account_says_which_platform_it_is(self, platform: Platform) -> None:
        kind, _, name = platform.account.partition(":")
        assert kind
        assert name

    def test_its_limit_leaves_room_for_a_text(self, platform: Platform) -> None:
        assert platform.traits.limit.length >= 100
        assert platform.traits.key_holds_s >= 0

    async def test_a_send_gives_an_id(self, platform: Platform, place: Place) -> None:
        receipt = await platform.send(place, Message("Hello", "a1/0"))
        assert receipt.refusal == ""
        assert receipt.id

    async def test_the_same_key_is_the_same_message_where_keys_are_taken(self, platform: Platform, place: Place) -> None:
        if not platform.traits.key_holds_s:
            return  # it promises nothing
        first = await platform.send(place, Message("Hello", "a1/0"))
        second = await platform.send(place, Message("Hello", "a1/0"))
        assert (first.refusal, first.id) == (second.refusal, second.id)

    async def test_what_was_sent_under_a_key_is_found_where_it_can_be_looked_for(self, platform: Platform, place: Place) -> None:
        if not platform.traits.history:
            return  # it promises nothing
        receipt = await platform.send(place, Message("Hello", "a1/0"))
        assert await platform.find(place, Message("Hello", "a1/0"), 0.0) == receipt.id

    async def test_an_edit_keeps_the_id(self, platform: Platform, place: Place) -> None:
        receipt = await platform.send(place, Message("Hello", "a1/0"))
        if platform.traits.edits:
            assert (await platform.send(place, Message("Hello you", "a1/0", edit=receipt.id))).id == receipt.id

    async def test_showing_never_blocks(self, platform: Platform) -> None:
        began = time.monotonic()
        for end in range(SHOWS):
            platform.show("conversation", "a1", "x" * end)
            platform.progress("conversation", "call_1_0", f"{end} of {SHOWS}")
        assert time.monotonic() - began < SHOWS_S_MAX
