"""`holdfast demo`: a gateway to break, and the parent that starts it again.

Everything lives in a temporary folder: configuration, journal, the tool server's effects. The gateway is a child in a session of its own; its
standard input is a socket to us (see `holdfast.demo`): through it it asks to be killed, and it ends when we do, however we do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from holdfast import cli
from holdfast.cli.client import Away, Client
from holdfast.demo import VARIABLE
from holdfast.errors import Request, Temporary
from holdfast.invoked import command
from holdfast.testing import toolserver
from holdfast.web.wire import door_path

HOST: Final = "127.0.0.1"
PORT: Final = 8420
"""If it is free; else any that is."""
COMMAND: Final = (sys.executable, "-P", "-m", "holdfast.cli", "run", "--config")

NOWHERE_MAX: Final = 3
"""After so many lives in a row that led nowhere we say so, and stop."""
STEADY_S: Final = 60.0
"""A life that ends by itself before this led nowhere."""
UP_S_MAX: Final = 30.0
STOP_S_MAX: Final = 5.0
LOOK_S: Final = 0.02
LINK_TRIES_MAX: Final = 10
LOG_LINES: Final = 20
KILLED: Final = "killed (SIGKILL)"


def run(arguments: argparse.Namespace) -> int:
    if hasattr(arguments, "config"):
        raise Request("`holdfast demo` brings its own configuration, and touches nothing of yours. Run it without --config.")
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
        return asyncio.run(_Parent(Path(folder)).run())


class _Parent:
    """Starts the gateway whenever there is none, and tells about it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self._config = folder / "config.toml"
        self._config.write_text(_configuration(folder, self._port))
        self._log = folder / "gateway.log"
        self._welcomed = False

    async def run(self) -> int:
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        _say("This is Holdfast, to be broken: a practice model, a tool server, and buttons that kill. Nothing of yours is touched.")
        lives, asked = asyncio.create_task(self._lives()), asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({lives, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            lives.cancel()  # with it ends the gateway
            await asyncio.wait({lives})
        if not lives.cancelled():
            lives.result()
        _say("\nThe demo is over, and its folder is deleted.")
        return cli.ANSWERED

    async def _lives(self) -> None:
        """One life of the gateway after the other. Raises `Temporary` if they lead nowhere."""
        nowhere, died, end = 0, 0.0, ""
        while True:
            born = time.monotonic()
            async with _started(self._config, self._environ(), self._log) as gateway:
                up = await gateway.up(self._port)
                if up:
                    await self._say_up(gateway.process.pid, end, time.monotonic() - died)
                end = await gateway.ended()
            died = time.monotonic()
            nowhere = 0 if (up and end == KILLED) or died - born > STEADY_S else nowhere + 1
            if nowhere == NOWHERE_MAX:
                raise Temporary(
                    f"The gateway {end}, and that {NOWHERE_MAX} times in a row, so I stop here. Please report it with the end of its log:\n\n"
                    f"{_end_of(self._log)}"
                )
            await asyncio.sleep(nowhere and 0.25 * 2.0**nowhere)  # after a kill not at all

    async def _say_up(self, pid: int, end: str, after_s: float) -> None:
        _tell(f"gateway {end}, started again after {after_s:.1f} s (process {pid})" if end else f"gateway started (process {pid})")
        if self._welcomed:
            return
        link = await self._link()
        if link is None:
            return  # it was killed meanwhile: the next life says it
        self._welcomed = True
        _say(
            f"\nOpen this link, it logs one browser in:\n\n    {link}\n\n"
            f"Another one: {command('login', self._config)}\n"
            "Ctrl+C ends the demo and deletes everything.\n"
        )
        if _has_display(os.environ):
            threading.Thread(target=_open, args=(link,), daemon=True).start()  # some browsers return only when they are closed

    async def _link(self) -> str | None:
        """A one-time link of the gateway that is up. None if it went away."""
        door = Client(door_path(self._folder / "data", os.environ.get("XDG_RUNTIME_DIR")))
        for _ in range(LINK_TRIES_MAX):
            with contextlib.suppress(Away):  # the port is there an instant before the page
                return (await asyncio.to_thread(door.login_link)).link
            await asyncio.sleep(LOOK_S)
        return None

    def _environ(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        return {**ours, VARIABLE: str(self._folder), "HOLDFAST_SAFE_MODE": "never"}  # it is killed for a purpose


# --- one life of the gateway ----------------------------------------------------------------------------------------------------------


class _Gateway:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def up(self, port: int) -> bool:
        """Return when its page can be reached; False if it ends before, or never can."""
        patience = time.monotonic() + UP_S_MAX
        while self.process.returncode is None and time.monotonic() < patience:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(LOOK_S)
            else:
                writer.close()
                return True
        await self.end()
        return False

    async def ended(self) -> str:
        """How it ended, in words, when it has."""
        code = await self.process.wait()
        if code == -signal.SIGKILL:
            return KILLED
        return f"ended by signal {-code}" if code < 0 else f"ended with exit status {code}"

    async def end(self) -> None:
        """Politely, else by force."""
        if self.process.returncode is None:
            self.process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), STOP_S_MAX)
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def obey(self, wishes: asyncio.StreamReader) -> None:
        """What is asked for in its page is done here, and told."""
        async for line in wishes:
            match line.decode().split():
                case ["kill-gateway"]:
                    self.process.kill()
                case ["kill-tool", pid]:
                    _tell(f"tool server killed (SIGKILL, process {pid}); the gateway starts it again")
                case ["model-away", away_s]:
                    _tell(f"model taken away for {float(away_s):g} s")
                    asyncio.get_running_loop().call_later(float(away_s), _tell, "model back")
                case other:
                    raise AssertionError(other)


@contextlib.asynccontextmanager
async def _started(config: Path, environ: Mapping[str, str], log: Path) -> AsyncIterator[_Gateway]:
    """A gateway that lives within. Its end of the wire is its standard input."""
    ours, theirs = socket.socketpair()
    wishes, wire = await asyncio.open_connection(sock=ours)
    try:
        with theirs, log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *COMMAND, str(config), stdin=theirs.fileno(), stdout=file, stderr=file, env=environ, start_new_session=True
            )
        gateway = _Gateway(process)
        obeying = asyncio.create_task(gateway.obey(wishes))
        try:
            yield gateway
        finally:
            await gateway.end()
            await obeying  # to the last wish: the wire has ended with the process
    finally:
        wire.close()


