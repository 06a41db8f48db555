"""An MCP server whose tools make files: `python file_server.py`. Each tool returns another kind of them."""

import base64
import json
import sys
from typing import Any

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
WAV = b"RIFF\x24\0\0\0WAVEfmt "
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def picture(data: bytes = PNG, mime_type: str = "image/png") -> dict[str, Any]:
    return {"type": "image", "mimeType": mime_type, "data": encoded(data)}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def link(name: str, uri: str) -> dict[str, Any]:
    return {"type": "resource_link", "name": name, "uri": uri, "mimeType": "application/pdf"}


LINES = "".join(f"line {number:06}\n" for number in range(20_000))
EMBEDDED = {"uri": "file:///notes/a%20page.md?v=1", "mimeType": "text/markdown", "text": "# A page"}

CONTENT: dict[str, list[dict[str, Any]]] = {
    "picture": [text("here it is:"), picture(), text("done")],
    "pictures": [picture(), picture(PNG + b"2"), picture(PNG + b"3", "image/jpeg")],
    "no_picture": [picture(b"<html>not found</html>")],
    "vector": [picture(b"<svg/>", "image/svg+xml")],
    "sound": [{"type": "audio", "mimeType": "audio/wav", "data": encoded(WAV)}],
    "page": [{"type": "resource", "resource": EMBEDDED}],
    "letter": [{"type": "resource", "resource": EMBEDDED, "annotations": {"audience": ["user"]}}],
    "report": [{"type": "resource", "resource": {"uri": "file:///out/../report.pdf", "mimeType": "application/pdf", "blob": encoded(PDF)}}],
    "link": [text("kept"), link("report.pdf", "made:///report")],
    "dead_link": [link("report.pdf", "made:///gone")],
    "silent_link": [link("report.pdf", "made:///silent")],
    "links": [link("one", "made:///report"), link("two", "made:///report")],
    "many": [picture(PNG + bytes([number])) for number in range(25)],
    "broken": [{"type": "image", "mimeType": "image/png", "data": "%%% not base64 %"}],
    "long": [text(LINES)],
    "nothing": [],
}


def answered(message: dict[str, Any]) -> dict[str, Any] | None:
    match message["method"]:
        case "initialize":
            capabilities: dict[str, Any] = {"tools": {}, "resources": {}}
            info = {"name": "files", "version": "1"}
            return {"protocolVersion": message["params"]["protocolVersion"], "capabilities": capabilities, "serverInfo": info}
        case "tools/list":
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in CONTENT]}
        case "tools/call":
            structured = {"structuredContent": {"pages": 3}} if message["params"]["name"] in {"report", "nothing"} else {}
            return {"content": CONTENT[message["params"]["name"]], **structured}
        case "resources/read" if message["params"]["uri"] == "made:///report":
            return {"contents": [{"uri": "made:///report", "blob": encoded(PDF)}]}
    return None


if __name__ == "__main__":
    for line in sys.stdin:
        given = json.loads(line)
        if "id" not in given or given.get("params", {}).get("uri") == "made:///silent":
            continue
        result = answered(given)
        reply: dict[str, Any] = (
            {"result": result} if result is not None else {"error": {"code": -32002, "message": "there is no such thing"}}
        )
        print(json.dumps({"jsonrpc": "2.0", "id": given["id"], **reply}), flush=True)
