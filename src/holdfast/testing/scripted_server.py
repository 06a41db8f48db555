"""An MCP server over HTTP that does what servers should not do, exact to the byte: `StubProvider` with a `Script`, and a host that talks to it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from holdfast.core.entries import Call
from holdfast.ports import ToolList, ToolOutcome
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, event, http
from holdfast.testing.tool_rig import SystemClock
from holdfast.tools.catalogue import Offered, encode
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Address, ServerSettings

KEPT: Final = ToolList("s", "", encode((Offered(name="do", schema={"type": "object"}),)))
SESSION: Final = {"mcp-session-id": "session-1"}


def result(hit: Hit, **fields: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": hit.json.get("id"), "result": fields}


def said(hit: Hit, headers: Mapping[str, str] | None = None, **fields: Any) -> Reply:
    return Reply(http(json.dumps(result(hit, **fields)).encode(), content_type="application/json", headers=headers))


def done(hit: Hit, text: str = "done") -> dict[str, Any]:
    return result(hit, content=[{"type": "text", "text": text}])


def refused(status: int, body: bytes = b"", content_type: str = "application/json", location: str = "", retry_after: str = "") -> Reply:
    headers = {"location": location, "retry-after": retry_after}
    return Reply(http(body, status, content_type, {name: value for name, value in headers.items() if value}))


class Script:
    """An MCP server with the tool `do`; `on` says by method what is to be answered otherwise: once for each entry, and then as ever."""

    def __init__(self, **on: Callable[[Hit], Reply]) -> None:
        self.on = on
        self.asked: list[str] = []

    def __call__(self, hit: Hit) -> Reply:
        message = hit.json if hit.body else {}
        name = str(message.get("method", hit.method)).rpartition("/")[2]
        self.asked.append(name)
        if name in self.on:
            return self.on[name](hit)
        match name:
            case "initialize":
                info = {"name": "scripted", "version": "1"}
                return said(hit, SESSION, protocolVersion="2025-11-25", capabilities={"tools": {}}, serverInfo=info)
            case "list":
                return said(hit, tools=[{"name": "do", "inputSchema": {"type": "object"}}])
            case "call":
                return Reply(http(event(done(hit))))
            case "GET":
                return refused(405)
            case _:
                return refused(202)


@contextlib.asynccontextmanager
async def served(
    script: Callable[[Hit], Reply], kept: ToolList | None = None, **settings: Any
) -> AsyncIterator[tuple[StubProvider, McpHost]]:
    async with StubProvider(script) as stub:
        yield stub, a_host(stub.base_url, kept, **settings)


def a_host(url: str, kept: ToolList | None = None, headers: Mapping[str, str] | None = None, **settings: Any) -> McpHost:
    async def keep(_tool_list: ToolList) -> None: ...

    server = ServerSettings("s", Address(url, headers or {}), **{"connect_timeout_s": 2.0, **settings})
    return McpHost([server], keep, {"s": kept} if kept else {}, SystemClock())


async def do(host: McpHost) -> ToolOutcome:
    return await host.call(Call(id="call_1_0", tool="s__do", arguments="{}"))
