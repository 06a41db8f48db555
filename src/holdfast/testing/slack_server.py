"""A workspace of Slack, faithful where it hurts: a process of its own that keeps the truth in SQLite, survives being killed, and fails on order.

    python -m holdfast.testing.slack_server --db FILE --token xoxb-1 --app-token xapp-1 --signing-secret S [--ack-s 3] [--port 0]

See `fake_server`; what `POST /control/NAME` takes is in `slack_world` (and `disconnect`, below). The app is told of what happens by calls, if it was ordered to
`listen` somewhere; else over one of its connections (Socket Mode), and again, three times at most, while it does not acknowledge. What happens while there is
no connection it is not told of.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from holdfast.platforms.slack.account import SCOPES
from holdfast.testing.fake_server import Json, arguments, serve, under_faults
from holdfast.testing.slack_methods import METHODS, NEEDS
from holdfast.testing.slack_world import APP, Refused, World

TRIES_MAX: Final = 4
WRITING: Final = ("chat.", "files.complete", "reactions.")
ORDERS: Final = (
    "become",
    "edit",
    "group",
    "meet",
    "migrate",
    "person",
    "press",
    "push",
    "refuse",
    "remove",
    "sent_files",
    "shown",
    "slash",
)


class Connected(World):
    """A world whose app may have connections."""

    def __init__(self, path: Path, signing_secret: str, ack_s: float) -> None:
        super().__init__(path, signing_secret, self._over_a_socket)
        self._ack_s = ack_s
        self._numbers = itertools.count(1)
        self._sockets: list[WebSocket] = []
        self._acknowledged: dict[str, asyncio.Event] = {}
        self._doing: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Lock()

    def reset(self) -> None:
        """Nothing was ever said; who is connected is sent away."""
        super().reset()
        for task in self._doing:
            task.cancel()
        for socket in self._sockets:
            self._do(socket.close())

    def connections(self) -> int:
        return len(self._sockets)

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Slack wants every connection to be made anew."""
        for socket in self._sockets:
            self._do(self._send_away(socket, reason))

    async def _send_away(self, socket: WebSocket, reason: str) -> None:
        await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "fake"}})
        await socket.close()

    def _do(self, doing: Awaitable[None]) -> None:
        task = asyncio.ensure_future(doing)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    def _over_a_socket(self, kind: str, payload: Json) -> None:
        id_ = f"envelope-{next(self._numbers)}"
        self._acknowledged[id_] = asyncio.Event()
        self._do(self._bring_envelope(id_, kind, payload))

    async def _bring_envelope(self, id_: str, kind: str, payload: Json) -> None:
        """To one of the connections, in turn, until it is acknowledged."""
        for attempt in range(TRIES_MAX):
            async with self._turns:  # they go out in the order in which things happened
                if not self._sockets:
                    return
                self._sockets.append(self._sockets.pop(0))
                retry = {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""} if kind == "events_api" else {}
                frame = {"envelope_id": id_, "type": kind, "payload": payload, "accepts_response_payload": kind != "events_api", **retry}
                try:
                    await self._sockets[-1].send_text(json.dumps(frame))  # halves of characters as escapes, as they may come
                    self.note("", "bring", frame, 200)
                except (RuntimeError, WebSocketDisconnect):
                    continue
            try:
                await asyncio.wait_for(self._acknowledged[id_].wait(), self._ack_s)
            except TimeoutError:
                if kind != "events_api":
                    return  # whoever pressed or commanded is told that nobody is there
            else:
                return

    async def socket(self, ws: WebSocket) -> None:
        """Serve one connection."""
        await ws.accept()
        self._sockets.append(ws)
        await ws.send_json({"type": "hello", "num_connections": len(self._sockets), "connection_info": {"app_id": APP}, "debug_info": {}})
        try:
            while True:
                said = await ws.receive_json()
                self.note("", "acknowledge", said, 200)
                self._acknowledged[said["envelope_id"]].set()
        except WebSocketDisconnect:
            pass
        finally:
            self._sockets.remove(ws)


