"""The tool server of `toolserver` over streamable HTTP: sessions, and an answer to each request as a stream of events, at `/mcp`."""

from __future__ import annotations

import hmac
import json
import sys
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from holdfast.testing.toolserver import Server

PATH: Final = "/mcp"


def serve_http(new_server: Callable[[], Server], port: int, token: str) -> None:
    """Until the end of input. The first line of output says where."""
    sessions: dict[str, Server] = {}

    class Handler(_Handler):
        def handle_one_request(self) -> None:
            self.sessions, self.new_server, self.token = sessions, new_server, token
            super().handle_one_request()

    server = _Listening(("127.0.0.1", port), Handler)
    print(f"http://127.0.0.1:{server.server_port}{PATH}", flush=True)  # noqa: T201 - whoever started it waits for this
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.buffer.read()


class _Listening(ThreadingHTTPServer):
    request_queue_size = 128  # with the library's 5, calls at once are reset by the kernel


class _Handler(BaseHTTPRequestHandler):
    """One connection, with one request: it speaks HTTP/1.0, so that the end of an answer is the end of the connection."""

    sessions: dict[str, Server]
    new_server: Callable[[], Server]
    token: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not self._let_in():
            return
        message = json.loads(body)
        session = self.headers.get("mcp-session-id", "")
        if message.get("method") == "initialize":
            session = uuid.uuid4().hex
            self.sessions[session] = self.new_server()
        if session not in self.sessions:
            self._refuse(404 if session else 400, "there is no such session")
        elif "id" not in message or "method" not in message:
            self.sessions[session].take(message, lambda _message: None)
            self._head(202)
        else:
            self._answer(message, session)

    def do_DELETE(self) -> None:
        if self._let_in():
            self.sessions.pop(self.headers.get("mcp-session-id", ""), None)
            self._head(200)

    def do_GET(self) -> None:
        if self._let_in():
            self._refuse(405, "it says nothing unasked")

    def _answer(self, message: dict[str, Any], session: str) -> None:
        self._head(200, {"content-type": "text/event-stream", "mcp-session-id": session})
        answered, writing = threading.Event(), threading.Lock()

        def say(one: dict[str, Any]) -> None:
            with writing:
                try:
                    self.wfile.write(f"event: message\ndata: {json.dumps({'jsonrpc': '2.0', **one})}\n\n".encode())
                except OSError:  # the client is gone: what was begun goes on
                    answered.set()
            if "id" in one:
                answered.set()

        self.sessions[session].take(message, say)
        answered.wait()

    def _let_in(self) -> bool:
        if self.path != PATH:
            self._refuse(404, "look at " + PATH)
        elif self.token and not hmac.compare_digest(self.headers.get("authorization", ""), f"Bearer {self.token}"):
            self._refuse(
                401, f"this is not the token: {self.headers.get('authorization', '')}"
            )  # as some do: our client must not repeat it
        else:
            return True
        return False

    def _refuse(self, status: int, why: str) -> None:
        self._head(status, {"content-type": "application/json"})
        self.wfile.write(json.dumps({"error": why}).encode())

    def _head(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Nothing: the journal says what happened."""
