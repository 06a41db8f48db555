"""An MCP server that does what servers should not do: `python odd_server.py [ODDITY]`. Each tool is an oddity, too."""

import json
import os
import subprocess
import sys
import time
from typing import Any

oddity = sys.argv[1] if len(sys.argv) > 1 else ""
TOOLS: list[str] = [
    "image",
    "structured",
    "long",
    "halves",
    "latin",
    "chatter",
    "grow",
    "silent",
    "unreadable",
    "environment",
    "flood",
    "leave",
    "orphan",
    "busy",
    "deafen",
    "empty",
    "picky",
]
PICTURE = {"type": "image", "mimeType": "image/png", "data": "A" * 16384}
LINK = {"type": "resource_link", "name": "a page", "uri": "https://example.org/"}
BLOB = {"type": "resource", "resource": {"uri": "file:///a.bin", "blob": "AAAA"}}
PICKY = {"type": "object", "properties": {"filter[name]": {"type": "string"}}, "anyOf": [{"required": ["filter[name]"]}, {}]}
PAGE = {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "the text of a page"}}


pings: list[int] = []


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}]}


def call(name: str, request: int, arguments: dict[str, Any]) -> dict[str, Any] | None:
    match name:
        case "image":
            return {"content": [{"type": "text", "text": "look:"}, PICTURE, LINK, BLOB, PAGE]}
        case "structured":
            return {"content": [], "structuredContent": {"grüße": 1}}
        case "long":
            return text("ä" * 100_000)
        case "halves":
            return text("half \ud83d of a smile")
        case "latin":
            sys.stdout.buffer.write(
                b'{"jsonrpc": "2.0", "id": %d, "result": {"content": [{"type": "text", "text": "caf\xe9"}]}}\n' % request
            )
            sys.stdout.flush()
        case "chatter":
            print("this is a debugging aid", flush=True)
            return text("answered all the same")
        case "grow":
            TOOLS.append("grown")
            say({"method": "notifications/tools/list_changed"})
            return text("grown")
        case "unreadable":
            return {"content": "what?"}
        case "environment":
            return text(json.dumps(dict(os.environ)))
        case "flood":
            for _ in range(100_000):
                os.write(2, b"x" * 99 + b"\n")
            return text("flooded")
        case "leave":
            child = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL)
            return text(str(child.pid))
        case "orphan":
            subprocess.Popen(["sleep", "60"])  # it holds our stdout open
            os._exit(1)
        case "busy":
            time.sleep(1)  # and nothing is read meanwhile
            return text("done")
        case "deafen":  # it goes on answering pings (or what stands for them) so many times, and then hangs
            pings.append(arguments["pings"])
        case "empty":
            return {"content": []}
        case "picky":
            return text(json.dumps(arguments))
    return None


def answer(message: dict[str, Any]) -> None:
    if pings and message["method"] in {"ping", "tools/list"}:
        pings[0] -= 1
        if pings[0] < 0:
            time.sleep(60)
    match message["method"]:
        case "ping" if oddity != "modern":
            say({"id": message["id"], "result": {}})
        case "initialize" if oddity == "modern":
            say({"id": message["id"], "error": {"code": -32022, "message": "Unsupported", "data": {"supported": ["2026-07-28"]}}})
        case "server/discover" if oddity == "modern":
            result = {
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "ttlMs": 0,
                "cacheScope": "public",
                "resultType": "complete",
            }
            say({"id": message["id"], "result": result})
        case "initialize":
            info = {"name": "odd", "version": "1"}
            version = message["params"]["protocolVersion"]
            say({"id": message["id"], "result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}})
        case "tools/list":
            tools = [{"name": name, "inputSchema": PICKY if name == "picky" else {"type": "object"}} for name in TOOLS]
            say({"id": message["id"], "result": {"tools": tools, "ttlMs": 0, "cacheScope": "public", "resultType": "complete"}})
        case "tools/call":
            called = call(message["params"]["name"], message["id"], message["params"].get("arguments", {}))
            if called is not None:
                say({"id": message["id"], "result": {"resultType": "complete", **called}})


if oddity == "garbage":
    print("Welcome to the odd server!", flush=True)
    time.sleep(60)
elif oddity == "crash":
    print("the licence has run out", file=sys.stderr, flush=True)
    sys.exit(3)
elif oddity == "slow":
    time.sleep(0.7)
elif oddity == "deaf":
    time.sleep(60)
elif oddity == "stubborn":
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)

for line in sys.stdin:
    answer(json.loads(line))
if oddity == "stubborn":
    time.sleep(60)
