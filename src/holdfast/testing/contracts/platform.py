"""What every `ports.Platform` promises, without a word about its wire."""

from __future__ import annotations

import asyncio
import time

import pytest

from holdfast.ports import Platform

SHOWS = 1000
SHOWS_S_MAX = 1.0


class PlatformContract:
    """A suite gives `platform`, connected to whatever it talks to, and `address`, a chat that takes messages."""

    @pytest.fixture
    def address(self) -> str:
        return "chat"

    def test_its_account_says_which_platform_it_is(self, platform: Platform) -> None:
        kind, _, name = platform.account.partition(":")
        assert kind
        assert name

    def test_its_limit_leaves_room_for_a_text(self, platform: Platform) -> None:
        assert platform.traits.limit.length >= 100
        assert platform.traits.key_holds_s >= 0

    async def test_a_send_gives_an_id(self, platform: Platform, address: str) -> None:
        receipt = await platform.send(address, "Hello", "a1/0")
        assert receipt.refusal == ""
        assert receipt.id

    async def test_the_same_key_is_the_same_message_where_keys_are_taken(self, platform: Platform, address: str) -> None:
        if not platform.traits.key_holds_s:
            return  # it promises nothing
        first = await platform.send(address, "Hello", "a1/0")
        second = await platform.send(address, "Hello", "a1/0")
        assert (first.refusal, first.id) == (second.refusal, second.id)

    async def test_what_was_sent_under_a_key_is_found(self, platform: Platform, address: str) -> None:
        if not platform.traits.key_holds_s and not platform.traits.history:
            return  # it promises nothing
        receipt = await platform.send(address, "Hello", "a1/0")
        assert await platform.find(address, "Hello", "a1/0") == receipt.id

    async def test_an_edit_keeps_the_id(self, platform: Platform, address: str) -> None:
        receipt = await platform.send(address, "Hello", "a1/0")
        if platform.traits.edits:
            assert (await platform.send(address, "Hello you", "a1/0", edit=receipt.id)).id == receipt.id

    async def test_showing_never_blocks(self, platform: Platform) -> None:
        began = time.monotonic()
        for end in range(SHOWS):
            platform.show("conversation", "a1", "x" * end)
            platform.progress("conversation", "call_1_0", f"{end} of {SHOWS}")
        assert time.monotonic() - began < SHOWS_S_MAX

    async def test_it_becomes_ready_and_runs_until_cancelled(self, platform: Platform) -> None:
        ready = asyncio.Event()
        running = asyncio.create_task(platform.run(ready.set))
        await asyncio.wait_for(ready.wait(), 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
