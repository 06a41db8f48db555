from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from holdfast.testing.tool_rig import HttpServer

GREETING = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[HttpServer]:
    async with HttpServer(tmp_path / "effects", "--token", "right") as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, headers={"authorization": "Bearer right"}) as client:
        yield client


async def test_it_begins_a_session_and_answers_in_events(server: HttpServer, client: httpx2.AsyncClient) -> None:
    greeted = await client.post(server.url, json=GREETING)
    assert greeted.headers["content-type"] == "text/event-stream"
    session = {"mcp-session-id": greeted.headers["mcp-session-id"]}
    assert (
        await client.post(server.url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session)
    ).status_code == 202
    listed = await client.post(server.url, json={"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, headers=session)
    (data,) = (line.removeprefix("data: ") for line in listed.text.splitlines() if line.startswith("data: "))
    assert {"clock", "count"} <= {tool["name"] for tool in json.loads(data)["result"]["tools"]}
    assert (await client.delete(server.url, headers=session)).status_code == 200
    assert (await client.post(server.url, json={"jsonrpc": "2.0", "id": 3, "method": "tools/list"}, headers=session)).status_code == 404


async def test_it_refuses_strangers_and_other_paths_and_says_nothing_unasked(server: HttpServer, client: httpx2.AsyncClient) -> None:
    assert (await client.post(server.url, json=GREETING, headers={"authorization": "Bearer wrong"})).status_code == 401
    assert (await client.post(server.url, json={**GREETING, "method": "tools/list"})).status_code == 400
    assert (await client.get(server.url)).status_code == 405
    assert (await client.post(server.url.replace("/mcp", "/other"), json=GREETING)).status_code == 404


async def test_it_ends_at_the_end_of_its_input(server: HttpServer) -> None:
    assert server._process and server._process.stdin
    server._process.stdin.close()
    await asyncio.wait_for(server.ended(), 20)
