"""What the fake servers of chat systems share: a process that keeps the truth in SQLite, survives being killed, and fails on order.

    python -m holdfast.testing.KIND_server --db FILE [--port 0]

prints its address. Beside the platform's own routes each has `POST /control/NAME`: what its `Truth` lets a test order and ask, with arguments in JSON
(bytes in base64); `FakeServer` is the test's side of it. Faults, by `Truth.fault`, befall the next calls of a method (`under_faults`):

    delay         the call is answered `value` seconds later          delay_before   it is heeded `value` seconds later
    drop          it is heeded, its answer lost with the connection   drop_before    the connection is lost before it is heeded
    status        it is answered with the error `value`               status_after   the same, and heeded
    limit         too many: retry after `value` seconds               garbage        something that is no JSON is answered
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, Self

import httpx2
import uvicorn
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from holdfast.testing.looking import Looks

Json = dict[str, Any]

WITHIN_S: Final = 30.0

_SCHEMA: Final = """
create table if not exists fault(n integer primary key autoincrement, method text, chat text, kind text, value real, times int);
create table if not exists call(n integer primary key autoincrement, at real, token text, method text, params text, status int);
"""


class Truth:
    """What a server knows, in a file that outlives its process. `schema` makes the tables; `changed` is called when there is something to tell."""

    def __init__(self, path: Path, schema: str, changed: Callable[[], None] = lambda: None) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = lambda cursor, row: {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
        self._db.executescript("pragma journal_mode=wal; pragma synchronous=off;" + _SCHEMA + schema)
        self.changed = changed

    def rows(self, sql: str, *values: Any) -> list[Json]:
        return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> Json | None:
        return next(iter(self.rows(sql, *values)), None)

    def forget(self, *but: str) -> None:
        """Empty every table but these."""
        for table in self.rows("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"):
            if table["name"] not in but:
                self.rows(f"delete from {table['name']}")  # noqa: S608 - one of ours

    def fault(self, kind: str, method: str = "*", times: int = 1, value: float = 0.0, chat: str | int = "") -> None:
        """What befalls the next calls of a method (in a chat): see above."""
        self.rows("insert into fault(method, chat, kind, value, times) values (?, ?, ?, ?, ?)", method, str(chat), kind, value, times)

    def next_fault(self, method: str, chat: str | int = "") -> tuple[str, float]:
        """What befalls this call, and how much of it."""
        sql = "select * from fault where times > 0 and method in ('*', ?) and chat in ('', ?) order by n limit 1"
        fault = self.row(sql, method, str(chat))
        if fault is None:
            return "", 0.0
        self.rows("update fault set times = times - 1 where n = ?", fault["n"])
        return fault["kind"], fault["value"]

    def note(self, token: str, method: str, params: Mapping[str, Any], status: int) -> None:
        """A call that was answered."""
        values = (time.time(), token, method, json.dumps(params, default=str), status)
        self.rows("insert into call(at, token, method, params, status) values (?, ?, ?, ?, ?)", *values)

    def calls(self, method: str = "") -> list[Json]:
        found = self.rows("select * from call where ? in ('', method) order by n", method)
        return [{**row, "params": json.loads(row["params"])} for row in found]


# --- serving ----------------------------------------------------------------------------------------------------------------------------


class Protocol(H11Protocol):
    """Connections can be looked up by who is at their other end, to be cut."""

    open: Final[dict[tuple[str, int], asyncio.Transport]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # narrower, as uvicorn's own
        super().connection_made(transport)
        self.open[transport.get_extra_info("peername")] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.pop(self.transport.get_extra_info("peername"), None)
        super().connection_lost(exc)


def cut(connection: HTTPConnection) -> Response:
    """The connection is gone, in the middle of it."""
    assert connection.client is not None
    Protocol.open[connection.client.host, connection.client.port].abort()
    return Response()


async def under_faults(
    request: Request, fault: tuple[str, float], heed: Callable[[], Awaitable[Response]], broken: Callable[[str, float], Response]
) -> Response:
    """The answer to this call, whatever befalls it. `broken` gives the platform's words for "status" and "limit"."""
    kind, value = fault
    if kind == "delay_before":
        await asyncio.sleep(value)
    if kind == "drop_before":
        return cut(request)
    if kind in {"status", "limit"}:
        return broken(kind, value)
    answer = await heed()
    if kind == "delay":
        await asyncio.sleep(value)
    if kind == "drop":
        return cut(request)
    if kind == "status_after":
        return broken("status", value)
    if kind == "garbage":
        return Response("<html><body>Please log in to this network.</body></html>", media_type="text/html")
    return answer


