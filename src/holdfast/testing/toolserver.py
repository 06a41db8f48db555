"""A tool server of our own, for demonstrations and tests: `python -m holdfast.testing.toolserver [--journal FILE] [--dangerous]`.

Every effect is one line of JSON in the journal file (or the one named by `HOLDFAST_TOOLSERVER_JOURNAL`), synced before it is answered: so
effects can be counted from outside, whatever was killed. Each start of the server is written there too.

It speaks MCP over stdio without the SDK, and imports nothing but the standard library, because tests start it by the hundred.
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
from datetime import UTC, datetime
from typing import Any, Final

PROGRESS_S: Final = 0.25

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
    """MCP, as much as these tools need."""

    def __init__(self, effects: Effects, *, dangerous: bool) -> None:
        self._effects = effects
        self._tools = [*TOOLS, CRASH] if dangerous else TOOLS
        self._names = {tool["name"] for tool in self._tools}
        self._out = threading.Lock()
        self._cancelled: dict[Any, threading.Event] = {}

    def serve(self) -> None:
        """Until the end of input; whatever is still going on then is left."""
        for line in sys.stdin.buffer:
            self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "initialize":
                version = {"name": "holdfast-toolserver", "version": "1"}
                self._reply(message, {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": version})
            case "ping":
                self._reply(message, {})
            case "tools/list":
                self._reply(message, {"tools": self._tools})
            case "tools/call" if params["name"] in self._names:
                cancelled = self._cancelled[message["id"]] = threading.Event()
                threading.Thread(target=self._call, args=(message, cancelled), daemon=True).start()
            case "tools/call":
                self._write({"id": message["id"], "error": {"code": -32602, "message": f"Unknown tool: {params['name']}"}})
            case "notifications/cancelled":
                if call := self._cancelled.get(params.get("requestId")):
                    call.set()
            case method if "id" in message:
                self._write({"id": message["id"], "error": {"code": -32601, "message": f"Method not found: {method}"}})

    def _call(self, message: dict[str, Any], cancelled: threading.Event) -> None:
        params = message["params"]
        try:
            text, failed = (
                self._act(params["name"], params.get("arguments") or {}, params.get("_meta", {}).get("progressToken"), cancelled),
                False,
            )
        except (ValueError, OSError) as failure:
            text, failed = str(failure), True
        del self._cancelled[message["id"]]
        if not cancelled.is_set():
            self._reply(message, {"content": [{"type": "text", "text": text}], "isError": failed})

    def _act(self, name: str, arguments: dict[str, Any], token: Any, cancelled: threading.Event) -> str:
        match name, arguments:
            case "clock", _:
                return datetime.now(UTC).isoformat(timespec="seconds")
            case "count", {"key": str(key), **more} if isinstance(more.get("seconds", 0), int | float):
                self._wait(more.get("seconds", 0), token, cancelled)
                if not cancelled.is_set():
                    self._effects.add("count", arguments)
                return f"{key} is counted: {self._effects.times('count', key)}"
            case "counted", {"key": str(key)}:
                return f"{key} was counted {self._effects.times('count', key)} times"
            case "lookup", {"key": str(key)}:
                self._effects.add("lookup", arguments)
                return hashlib.sha256(key.encode()).hexdigest()[:8]
            case "slow", {"seconds": int() | float() as seconds}:
                self._wait(seconds, token, cancelled)
                if not cancelled.is_set():
                    self._effects.add("slow", arguments)
                return f"took {seconds:g} s"
            case "crash", {"process": str(process)}:
                self._effects.add("crash", arguments)
                os.kill({"self": os.getpid(), "parent": os.getppid()}.get(process) or _number(process), signal.SIGKILL)
                return f"killed {process}"
            case _:
                raise ValueError(f"{name} can't be called with {json.dumps(arguments)}")

    def _wait(self, seconds: float, token: Any, cancelled: threading.Event) -> None:
        start = time.monotonic()
        while (past := time.monotonic() - start) < seconds and not cancelled.wait(min(PROGRESS_S, seconds - past)):
            if token is not None:
                progress = {"progressToken": token, "progress": time.monotonic() - start, "total": seconds}
                self._write({"method": "notifications/progress", "params": progress})

    def _reply(self, message: dict[str, Any], result: dict[str, Any]) -> None:
        self._write({"id": message["id"], "result": result})

    def _write(self, message: dict[str, Any]) -> None:
        with self._out:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            sys.stdout.flush()


def _number(process: str) -> int:
    if not process.isdecimal():
        raise ValueError(f"{process!r} is neither 'self' nor 'parent' nor the number of a process")
    return int(process)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m holdfast.testing.toolserver", description="A tool server (MCP over stdio) for trying things out."
    )
    journal = os.environ.get("HOLDFAST_TOOLSERVER_JOURNAL", "")
    parser.add_argument("--journal", metavar="FILE", default=journal, help="write each effect to this file, one line of JSON each")
    parser.add_argument("--dangerous", action="store_true", help="offer the tool that kills processes, too")
    options = parser.parse_args()
    effects = Effects(options.journal)
    effects.add("start", {})
    Server(effects, dangerous=options.dangerous).serve()
    os._exit(0)  # calls in flight end with their client


if __name__ == "__main__":
    main()
