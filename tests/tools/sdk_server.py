"""A server of the SDK's own making over streamable HTTP: `python sdk_server.py PORT [modern]`. `modern`: it knows no handshake, as servers from 2026 on."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel

Message = MutableMapping[str, Any]
server = MCPServer("real", log_level="ERROR")
aborted: list[str] = []


@server.tool()
async def slow(seconds: float, context: Context) -> str:
    try:
        for tenth in range(int(seconds * 10)):
            await context.report_progress(tenth, seconds * 10)
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        aborted.append("slow")
        raise
    return "done"


@server.tool()
def were_aborted() -> str:
    return json.dumps(aborted)


@server.tool()
async def grow(context: Context) -> str:
    server.add_tool(lambda: "grown", name="grown")
    if modern:
        await context.notify_tools_changed()
    else:
        await context.session.send_tool_list_changed()
    return "grown"


class Colour(BaseModel):
    colour: str


async def which(thing: str) -> Elicit[Colour]:
    return Elicit(f"Which colour for the {thing}?", Colour)


@server.tool()
async def paint(thing: str, colour: Annotated[Colour, Resolve(which)]) -> str:
    """Asks in the way of its protocol."""
    return f"{thing}: {colour.colour}"


@server.tool()
async def shout(thing: str, context: Context) -> str:
    """Asks without saying for which call."""
    answer = await context.session.elicit_form(f"How loud is the {thing}?", {"type": "object", "properties": {}})
    return f"{thing}: {answer.action}"


modern = "modern" in sys.argv
real = server.streamable_http_app()


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """The SDK's application; `modern` refuses the handshake as its protocol asks for."""
    if scope["type"] != "http" or scope["method"] != "POST" or not modern:
        return await real(scope, receive, send)
    first = await receive()
    message = json.loads(first["body"])
    if message["method"] != "initialize":
        pushed = [first]

        async def again() -> Message:
            return pushed.pop() if pushed else await receive()

        return await real(scope, again, send)
    error = {"code": -32022, "message": "Unsupported protocol version", "data": {"supported": ["2026-07-28"], "requested": "2025-11-25"}}
    await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode()})
    return None


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
