"""The talk with one tool server, over whatever link. Importing the MCP SDK takes half a second: import this module in a thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final, cast

import mcp_types as types
from mcp.client.session import ClientRequestContext, IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost, listen
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter

from holdfast.errors import HoldfastError, Temporary
from holdfast.ports import Caller, ToolOutcome
from holdfast.tools import remote, stdio
from holdfast.tools.asking import Answer, Asking, Patience, refused
from holdfast.tools.catalogue import Offered
from holdfast.tools.child import log
from holdfast.tools.link import Linked, Unanswered, aside
from holdfast.tools.pulse import Pulse
from holdfast.tools.results import Contents, brought, cut, only_link, progressed, weight
from holdfast.tools.settings import Address, Command, ServerSettings

PAGES_MAX: Final = 32
TOOLS_MAX: Final = 500
LINK_S: Final = 30.0
"""For so long what a result links to is waited for."""
LISTEN_AGAIN_S: Final = 30.0
AGAIN_S: Final = 1.0
"""Before a call is made again whose server asked for nothing but that."""

_call: Final = ContextVar[Asking]("the call for whose sake something is sent")
_results: Final = TypeAdapter[types.CallToolResult | types.InputRequiredResult](types.CallToolResult | types.InputRequiredResult)

_client_info: Final = types.Implementation(name="holdfast", version="1")


@contextlib.asynccontextmanager
async def connect(settings: ServerSettings, *, proven: bool) -> AsyncIterator[Session]:
    """Start a server, or reach it, and shake hands; on leaving, part with it. To be entered and left by one task.

    `proven`: it has worked under these settings. Raises `Config` if the command can't be run, or the URL is of no use as it stands; and
    `Temporary` if the server can't be reached, does not answer in time or was lost meanwhile.
    """
    failure: HoldfastError | None = None
    linked = await _link(settings, proven=proven)
    link = linked.link
    try:
        session = Session(settings, linked)
        async with session.sdk:
            try:
                await session.shake_hands()
                beside = [asyncio.create_task(session.listen()), asyncio.create_task(session.pulse.feel())]
                try:
                    yield session
                finally:
                    for task in beside:
                        task.cancel()
                    await asyncio.wait(beside)
                    for task in beside:
                        if not task.cancelled():
                            task.result()
            except HoldfastError as caught:  # the SDK's task group would wrap it
                failure = caught
            finally:
                lost = link.lost
                link.lose("it was stopped")  # before the SDK tells those who wait for an answer
    finally:
        await link.stop()
    if lost:
        failure = Temporary(f"Tool server {settings.name!r} is lost: {link.last_words()}.")
    if failure is not None:
        raise failure


async def _link(settings: ServerSettings, *, proven: bool) -> Linked:
    match settings.where:
        case Command() as command:
            return await stdio.start(settings.name, command)
        case Address() as address:
            return await remote.reach(settings.name, address, settings.connect_timeout_s, proven=proven)


class Session:
    """A live connection. Calls run in the tasks of those who make them, side by side."""

    def __init__(self, settings: ServerSettings, linked: Linked) -> None:
        self.settings = settings
        self.link = linked.link
        self.pulse = Pulse(linked.link, self._answers)
        self.changed = False
        """It said that its tools changed, or left a call without answer, and was not asked for them since."""
        self._under_way: set[Asking] = set()
        self.silent = False
        """It let a call wait in vain, and did not answer since."""
        self.sdk = linked.session(
            message_handler=self._on_message,
            client_info=_client_info,
            elicitation_callback=self._on_elicitation,
            sampling_callback=self._on_sampling if settings.sampling else None,
        )

    @property
    def calls(self) -> int:
        """In flight."""
        return len(self._under_way)

    async def shake_hands(self) -> None:
        """Agree on a protocol version: the handshake of the years up to 2025 first, since servers of that time end at any other question."""
        async with self._answer_expected():
            try:
                await self.sdk.initialize()
            except (MCPError, RuntimeError) as failure:  # it knows no handshake, or no version of ours
                if self.link.lost or _unanswered(failure):
                    raise
                await self.sdk.discover()

    async def tools(self) -> tuple[Offered, ...]:
        """All it offers. Raises `Temporary` if it does not answer in time, and what the link raises."""
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
        self.silent = False
        if len(offered) > TOOLS_MAX:
            log.warning("%s offers %d tools: only the first %d are used", self.settings.name, len(offered), TOOLS_MAX)
        return tuple(offered[:TOOLS_MAX])

    async def _answers(self) -> bool:
        """Does it answer just now? Whatever it says to a ping, it is there; in the newest protocol there is none."""
        try:
            await (self.sdk.list_tools() if self.sdk.protocol_version in MODERN_PROTOCOL_VERSIONS else self.sdk.send_ping())
        except MCPError as failure:
            return _unanswered(failure) is None and not self.link.lost
        except (ValueError, RuntimeError):
            return not self.link.lost
        return True

    async def call(self, tool: str, arguments: dict[str, Any], caller: Caller, on_asking: Callable[[], None]) -> ToolOutcome:
        """Make one call. Being cancelled tells the server. `on_asking`: somebody is asked for its sake. Raises `Temporary` if no byte of it was sent."""
        patience = Patience(self.settings.timeout_s)
        asking = Asking(self.settings.name, caller, patience, on_asking, sampling=self.settings.sampling)

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            caller.progress(progressed(progress, total, message))
            patience.heard()

        self._under_way.add(asking)
        before = _call.set(asking)
        try:
            with self.pulse.during(asking):
                async with patience:
                    result = await self._result(types.CallToolRequestParams(name=tool, arguments=arguments), asking, on_progress)
        except TimeoutError:
            self.silent = True
            return ToolOutcome("unknown", f"the tool was silent for {self.settings.timeout_s:g} s and was given up")
        except ValueError:
            return ToolOutcome("unknown", "the tool answered, but not as MCP asks for, and its answer can't be read")
        except MCPError as failure:
            return self._failed(failure)
        finally:
            _call.reset(before)
            self._under_way.discard(asking)
            await asking.end()
            self._stir()
        linked = await self._linked(result)
        text, files = await aside(lambda: brought(result, linked), weight(result.content) + weight(linked))
        return ToolOutcome("error" if result.is_error else "ok", text, files)

    async def _result(self, params: types.CallToolRequestParams, asking: Asking, on_progress: ProgressFnT) -> types.CallToolResult:
        """Make the call; and where its server answers that it needs something first, see to that and make it again."""
        again = False
        while True:
            try:
                result = await self._sent(params, on_progress, again=again)
            except MCPError as failure:
                if not await _opened(failure, asking):
                    raise
            else:
                if isinstance(result, types.CallToolResult):
                    return result
                answers = await _provided(result, asking)
                params = params.model_copy(update={"input_responses": answers, "request_state": result.request_state})
            again = True

    async def _sent(
        self, params: types.CallToolRequestParams, on_progress: ProgressFnT, *, again: bool = False
    ) -> types.CallToolResult | types.InputRequiredResult:
        # Not `sdk.call_tool`: that throws the result of a call that has happened away if it does not fit the tool's own schema.
        try:
            return await self.sdk.send_request(types.CallToolRequest(params=params), _results, progress_callback=on_progress)
        except MCPError as failure:
            unanswered = _unanswered(failure)
            if again and unanswered is not None and unanswered.fate == "not sent":  # but what was before it was
                raise MCPError(failure.code, failure.message, Unanswered("unknown", unanswered.error)) from failure
            raise

    # What the server asks in the middle of a call.

    async def _on_elicitation(
        self, _context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        return cast("types.ElicitResult | types.ErrorData", await self._asked(types.ElicitRequest(params=params)))

    async def _on_sampling(
        self, _context: ClientRequestContext, params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult | types.ErrorData:
        return cast("types.CreateMessageResult | types.ErrorData", await self._asked(types.CreateMessageRequest(params=params)))

    async def _asked(self, request: types.InputRequest) -> Answer:
        """Ask for the call that this came with, where the link tells; else for the only one there is."""
        asking = _call.get(None)
        if asking is None and self.calls != 1:
            return refused(
                f"{self.calls} calls are under way, and nothing says for which of them this is asked. Make one call at a time."
                if self.calls
                else "No call is under way for which a person or a model could be asked."
            )
        return await (asking or next(iter(self._under_way))).answer_beside(request)

    async def _linked(self, result: types.CallToolResult) -> Sequence[Contents]:
        """What the only link of a result leads to, if it can be had from the same server: it made it."""
        uri, offers = only_link(result), self.sdk.server_capabilities
        if uri is None or offers is None or offers.resources is None:
            return ()
        request = types.ReadResourceRequest(params=types.ReadResourceRequestParams(uri=uri))
        try:
            async with asyncio.timeout(LINK_S):
                return (await self.sdk.send_request(request, types.ReadResourceResult)).contents
        except (TimeoutError, ValueError, MCPError):
            return ()  # the call is done all the same, and its text names the link

    def _failed(self, failure: MCPError) -> ToolOutcome:
        unanswered = _unanswered(failure)
        if unanswered is not None:
            self.changed = True  # does it answer at all?
            if unanswered.fate == "not sent":
                raise Temporary(str(unanswered))
            return ToolOutcome("unknown" if unanswered.fate == "unknown" else "error", str(unanswered).removesuffix("."))
        if self.link.lost:
            return ToolOutcome("unknown", f"the tool server was lost during the call ({self.link.last_words()})")
        return ToolOutcome("error", cut(failure.message))

    async def listen(self) -> None:
        """On the newest protocol a server tells that its tools changed only to those who listen. What was missed is found out by asking."""
        offers = self.sdk.server_capabilities
        if offers is None or offers.tools is None or not offers.tools.list_changed:
            return
        while not self.link.lost:
            try:
                async with listen(self.sdk, tools_list_changed=True) as changes:
                    async for _ in changes:
                        pass  # told to `_on_message` as well
            except ListenNotSupportedError:
                return
            except (MCPError, SubscriptionLost):
                pass  # the question below says how it stands
            self.changed = True
            self._stir()
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _on_message(self, message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.changed = True
            self._stir()

    def _stir(self) -> None:
        if self.changed and not self.calls:
            self.link.stirred.set()

    @contextlib.asynccontextmanager
    async def _answer_expected(self) -> AsyncIterator[None]:
        """Turn whatever goes wrong into `Temporary`, unless the link knows better."""
        server = f"Tool server {self.settings.name!r}"
        try:
            async with asyncio.timeout(self.settings.connect_timeout_s):
                yield
        except TimeoutError as failure:
            known = self.link.last_words()
            why = f"did not answer within {self.settings.connect_timeout_s:g} s{known and ': '}{known}"
            raise Temporary(f"{server} {why}. If it is just being fetched or is slow to start, raise its connect_timeout_s.") from failure
        except (MCPError, ValueError, RuntimeError) as failure:
            if unanswered := _unanswered(failure):
                raise unanswered.error from failure
            raise Temporary(f"{server} does not speak MCP as expected: {cut(str(failure), 500)}") from failure


def _unanswered(failure: Exception) -> Unanswered | None:
    """What a link says of a request in place of an answer. No server can say this: it comes as an object, not as JSON."""
    return failure.error.data if isinstance(failure, MCPError) and isinstance(failure.error.data, Unanswered) else None


async def _provided(result: types.InputRequiredResult, asking: Asking) -> types.InputResponses | None:
    """What a server needs before it can make a call, as those from 2026 on say. Raises `MCPError` if it can't be had."""
    answers: types.InputResponses = {}
    for name, request in (result.input_requests or {}).items():
        answer = await asking.answer(request)
        if isinstance(answer, types.ErrorData):
            raise MCPError.from_error_data(answer)
        answers[name] = answer
    if not answers:
        await asyncio.sleep(AGAIN_S)
    return answers or None


async def _opened(failure: MCPError, asking: Asking) -> bool:
    """Has a person opened the pages without which a server does not make a call, as those of 2025 say?"""
    if failure.code != types.URL_ELICITATION_REQUIRED:
        return False
    try:
        pages = types.ElicitationRequiredErrorData.model_validate(failure.error.data).elicitations
    except ValueError:
        return False
    for page in pages:
        answer = await asking.answer(types.ElicitRequest(params=page))
        if not isinstance(answer, types.ElicitResult) or answer.action != "accept":
            return False
    return bool(pages)


def _offered(tool: types.Tool) -> Offered:
    hints = tool.annotations or types.ToolAnnotations()
    return Offered(
        name=tool.name,
        description=tool.description or tool.title or "",
        schema=tool.input_schema,
        read_only_hint=bool(hints.read_only_hint),
        idempotent_hint=bool(hints.idempotent_hint),
    )