# --- what it is made of -----------------------------------------------------------------------------------------------------------------


def _configuration(folder: Path, port: int) -> str:
    command = [sys.executable, toolserver.__file__, "--journal", str(folder / "effects")]
    return (
        f"data_dir = {json.dumps(str(folder / 'data'))}\n\n"
        f'[routes.main]\ndialect = "practice"\n\n'
        f'[tools.demo]\ncommand = {json.dumps(command)}\ntrust_annotations = true\npolicy = "allow"\n\n'
        f'[web]\nhost = "{HOST}"\nport = {port}\n\n'
        '[log]\nformat = "text"\n'  # its end is shown to a person, if all else fails
    )


def _free_port() -> int:
    """The usual one, unless somebody has it: the person's own gateway, perhaps."""
    for port in (PORT, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise Temporary(f"No port of {HOST} is free, so the page can't be shown. End some program that listens, and try again.")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])


def _has_display(environ: Mapping[str, str]) -> bool:
    return sys.platform == "darwin" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _open(link: str) -> None:
    with contextlib.suppress(webbrowser.Error, OSError):  # the link is on the screen
        webbrowser.open(link)


def _tell(what: str) -> None:
    """One line of the story, with its time."""
    _say(f"{time.strftime('%H:%M:%S')}  {what}")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it: no reason to end
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
