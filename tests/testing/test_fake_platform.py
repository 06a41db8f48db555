from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from holdfast.core.entries import Command, Correction, UserMessage
from holdfast.errors import Temporary
from holdfast.ports import Accepted, Arrival, Cursor, Receipt, Traits
from holdfast.testing.clock import LoopClock
from holdfast.testing.fake_platform import LIMITED_S, FakeChat, FakePlatform
from holdfast.testing.sim import simulated, this_loop


class _Gateway:
    """Accepts everything, unless it dies first."""

    def __init__(self, chat: FakeChat) -> None:
        self.platform = FakePlatform(chat, self.accept)
        self.accepted: list[Arrival] = []
        self.cursors: list[str] = []

    async def accept(self, arrivals: Sequence[Arrival], cursor: Cursor | None) -> tuple[Accepted, ...]:
        self.accepted += arrivals
        self.cursors += [cursor.value] if cursor else []
        await asyncio.sleep(1)
        return ()

    async def run(self) -> None:
        await self.platform.serve(lambda: None)


def _chat(key_holds_s: float = 0.0) -> FakeChat:
    return FakeChat("fake", LoopClock(), Traits(key_holds_s=key_holds_s))


@simulated
async def test_what_was_not_acknowledged_is_told_again_and_what_was_is_forgotten() -> None:
    chat = _chat()
    first, second, third = _Gateway(chat), _Gateway(chat), _Gateway(chat)
    chat.write("c", "one")
    killed = this_loop().start("first", first.run())
    await asyncio.sleep(0.5)
    this_loop().kill(killed)
    assert (len(first.accepted), chat.acknowledged) == (1, 0)
    killed = this_loop().start("second", second.run())
    await asyncio.sleep(5)
    this_loop().kill(killed)
    assert [arrival.dedupe for arrival in second.accepted] == [arrival.dedupe for arrival in first.accepted]
    assert chat.acknowledged == 1
    this_loop().start("third", third.run())
    await asyncio.sleep(5)
    assert third.accepted == []


@simulated
async def test_messages_orders_edits_and_deletions_arrive_with_names_of_their_own() -> None:
    chat = _chat()
    gateway = _Gateway(chat)
    message = chat.write("c", "one")
    chat.write("c", "/stop")
    chat.edit("c", message, "two")
    chat.delete("c", message)
    this_loop().start("it", gateway.run())
    await asyncio.sleep(5)
    assert [type(arrival.body) for arrival in gateway.accepted] == [UserMessage, Command, Correction, Correction]
    assert len({arrival.dedupe for arrival in gateway.accepted}) == 4
    assert [arrival.body.text for arrival in gateway.accepted if isinstance(arrival.body, Correction)] == ["two", None]
    assert gateway.cursors == ["4"]


@simulated
async def test_a_key_is_recognised_for_as_long_as_it_holds() -> None:
    chat = _chat(key_holds_s=60.0)
    first, again = await chat.send("c", "Yes.", "k", ""), await chat.send("c", "Yes.", "k", "")
    assert first == again == Receipt(id="s1")
    await asyncio.sleep(61)
    assert await chat.send("c", "Yes.", "k", "") == Receipt(id="s2")
    assert len(chat.screens["c"]) == 2


@simulated
async def test_an_edit_changes_what_is_shown() -> None:
    chat = _chat()
    await chat.send("c", "Ye", "", "")
    await chat.send("c", "Yes.", "", "s1")
    assert [shown.versions for shown in chat.screens["c"]] == [["Ye", "Yes."]]
    assert (await chat.send("c", "No.", "", "s9")).refusal == "gone"


@simulated
async def test_a_send_that_was_under_way_gets_there_whatever_becomes_of_the_sender() -> None:
    chat = _chat()
    chat.delay_s = lambda: 5.0
    process = this_loop().start("it", _send(chat))
    await asyncio.sleep(1)
    this_loop().kill(process)
    await asyncio.sleep(60)
    assert [shown.text for shown in chat.screens["c"]] == ["Yes."]


async def _send(chat: FakeChat) -> None:
    await chat.send("c", "Yes.", "", "")


@simulated
async def test_sends_are_limited_refused_blocked_and_their_answers_lost() -> None:
    chat = _chat()
    chat.faults["c"].extend(("limited", "refused", "lost", "lost_before", "blocked"))
    receipts = [await chat.send("c", f"{number}", "", "") for number in range(6)]
    assert [receipt.refusal for receipt in receipts] == ["retry", "refused", "unknown", "unknown", "blocked", "blocked"]
    assert receipts[0].retry_after_s == LIMITED_S
    assert [(shown.text, shown.lost) for shown in chat.screens["c"]] == [("2", True)]
    chat.write("c", "hello again")
    assert (await chat.send("c", "6", "", "")).refusal == ""


@simulated
async def test_its_history_can_be_searched_by_key_or_text() -> None:
    chat = _chat(key_holds_s=60.0)
    await chat.send("c", "Yes.", "k", "")
    assert await chat.find("c", "Yes.", "k") == "s1"
    assert await chat.find("c", "Yes.", "other") is None
    assert await chat.find("c", "Yes.", "") == "s1"


@simulated
async def test_when_it_is_down_nothing_gets_through() -> None:
    chat = _chat()
    gateway = _Gateway(chat)
    running = asyncio.ensure_future(gateway.run())
    await asyncio.sleep(1)
    chat.take_down("maintenance")
    with pytest.raises(Temporary, match="maintenance"):
        await running
    assert (await chat.send("c", "Yes.", "", "")).refusal == "retry"
    chat.bring_up()
    assert (await chat.send("c", "Yes.", "", "")).refusal == ""
