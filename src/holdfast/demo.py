"""What `holdfast demo` lets a person break: this end of it lives in the gateway that gets broken.

The gateway is a child of `holdfast demo`, which names its folder in HOLDFAST_DEMO and holds the other end of the socket that is our standard
input. Through it we ask to be killed: a SIGKILL from outside, as real as any. When it closes, the parent is gone, however it went; so are we.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdfast.core.request import Request as ModelRequest
from holdfast.errors import Config, Request, Temporary
from holdfast.ports import Answer, Clock, Model, ModelFailed, RawFailure, ToolServerState

AWAY_S: Final = 20.0
"""For so long the model is taken away."""

LIVES_MAX: Final = 100
"""So many are shown; who kills more often has understood."""

VARIABLE: Final = "HOLDFAST_DEMO"
ACTIONS: Final = ("kill-gateway", "kill-tool", "model-away")


class Demo:
    """The buttons. `act` does what they say; `lent` is the model that they can take away; `state` is what the panel shows."""

    def __init__(self, folder: Path, parent: socket.socket, servers: Callable[[], Sequence[ToolServerState]], clock: Clock) -> None:
        self._parent = parent
        self._servers = servers
        self._clock = clock
        self._file = folder / "model-away-until"
        self._away_until = float(self._file.read_text()) if self._file.exists() else 0.0
        with (folder / "lives").open("a+") as lives:
            lives.write(f"{os.getpid()} {clock.now()}\n")
            lives.seek(0)
            born = [line.split() for line in lives]
        self._lives = [{"pid": int(pid), "at": float(at)} for pid, at in born[-LIVES_MAX:]]

    @classmethod
    def of(cls, environ: Mapping[str, str], servers: Callable[[], Sequence[ToolServerState]], clock: Clock) -> Demo | None:
        """The demo that this gateway is started for, if it is. From then on we end with our parent."""
        if VARIABLE not in environ:
            return None
        try:
            parent = socket.socket(fileno=os.dup(0))
        except OSError as error:
            raise Config(f"{VARIABLE} is set, but `holdfast demo` did not start this. Unset it, or run `holdfast demo`.") from error
        threading.Thread(target=_end_with, args=(parent,), name="demo", daemon=True).start()
        return cls(Path(environ[VARIABLE]), parent, servers, clock)

    async def act(self, action: str) -> None:
        """Break something. Raises `Request` for what there is not, or not now."""
        match action:
            case "kill-gateway":
                self._tell(action)
            case "kill-tool":
                pid = next((server.pid for server in self._servers() if server.pid), None)
                if pid is None:
                    raise Request("The tool server is not running just now; it is being started again.")
                os.kill(pid, signal.SIGKILL)
                self._tell(f"{action} {pid}")
            case "model-away":
                self._away_until = self._clock.now() + AWAY_S
                _write(self._file, str(self._away_until))  # it stays away also if we are killed meanwhile
                self._tell(f"{action} {AWAY_S}")
            case _:
                raise Request(f"{action!r} is not in the demo. There are: {', '.join(ACTIONS)}.")

    def state(self) -> Mapping[str, Any]:
        """`lives` of the gateway, the last one now; the model is away until `away_until`; `now` by the gateway's clock."""
        return {"lives": self._lives, "away_until": self._away_until, "now": self._clock.now()}

    def lent(self, model: Model) -> Model:
        """The same model, while it is not taken away."""
        return _Lent(model, self._check)

    def _check(self) -> None:
        left_s = self._away_until - self._clock.now()
        if 0 < left_s <= AWAY_S:  # more than that: the clock was set back
            raise ModelFailed(RawFailure("connection refused: the demo has taken it away", transport="reset"))

    def _tell(self, line: str) -> None:
        try:
            self._parent.send(f"{line}\n".encode(), socket.MSG_DONTWAIT)
        except OSError as error:
            raise Temporary("`holdfast demo` is not listening just now. Try again.") from error


class _Lent:
    """Implements `ports.Model`: it fails when `check` raises, also in mid-answer."""

    def __init__(self, model: Model, check: Callable[[], None]) -> None:
        self._model = model
        self._check = check

    async def call(self, request: ModelRequest, on_event: Callable[[str], None]) -> Answer:
        def still_here(text: str) -> None:
            self._check()
            on_event(text)

        self._check()
        return await self._model.call(request, still_here)

    async def warm(self) -> None:
        await self._model.warm()

    async def close(self) -> None:
        await self._model.close()


def _write(file: Path, text: str) -> None:
    """Whole or not at all, wherever we are killed."""
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(file)


def _end_with(parent: socket.socket) -> None:
    """In a thread of its own, so that it works whatever the loop does. The parent never writes: when reading ends, it is gone."""
    try:
        parent.recv(1)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)  # an end like any other; the tool servers end with their input
