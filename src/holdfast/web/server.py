"""HTTP servers inside our own task.

uvicorn's own `serve` would take over SIGTERM, wait for open event streams for ever, and raise the signal again. So only its protocol is
used: the sockets, the end and the signals are ours.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from uvicorn.config import Config as UvicornConfig
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from holdfast.errors import AlreadyRunning, Config, Temporary
from holdfast.web.door import is_loopback

STOP_S_MAX: Final = 1.0
"""How long requests may go on when the server stops; streams end at once. Then their connections are cut."""
CONNECTIONS_MAX: Final = 512
BACKLOG: Final = 128
DOOR_LOOK_S: Final = 5.0
"""How soon it is noticed that the door's name was deleted."""

log = logging.getLogger(__name__)


async def serve_door(app: Starlette, path: Path, ready: Callable[[], None]) -> None:
    """Serve on the Unix socket `path` until cancelled. Raises `Config` if it can't be opened, `AlreadyRunning` if another gateway has taken it.

    The caller holds the lock on the data folder: a socket that is there was left by a process that is gone, and is replaced. If the socket's name is
    deleted while it is served, which would leave a gateway that nobody can talk to, it is made anew.
    """
    while True:
        await _serve_this_door(app, path, ready)
        log.warning("The door %s was deleted; it is opened anew.", path)


async def _serve_this_door(app: Starlette, path: Path, ready: Callable[[], None]) -> None:
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


async def serve_page(app: Starlette, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Serve on a loopback port until cancelled; `ready` is told the port (0 takes any that is free). Raises `Temporary` if another program has the port, `Config` if it can't be had."""
    where = f"[web] host = {host!r}, port = {port}"
    if not is_loopback(host):
        raise Config(f"{where}: the page has no login yet, so it is for this machine only. Set host to 127.0.0.1.")
    address = "127.0.0.1" if host.lower() == "localhost" else host
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Temporary(
                f"{where}: another program has this port. Everything but the page works; I'll go on trying. End that program, or set another port."
            ) from error
        raise Config(f"{where}: the page can't be served there ({error.strerror or error}). Set another host or port.") from error
    await _serve(app, listener, lambda: ready(listener.getsockname()[1]))


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


async def _serve(app: Starlette, listener: socket.socket, ready: Callable[[], None]) -> None:
    config = UvicornConfig(
        app,
        http=H11Protocol,
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
    )
    config.load()
    state, stopping = ServerState(), asyncio.Event()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: H11Protocol(config, state, {"stopping": stopping}), sock=listener)
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
