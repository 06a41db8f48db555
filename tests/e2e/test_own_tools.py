"""The gateway's own tools, in a whole gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.entries import AssistantMessage, ToolResult, UserMessage
from holdfast.testing.gateway_rig import to
from holdfast.testing.process import GatewayProcess
from holdfast.testing.stub_provider import StubProvider, answering
from holdfast.tools.builtin import TOOLS


async def test_a_reminder_comes_once_though_the_process_is_killed_before_it_is_due(tmp_path: Path) -> None:
    async with GatewayProcess(tmp_path / "gateway", '[agent]\ntime_zone = "Asia/Tokyo"\n[routes.main]\ndialect = "practice"\n') as gateway:
        await gateway.ready()
        await gateway.door.send("c", "k1", 'use remind {"text": "What can you do?", "when": "10 seconds"}')
        entries = await gateway.told("c", lambda entries: any(isinstance(entry.body, ToolResult) for entry in entries))
        (said,) = [entry.body.text for entry in entries if isinstance(entry.body, ToolResult)]
        assert "(JST): What can you do?" in said
        await gateway.restart()
        entries = await gateway.told("c", lambda entries: any(isinstance(one.body, UserMessage) and one.body.scheduled for one in entries))
        (due,) = [entry for entry in entries if isinstance(entry.body, UserMessage) and entry.body.scheduled]
        entries = await gateway.told(
            "c", lambda entries: any(isinstance(e.body, AssistantMessage) and e.body.seen == due.seq for e in entries)
        )
        assert sum(isinstance(entry.body, UserMessage) for entry in entries) == 2


@pytest.mark.parametrize("there", [True, False])
async def test_the_model_is_offered_them_unless_the_owner_does_not_want_them(tmp_path: Path, there: bool) -> None:
    setting = "" if there else "[agent]\nbuilt_in_tools = false\n"
    async with StubProvider(answering()) as stub, GatewayProcess(tmp_path / "gateway", f"{setting}{to(stub.base_url)}") as gateway:
        await gateway.ready()
        await gateway.door.send("c", "k1", "Hello")
        await gateway.told("c", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
        offered = [tool["function"]["name"] for tool in stub.hits[0].json.get("tools", [])]
        assert offered == ([tool.name for tool in TOOLS] if there else [])
