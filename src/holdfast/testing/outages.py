"""Outages as the world makes them: a real llama.cpp that is killed in mid-answer, what stands in its place meanwhile, and what its return is judged by.

async with Provider(folder, "nginx") as provider:
    ... a gateway with a route to provider.base_url ...
    seen = await through(provider, gateway, lambda: tried(gateway, 3))
    assert not seen.flaws()
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Self, assert_never
from urllib.parse import urlsplit

from holdfast.core.entries import AssistantMessage, Delivered, Entry, UserMessage
from holdfast.testing.gateway_rig import ANSWER, CALLS_THE_CLOCK, SLOW
from holdfast.testing.llama import Llama, Script
from holdfast.testing.looking import LOOK_S
from holdfast.testing.process import GatewayProcess
from holdfast.testing.stub_provider import Reply, StubProvider, http
from holdfast.testing.tcp_proxy import TcpProxy

Kind = Literal["nothing", "nginx", "nestjs", "caddy", "loading"]
"""What stands where the model server was. `nothing`: the port refuses; `nginx`: always in front, and says 502; `nestjs`: another server, which knows of no
such path; `caddy`: always in front, and ends a stream that broke as if it were whole; `loading`: llama.cpp that still loads."""

KINDS: Final[tuple[Kind, ...]] = ("nothing", "nginx", "nestjs", "caddy", "loading")

NESTJS: Final = http(b'{"message":"Cannot POST /v1/chat/completions","error":"Not Found","statusCode":404}', 404, "application/json")
LOADING: Final = http(b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}', 503, "application/json")

NGINX: Final = """daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; proxy_buffering off; }}
  }}
}}
"""
CADDY: Final = """{{
  admin off
}}
http://127.0.0.1:{port} {{
  reverse_proxy 127.0.0.1:{upstream} {{
    flush_interval -1
  }}
}}
"""

CONTEXT_TOKENS: Final = 16_384
"""Room for dozens of its answers."""
START_S_MAX: Final = 20.0
RETURN_S_MAX: Final = 150.0
"""The longest wait of an outage, and what the answer takes."""
LATE_S_MAX: Final = 5.0
"""After the instant at which the gate lets one through: the model library's import after a restart, the answer, and a busy machine."""


class Provider:
    """A real llama.cpp on the loopback, and the wire to it, which keeps what is asked. Everything ends with the context."""

    def __init__(self, folder: Path, kind: Kind = "nothing", script: Script = CALLS_THE_CLOCK) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._kind = folder, kind
        self._llama = Llama(folder, script, replace(SLOW, context_tokens=CONTEXT_TOKENS))
        self._stack = AsyncExitStack()
        self._stand_in: StubProvider | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await asyncio.to_thread(self._llama.start)
            stack.callback(self._llama.kill)
            port = _port(self._llama.base_url)
            if self._kind in {"nginx", "caddy"}:
                port = await stack.enter_async_context(_Front(self._folder, self._kind, port))
            self.wire = await stack.enter_async_context(TcpProxy(port))
            stack.push_async_callback(self._clear)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.wire.port}/v1"

    @property
    def asked(self) -> list[Any]:
        """The body of every request that came so far."""
        return [body for heard in self.wire.heard for body in _bodies(bytes(heard))]

    def hurry(self) -> None:
        """Nobody has to be seen in mid-answer."""
        self._llama.hurry()

    async def go(self) -> None:
        """Die as in a crash. What it was saying breaks off."""
        if self._kind == "nothing":
            await self.wire.refuse()
        self._llama.kill()
        if self._kind in {"nestjs", "loading"}:
            reply = Reply(NESTJS if self._kind == "nestjs" else LOADING, end="close")
            self._stand_in = StubProvider(reply, _port(self._llama.base_url))
            await self._stand_in.start()

    async def come_back(self, *, hurried: bool = True) -> None:
        """Answer again when this returns; `hurried`: at full speed."""
        await self._clear()
        await asyncio.to_thread(self._llama.start)
        if hurried:
            self._llama.hurry()
        if self._kind == "nothing":
            await self.wire.open()

    async def _clear(self) -> None:
        if self._stand_in is not None:
            await self._stand_in.stop()
            self._stand_in = None


