"""Two ways to a model: failover in the same step, and back as soon as the first one is back. LEDGER H-21 to H-24, part I row 15."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from holdfast.core.entries import AssistantMessage, Delivered, Entry, Failed, Notice, Summary
from holdfast.testing.gateway_rig import ANSWER, Parts
from holdfast.testing.llama import Script
from holdfast.testing.outages import Provider, gate
from holdfast.testing.process import GatewayProcess
from holdfast.testing.stub_provider import CHUNKED, Hit, Reply, StubProvider, answering, chunk, event, events, finish, http, text, usage

CYCLES = 10 if os.environ.get("HOLDFAST_LONG") == "1" else 2

STEP_S_MAX = 20.0
"""A step with a failover in it, on a busy machine: no back-off is in it."""


def chain(main: str, spare: str, more: str = "") -> str:
    return f"""
[agent]
chain = ["main", "spare"]
[routes.main]
base_url = "{main}"
model = "main"
{more}
[routes.spare]
base_url = "{spare}"
model = "spare"
{more}
"""


def answers(entries: Sequence[Entry]) -> list[AssistantMessage]:
    return [entry.body for entry in entries if isinstance(entry.body, AssistantMessage)]


async def ask(gateway: GatewayProcess, number: int) -> AssistantMessage:
    """Send the `number`-th message of the conversation; its answer, of which there is one."""
    await gateway.door.send("a", f"k{number}", f"message {number}")
    entries = await gateway.told("a", lambda entries: sum(isinstance(entry.body, Delivered) for entry in entries) == number, STEP_S_MAX)
    besides = [entry.body for entry in entries if isinstance(entry.body, Notice | Failed)]
    assert not besides, "nothing but answers was said"
    assert len(answers(entries)) == number
    return answers(entries)[-1]


async def tried_again(gateway: GatewayProcess) -> None:
    """Return when the next step may take the first route again."""

    async def look() -> bool:
        return bool((await gate(gateway))["state"] != "closed")

    await gateway.eventually(look)


async def test_h_21_ten_times_away_and_back_each_message_has_one_answer_from_whoever_is_there(real: Parts, tmp_path: Path) -> None:
    """H-22: what decides is who is healthy, and the order; nothing else is left over from the last outage. In every second one it dies while it speaks."""
    spare_says = "This is what the other one says"
    main, spare = Provider(tmp_path / "main"), Provider(tmp_path / "spare", script=Script(text=spare_says))
    async with main, spare:
        spare.hurry()
        gateway = await real.gateway(chain(main.base_url, spare.base_url))
        main.hurry()
        number = 0
        for cycle in range(CYCLES):
            number += 1
            assert (await ask(gateway, number)).route == "main"
            await main.go()
            number += 1
            answer = await ask(gateway, number)
            assert (answer.route, answer.text) == ("spare", spare_says)
            await main.come_back(hurried=cycle % 2 == 0)
            await tried_again(gateway)
            number += 1
            if cycle % 2 == 0:
                answer = await ask(gateway, number)
                assert (answer.route, answer.text) == ("main", ANSWER)
                continue
            await gateway.door.send("a", f"k{number}", f"message {number}")
            await gateway.in_mid_answer("a", after=(await gateway.door.entries("a"))[-1].seq)
            await main.go()
            answer = await ask(gateway, number)
            assert (answer.route, answer.text) == ("spare", spare_says), "what the first had begun is not in it"
            await main.come_back()
            await tried_again(gateway)
        assert len(spare.asked) == CYCLES + CYCLES // 2, "it was asked once for each message that it answered"


SPARE = Reply(http(events(text("From the spare."), finish(), usage(280, 4))))


@asynccontextmanager
async def stubs(
    folder: Path, main: Reply | Callable[[Hit], Reply], more: str = ""
) -> AsyncIterator[tuple[StubProvider, StubProvider, GatewayProcess]]:
    async with (
        StubProvider(main) as first,
        StubProvider(SPARE) as second,
        GatewayProcess(folder, chain(first.base_url, second.base_url, more)) as gateway,
    ):
        await gateway.ready()
        yield first, second, gateway


def refusing(status: int, message: str, **headers: str) -> Reply:
    return Reply(http(json.dumps({"error": {"message": message}}).encode(), status, "application/json", headers))


TROUBLES = {
    "overloaded": refusing(503, "The server is overloaded."),
    "a bug there": refusing(500, "Internal server error"),
    "a limit": refusing(429, "Rate limit reached, please slow down."),
    "no credit": refusing(402, "Your credit balance is too low."),
    "a bad key": refusing(401, "Incorrect API key provided."),
    "a bad parameter": refusing(400, "Unsupported parameter: 'parallel_tool_calls' is not supported with this model."),
    "a server that starts again": refusing(404, "Cannot POST /v1/chat/completions"),
    "reset": Reply(end="reset"),
    "cut": Reply(CHUNKED + chunk(event(text("Half of wh"))), end="close"),
    "nothing": Reply(http(b"")),
    "an error dressed as an answer": answering("[🦚 Manifest M100] No provider is connected."),
    "an answer that is no stream": Reply(http(b"<html><body>Welcome</body></html>", content_type="text/html")),
}


async def test_h_23_whatever_befalls_the_first_route_it_is_asked_once_and_the_next_one_answers_at_once(tmp_path: Path) -> None:
    """H-22: and is asked again as soon as it is healthy, whatever it had been. No try is burned before the next route is used."""
    now = [answering("From the first.")]
    async with stubs(tmp_path, lambda _: now[0]) as (main, spare, gateway):
        number = 1
        assert (await ask(gateway, number)).route == "main"
        for name, trouble in TROUBLES.items():
            asked, now[0] = len(main.hits), trouble
            answer = await ask(gateway, number := number + 1)
            assert (answer.route, answer.text) == ("spare", "From the spare."), name
            again = name == "reset"  # it may have met an idle connection: then it is sent once more, at once
            assert asked + 1 <= len(main.hits) <= asked + 1 + again, name
            now[0] = answering("From the first.")
            await gateway.door.retry("route:main")
            answer = await ask(gateway, number := number + 1)
            assert (answer.route, answer.text) == ("main", "From the first."), name
        said = [message["content"] for hit in (*main.hits, *spare.hits) for message in hit.json["messages"][1:]]
        assert all(words.startswith(("message ", "From the ")) for words in said), "no request holds anything but what was said"


async def test_h_21_while_the_first_route_is_closed_no_message_pays_for_it(tmp_path: Path) -> None:
    """Nor for its return: no fixed time is waited out, and nobody is stuck on the spare one."""
    now = [refusing(503, "Down for maintenance", **{"retry-after": "6"})]
    async with stubs(tmp_path, lambda _: now[0]) as (main, spare, gateway):
        for number in range(1, 6):
            assert (await ask(gateway, number)).route == "spare"
        assert len(main.hits) == 1
        until = (await gate(gateway))["until"]
        assert time.time() < until, "five messages took less than the wait"
        now[0] = answering("From the first.")
        await tried_again(gateway)
        assert (await ask(gateway, 6)).route == "main"
        assert time.time() < until + STEP_S_MAX
        assert len(spare.hits) == 5


async def test_h_24_a_summary_takes_the_same_way_as_every_other_call(tmp_path: Path) -> None:
    """While the first route is away the second one makes it, and nothing of the conversation is lost over it."""
    down = refusing(503, "Down", **{"retry-after": "100"})
    async with stubs(tmp_path, down, "context_tokens = 300") as (main, spare, gateway):
        for number in range(1, 5):
            await ask(gateway, number)
        entries = await gateway.told("a", lambda entries: any(isinstance(entry.body, Summary) for entry in entries))
        assert {answer.route for answer in answers(entries)} == {"spare"}
        assert len(main.hits) == 1
        assert any("Summarise our conversation" in json.dumps(hit.json) for hit in spare.hits)


async def test_part_i_row_15_a_bad_model_and_one_that_is_too_slow_block_no_sibling_at_the_same_provider(tmp_path: Path) -> None:
    """Same address, same key, three models: health belongs to each of them."""

    def by_model(hit: Hit) -> Reply:
        match hit.json["model"]:
            case "wrong":
                return refusing(404, "The model `wrong` does not exist.")
            case "slow":
                return Reply(end="hang")
            case _:
                return answering("From the sibling.")

    async with StubProvider(by_model) as stub:
        routes = "".join(f'[routes.{name}]\nbase_url = "{stub.base_url}"\nmodel = "{name}"\n' for name in ("wrong", "slow", "good"))
        config = f'[agent]\nchain = ["wrong", "slow", "good"]\n{routes}'.replace(
            'model = "slow"\n', 'model = "slow"\nfirst_event_timeout_s = 0.5\n'
        )
        async with GatewayProcess(tmp_path, config) as gateway:
            await gateway.ready()
            assert (await ask(gateway, 1)).route == "good"
            states = {name: await gate(gateway, f"route:{name}") for name in ("wrong", "slow", "good")}
            assert [states[name]["kind"] for name in states] == ["config", "transient", ""]
            assert states["good"]["state"] == "open"
