"""An MCP server whose tools ask: `python asking_server.py [modern]`, over stdio. `modern`: it knows only the protocol of 2026.

Each tool is called with the parameters of what it asks, and answers with what it was told: `ask` and `sample` (`again` times, one after the other; with
`keeps_telling` it reports progress all the while), `flood` (many questions at once), `pages` (refuses until pages were opened), `give_up` (asks, and
takes it back after a while), `late` (asks after its answer, and writes into a file what it was told), `state` (wants to be called again, and again), `offers` (what the client says it can do).
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

modern = "modern" in sys.argv
NAMES = ("ask", "sample", "flood", "pages", "give_up", "late", "state", "offers")
METHODS = {
    "ask": "elicitation/create",
    "sample": "sampling/createMessage",
    "flood": "elicitation/create",
    "give_up": "elicitation/create",
    "late": "elicitation/create",
}
lock = threading.Lock()
answers: dict[str, tuple[threading.Event, list[Any]]] = {}
offers: dict[str, Any] = {}
refused_once: set[str] = set()
numbers = iter(range(1, 10_000))


def say(message: dict[str, Any]) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def text(words: str) -> dict[str, Any]:
    return (
        {"resultType": "complete", "content": [{"type": "text", "text": words}]}
        if modern
        else {"content": [{"type": "text", "text": words}]}
    )


def request(method: str, params: dict[str, Any], within_s: float | None = None) -> Any:
    name = f"s{next(numbers)}"
    told, answer = answers[name] = threading.Event(), []
    say({"id": name, "method": method, "params": params})
    if not told.wait(within_s):
        say({"method": "notifications/cancelled", "params": {"requestId": name, "reason": "it took too long"}})
        return "gave up"
    return answer[0]


def act(tool: str, given: dict[str, Any], token: Any) -> dict[str, Any]:
    params = given.get("params", {})
    match tool:
        case "ask" | "sample":
            done = threading.Event()

            def tell() -> None:
                while not done.wait(0.1):
                    say({"method": "notifications/progress", "params": {"progressToken": token, "progress": time.monotonic()}})

            if given.get("keeps_telling"):
                threading.Thread(target=tell, daemon=True).start()
            said = [request(METHODS[tool], params) for _ in range(given.get("again", 1))]
            done.set()
            time.sleep(given.get("then_s", 0))
            return text(json.dumps(said))
        case "flood":
            said = []
            threads = [threading.Thread(target=lambda: said.append(request(METHODS[tool], params))) for _ in range(given["again"])]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return text(json.dumps(said))
        case "give_up":
            return text(json.dumps([request(METHODS[tool], params, 0.3), request(METHODS[tool], params)]))
        case "late":
            threading.Timer(0.2, lambda: Path(given["file"]).write_text(json.dumps(request(METHODS[tool], params)))).start()
            return text("answered")
        case "offers":
            return text(json.dumps(offers))
    raise AssertionError(tool)


def call(message: dict[str, Any]) -> None:
    params = message["params"]
    tool, given = params["name"], params.get("arguments") or {}
    token = params.get("_meta", {}).get("progressToken")
    if tool == "pages":
        key = json.dumps(given)
        if key not in refused_once or given.get("for_ever"):
            refused_once.add(key)
            error = {"code": -32042, "message": "Log in first.", "data": {"elicitations": given["pages"]}}
            return say({"id": message["id"], "error": error})
        return say({"id": message["id"], "result": text("logged in")})
    if tool == "state" or (modern and tool in {"ask", "sample"}):
        told, state = params.get("inputResponses"), int(params.get("requestState") or 0)
        if state < given.get("again", 1):
            asked = {"it": {"method": METHODS[tool], "params": given["params"]}} if tool != "state" else None
            result = {"resultType": "input_required", "requestState": str(state + 1), **({"inputRequests": asked} if asked else {})}
            return say({"id": message["id"], "result": result})
        return say({"id": message["id"], "result": text(json.dumps([told["it"]] if told else state))})
    return say({"id": message["id"], "result": act(tool, given, token)})


for line in sys.stdin.buffer:
    message = json.loads(line)
    meta = message.get("params", {}).get("_meta", {})
    match message.get("method"):
        case "initialize" if not modern:
            offers = message["params"]["capabilities"]
            info = {"name": "asking", "version": "1"}
            say({"id": message["id"], "result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}})
        case "server/discover" if modern:
            offers = meta["io.modelcontextprotocol/clientCapabilities"]
            found = {
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "ttlMs": 0,
                "cacheScope": "private",
            }
            say({"id": message["id"], "result": found})
        case "tools/list":
            tools = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in NAMES]}
            say(
                {
                    "id": message["id"],
                    "result": {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", **tools} if modern else tools,
                }
            )
        case "tools/call":
            threading.Thread(target=call, args=(message,), daemon=True).start()
        case None:
            told, answer = answers[message["id"]]
            answer.append(message.get("result", message.get("error")))
            told.set()
        case _ if "id" in message:
            say({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
