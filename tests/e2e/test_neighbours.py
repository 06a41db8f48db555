"""What one conversation, one start or one client does is nothing to the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.core.entries import AssistantMessage, Entry, ToolResult, UserMessage
from holdfast.testing.gateway_rig import Parts, to
from holdfast.testing.process import GatewayProcess, effects_in, toolserver_table
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, call, events, finish, http, text


def answered(entries: Sequence[Entry]) -> bool:
    """Has the last message been answered?"""
    answers = [entry.body for entry in entries if isinstance(entry.body, AssistantMessage) and not entry.body.calls]
    asked = max((entry.seq for entry in entries if isinstance(entry.body, UserMessage)), default=0)
    return bool(answers) and answers[-1].seen >= asked > 0


async def ask(gateway: GatewayProcess, name: str, key: str, words: str) -> None:
    await gateway.door.send(name, key, words)


async def test_a_turn_that_takes_long_delays_no_other_not_even_after_a_kill(parts: Parts) -> None:
    """H-06: at a start nobody waits for anybody. Part I row 35: however long it takes, a call is not made twice beside itself."""
    gateway = await parts.gateway()
    await ask(gateway, "slow", "1", 'use slow {"seconds": 4, "key": "s"}')
    await gateway.told("slow", lambda entries: len(entries) >= 3)
    for life in ("before", "after"):
        await ask(gateway, "quick", life, "Thanks")
        await gateway.told("quick", answered)
        assert not answered(await gateway.door.entries("slow"))
        if life == "before":
            await gateway.restart()
    await gateway.told("slow", answered)
    assert effects_in(parts.effects)["slow", "s"] <= 2  # once; twice if the first one ended after its gateway


async def test_a_conversation_in_which_nothing_is_owed_is_left_alone_by_a_start(parts: Parts) -> None:
    """H-30, H-32: no turn is "restored", no history is changed."""
    gateway = await parts.gateway()
    await ask(gateway, "idle", "1", "Thanks")
    before = await gateway.told("idle", lambda entries: len(entries) == 4)
    await gateway.restart()
    await ask(gateway, "other", "1", "Thanks")
    await gateway.told("other", answered)
    assert await gateway.door.entries("idle") == before
    (row,) = [row for row in await gateway.door.rows() if row.key.endswith(":idle")]
    assert (row.running, row.due, row.attempts) == (False, None, 0)


async def test_a_new_message_after_a_kill_gets_its_own_answer(parts: Parts) -> None:
    """H-33: there is no flag by which the old turn could take it over."""
    gateway = await parts.gateway()
    await ask(gateway, "a", "1", 'use slow {"seconds": 0.5, "key": "s"}')
    await gateway.told("a", lambda entries: len(entries) >= 3)
    await gateway.restart()
    await gateway.told("a", answered)
    await ask(gateway, "a", "2", 'use lookup {"key": "new"}')
    entries = await gateway.told("a", answered)
    assert "t__lookup says" in [entry.body.text for entry in entries if isinstance(entry.body, AssistantMessage)][-1]


async def test_a_message_sent_again_under_its_key_is_the_same_message(parts: Parts) -> None:
    """H-05: also after a kill."""
    gateway = await parts.gateway()
    assert (await gateway.door.send("a", "1", "Thanks")).new
    await gateway.restart()
    again = await gateway.door.send("a", "1", "Thanks")
    assert (again.seq, again.new) == (1, False)


async def test_a_tool_server_that_never_comes_up_hangs_nobody_for_ever(parts: Parts) -> None:
    """Part I row 34: once its time is over, it is done without."""
    dead = '\n[tools.dead]\ncommand = ["sleep", "1000"]\nconnect_timeout_s = 3\n'
    gateway = await parts.gateway('[routes.main]\ndialect = "practice"\n' + dead, serving=False)
    await ask(gateway, "a", "1", "Thanks")
    await gateway.told("a", answered, within_s=30)


async def test_what_a_provider_calls_its_calls_is_not_what_they_are_called(parts: Parts) -> None:
    """H-44, part I rows 11 and 24: a provider's ids may repeat or be missing; ours do not. H-28: nor does its error enter the conversation."""
    replies = iter(
        (
            Reply(http(b"the upstream has crashed", 500, "text/plain")),
            Reply(
                http(
                    events(call(0, "t__lookup", '{"key": "x"}', "same"), call(1, "t__lookup", '{"key": "y"}', "same"), finish("tool_calls"))
                )
            ),
        )
    )
    done = Reply(http(events(text("Done."), finish())))

    def script(_: Hit) -> Reply:
        return next(replies, done)

    async with StubProvider(script) as stub:
        gateway = await parts.gateway(to(stub.base_url) + toolserver_table(parts.effects))
        await ask(gateway, "a", "1", "Look both up")
        entries = await gateway.told("a", answered, within_s=30)
        messages: list[Any] = stub.hits[-1].json["messages"]
        assert await gateway.stop() == 0
    assert [entry.body.outcome for entry in entries if isinstance(entry.body, ToolResult)] == ["ok", "ok"]
    ids = [made["id"] for made in messages[2]["tool_calls"]]
    assert len(set(ids)) == 2
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "tool"]
    assert [message["tool_call_id"] for message in messages[3:]] == ids
    assert "crashed" not in str(messages)
