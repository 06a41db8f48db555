"""HTTP servers inside our own task.

uvicorn's own `serve` would take over SIGTERM, wait for open event streams for ever, and raise the signal again. So only its protocol is
used: the sockets, the end and the signals are ours; and so is the patience, of which the protocol has no end.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp
from uvicorn.config import Config as UvicornConfig
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from holdfast.accounts import Webhooks
from holdfast.config import Web
from holdfast.errors import AlreadyRunning, Config, Temporary
from holdfast.values import is_loopback

STOP_S_MAX: Final = 1.0
"""How long requests may go on when the server stops; streams end at once. Then their connections are cut."""
CONNECTIONS_MAX: Final = 512
BACKLOG: Final = 128
HEAD_S_MAX: Final = 10.0
"""How long a connection may take to ask for something, and what was refused may go on coming: cut off at once, a browser would not read the refusal."""
READ_S_MAX: Final = 30.0
"""How long a reader may take nothing of what it is sent."""
SEND_BUFFER_BYTES: Final = 256 * 1024
"""What the system keeps on its way to one reader: with megabytes, who reads slowly would look like one who takes nothing."""
DOOR_LOOK_S: Final = 5.0
"""How soon it is noticed that the door's name was deleted."""

log = logging.getLogger(__name__)


async def serve_door(app: ASGIApp, path: Path, ready: Callable[[], None]) -> None:
    """Serve on the Unix socket `path` until cancelled. Raises `Config` if it can't be opened, `AlreadyRunning` if another gateway has taken it.

    The caller holds the lock on the data folder: a socket that is there was left by a process that is gone, and is replaced. If the socket's name is
    deleted while it is served, which would leave a gateway that nobody can talk to, it is made anew.
    """
    while True:
        await _serve_this_door(app, path, ready)
        log.warning("The door %s was deleted; it is opened anew.", path)


async def _serve_this_door(app: ASGIApp, path: Path, ready: Callable[[], None]) -> None:
    try:
        listener = _door_socket(path)
    except OSError as error:
        raise Config(
            f"The door {path} can't be opened ({error.strerror or error}). Make sure that its folder exists and is yours to write to."
        ) from error
    ours = _identity(path)
    serving = asyncio.create_task(_serve(app, listener, ready))
    try:
        while (there := _identity(path)) == ours:
            done, _ = await asyncio.wait({serving}, timeout=DOOR_LOOK_S)
            if done:
                await serving
        if there is not None:
            raise AlreadyRunning(f"Another gateway has made its door at {path}. This one ends; was the data folder deleted while it ran?")
    finally:
        serving.cancel()
        await asyncio.wait({serving})
        if _identity(path) == ours:  # the data folder may have been deleted, and another gateway have made its door there
            path.unlink(missing_ok=True)  # noqa: ASYNC240 one system call, at the end


async def serve_page(app: ASGIApp, web: Web, ready: Callable[[int], None]) -> None:
    """Serve on the port until cancelled; `ready` is told the port (0 takes any that is free). Raises `Temporary` if another program has the port, `Config` if it can't be had."""
    where = f"[web] host = {web.host!r}, port = {web.port}"
    if not is_loopback(web.host) and not web.certificate and not web.behind_proxy:
        raise Config(f"{where}: others could reach the page there, and read along. Set host to 127.0.0.1, or give it TLS.")
    tls = _tls(web.certificate, web.certificate_key) if web.certificate and web.certificate_key else None
    listener = _listener(where, "the page", web.host, web.port)
    await _serve(app, listener, lambda: ready(listener.getsockname()[1]), tls)


async def serve_hooks(app: ASGIApp, webhooks: Webhooks, ready: Callable[[int], None]) -> None:
    """Serve what platforms call, until cancelled; `ready` is told the port. Raises as `serve_page` does."""
    where = f"[webhooks] host = {webhooks.host!r}, port = {webhooks.port}"
    listener = _listener(where, "what platforms call", webhooks.host, webhooks.port)
    await _serve(app, listener, lambda: ready(listener.getsockname()[1]))


async def serve_metrics(app: ASGIApp, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Serve the numbers, until cancelled; `ready` is told the port. Raises as `serve_page` does."""
    listener = _listener(f"[metrics] host = {host!r}, port = {port}", "the numbers", host, port)
    await _serve(app, listener, lambda: ready(listener.getsockname()[1]))


def _listener(where: str, what: str, host: str, port: int) -> socket.socket:
    address = "127.0.0.1" if host.lower() == "localhost" else host
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Temporary(
                f"{where}: another program has this port. Everything but {what} works; I'll go on trying. End that program, or set another port."
            ) from error
        raise Config(f"{where}: {what} can't be served there ({error.strerror or error}). Set another host or port.") from error
    return listener


def _tls(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")  # with an encrypted key OpenSSL would ask the terminal
    except ssl.SSLError as error:
        raise Config(
            f"[web] certificate and certificate_key can't be used ({error.reason or error}). They must be PEM files that belong together, "
            f"the key without a password: {certificate}, {key}."
        ) from error
    except OSError as error:
        raise Config(
            f"[web] certificate or certificate_key can't be read ({error.strerror}): {certificate}, {key}. This user must be able to."
        ) from error
    return context


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, whatever it is called. None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _door_socket(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists() and not path.is_socket():
        raise FileExistsError(errno.EEXIST, "there is something else of that name", str(path))
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(0o600)  # before `listen`: nobody can have connected
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class _Protocol(H11Protocol):
    """With an end to patience: for a connection that asks for nothing or only begins to, for a body that goes on coming after the answer, and for
    a reader who takes nothing of it."""

    _late: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_looking()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_at_reader()

    def resume_writing(self) -> None:
        self._stop_looking()
        super().resume_writing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look_at_reader()

    def _look_at_reader(self, left: float = float("inf")) -> None:
        """`left` is how much was still to be sent at the last look."""
        self._stop_looking()
        still_left = self.transport.get_write_buffer_size()
        if still_left >= left:
            self.transport.abort()
        elif still_left:
            self._reading = self.loop.call_later(READ_S_MAX, self._look_at_reader, still_left)

    def _stop_looking(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEAD_S_MAX, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


async def _serve(app: ASGIApp, listener: socket.socket, ready: Callable[[], None], tls: ssl.SSLContext | None = None) -> None:
    config = UvicornConfig(
        app,
        http=_Protocol,
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",  # what strangers send is no news
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    config.load()
    state, stopping = ServerState(), asyncio.Event()
    loop = asyncio.get_running_loop()
    handshake_s = HEAD_S_MAX if tls else None
    server = await loop.create_server(
        lambda: _Protocol(config, state, {"stopping": stopping}), sock=listener, ssl=tls, ssl_handshake_timeout=handshake_s
    )
    try:
        ready()
        await asyncio.Event().wait()
    finally:
        server.close()
        stopping.set()
        await _end(state)


async def _end(state: ServerState) -> None:
    """Let what is being answered end, then cut what is left: a reader who takes nothing holds nobody up."""
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=STOP_S_MAX)
    for connection in list(state.connections):
        connection.transport.abort()
    if state.tasks:
        _, pending = await asyncio.wait(state.tasks, timeout=STOP_S_MAX)
        for task in pending:
            task.cancel()