class SlackServer:
    """The HTTP of it."""

    def __init__(self, world: Connected, token: str, app_token: str) -> None:
        self.world, self._token, self._app_token = world, token, app_token
        self.app: Starlette = world.app(
            (*ORDERS, "connections", "disconnect", "migrate", "upload", "write"),
            Route("/api/{method}", self._method, methods=["GET", "POST"]),
            Route("/upload/v1/{id}", self._upload, methods=["POST"]),
            Route("/files-pri/{id}/download/{name:path}", self._download),
            Route("/login", lambda _: Response("<html>Sign in</html>", media_type="text/html")),
        )
        self.app.router.routes.append(WebSocketRoute("/link", world.socket))

    async def _method(self, request: Request) -> Response:
        method = request.path_params["method"]
        params = await _parameters(request, method)
        self.world.become("address", str(request.base_url).rstrip("/"))
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        scopes = self.world.state("scopes") or ",".join(sorted(SCOPES | {"reactions:write"}))

        async def heeded() -> Response:
            try:
                answer = {"ok": True, **self._heed(method, given, scopes, params, request)}
            except Refused as refused:
                answer = refused.body
            self.world.note(given, method, params, 200)
            return Response(json.dumps(answer), headers={"x-oauth-scopes": scopes}, media_type="application/json")

        def broken(kind: str, value: float) -> Response:
            self.world.note(given, method, params, 429 if kind == "limit" else int(value))
            if kind == "limit":
                return JSONResponse({"ok": False, "error": "ratelimited"}, 429, {"retry-after": f"{value:.0f}"})
            return Response("<html>Oh no</html>", int(value), media_type="text/html")

        kind, value = self.world.next_fault(method, params.get("channel", ""))
        if kind.startswith("error "):
            self.world.note(given, method, params, 200)
            return JSONResponse({"ok": False, "error": kind.removeprefix("error ")})
        return await under_faults(request, (kind, value), heeded, broken)

    def _heed(self, method: str, given: str, scopes: str, params: Json, request: Request) -> Json:
        if method == "apps.connections.open":
            self._known(given, self._app_token, "app")
            return {"url": f"{str(request.base_url).replace('http', 'ws', 1)}link?ticket=1"}
        self._known(given, self._token, "token")
        if method not in METHODS:
            raise Refused("unknown_method")
        needed = NEEDS.get(method, "")
        if needed and needed not in scopes.split(","):
            raise Refused("missing_scope", needed=needed, provided=scopes)
        try:
            return METHODS[method](self.world, params)
        except KeyError as missing:
            raise Refused("invalid_arguments", needed=str(missing)) from None

    def _known(self, given: str, token: str, kind: str) -> None:
        if self.world.state("revoked") == kind and given == token:
            raise Refused("token_revoked")
        if given != token:
            raise Refused("not_allowed_token_type" if given in {self._token, self._app_token} else "invalid_auth")

    async def _upload(self, request: Request) -> Response:
        self.world.rows("update file set data = ? where id = ?", await request.body(), request.path_params["id"])
        return Response("OK", media_type="text/plain")

    async def _download(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self._token}":
            return RedirectResponse("/login", 302)
        row = self.world.row("select * from file where id = ?", request.path_params["id"])
        return Response(row["data"], media_type=row["mimetype"]) if row is not None else Response(status_code=404)


async def _parameters(request: Request, method: str) -> Json:
    """As a form. Methods that write take JSON, too; those that read ignore it."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        async with request.form() as form:
            return dict(request.query_params) | {name: str(value) for name, value in form.items()}
    if not method.startswith(WRITING):
        return dict(request.query_params)
    said: Json = json.loads(await request.body() or b"{}")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in said.items()}


def main() -> None:
    parser = arguments("slack")
    for name in ("--token", "--app-token", "--signing-secret"):
        parser.add_argument(name, required=True)
    parser.add_argument("--ack-s", type=float, default=3.0, help="how long an acknowledgement is waited for")
    given = parser.parse_args()
    world = Connected(given.db, given.signing_secret, given.ack_s)
    asyncio.run(serve(SlackServer(world, given.token, given.app_token).app, given.port))


if __name__ == "__main__":
    main()
