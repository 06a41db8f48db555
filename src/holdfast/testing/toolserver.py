"""A tool server of our own, for demonstrations and tests: `python -m holdfast.testing.toolserver [--journal FILE] [--dangerous] [--http PORT]`.

Every effect is one line of JSON in the journal file (or the one named by `HOLDFAST_TOOLSERVER_JOURNAL`), synced before it is answered: so
effects can be counted from outside, whatever was killed. Each start of the server is written there too.

It speaks MCP over stdio, or streamable HTTP (`toolserver_http`), without the SDK, and imports nothing but the standard library, because tests start
it by the hundred.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

PROGRESS_S: Final = 0.25

Say = Callable[[dict[str, Any]], None]
Report = Callable[[float, float], None]

_READ_ONLY: Final = {"readOnlyHint": True}
_PROPERTIES: Final[dict[str, Any]] = {"key": {"type": "string", "examples": ["visitors"]}, "seconds": {"type": "number", "examples": [10]}}
_KEY: Final = {"type": "object", "properties": {"key": _PROPERTIES["key"]}, "required": ["key"]}

TOOLS: Final[list[dict[str, Any]]] = [
    {
        "name": "clock",
        "description": "The time now, in UTC.",
        "inputSchema": {"type": "object", "properties": {}},
        "annotations": _READ_ONLY,
    },
    {
        "name": "count",
        "description": "Count one more under a key, if need be after some seconds. Every call counts: it must not be made twice.",
        "inputSchema": {"type": "object", "properties": _PROPERTIES, "required": ["key"]},
        "annotations": {"readOnlyHint": False, "idempotentHint": False, "destructiveHint": False},
    },
    {
        "name": "counted",
        "description": "How often it was counted under a key.",
        "inputSchema": _KEY,
        "annotations": _READ_ONLY,
    },
    {
        "name": "lookup",
        "description": "Look a key up: the same key always has the same value.",
        "inputSchema": _KEY,
        "annotations": _READ_ONLY,
    },
    {
        "name": "slow",
        "description": "Take some seconds, and say how far it is.",
        "inputSchema": {"type": "object", "properties": _PROPERTIES, "required": ["seconds"]},
        "annotations": {"readOnlyHint": False, "idempotentHint": True, "destructiveHint": False},
    },
]
"""As `tools/list` tells them, with examples of arguments. `count` and `slow` (at their ends), `lookup` and `crash` write to the journal."""

CRASH: Final[dict[str, Any]] = {
    "name": "crash",
    "description": "Kill a process as SIGKILL does: this server ('self'), the one that started it ('parent'), or the one with a number.",
    "inputSchema": {"type": "object", "properties": {"process": {"type": "string"}}, "required": ["process"]},
}
HANG: Final[dict[str, Any]] = {
    "name": "hang",
    "description": "Never answer. Over stdio nothing else is answered any more, either.",
    "inputSchema": {"type": "object", "properties": {}},
}
GARBAGE: Final[dict[str, Any]] = {
    "name": "garbage",
    "description": "Print what is not of the protocol, and answer with a result that is none.",
    "inputSchema": {"type": "object", "properties": {}},
}
DANGEROUS: Final = (CRASH, HANG, GARBAGE)
"""Offered only with `--dangerous`."""


class Effects:
    """The file of effects: what happened outside, in all lives of the server."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._counts: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        if path and os.path.exists(path):  # noqa: PTH110 what imports little starts soon
            with open(path, encoding="utf-8") as lines:  # noqa: PTH123 the same
                for line in map(json.loads, lines):
                    self._count(line["effect"], line["arguments"])

    def times(self, effect: str, key: str) -> int:
        """How often it has happened under this key."""
        return self._counts.get((effect, key), 0)

    def add(self, effect: str, arguments: dict[str, Any]) -> None:
        """Write one down, durably."""
        with self._lock:
            if self._path:
                line = json.dumps({"effect": effect, "arguments": arguments, "pid": os.getpid(), "at": time.time()}) + "\n"
                file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    os.write(file, line.encode())
                    os.fsync(file)
                finally:
                    os.close(file)
            self._count(effect, arguments)

    def _count(self, effect: str, arguments: dict[str, Any]) -> None:
        counted = effect, str(arguments.get("key"))
        self._counts[counted] = self._counts.get(counted, 0) + 1


