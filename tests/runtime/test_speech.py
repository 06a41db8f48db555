"""Speech: answers that grow in a chat, gates of accounts, and what is fetched (H-09 to H-12, H-15, H-16; part I rows 2, 4 to 6, 27)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from accounts_rig import RULES, AccountsRig

from holdfast.core import words
from holdfast.core.access import Rules
from holdfast.core.entries import AssistantMessage, Attachment, Delivered, DeliveryFailed, DeliveryStarted, Fetched, UserMessage
from holdfast.core.incoming import Wrote
from holdfast.core.text import Limit
from holdfast.errors import Temporary
from holdfast.ports import Arrival, Traits
from holdfast.runtime.acts import AgentSettings, RouteSettings
from holdfast.runtime.speech import MORE, PREVIEW_ENDS_S, gate_of
from holdfast.testing.clock import LoopClock
from holdfast.testing.fake_platform import LIMITED_S
from holdfast.testing.scripted_model import Break, Say, ScriptedModel
from holdfast.testing.sim import simulated

A = "fake:a"
TEXT = " ".join(f"word{n}" for n in range(40))
SLOW = Say(text=TEXT, takes_s=10.0, pieces=20)
KEYED = Traits(edits=True, key_holds_s=float("inf"))
UNKEYED = Traits(edits=True)
BOTH = pytest.mark.parametrize("traits", [KEYED, UNKEYED], ids=["keyed", "not keyed"])


def growing(
    traits: Traits = KEYED, script: object = None, pace_s: float = 1.0, before: AccountsRig | None = None, **more: object
) -> AccountsRig:
    rig = AccountsRig(traits=traits, script=script or (None if before else lambda _: SLOW), before=before, **more)  # type: ignore[arg-type] # as there
    rig.screens[A].pace_s = pace_s
    return rig


def kinds(rig: AccountsRig, chat: str = "1") -> list[str]:
    names = {DeliveryStarted: "started", Delivered: "delivered", DeliveryFailed: "failed", AssistantMessage: "answer"}
    return [
        f"{names[type(e.body)]}{' preview' if getattr(e.body, 'preview', False) else ''}"
        for e in rig.entries(f"{A}:{chat}")
        if type(e.body) in names
    ]


# --- answers that grow -------------------------------------------------------------------------------------------------------------------


@BOTH
@simulated
async def test_a_quick_answer_needs_no_preview(traits: Traits) -> None:
    rig = growing(traits, lambda _: Say(text=TEXT, takes_s=0.9, pieces=20))
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(5)
    assert kinds(rig) == ["answer", "started", "delivered"]
    assert rig.screens[A].screens["1"][0].versions == [TEXT]


@BOTH
@simulated
async def test_a_long_answer_grows_in_one_message_written_down_before_it_is_sent_h10_h11_h12(traits: Traits) -> None:
    rig = growing(traits)
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(20)
    assert kinds(rig) == ["started preview", "delivered preview", "answer", "started", "delivered"]
    (shown,) = rig.screens[A].screens["1"]
    assert shown.versions[-1] == TEXT, "delivered is what the platform confirmed: the whole text"
    assert all(TEXT.startswith(version.removesuffix(MORE)) and version.endswith(MORE) for version in shown.versions[:-1])
    assert all(len(one) < len(two) for one, two in pairwise(shown.versions))
    assert 5 <= len(shown.versions) <= 12, "at the pace"
    assert {e.body.id for e in rig.entries(f"{A}:1") if isinstance(e.body, Delivered)} == {shown.id}


@pytest.mark.parametrize("point", ["preview.before_send", "preview.after_send", "preview.edit"])
@BOTH
@simulated
async def test_after_a_crash_the_text_takes_the_place_of_its_preview(traits: Traits, point: str) -> None:
    rig = growing(traits)
    rig.chats[A].write("hello")
    assert await rig.killed_at(point)
    left = len(rig.shown("1"))
    assert left == (point != "preview.before_send")
    again = growing(traits, before=rig)
    async with again.running():
        await asyncio.sleep(30)
    said = again.screens[A].screens["1"]
    assert [shown.text for shown in said].count(words.goes_on()) == 1, "the next life began a minute later"
    screen = [shown for shown in said if shown.text != words.goes_on()]
    assert screen[-1].text == TEXT
    unknown = traits is UNKEYED and point == "preview.after_send"  # its receipt was never seen
    assert len(screen) == (2 if unknown else 1)
    assert sum(shown.text == TEXT for shown in screen) == 1
    if traits is UNKEYED and point != "preview.edit":
        assert len(screen[-1].versions) == 1, "no second preview beside one that may be there"


@pytest.mark.parametrize("at_s", [0.5, 1.2, 5.0])
@BOTH
@simulated
async def test_a_preview_that_was_stopped_says_so_at_once(traits: Traits, at_s: float) -> None:
    rig = growing(traits)
    rig.screens[A].delay_s = lambda: 0.3
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(at_s)
        rig.chats[A].write("/stop")
        await asyncio.sleep(PREVIEW_ENDS_S - 1)
        texts = rig.shown("1")
        assert texts == (["Stopped. One message was not answered; /retry brings it back."] if at_s == 0.5 else [words.STOPPED, texts[1]])
        await asyncio.sleep(60)
        assert rig.shown("1") == texts
    assert rig.disk.conversations[f"{A}:1"].due is None


@simulated
async def test_a_stopped_preview_of_which_only_the_key_is_known_says_so_too() -> None:
    rig = growing(KEYED)
    rig.chats[A].write("hello")
    assert await rig.killed_at("preview.after_send")
    rig.chats[A].write("/stop")
    again = growing(KEYED, before=rig)
    async with again.running():
        await asyncio.sleep(30)
    assert again.screens[A].screens["1"][0].text == words.STOPPED
    assert len(again.shown("1")) == 2


@BOTH
@simulated
async def test_the_text_of_the_next_route_takes_the_place_of_the_last_ones(traits: Traits) -> None:
    clock = LoopClock()
    first = ScriptedModel(clock, lambda _: Break(why="gone", text=TEXT, takes_s=5.0))
    second = ScriptedModel(clock, lambda _: Say(text="Here I am. " * 5, takes_s=5.0, pieces=10))
    agent = AgentSettings("", (RouteSettings("first", "route:first", first), RouteSettings("second", "route:second", second)))
    rig = growing(traits, agent=agent)
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(30)
    (shown,) = rig.screens[A].screens["1"]
    assert shown.text == "Here I am. " * 4 + "Here I am." and any("word" in version for version in shown.versions)


@simulated
async def test_an_arrival_that_was_not_read_yet_puts_a_preview_off() -> None:
    rig = growing()
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(1.0)
        body = UserMessage(author="1", id="x", text="by the way")
        await rig.journal.ingest([Arrival(f"{A}:1", A, "1", "x", body, rig.clock.now())])  # nobody is told of it
        await asyncio.sleep(30)
    names = [type(e.body).__name__ for e in rig.entries(f"{A}:1")]
    assert names[:2] == ["UserMessage", "UserMessage"] and names[2] == "DeliveryStarted"
    assert rig.screens[A].screens["1"][0].text == TEXT


@BOTH
@simulated
async def test_nothing_grows_before_what_was_said_before_it(traits: Traits) -> None:
    script = [Say(text="Let me count.", calls=(("demo__count", '{"key": "k"}'),)), SLOW]
    rig = growing(traits, script)
    rig.screens[A].faults["1"].append("limited")
    async with rig.running():
        rig.chats[A].write("count")
        await asyncio.sleep(LIMITED_S - 1)
        assert rig.shown("1") == [], "it grows, but not here"
        await asyncio.sleep(3)
        assert rig.shown("1")[0] == "Let me count." and rig.shown("1")[1].endswith(MORE)
        await asyncio.sleep(20)
    assert rig.shown("1") == ["Let me count.", TEXT]


@simulated
async def test_a_preview_that_hangs_does_not_hold_the_answer_up_for_long() -> None:
    rig = growing(script=lambda _: Say(text=TEXT, takes_s=3.0, pieces=20))
    async with rig.running():
        rig.screens[A].delay_s = lambda: 1000.0
        rig.chats[A].write("hello")
        await asyncio.sleep(2.5)
        rig.screens[A].delay_s = lambda: 0.0
        await asyncio.sleep(PREVIEW_ENDS_S + 1)
        assert "answer" in kinds(rig)
        await asyncio.sleep(3000)
    assert rig.shown("1") == [TEXT], "under its key it is the same message, whenever it gets there"


@simulated
async def test_a_preview_is_a_part_long_and_its_limit_is_kept() -> None:
    limit = Limit(500, "bytes")
    text = "ä" * 3000
    rig = growing(replace(KEYED, limit=limit), lambda _: Say(text=text, takes_s=10.0, pieces=100))
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(30)
    screen = rig.screens[A].screens["1"]
    assert "".join(rig.shown("1")) == text
    assert all(len(version.encode()) <= 500 for shown in screen for version in shown.versions)
    assert len(screen[0].versions) <= 5, "once the part is full, nothing changes in it"


@simulated
async def test_in_a_quiet_conversation_nothing_grows() -> None:
    rig = growing()
    async with rig.running():
        rig.chats[A].write("/quiet")
        await asyncio.sleep(1)
        rig.chats[A].write("hello")
        await asyncio.sleep(20)
    assert rig.shown("1")[-1] == TEXT and len(rig.screens[A].screens["1"][-1].versions) == 1


@simulated
async def test_a_preview_keeps_to_the_limits_of_the_account_and_tells_what_it_found() -> None:
    rig = growing()
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(3)
        rig.chats[A].trouble = Temporary("away")
        sends = rig.chats[A].requests.count("send")
        await asyncio.sleep(4)
        assert not rig.speech.is_open(A, "x") or rig.weather.row(gate_of(A)).streak
        assert rig.chats[A].requests.count("send") - sends <= 4
        rig.chats[A].trouble = None
        await asyncio.sleep(60)
    assert rig.shown("1") == [TEXT]


# --- gates of accounts -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("traits", [Traits(key_holds_s=float("inf")), Traits()], ids=["keyed", "not keyed"])
@simulated
async def test_what_is_to_be_said_while_the_platform_is_away_is_said_when_it_is_back_h09_h15_row1_row2(traits: Traits) -> None:
    rig = AccountsRig(traits=traits, script=lambda _: Say(text="Yes.", takes_s=5.0), rules=Rules(allow=frozenset({"*"})))
    async with rig.running():
        for chat in range(100, 120):
            rig.chats[A].write("hello", str(chat))
        await asyncio.sleep(3)
        rig.chats[A].trouble = Temporary("The platform answers 503.")
        sends = rig.chats[A].requests.count("send")
        await asyncio.sleep(3600)
        assert rig.chats[A].requests.count("send") - sends < 150, "the gate closes for all of them"
        assert not any(rig.shown(str(chat)) for chat in range(100, 120))
        assert all(rig.disk.conversations[f"{A}:{chat}"].owner is None for chat in range(100, 120)), "what waits is a row"
    rig.chats[A].trouble = None
    again = AccountsRig(before=rig, traits=traits, rules=Rules(allow=frozenset({"*"})))
    async with again.running():
        await asyncio.sleep(300)
    assert all(again.shown(str(chat)) == ["Yes."] for chat in range(100, 120))


@simulated
async def test_a_rate_limit_is_obeyed_also_by_the_next_life() -> None:
    rig = AccountsRig(traits=Traits())
    rig.screens[A].faults["1"].append("limited")
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(1)
        at = rig.clock.now()
    again = AccountsRig(before=rig, traits=Traits())
    async with again.running():
        await asyncio.sleep(LIMITED_S - 2)
        assert again.chats[A].requests.count("send") == 1
        await asyncio.sleep(5)
        assert again.shown("1") == ["Yes."]
    assert again.screens[A].screens["1"][0].at >= at + LIMITED_S - 1


@simulated
async def test_a_send_whose_answer_was_lost_closes_the_gate_for_a_moment_and_is_repeated_marked_h15_row6() -> None:
    rig = AccountsRig(traits=Traits())
    rig.screens[A].faults["1"].append("lost")
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(60)
    assert rig.shown("1") == ["Yes.", f"{words.SENT_AGAIN}Yes."]
    assert rig.weather.row(gate_of(A)).streak == 0


@simulated
async def test_a_chat_that_refuses_shows_that_the_account_lives_h16() -> None:
    rig = AccountsRig(traits=Traits())
    rig.screens[A].faults["1"].extend(["lost_before", "refused"])
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(60)
        assert rig.weather.row(gate_of(A)).streak == 0
    assert [b.refusal for b in rig.bodies(DeliveryFailed, f"{A}:1")] == ["unknown", "refused"]  # type: ignore[union-attr] # failures


@simulated
async def test_so_many_sends_at_once_and_no_more() -> None:
    rig = AccountsRig(rules=Rules(allow=frozenset({"*"})), traits=KEYED, places=3, script=lambda _: SLOW)
    rig.screens[A].pace_s = 1.0
    under_way, most, account = 0, 0, rig.platforms[A]
    send = account.send

    async def counted(*args: object) -> object:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            await asyncio.sleep(0.5)
            return await send(*args)  # type: ignore[arg-type] # as it came
        finally:
            under_way -= 1

    account.send = counted  # type: ignore[method-assign,assignment] # watched
    async with rig.running():
        for chat in range(100, 110):
            rig.chats[A].write("hello", str(chat))
        await asyncio.sleep(300)
    assert all(rig.shown(str(chat)) == [TEXT] for chat in range(100, 110))
    assert most == 3


# --- typing, fetching --------------------------------------------------------------------------------------------------------------------


@simulated
async def test_typing_is_shown_for_as_long_as_the_step_takes() -> None:
    rig = AccountsRig(traits=replace(KEYED, typing_s=4.0), script=lambda _: SLOW)
    async with rig.running():
        rig.chats[A].write("hello")
        await asyncio.sleep(9.9)
        assert rig.chats[A].requests.count("typing") == 3
        await asyncio.sleep(60)
    assert rig.chats[A].requests.count("typing") == 3


@simulated
async def test_a_file_that_is_not_there_yet_is_asked_for_less_and_less_often() -> None:
    rig = AccountsRig()
    async with rig.running():
        rig.chats[A].do(Wrote("see", (Attachment(id="f", name="f.txt", media_type="text/plain"),)), "m1")
        await asyncio.sleep(3600)
    tries = [e for e in rig.entries(f"{A}:1") if isinstance(e.body, Fetched)]
    waits = [e.body.until - e.at for e in tries if isinstance(e.body, Fetched)]
    assert waits == sorted(waits) and waits[0] == 5.0 and waits[-1] == 300.0 and len(waits) < 30
    assert rules_hold(rig)


def rules_hold(rig: AccountsRig) -> bool:
    """It waits for the file, and nobody was asked."""
    return rig.rules[A].allow >= RULES.allow and not rig.model.requests