def control(truth: Truth, orders: Collection[str]) -> Route:
    """POST /control/NAME: a method of the truth, one of `orders`."""

    async def ordered(request: Request) -> Response:
        order, said = request.path_params["order"], json.loads(await request.body() or b"{}")
        if order not in orders:
            return JSONResponse({"error": f"there is no order {order}"}, 404)
        if "data" in said:
            said["data"] = base64.b64decode(said["data"])
        return JSONResponse(getattr(truth, order)(**said))

    return Route("/control/{order}", ordered, methods=["POST"])


async def serve(app: Any, port: int) -> None:
    """Serve, and print the address once connections are taken."""
    listener = socket.create_server(("127.0.0.1", port))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201 - whoever started it reads this
    options = uvicorn.Config(app, http=Protocol, log_level="warning", lifespan="on", timeout_graceful_shutdown=1)
    await uvicorn.Server(options).serve([listener])


def arguments(kind: str) -> argparse.ArgumentParser:
    """What every one can be told."""
    parser = argparse.ArgumentParser(prog=f"{kind}_server", description=f"A server of {kind}, for tests.")
    parser.add_argument("--db", type=Path, required=True, help="where the truth is kept")
    parser.add_argument("--port", type=int, default=0)
    return parser


# --- a test's side ------------------------------------------------------------------------------------------------------------------------


class FakeServer:
    """The process of `holdfast.testing.MODULE`, with its truth in this folder.

    async with Telegram(folder) as telegram:
        await telegram.order("write", chat=7, text="Hello")
        telegram.kill(); await telegram.start()
    """

    def __init__(self, module: str, folder: Path, *words: str) -> None:
        self._module, self._words = module, words
        self._db = folder / f"{module}.db"
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()

    async def start(self) -> None:
        """Start it, at the same port as before."""
        await asyncio.to_thread(self.launch)

    def launch(self) -> None:
        """As `start`, for whoever has no loop. Returns when it takes connections."""
        words = ("--db", str(self._db), "--port", str(self._port), *self._words)
        command = (sys.executable, "-m", f"holdfast.testing.{self._module}", *words)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline().rpartition(":")[2])

    def kill(self) -> None:
        """As a power cut does. What it was told stays."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    async def reset(self) -> None:
        """Nothing was ever said; it runs."""
        if self._process is None:
            await self.start()
        await self.order("reset")

    def freeze(self) -> None:
        """From now on it takes connections, and says nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    async def order(self, order: str, /, **said: Any) -> Any:
        """A method of the truth, done there. `data` may be bytes."""
        if "data" in said:
            said["data"] = base64.b64encode(said["data"]).decode()
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=WITHIN_S) as http:
            answer = await http.post(f"{self.base_url}/control/{order}", content=json.dumps(said))
        answer.raise_for_status()
        return answer.json()

    async def fault(self, kind: str, method: str = "*", **more: Any) -> None:
        await self.order("fault", kind=kind, method=method, **more)

    async def calls(self, method: str = "") -> list[Json]:
        return list(await self.order("calls", method=method))

    async def until(self, look: Callable[[], Awaitable[bool]], within_s: float = WITHIN_S) -> None:
        """Return when this is so. Raises `TimeoutError`."""
        looks = Looks()
        async with asyncio.timeout(within_s):
            while not await look():
                await looks.pause()
