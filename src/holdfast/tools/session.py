"""The talk with one tool server: the only module that knows the MCP SDK. Importing it takes half a second: do it in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Final, Self, assert_never

import anyio
import mcp_types as types
from mcp.client.session import ClientSession, IncomingMessage
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage

from holdfast.errors import HoldfastError, Temporary
from holdfast.ports import ToolOutcome
from holdfast.tools.catalogue import Offered
from holdfast.tools.child import Child, log
from holdfast.tools.settings import ServerSettings

TEXT_BYTES_MAX: Final = 64 * 1024
PAGES_MAX: Final = 32
TOOLS_MAX: Final = 500

_client_info: Final = types.Implementation(name="holdfast", version="1")


@contextlib.asynccontextmanager
async def connect(settings: ServerSettings) -> AsyncIterator[Session]:
    """Start a server and shake hands; on leaving, end it. To be entered and left by one task.

    Raises `Config` if the command can't be run, and `Temporary` if the server does not answer in time or was lost meanwhile.
    """
    failure: HoldfastError | None = None
    child = await Child.start(settings)
    try:
        session = Session(settings, child)
        async with session.sdk:
            try:
                await session.shake_hands()
                yield session
            except HoldfastError as caught:  # the SDK's task group would wrap it
                failure = caught
            finally:
                lost = child.lost
                child.lose("it was stopped")  # before the SDK tells those who wait for an answer
    finally:
        await child.stop()
    if lost:
        failure = Temporary(f"Tool server {settings.name!r} is lost: {child.last_words()}.")
    if failure is not None:
        raise failure


class Session:
    """A live connection. Calls run in the tasks of those who make them, side by side."""

    def __init__(self, settings: ServerSettings, child: Child) -> None:
        self.settings = settings
        self.child = child
        self.calls = 0
        """In flight."""
        self.changed = False
        """It said that its tools changed, and was not asked for them since."""
        self.sdk = ClientSession(_Reader(child), _Writer(child), message_handler=self._on_message, client_info=_client_info)

    async def shake_hands(self) -> None:
        """Agree on a protocol version: the handshake of the years up to 2025 first, since servers of that time end at any other question."""
        async with self._answer_expected():
            try:
                await self.sdk.initialize()
            except (MCPError, RuntimeError):  # it knows no handshake, or no version of ours
                if self.child.lost:
                    raise
                await self.sdk.discover()

    async def tools(self) -> tuple[Offered, ...]:
        """All it offers. Raises `Temporary` if it does not answer in time."""
        offered: list[Offered] = []
        cursor: str | None = None
        self.changed = False
        async with self._answer_expected():
            for _ in range(PAGES_MAX):
                page = await self.sdk.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
                offered.extend(map(_offered, page.tools))
                cursor = page.next_cursor
                if cursor is None:
                    break
        if len(offered) > TOOLS_MAX:
            log.warning("%s offers %d tools: only the first %d are used", self.settings.name, len(offered), TOOLS_MAX)
        return tuple(offered[:TOOLS_MAX])

    async def call(self, tool: str, arguments: dict[str, Any]) -> ToolOutcome:
        """Make one call. Being cancelled sends the server the protocol's cancellation."""
        # Not `sdk.call_tool`: that throws the result of a call that has happened away if it does not fit the tool's own schema.
        request = types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=arguments))
        self.calls += 1
        try:
            async with asyncio.timeout(self.settings.quiet_timeout_s) as patience:

                async def on_progress(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001  the SDK's signature
                    with contextlib.suppress(RuntimeError):  # the answer overtook the report
                        patience.reschedule(asyncio.get_running_loop().time() + self.settings.quiet_timeout_s)

                result = await self.sdk.send_request(request, types.CallToolResult, progress_callback=on_progress)
        except TimeoutError:
            return ToolOutcome("unknown", f"the tool was silent for {self.settings.quiet_timeout_s:g} s and was given up")
        except ValueError:
            return ToolOutcome("unknown", "the tool answered, but not as MCP asks for, and its answer can't be read")
        except MCPError as failure:
            if self.child.lost:
                return ToolOutcome("unknown", f"the tool server was lost during the call ({self.child.last_words()})")
            return ToolOutcome("error", cut(failure.message))
        finally:
            self.calls -= 1
            self._stir()
        return ToolOutcome("error" if result.is_error else "ok", cut(_text(result)))

    async def _on_message(self, message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.changed = True
            self._stir()

    def _stir(self) -> None:
        if self.changed and not self.calls:
            self.child.stirred.set()

    @contextlib.asynccontextmanager
    async def _answer_expected(self) -> AsyncIterator[None]:
        """Turn whatever goes wrong into `Temporary`."""
        server = f"Tool server {self.settings.name!r}"
        try:
            async with asyncio.timeout(self.settings.connect_timeout_s):
                yield
        except TimeoutError as failure:
            known = self.child.last_words()
            raise Temporary(f"{server} did not answer within {self.settings.connect_timeout_s:g} s{known and ': '}{known}.") from failure
        except (MCPError, ValueError, RuntimeError) as failure:
            raise Temporary(f"{server} does not speak MCP as expected: {cut(str(failure), 500)}") from failure


class _Reader:
    """What a server sends, as the SDK reads it."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def receive(self) -> SessionMessage | Exception:
        while line := await self._child.line():
            if line.isspace():
                continue
            try:
                return SessionMessage(_parse(line))
            except ValueError as failure:
                self._child.not_understood(line)
                return failure
        raise anyio.EndOfStream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
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


def _parse(line: bytes) -> types.JSONRPCMessage:
    try:
        return types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        # Texts cut in the middle of a character are common: bytes that are no UTF-8, halves of surrogate pairs. A call would wait in vain.
        whole = json.dumps(json.loads(line.decode(errors="replace")), ensure_ascii=False).encode(errors="replace")
        return types.jsonrpc_message_adapter.validate_json(whole, by_name=False)


def _offered(tool: types.Tool) -> Offered:
    hints = tool.annotations or types.ToolAnnotations()
    return Offered(
        name=tool.name,
        description=tool.description or tool.title or "",
        schema=tool.input_schema,
        read_only_hint=bool(hints.read_only_hint),
        idempotent_hint=bool(hints.idempotent_hint),
    )


def _text(result: types.CallToolResult) -> str:
    """A result in words: its texts; or its structured content; other kinds are named."""
    parts = [_in_words(block) for block in result.content]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return "\n".join(filter(None, parts)) or "[no output]"


def _in_words(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return f"[{block.type} {block.mime_type}, {_kilobytes(len(block.data) * 3 // 4)}]"
        case types.ResourceLink():
            return f"[resource {block.name}: {block.uri}]"
        case types.EmbeddedResource():
            return _resource_in_words(block.resource)
        case _:
            assert_never(block)


def _resource_in_words(resource: types.TextResourceContents | types.BlobResourceContents) -> str:
    match resource:
        case types.TextResourceContents():
            return resource.text
        case types.BlobResourceContents():
            return f"[resource {resource.uri}, {resource.mime_type or 'unknown type'}, {_kilobytes(len(resource.blob) * 3 // 4)}]"
        case _:
            assert_never(resource)


def cut(text: str, bytes_max: int = TEXT_BYTES_MAX) -> str:
    """The text, or its beginning and a mark that says how much is missing."""
    data = text.encode()
    if len(data) <= bytes_max:
        return text
    return f"{data[:bytes_max].decode(errors='ignore')}\n[cut: {_kilobytes(bytes_max)} of {_kilobytes(len(data))} are shown]"


def _kilobytes(size: int) -> str:
    return f"{max(1, round(size / 1024))} kB"
