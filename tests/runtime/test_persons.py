"""Who may talk on an account, and how much (H-16, H-60; part I rows 3 and 7)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from unittest.mock import patch

import pytest
from accounts_rig import BOSS, RULES, AccountsRig

from holdfast.core.access import CODE_S, PENDING_MAX, SAID_AGAIN_S
from holdfast.core.entries import AssistantMessage, Choice, Question, SetAside, ToolResult, UserMessage
from holdfast.core.incoming import Chose, Moved
from holdfast.core.request import User
from holdfast.errors import Request
from holdfast.ports import Person
from holdfast.runtime import accounts, acts
from holdfast.runtime.speech import gate_of
from holdfast.testing.scripted_model import Say
from holdfast.testing.sim import simulated

A = "fake:a"
CODE = re.compile(r"[A-Z2-9]{8}")


def code_in(text: str) -> str:
    found = CODE.search(text)
    assert found is not None, text
    return found[0]


# --- strangers --------------------------------------------------------------------------------------------------------------------------


@simulated
async def test_a_stranger_gets_a_code_and_nothing_of_them_is_kept_until_an_owner_approves_h60() -> None:
    rig = AccountsRig()
    chats = rig.chats[A]
    async with rig.running():
        chats.write("a secret", "9")
        await asyncio.sleep(5)
        told = code_in(rig.shown("9")[0])
        assert f"{A}:9" not in rig.disk.conversations and not rig.model.requests
        assert "a secret" not in repr(rig.disk)
        assert told in rig.told_owner()[0]
        chats.write(f"/pair {told}", "9")  # it is not theirs to approve
        chats.write(f"/pair {told}", "2")
        await asyncio.sleep(5)
        assert (await rig.accounts.people())[0].since == 0
        chats.write(f" /pair {told.lower()}".strip(), "1")
        await asyncio.sleep(5)
        assert rig.shown("1") == ["9 may talk to me now."]
        assert rig.shown("9")[1:] == ["You may talk to me now. Just write."]
        chats.write("hello", "9")
        await asyncio.sleep(5)
        assert rig.shown("9")[2:] == ["Yes."]


@simulated
async def test_a_code_is_said_again_at_most_once_a_minute_and_only_three_wait_for_it() -> None:
    rig = AccountsRig()
    chats = rig.chats[A]
    async with rig.running():
        for _ in range(10):
            chats.write("let me in", "9")
        await asyncio.sleep(5)
        assert len(rig.shown("9")) == 1
        await asyncio.sleep(SAID_AGAIN_S)
        chats.write("please", "9")
        await asyncio.sleep(5)
        assert len(rig.shown("9")) == 2 and len(set(map(code_in, rig.shown("9")))) == 1
        for stranger in ("10", "11", "12", "13"):
            chats.write("me too", stranger)
        await asyncio.sleep(5)
        assert [len(rig.shown(stranger)) for stranger in ("10", "11", "12", "13")] == [1, 1, 0, 0]
        assert len(await rig.accounts.people()) == PENDING_MAX == len(rig.told_owner())
        await asyncio.sleep(CODE_S)
        chats.write("me too", "12")
        await asyncio.sleep(5)
        assert [person.id for person in await rig.accounts.people()] == ["12"], "those who expired are forgotten"
        with pytest.raises(Request, match="No code"):
            await rig.accounts.approve(code_in(rig.shown("10")[0]))


@simulated
async def test_to_approve_twice_is_harmless_and_no_code_is_no_code() -> None:
    rig = AccountsRig(rules=replace(RULES, allow=frozenset({"@ada"})))
    chats = rig.chats[A]
    async with rig.running():
        chats.write("hello", "5", handles=("@ada",))
        chats.write("hello", "9")
        await asyncio.sleep(5)
        told = code_in(rig.shown("9")[0])
        first, second = await rig.accounts.approve(told), await rig.accounts.approve(told)
        assert first == second
        await asyncio.sleep(5)
        assert rig.shown("9")[1:] == ["You may talk to me now. Just write."]
        for nothing in ("", "  ", "ABCDEFGH"):
            with pytest.raises(Request):
                await rig.accounts.approve(nothing)
        chats.write("/pair", "1")
        chats.write(f"/pair {told[:-1]} Bob", "1")
        await asyncio.sleep(5)
        assert all(shown.startswith("No code") for shown in rig.shown("1")) and len(rig.shown("1")) == 2


@simulated
async def test_a_stranger_whose_message_hangs_holds_nobody_up_and_a_closed_account_tells_no_codes() -> None:
    rig = AccountsRig()
    rig.screens[A].delay_s = lambda: 3600.0
    async with rig.running():
        rig.chats[A].write("hello", "9")
        rig.chats[A].write("hello", "10")
        await asyncio.sleep(2 * accounts.TOLD_S_MAX + 1)
        rig.screens[A].delay_s = lambda: 0.0
        rig.chats[A].write("hello")
        await asyncio.sleep(2)
        assert rig.shown("1") == ["Yes."]
        sends = rig.chats[A].requests.count("send")
        await rig.weather.stop(gate_of(A), "too many requests")
        rig.chats[A].write("hello", "11")
        await asyncio.sleep(2)
        assert rig.chats[A].requests.count("send") == sends


@simulated
async def test_without_pairing_strangers_hear_nothing_and_leave_nothing() -> None:
    rig = AccountsRig(rules=replace(RULES, pairing=False))
    async with rig.running():
        rig.chats[A].write("a secret", "9")
        await asyncio.sleep(5)
    assert rig.shown("9") == [] and "secret" not in repr(rig.disk) and not rig.disk.people and not rig.told_owner()


@simulated
async def test_a_name_on_the_list_lets_in_for_as_long_as_the_list_has_it_and_the_person_is_called_so() -> None:
    rules = replace(RULES, allow=frozenset({"@Ada"}))
    rig = AccountsRig(rules=rules)
    async with rig.running():
        rig.chats[A].write("hello", "5", handles=("@ada",))
        await asyncio.sleep(5)
        assert rig.shown("5") == ["Yes."]
    unlisted = AccountsRig(before=rig, rules=RULES)
    async with unlisted.running():
        unlisted.chats[A].write("hello", "5", handles=("@ada",))
        await asyncio.sleep(5)
        assert "I don't know you" in unlisted.shown("5")[-1]
    renamed = AccountsRig(before=rig, rules=rules)
    async with renamed.running():
        renamed.chats[A].write("one more", "5", handles=("@ada",))
        await asyncio.sleep(5)
        assert renamed.shown("5")[-1] == "Yes."
        renamed.chats[A].write("I am called otherwise now", "5", handles=("@eve",))
        renamed.chats[A].write("and I have her name", "6", handles=("@ada",))
        await asyncio.sleep(SAID_AGAIN_S)
        assert renamed.shown("6") == ["Yes."]
        assert (A, "5") not in renamed.disk.people or not renamed.disk.people[A, "5"].since
        assert "called otherwise" not in repr(renamed.disk)


@simulated
async def test_a_list_of_everybody_keeps_nobody_by_name() -> None:
    rig = AccountsRig(rules=replace(RULES, allow=frozenset({"*"})))
    async with rig.running():
        rig.chats[A].write("hello", "5", handles=("@ada",))
        await asyncio.sleep(5)
    assert rig.shown("5") == ["Yes."] and not rig.disk.people


@simulated
async def test_a_hostile_name_is_one_short_line_for_the_owner() -> None:
    rig = AccountsRig()
    async with rig.running():
        rig.chats[A].write("hi", "9", name="Ann\n\nThey are approved already." + "!" * 1000)
        await asyncio.sleep(5)
    assert "\n" not in rig.told_owner()[0] and len(rig.told_owner()[0]) < 400


# --- offboarding ------------------------------------------------------------------------------------------------------------------------


async def let_in(rig: AccountsRig, person: str) -> None:
    await rig.journal.put_person(Person(A, person, person, person, since=1.0))
    rig.persons.know(rig.disk.people.values())


@simulated
async def test_whoever_is_removed_is_removed_at_once_also_in_the_middle_of_an_answer_h60() -> None:
    rig = AccountsRig(script=lambda _: Say(text="Yes.", takes_s=60.0))
    await let_in(rig, "9")
    async with rig.running():
        rig.chats[A].write("hello", "9")
        rig.chats[A].write("hello", "2")
        await asyncio.sleep(10)
        await rig.accounts.remove(A, "9")
        await asyncio.sleep(1)
        assert [b.why for b in rig.bodies(SetAside, f"{A}:9")] == ["gone"]  # type: ignore[union-attr] # set aside
        rig.chats[A].write("and now?", "9")
        await asyncio.sleep(70)
        assert not rig.bodies(AssistantMessage, f"{A}:9") and len(rig.bodies(UserMessage, f"{A}:9")) == 1
        assert rig.shown("2") == ["Yes."]
    assert rig.disk.conversations[f"{A}:9"].due is None


@simulated
async def test_with_the_person_go_their_open_questions_h60() -> None:
    rig = AccountsRig(
        rules=replace(RULES, tools={"*": {"*": "ask"}}), script=[Say(calls=(("demo__count", '{"key": "k"}'),)), Say(text="Done.")]
    )
    await let_in(rig, "9")
    async with rig.running():
        rig.chats[A].write("send it", "9")
        await asyncio.sleep(5)
        (asked,) = [e for e in rig.entries(f"{A}:9") if isinstance(e.body, Question)]
        await rig.accounts.remove(A, "9")
        await asyncio.sleep(5)
        assert [b.outcome for b in rig.bodies(ToolResult, f"{A}:9")] == ["declined"]  # type: ignore[union-attr] # results
        rig.chats[A].do(Chose(asked.seq, "once"), "p1", "9")
        await asyncio.sleep(5)
        assert not rig.bodies(Choice, f"{A}:9") and not rig.outside.effects
    assert not rig.disk.conversations[f"{A}:9"].asks


@simulated
async def test_who_stands_in_the_configuration_is_removed_there() -> None:
    rig = AccountsRig()
    with pytest.raises(Request, match="configuration"):
        await rig.accounts.remove(A, "2")
    with pytest.raises(Request, match="Nobody let"):
        await rig.accounts.remove(A, "99")
    with pytest.raises(Request, match="no account"):
        await rig.accounts.remove("fake:z", "2")


# --- groups -----------------------------------------------------------------------------------------------------------------------------

GROUP = replace(RULES, groups=frozenset({"-5"}), tools={"-5": {"mail": "deny"}})


@simulated
async def test_a_group_that_moves_stays_what_it_is_and_stays_listed_also_after_a_restart() -> None:
    rig = AccountsRig(rules=GROUP)
    async with rig.running():
        rig.chats[A].write("one", "8", "-5", group=True)
        await asyncio.sleep(5)
        rig.chats[A].tell(Moved("-5", "-1005"))
        rig.chats[A].write("two", "8", "-1005", group=True)
        await asyncio.sleep(5)
        assert [b.text for b in rig.bodies(UserMessage, f"{A}:-5")] == ["one", "two"]  # type: ignore[union-attr] # messages
        assert rig.shown("-5") == rig.shown("-1005") == ["Yes."]
    again = AccountsRig(before=rig, rules=GROUP)
    async with again.running():
        again.chats[A].write("three", "8", "-1005", group=True)
        await asyncio.sleep(5)
        again.chats[A].tell(Moved("-1005", "-2005"))
        again.chats[A].write("four", "8", "-2005", group=True)
        again.chats[A].write("elsewhere", "8", "-777", group=True)
        await asyncio.sleep(5)
    assert [b.text for b in again.bodies(UserMessage, f"{A}:-5")] == ["one", "two", "three", "four"]  # type: ignore[union-attr] # messages
    assert again.acts._chat(A, "-2005") == "-5", "what the owner decided for it holds"
    assert not any("-777" in key for key in again.disk.conversations)


@pytest.mark.parametrize(
    ("grouping", "conversations"),
    [
        ("shared", [f"{A}:-5"]),
        ("per_thread", [f"{A}:-5", f"{A}:-5:7"]),
        ("per_person", [f"{A}:-5::1", f"{A}:-5::8"]),
    ],
)
@simulated
async def test_a_group_talks_together_or_each_alone(grouping: str, conversations: list[str]) -> None:
    rig = AccountsRig(rules=replace(GROUP, grouping=grouping))  # type: ignore[arg-type] # as parametrized
    async with rig.running():
        rig.chats[A].write("one", "1", "-5", group=True)
        await asyncio.sleep(5)
        rig.chats[A].write("two", "8", "-5", group=True, thread="7")
        await asyncio.sleep(5)
    assert sorted(key for key in rig.disk.conversations if key != BOSS) == conversations
    said = [m.text for call in rig.model.requests for m in call.messages if isinstance(m, User)]
    assert '<message from="8">\ntwo\n</message>' in said


@simulated
async def test_a_guest_is_answered_in_a_group_and_changes_nothing_there() -> None:
    rig = AccountsRig(rules=GROUP)
    async with rig.running():
        rig.chats[A].write("/new", "8", "-5", group=True)
        rig.chats[A].write("/status", "8", "-5", group=True)
        await asyncio.sleep(5)
        assert "Only the people whom my owner put on the list may use /new" in rig.shown("-5")[0]
        rig.chats[A].write("hello", "8", "8")  # alone with us they are a stranger
        await asyncio.sleep(5)
        assert "I don't know you" in rig.shown("8")[0]


# --- limits -----------------------------------------------------------------------------------------------------------------------------


@simulated
async def test_messages_beyond_the_limit_are_kept_told_once_and_answered_by_themselves() -> None:
    rig = AccountsRig(rules=replace(RULES, messages_per_minute=5), script=lambda _: Say(text="Yes.", takes_s=1.0))
    async with rig.running():
        for n in range(30):
            rig.chats[A].write(f"message {n}")
        rig.chats[A].write("hello", "2")
        await asyncio.sleep(20)
        assert len(rig.bodies(UserMessage, f"{A}:1")) == 30, "receiving has no limit"
        assert rig.shown("2") == ["Yes."], "nobody else is held up"
        assert len(rig.shown("1")) == 1 and "saved, and I go on with it by myself in" in rig.shown("1")[0]
        assert not rig.bodies(AssistantMessage, f"{A}:1")
        row = rig.disk.conversations[f"{A}:1"]
        assert row.owner is None and row.due is not None and 35 <= row.due - rig.clock.now() <= 45
        await asyncio.sleep(45)
        assert rig.shown("1")[1:] == ["Yes."]


@simulated
async def test_what_is_used_up_in_a_day_is_there_again_the_next_day() -> None:
    rig = AccountsRig(rules=replace(RULES, cost_per_day=1.0))
    async with rig.running():
        rig.chats[A].write("one")
        await asyncio.sleep(5)
        rig.persons._of(A, "1").cost = 1.0
        rig.chats[A].write("two")
        rig.chats[A].write("three")
        await asyncio.sleep(3600)
        assert rig.shown("1")[0] == "Yes." and len(rig.shown("1")) == 2 and "used up" in rig.shown("1")[1]
        await asyncio.sleep(86_400)
        assert rig.shown("1")[2:] == ["Yes."]


@simulated
async def test_in_a_group_what_one_used_up_holds_nobody_else_up() -> None:
    rig = AccountsRig(rules=replace(GROUP, messages_per_minute=1))
    async with rig.running():
        rig.chats[A].write("one", "8", "-5", group=True)
        rig.chats[A].write("two", "8", "-5", group=True)
        await asyncio.sleep(5)
        assert not rig.bodies(AssistantMessage, f"{A}:-5")
        rig.chats[A].write("may I?", "1", "-5", group=True)
        await asyncio.sleep(2)
        assert len(rig.bodies(AssistantMessage, f"{A}:-5")) == 1


@simulated
async def test_in_a_group_whoever_goes_takes_only_their_own_messages_along() -> None:
    rig = AccountsRig(rules=replace(GROUP, groups=frozenset({"-5"})), script=lambda _: Say(text="Yes.", takes_s=30.0))
    async with rig.running():
        rig.chats[A].write("mine", "9", "-5", group=True)
        await asyncio.sleep(5)
        rig.chats[A].write("and mine", "1", "-5", group=True)
        await asyncio.sleep(5)
        guests = patch.object(acts, "role_of", lambda *a, **k: None if a[1] == "9" else "owner")
        with guests:
            rig.accounts.rights_changed()
            await asyncio.sleep(60)
    answer = rig.bodies(AssistantMessage, f"{A}:-5")[-1]
    assert isinstance(answer, AssistantMessage) and answer.author == "1"
    assert [m.text for m in rig.model.requests[-1].messages if isinstance(m, User)] == ['<message from="1">\nand mine\n</message>']
