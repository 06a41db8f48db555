"""Outages with real parts: llama.cpp killed in mid-answer, and on its port whatever the world puts there. LEDGER H-18, H-19, H-28, part I rows 14 and 15."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from holdfast.core.entries import AssistantMessage, Failed, Question
from holdfast.testing.crowd import Crowd, Turnstile, cpu_s, memory_mb
from holdfast.testing.gateway_rig import ANSWER, Parts, to
from holdfast.testing.outages import Kind, Provider, gate, through, tried
from holdfast.testing.stub_provider import CHUNKED, Reply, StubProvider, answering, chunk, event, text

TRIES = 2
"""So often it is tried in vain before the model server returns: seconds, as waits grow."""


@pytest.mark.parametrize(
    "kind",
    [
        "nothing",
        pytest.param("nginx", marks=pytest.mark.needs("nginx")),
        "nestjs",
        pytest.param("caddy", marks=pytest.mark.needs("caddy")),
        "loading",
    ],
)
async def test_h_18_an_answer_that_broke_off_is_given_once_when_the_model_is_back(real: Parts, tmp_path: Path, kind: Kind) -> None:
    """H-19: within one interval of its tries. H-28: of all that was said in its place the model sees nothing, then or later."""
    async with Provider(tmp_path / "provider", kind) as provider:
        gateway = await real.gateway(to(provider.base_url))
        seen = await through(provider, gateway, lambda: tried(gateway, TRIES))
        assert not seen.flaws()
        assert len(seen.asked_before) >= (TRIES if kind != "nothing" else 1), "each try was a step of the conversation itself"
        await gateway.door.send("a", "a-2", "And then?")
        await gateway.told("a", lambda entries: sum(isinstance(entry.body, AssistantMessage) for entry in entries) == 2)
        instructions, asked = seen.asked_before[0]["messages"]
        answered = {"role": "assistant", "content": ANSWER}
        assert [_plain(one) for one in provider.asked[-1]["messages"]] == [
            instructions,
            asked,
            answered,
            {"role": "user", "content": "And then?"},
        ]


def _plain(message: dict[str, object]) -> dict[str, object]:
    return {"role": message["role"], "content": message["content"]}


async def test_h_18_a_gateway_killed_in_the_middle_of_an_outage_changes_nothing(real: Parts, tmp_path: Path) -> None:
    """Part I row 14: what was known of the route is known after the restart, and is no verdict: it is tried when its time has come."""
    async with Provider(tmp_path / "provider") as provider:
        gateway = await real.gateway(to(provider.base_url))

        async def gone() -> None:
            await tried(gateway, TRIES - 1)
            before = await gate(gateway)
            await gateway.restart()
            after = await gate(gateway)
            assert after["since"] == before["since"]
            assert after["streak"] >= before["streak"]
            await tried(gateway, before["streak"] + 1)

        seen = await through(provider, gateway, gone)
        assert not seen.flaws()


WAITING = 200
PLACES = 8
INTERVAL_S = 4.0


async def test_h_20_two_hundred_who_wait_cost_one_try_in_each_interval_and_all_are_answered_in_their_order(parts: Parts) -> None:
    """A thousand, and longer: `python -m bench.outage waiting`. No stampede on the return: 1, 2, 4 ... calls at once."""
    async with Turnstile(PLACES, INTERVAL_S) as provider:
        gateway = await parts.gateway(to(provider.base_url, f"calls_at_once_max = {PLACES}"))
        pid = gateway.process.pid
        await gateway.door.send("first", "k", "Hello")
        await provider.wait_for_hits(1)  # the model library is there now
        before_mb = memory_mb(pid)
        crowd = Crowd(gateway, WAITING)
        await crowd.write(2)
        await provider.wait_for_hits(tries := len(provider.refused) + 1)
        began_s = cpu_s(pid)
        await provider.wait_for_hits(tries + 1)
        share = (cpu_s(pid) - began_s) / INTERVAL_S
        assert share < 0.01, f"{share:.1%} of a processor, a try among it"
        assert memory_mb(pid) - before_mb < 60
        assert (await gate(gateway))["streak"] == len(provider.refused)
        assert all(later - earlier >= INTERVAL_S for earlier, later in pairwise(provider.refused)), "one try in each interval"
        provider.open()
        await crowd.answered()
        assert not await crowd.flaws(provider)
        assert provider.at_once_max == PLACES, "and all its places are used in the end"


async def test_h_19_however_many_answers_broke_off_the_next_whole_one_ends_it(parts: Parts) -> None:
    """No breaker that stays open, in no conversation: each cut answer closes the gate for a while, and the try after that is a try as any."""
    cut = Reply(CHUNKED + chunk(event(text("Half of wh"))), end="close")
    replies = iter([cut] * 6)
    async with StubProvider(lambda _: next(replies, answering("Whole."))) as stub:
        gateway = await parts.gateway(to(stub.base_url))
        await gateway.door.send("a", "k", "Hello")

        async def answered() -> bool:
            await gateway.door.retry("route:main")
            return any(isinstance(entry.body, AssistantMessage) for entry in await gateway.door.entries("a"))

        await gateway.eventually(answered)
        entries = await gateway.door.entries("a")
        assert [entry.body.text for entry in entries if isinstance(entry.body, AssistantMessage)] == ["Whole."]
        assert not any(isinstance(entry.body, Failed | Question) for entry in entries), "it was the route's fault, and nobody was asked"
        assert len(stub.hits) == 7
        assert (await gate(gateway))["state"] == "open"
