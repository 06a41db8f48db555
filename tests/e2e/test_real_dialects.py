"""Each dialect to its end on a real llama.cpp with a strict template, tools over HTTP, and kills in the middle of everything."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Final

import pytest

from holdfast.core.entries import AssistantMessage, Entry, ToolResult, ToolStarted, UserMessage
from holdfast.testing.gateway_rig import ANSWER, Parts, to
from holdfast.testing.llama import Options, Script
from holdfast.testing.process import GatewayProcess, effects_in
from holdfast.testing.tool_rig import HttpServer

pytestmark = pytest.mark.parametrize("dialect", ["openai-chat", "openai-responses", "anthropic"])

WINDOW: Final = Options(context_tokens=16_384)


def calls(tool: str, **arguments: object) -> Script:
    return Script(text=ANSWER, tool=f"t__{tool}", arguments=json.dumps(arguments), template="strict")


def config(dialect: str, base_url: str, tools: HttpServer) -> str:
    return (
        to(base_url, f'dialect = "{dialect}"')
        + f'\n[tools.t]\nurl = "{tools.url}"\nconnect_timeout_s = 30\ntrust_annotations = true\npolicy = "allow"\n'
    )


async def asks(gateway: GatewayProcess, text: str) -> str:
    said = await gateway.run("chat", "-q", text)
    assert said.exit == 0, (said, gateway.said())
    return said.out


async def ended(gateway: GatewayProcess) -> tuple[Entry, ...]:
    """Its only conversation, read when it has gone."""
    assert await gateway.stop() == 0
    (entries,) = (await gateway.journal()).values()
    return entries


async def test_a_call_that_must_not_be_repeated_is_not_and_every_later_request_is_valid(real: Parts, dialect: str) -> None:
    """Killed when the effect has happened, and its result is not yet written: the call is closed as unknown, and the conversation goes on."""
    async with HttpServer(real.effects) as tools:
        llama = real.llama(WINDOW, calls("count", key="x"))
        gateway = GatewayProcess(real.effects.parent / "gateway", config(dialect, llama.base_url, tools))
        await gateway.start(environ={"HOLDFAST_FAILPOINT": "tool.after_effect"})
        try:
            await gateway.ready()
            chat = asyncio.create_task(asks(gateway, "Use the TOOL"))
            assert await gateway.ended() == -signal.SIGKILL
            await gateway.start()
            await gateway.ready()
            assert await chat == ANSWER + "\n"
            assert await asks(gateway, "And then?") == ANSWER + "\n"
            bodies = [entry.body for entry in await ended(gateway)]
        finally:
            await gateway.end()
    assert [body.text for body in bodies if isinstance(body, UserMessage)] == ["Use the TOOL", "And then?"]
    assert [body.text for body in bodies if isinstance(body, AssistantMessage)] == ["", ANSWER, ANSWER]
    assert [body.outcome for body in bodies if isinstance(body, ToolResult)] == ["unknown"]
    assert effects_in(real.effects)["count", "x"] == 1


async def test_a_call_that_may_be_repeated_is_made_again(real: Parts, dialect: str) -> None:
    """Killed while a tool works, whose server lives on elsewhere."""
    async with HttpServer(real.effects) as tools:
        llama = real.llama(WINDOW, calls("slow", seconds=1, key="x"))
        gateway = await real.gateway(config(dialect, llama.base_url, tools))
        chat = asyncio.create_task(asks(gateway, "Use the TOOL"))
        await gateway.told("terminal", lambda entries: any(isinstance(entry.body, ToolStarted) for entry in entries))
        await gateway.restart()
        assert await chat == ANSWER + "\n"
        bodies = [entry.body for entry in await ended(gateway)]
    started = [(body.call, body.repeatable) for body in bodies if isinstance(body, ToolStarted)]
    assert len(started) == 2
    assert set(started) == {("call_1_0", True)}
    assert [body.outcome for body in bodies if isinstance(body, ToolResult)] == ["ok"], bodies
    assert [body.text for body in bodies if isinstance(body, AssistantMessage)] == ["", ANSWER]
