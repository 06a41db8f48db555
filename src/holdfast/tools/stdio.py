"""Messages over the pipes of a process, as the SDK reads and writes them: one line each."""

from __future__ import annotations

import functools
from types import TracebackType
from typing import Self

import anyio
import mcp_types as types
from mcp.client.session import ClientSession
from mcp.shared.message import SessionMessage

from holdfast.tools.child import Child
from holdfast.tools.link import Linked, parse
from holdfast.tools.settings import Command


async def start(name: str, command: Command) -> Linked:
    """Start a server's process. Raises as `Child.start` does."""
    child = await Child.start(name, command)
    return Linked(child, functools.partial(ClientSession, _Reader(child), _Writer(child)))


class _Reader:
    """What a server sends, as the SDK reads it."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def receive(self) -> SessionMessage:
        while line := await self._child.line():
            if line.isspace():
                continue
            try:
                return SessionMessage(parse(line))
            except ValueError:
                self._child.not_understood(line)
        raise anyio.EndOfStream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Nothing: the child is ended by whoever started it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()


class _Writer:
    """What a server is sent, as the SDK writes it."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def send(self, item: SessionMessage, /) -> None:
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        if not isinstance(item.message, types.JSONRPCNotification):  # a cancellation never waits for a server that does not read
            await self._child.writable()
        if self._child.lost:
            raise anyio.ClosedResourceError
        self._child.write(line)

    async def aclose(self) -> None:
        """Nothing: the child is ended by whoever started it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()
