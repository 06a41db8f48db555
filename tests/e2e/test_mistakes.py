"""What only a person can mend, and what is one conversation's own trouble: one call, a clear word, and nothing restarts."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from holdfast.core.entries import AssistantMessage, Entry, Failed, Notice, UserMessage
from holdfast.testing.process import GatewayProcess, toolserver_table
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, answering, http

MESSAGES = 40


def error(status: int, message: str, **fields: str) -> Reply:
    return Reply(http(json.dumps({"error": {"message": message, **fields}}).encode(), status, "application/json"))


def route(stub: StubProvider, model: str) -> str:
    return f'[routes.main]\nbase_url = "{stub.base_url}"\nmodel = "{model}"\n'


def answers(entries: Sequence[Entry]) -> list[str]:
    return [entry.body.text for entry in entries if isinstance(entry.body, AssistantMessage)]


def cpu_s(pid: int) -> float:
    """The processor time of that process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def known_model(hit: Hit) -> Reply:
    if hit.json["model"] == "right":
        return answering("Yes.")
    return error(
        404, "The model `wrong` does not exist or you do not have access to it.", type="invalid_request_error", code="model_not_found"
    )


async def test_h_20_a_wrong_model_name_costs_one_call_and_restarts_nothing_however_many_messages_come(tmp_path: Path) -> None:
    """LEDGER part I row 14: it rebuilt the agent and respawned its tool servers at every message, at 91 % CPU for hours."""
    tools = toolserver_table(tmp_path / "one", name="one") + toolserver_table(tmp_path / "two", name="two")
    async with StubProvider(known_model) as stub, GatewayProcess(tmp_path, route(stub, "wrong") + tools) as gateway:
        await gateway.ready()
        await gateway.tools_ready()
        before = cpu_s(gateway.process.pid)
        for number in range(MESSAGES):
            await gateway.door.send(f"c{number % 4}", f"k{number}", f"message {number}")
            if number == 0:  # what is under way together fails together: as many as the route has places
                await gateway.eventually(lambda: _all_wait(gateway))
        await gateway.eventually(lambda: _all_wait(gateway))
        assert len(stub.hits) == 1
        assert cpu_s(gateway.process.pid) - before < 2.5  # the model library's import is in it
        status = await gateway.door.status()
        assert [server["restarts"] for server in status["tool servers"]] == [0, 0]
        (gate,) = status["gates"]
        assert gate["kind"] == "config"
        assert "`wrong` does not exist" in gate["why"]
        gateway.configure(route(stub, "right") + tools)
        await gateway.restart()
        for name in ("c0", "c1", "c2", "c3"):
            entries = await gateway.told(name, lambda entries: bool(answers(entries)))
            assert answers(entries) == ["Yes."]
            assert sum(isinstance(entry.body, UserMessage) for entry in entries) == MESSAGES / 4
        requests = [hit.json for hit in stub.hits[1:]]
        assert all("exist" not in json.dumps(request["messages"]) for request in requests), "no error text ever reaches the model"


async def _all_wait(gateway: GatewayProcess) -> bool:
    return all(row.turn_gate == "route:main" and not row.running for row in await gateway.door.rows())


async def test_a_conversation_that_is_too_long_is_shown_to_the_model_in_less_and_nobody_else_notices(tmp_path: Path) -> None:
    def small(hit: Hit) -> Reply:
        if len(json.dumps(hit.json["messages"])) > 2500:
            return error(
                400,
                "This model's maximum context length is 500 tokens. Please reduce the length of the messages.",
                code="context_length_exceeded",
            )
        return answering("Yes.")

    async with StubProvider(small) as stub, GatewayProcess(tmp_path, route(stub, "right")) as gateway:
        await gateway.ready()
        for number in range(6):
            await gateway.door.send("long", f"k{number}", "words " * 70)
            entries = await gateway.told("long", lambda entries, number=number: len(answers(entries)) == number + 1)  # type: ignore[misc]
        assert sum(isinstance(entry.body, Failed) for entry in entries) >= 2
        assert not any(isinstance(entry.body, Notice) for entry in entries)
        assert (await gateway.door.status())["gates"][0]["state"] == "open"
        assert any("is left out here" in json.dumps(hit.json["messages"]) for hit in stub.hits)


@pytest.mark.parametrize("said", ["[🦚 Manifest M100] No provider is connected."])
async def test_h_27_an_error_dressed_as_an_answer_never_becomes_the_models_words(tmp_path: Path, said: str) -> None:
    replies = iter([answering(said)])

    async with StubProvider(lambda _: next(replies, answering("Yes."))) as stub, GatewayProcess(tmp_path, route(stub, "auto")) as gateway:
        await gateway.ready()
        await gateway.door.send("a", "k1", "hello")
        await gateway.eventually(lambda: _all_wait(gateway))
        await gateway.door.send("a", "k2", "/retry")
        entries = await gateway.told("a", lambda entries: bool(answers(entries)))
        assert answers(entries) == ["Yes."]
        assert len(stub.hits) == 2
