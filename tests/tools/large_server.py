"""A tool server whose tool makes large files: `python large_server.py [last | http]`, over stdio or HTTP.

`file` (of `bytes` bytes; `wrapped`: its base64 in lines) answers with a file, `text` with a text, `endless` without an end. `last`: an answer's id comes
at its end. `http`: at a free port, which is printed; as events, or with `json` in the arguments as JSON.
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOOLS = ("file", "text", "endless")


def made(tool: str, given: dict[str, Any]) -> dict[str, Any]:
    size = given.get("bytes", 0)
    if tool == "text":
        return {"content": [{"type": "text", "text": "x" * size}]}
    data = (base64.encodebytes if given.get("wrapped") else base64.b64encode)(bytes(size)).decode()
    return {"content": [{"type": "resource", "resource": {"uri": "file:///a.bin", "blob": data}}]}


def answered(message: dict[str, Any]) -> dict[str, Any]:
    params = message.get("params", {})
    match message["method"]:
        case "initialize":
            info = {"name": "large", "version": "1"}
            return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
        case "tools/call":
            return made(params["name"], params.get("arguments", {}))
    return {}


def reply(message: dict[str, Any]) -> bytes:
    result = answered(message)
    last = "last" in sys.argv
    whole = {"result": result, "jsonrpc": "2.0", "id": message["id"]} if last else {"jsonrpc": "2.0", "id": message["id"], "result": result}
    return json.dumps(whole).encode()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "id" not in message:
            self.send_response(202)
            self.end_headers()
            return
        as_json = "json" in message.get("params", {}).get("arguments", {})
        self.send_response(200)
        self.send_header("content-type", "application/json" if as_json else "text/event-stream")
        self.end_headers()
        self.wfile.write(reply(message) if as_json else b"data: " + reply(message) + b"\n\n")

    def do_GET(self) -> None:
        self.send_response(405)
        self.end_headers()

    def log_message(self, *args: Any) -> None: ...


def over_stdio() -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" not in message:
            continue
        if message.get("params", {}).get("name") == "endless":
            while True:
                sys.stdout.buffer.write(b"x" * 1024 * 1024)
        sys.stdout.buffer.write(reply(message) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    if "http" in sys.argv:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        print(f"http://127.0.0.1:{server.server_port}/mcp", flush=True)
        server.serve_forever()
    over_stdio()
