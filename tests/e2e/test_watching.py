"""What whoever watches over a gateway sees of it: its log, its numbers, its traces; and nobody's words, and no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
from collector import Collector, attributes, collecting
from prometheus_client.parser import text_string_to_metric_families

from holdfast.core.entries import AssistantMessage, Delivered, Entry
from holdfast.testing.process import GatewayProcess, toolserver_table
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, answering, http

KEY = "correct-horse/battery staple"
SAID = "what I said to you in confidence"
ANSWER = "what you answered in confidence"

CONFIG = """
[agent]
chain = ["first", "main"]

[routes.first]
base_url = "{url}"
model = "away"
api_key = "file:key"
[routes.main]
base_url = "{url}"
model = "scripted-1"
price = {{ input = 1.0, output = 2.0 }}
{tools}
[tools.chatty]
command = ["sh", "-c", "echo my token is $THE_TOKEN >&2"]
env = {{ THE_TOKEN = "{key}" }}
[metrics]
port = 0
[traces]
endpoint = "{collector}"
"""


def provider(hit: Hit) -> Reply:
    if hit.json["model"] == "away":
        told = {"error": {"message": f"No account goes with {hit.headers['authorization'].removeprefix('Bearer ')}."}}
        return Reply(http(json.dumps(told).encode(), 401, "application/json"))
    return answering(ANSWER)


def said_and_sent(entries: Sequence[Entry]) -> bool:
    return any(isinstance(entry.body, Delivered) for entry in entries) and any(isinstance(one.body, AssistantMessage) for one in entries)


async def port_of(gateway: GatewayProcess) -> int:
    async def told() -> bool:
        return re.search(r"the numbers are at http://127\.0\.0\.1:(\d+)/", gateway.said()) is not None

    await gateway.eventually(told)
    return int(re.findall(r"the numbers are at http://127\.0\.0\.1:(\d+)/", gateway.said())[-1])


def samples(text: str) -> dict[str, float]:
    return {
        " ".join((one.name, *one.labels.values())): one.value for family in text_string_to_metric_families(text) for one in family.samples
    }


async def test_log_numbers_and_traces_tell_what_happened_and_nobodys_words(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "key").write_text(KEY)
    (tmp_path / "gateway" / "key").chmod(0o600)
    with collecting() as collector:
        async with StubProvider(provider) as stub:
            config = CONFIG.format(
                url=stub.base_url, collector=collector.url, key=KEY, tools=toolserver_table(tmp_path / "effects", name="t")
            )
            async with GatewayProcess(tmp_path / "gateway", config) as gateway:
                await gateway.ready()
                await gateway.door.send("talk", "k1", SAID)
                await gateway.told("talk", said_and_sent)
                async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{await port_of(gateway)}") as client:
                    await _numbers_are_right(client)
                await gateway.restart()
                async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{await port_of(gateway)}") as client:
                    seen = samples((await client.get("/metrics")).text)
                    assert (seen["holdfast_lives sudden"], seen.get("holdfast_messages_received_total web:local", 0)) == (1, 0)
                await gateway.door.send("other", "k2", SAID)
                await gateway.told("other", said_and_sent)
                assert await gateway.stop() == 0
    _log_is_right(gateway.said())
    _traces_are_right(collector)


async def _numbers_are_right(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    seen = samples(answer.text)
    expected = {
        "holdfast_messages_received_total web:local": 1,
        "holdfast_model_call_seconds_count first config": 1,
        "holdfast_model_call_seconds_count main ok": 1,
        "holdfast_gate_open route:first": 0,
        "holdfast_gate_open route:main": 1,
        "holdfast_tool_server_state chatty ready": 0,
        "holdfast_part_state page ready": 1,
        "holdfast_part_state traces ready": 1,
        "holdfast_safe_mode": 0,
        "holdfast_log_lines_lost_total": 0,
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert seen["holdfast_deliveries_total web:local ok"] >= 1  # what the owner is told of the wrong key is another one
    assert seen["holdfast_journal_commit_seconds_count"] >= 4 and seen["holdfast_journal_bytes"] > 0
    assert "talk" not in answer.text and KEY not in answer.text
    assert (await client.get("/livez")).status_code == 200
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.text) == (200, "Serving.\n")
    assert (await client.get("/")).status_code == 404 and (await client.post("/readyz")).status_code == 405


def _log_is_right(said: str) -> None:
    assert KEY not in said and SAID not in said and ANSWER not in said
    lines: list[dict[str, Any]] = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    steps = [(one["step"], one["of"], one["outcome"]) for one in lines if one.get("conversation") == "web:local:talk"]
    assert steps[:3] == [("call_model", "a1", "config"), ("call_model", "a1", "ok"), ("deliver", "a1/0", "ok")]
    assert [one["level"] for one in lines if "route:first is closed" in one["message"]] == ["warning"]
    assert any("my token is [secret]" in one["message"] for one in lines), "a tool server tells it to whoever reads along"


def _traces_are_right(collector: Collector) -> None:
    """Of the second life, which ended in order: what the first had not sent yet went with it."""
    spans = [span for span in collector.spans if attributes(span).get("gen_ai.conversation.id") == "web:local:other"]
    assert {span.name for span in spans} >= {"chat scripted-1", "deliver", "invoke_agent holdfast"}
    assert not any(SAID in str(span) or ANSWER in str(span) or KEY in str(span) for span in collector.spans)
