"""Messages over the pipes of a process, as the SDK reads and writes them: one line each."""

from __future__ import annotations

import functools
import re
from types import TracebackType
from typing import Final, Self

import anyio
import mcp_types as types
from mcp.client.session import ClientSession
from mcp.shared.message import SessionMessage

from holdfast.tools.child import Child, TooLong
from holdfast.tools.link import Linked, read, too_large
from holdfast.tools.settings import Command

_VERSION: Final = rb'"jsonrpc"\s*:\s*"2\.0"'
_ID: Final = rb'"id"\s*:\s*(\d{1,18})'
_FIRST: Final = re.compile(rb"\s*\{\s*(?:" + _VERSION + rb"\s*,\s*)?" + _ID + rb"\s*,\s*(?:" + _VERSION + rb"\s*,\s*)?\"(?:result|error)\"")
_RESULT: Final = re.compile(rb"\s*\{\s*\"(?:result|error)\"")
_LAST: Final = re.compile(rb"[\]}\"]\s*,\s*(?:" + _VERSION + rb"\s*,\s*)?" + _ID + rb"\s*(?:,\s*" + _VERSION + rb")?\s*\}\s*$")


async def start(name: str, command: Command) -> Linked:
    """Start a server's process. Raises as `Child.start` does."""
    child = await Child.start(name, command)
    return Linked(child, functools.partial(ClientSession, _Reader(child), _Writer(child)))


def _answered(begins: bytes, ends: bytes) -> types.JSONRPCError | None:
    """What stands for an answer that is too large, if its ends say what it answers. (The id comes first or last, as the libraries of servers have it.)"""
    found = _FIRST.match(begins) or (_LAST.search(ends) if _RESULT.match(begins) else None)
    if found is None:
        return None
    failure = too_large("the tool")
    error = types.ErrorData(code=types.CONNECTION_CLOSED, message=str(failure), data=failure)
    return types.JSONRPCError(jsonrpc="2.0", id=int(found[1]), error=error)


class _Reader:
    """What a server sends, as the SDK reads it."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def receive(self) -> SessionMessage:
        while True:
            try:
                line = await self._child.line()
            except TooLong as long:
                if answered := _answered(*long.ends):
                    return SessionMessage(answered)
                self._child.lose(str(long))
                continue
            if not line:
                raise anyio.EndOfStream
            if line.isspace():
                continue
            try:
                return SessionMessage(await read(line))
            except ValueError:
                self._child.not_understood(line)

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