class Server:
    """MCP, as much as these tools need, with one client. What belongs to a message is said to whoever brought it."""

    def __init__(self, effects: Effects, *, dangerous: bool) -> None:
        self._effects = effects
        self._tools = [*TOOLS, *DANGEROUS] if dangerous else TOOLS
        self._names = {tool["name"] for tool in self._tools}
        self._cancelled: dict[Any, threading.Event] = {}

    def take(self, message: dict[str, Any], say: Say) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "initialize":
                version = {"name": "holdfast-toolserver", "version": "1"}
                result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": version}
                say({"id": message["id"], "result": result})
            case "ping":
                say({"id": message["id"], "result": {}})
            case "tools/list":
                say({"id": message["id"], "result": {"tools": self._tools}})
            case "tools/call":
                self._begin(message, say)
            case "notifications/cancelled":
                if call := self._cancelled.get(params.get("requestId")):
                    call.set()
            case method if "id" in message:
                say({"id": message["id"], "error": {"code": -32601, "message": f"Method not found: {method}"}})

    def _begin(self, message: dict[str, Any], say: Say) -> None:
        match message["params"]["name"]:
            case name if name not in self._names:
                say({"id": message["id"], "error": {"code": -32602, "message": f"Unknown tool: {name}"}})
            case "hang":
                threading.Event().wait()
            case "garbage":
                sys.stdout.write("Traceback (most recent call last):\n\x00{]\n")
                say({"id": message["id"], "result": {"content": "none"}})
            case _:
                cancelled = self._cancelled[message["id"]] = threading.Event()
                threading.Thread(target=self._call, args=(message, say, cancelled), daemon=True).start()

    def _call(self, message: dict[str, Any], say: Say, cancelled: threading.Event) -> None:
        params = message["params"]
        token = params.get("_meta", {}).get("progressToken")

        def report(progress: float, total: float) -> None:
            if token is not None:
                say({"method": "notifications/progress", "params": {"progressToken": token, "progress": progress, "total": total}})

        try:
            text, failed = self._act(params["name"], params.get("arguments") or {}, report, cancelled), False
        except (ValueError, OSError) as failure:
            text, failed = str(failure), True
        del self._cancelled[message["id"]]
        if not cancelled.is_set():
            say({"id": message["id"], "result": {"content": [{"type": "text", "text": text}], "isError": failed}})

    def _act(self, name: str, arguments: dict[str, Any], report: Report, cancelled: threading.Event) -> str:
        match name, arguments:
            case "clock", _:
                return datetime.now(UTC).isoformat(timespec="seconds")
            case "count", {"key": str(key), **more} if isinstance(more.get("seconds", 0), int | float):
                self._wait(more.get("seconds", 0), report, cancelled)
                if not cancelled.is_set():
                    self._effects.add("count", arguments)
                return f"{key} is counted: {self._effects.times('count', key)}"
            case "counted", {"key": str(key)}:
                return f"{key} was counted {self._effects.times('count', key)} times"
            case "lookup", {"key": str(key)}:
                self._effects.add("lookup", arguments)
                return hashlib.sha256(key.encode()).hexdigest()[:8]
            case "slow", {"seconds": int() | float() as seconds}:
                self._wait(seconds, report, cancelled)
                if not cancelled.is_set():
                    self._effects.add("slow", arguments)
                return f"took {seconds:g} s"
            case "crash", {"process": str(process)}:
                self._effects.add("crash", arguments)
                os.kill({"self": os.getpid(), "parent": os.getppid()}.get(process) or _number(process), signal.SIGKILL)
                return f"killed {process}"
            case _:
                raise ValueError(f"{name} can't be called with {json.dumps(arguments)}")

    def _wait(self, seconds: float, report: Report, cancelled: threading.Event) -> None:
        start = time.monotonic()
        while (past := time.monotonic() - start) < seconds and not cancelled.wait(min(PROGRESS_S, seconds - past)):
            report(time.monotonic() - start, seconds)


def serve(server: Server) -> None:
    """Over stdio, until the end of input; whatever is still going on then is left."""
    out = threading.Lock()

    def say(message: dict[str, Any]) -> None:
        with out:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            sys.stdout.flush()

    for line in sys.stdin.buffer:
        server.take(json.loads(line), say)


def _number(process: str) -> int:
    if not process.isdecimal():
        raise ValueError(f"{process!r} is neither 'self' nor 'parent' nor the number of a process")
    return int(process)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m holdfast.testing.toolserver", description="A tool server (MCP) for trying things out.")
    journal = os.environ.get("HOLDFAST_TOOLSERVER_JOURNAL", "")
    parser.add_argument("--journal", metavar="FILE", default=journal, help="write each effect to this file, one line of JSON each")
    parser.add_argument("--dangerous", action="store_true", help="offer the tools that crash, hang and babble, too")
    parser.add_argument(
        "--http", metavar="PORT", type=int, help="speak streamable HTTP at this port of 127.0.0.1 (0: a free one, which is printed)"
    )
    parser.add_argument("--token", default="", help="with --http: let in only who brings this bearer token")
    options = parser.parse_args()
    effects = Effects(options.journal)
    effects.add("start", {})
    if options.http is None:
        serve(Server(effects, dangerous=options.dangerous))
    else:
        from holdfast.testing.toolserver_http import serve_http  # noqa: PLC0415 - an HTTP server takes as long to import as all the rest

        serve_http(lambda: Server(effects, dangerous=options.dangerous), options.http, options.token)
    os._exit(0)  # calls in flight end with their client


if __name__ == "__main__":
    main()