class _Front:
    """nginx or Caddy in front of a port, as a child. Gives its own port."""

    def __init__(self, folder: Path, kind: Kind, upstream: int) -> None:
        self._folder, self._kind, self._upstream = folder, kind, upstream

    async def __aenter__(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        template = NGINX if self._kind == "nginx" else CADDY
        file = self._folder / f"{self._kind}.conf"
        file.write_text(template.format(folder=self._folder, port=port, upstream=self._upstream))
        environ = {**os.environ, "HOME": str(self._folder), "XDG_DATA_HOME": str(self._folder), "XDG_CONFIG_HOME": str(self._folder)}
        with (self._folder / f"{self._kind}.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(file), env=environ, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(START_S_MAX):
                await self._listens(port)
        except BaseException:
            await self.__aexit__()
            raise
        return port

    def _command(self, file: Path) -> Sequence[str]:
        program = shutil.which(self._kind) or shutil.which(self._kind, path="/usr/sbin:/usr/bin") or self._kind
        match self._kind:
            case "nginx":
                return (program, "-p", str(self._folder), "-e", "stderr", "-c", str(file))
            case "caddy":
                return (program, "run", "--adapter", "caddyfile", "--config", str(file))
            case "nothing" | "nestjs" | "loading":
                raise ValueError(f"{self._kind} is no server of its own")
            case _:
                assert_never(self._kind)

    async def _listens(self, port: int) -> None:
        while True:
            assert self._process.returncode is None, (self._folder / f"{self._kind}.log").read_text()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(LOOK_S)

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


# --- one outage ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What one outage came to: what the model was asked until the return and afterwards, what the conversation holds, and how long after the return,
    and after the instant of the next try, the answer was written down."""

    asked_before: Sequence[Any]
    asked_after: Sequence[Any]
    entries: Sequence[Entry]
    after_return_s: float
    late_s: float

    def flaws(self) -> list[str]:
        """All that is not as it should be."""
        bodies = [entry.body for entry in self.entries]
        texts = [body.text for body in bodies if isinstance(body, AssistantMessage)]
        asked = [body["messages"] for body in (*self.asked_before, *self.asked_after)]
        said = {
            "the user had to send it again": sum(isinstance(body, UserMessage) for body in bodies) != 1,
            f"it was answered with {texts}": texts != [ANSWER],
            "the answer was not delivered once": len(delivered(self.entries)) != 1,
            f"it was asked {len(self.asked_after)} times after the return": len(self.asked_after) > 1,
            f"the model was shown something else: {asked}": any(messages != asked[0] or len(messages) != 2 for messages in asked),
            f"it came {self.late_s:.1f} s after the next try was due": self.late_s > LATE_S_MAX,
        }
        return [flaw for flaw, found in said.items() if found]


async def through(provider: Provider, gateway: GatewayProcess, gone: Callable[[], Awaitable[object]], name: str = "a") -> Seen:
    """Kill the provider in the middle of an answer, let it be away while `gone` lasts, bring it back, and wait for the answer."""
    await gateway.door.send(name, f"{name}-1", "Tell me")
    await gateway.in_mid_answer(name)
    await provider.go()
    await gone()
    await provider.come_back()
    returned, before = time.time(), len(provider.asked)
    until = returned
    entries: tuple[Entry, ...] = ()

    async def answered() -> bool:
        nonlocal until, entries
        until = max(until, (await gate(gateway))["until"])
        entries = await gateway.door.entries(name)
        return bool(delivered(entries))

    await gateway.eventually(answered, RETURN_S_MAX)
    (at,) = [entry.at for entry in entries if isinstance(entry.body, AssistantMessage)][:1]
    asked = provider.asked
    return Seen(asked[:before], asked[before:], entries, at - returned, at - until)


def delivered(entries: Sequence[Entry]) -> list[str]:
    """The answers that reached the user, by name, as often as they did. (What was said of the wait is no answer.)"""
    answers = {entry.body.name for entry in entries if isinstance(entry.body, AssistantMessage)}
    return [entry.body.of for entry in entries if isinstance(entry.body, Delivered) and entry.body.of in answers]


async def gate(gateway: GatewayProcess, name: str = "route:main") -> dict[str, Any]:
    """The weather there."""
    return next(one for one in (await gateway.door.status())["gates"] if one["name"] == name)


async def tried(gateway: GatewayProcess, times: int) -> None:
    """Return when the route was tried so often in vain."""

    async def look() -> bool:
        return bool((await gate(gateway))["streak"] >= times)

    await gateway.eventually(look)


def _port(base_url: str) -> int:
    port = urlsplit(base_url).port
    assert port is not None
    return port


def _bodies(heard: bytes) -> list[Any]:
    """The JSON bodies of the requests that came on one connection, the last of which may not be whole."""
    bodies = []
    while heard:
        head, _, rest = heard.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(rest) < length:
            break
        if length:
            bodies.append(json.loads(rest[:length]))
        heard = rest[length:]
    return bodies
