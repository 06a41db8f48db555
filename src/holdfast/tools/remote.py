"""A tool server that runs elsewhere, spoken to over streamable HTTP.

Not the SDK's own transport: that loses what a refusal says (a wrong key, a pause and a crash look the same), cancels the task that entered it when
a connection is refused, lets one slow notification hold all others up, and can't say whether a call was sent. Here

- a failure is the failure of one request (`Unanswered`, with what is known of its fate), never of those beside it;
- a session that the server forgot is begun anew underneath, and what was refused because of that is sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import anyio
import httpx2
import mcp_types as types
from mcp.client.session import ClientSession
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from holdfast import environment
from holdfast.errors import Config, Temporary
from holdfast.tools.exchange import AGAIN_S_MAX, AGAIN_S_MIN, Http, Sending, content_type, is_stream, moved_to
from holdfast.tools.link import Fate, Linked, Unanswered, read
from holdfast.tools.refusals import Place, broken, not_mcp, refusal
from holdfast.tools.settings import Address

INBOX_MAX: Final = 16
TELLING_MAX: Final = 64
"""Notifications and answers of ours under way at once."""
TRIES_MAX: Final = 4
"""Of one request: after a redirect, after a session that was forgotten."""
RESUMES_MAX: Final = 3
"""Of a stream that broke off, without a new event."""
GOODBYE_S: Final = 1.0

_SESSION: Final = "mcp-session-id"
_VERSION: Final = "mcp-protocol-version"
_SESSION_FORGOTTEN: Final = frozenset({400, 404, 410})
"""The protocol says 404; many servers say 400."""
_NO_ANSWER: Final = frozenset({401, 403, 407, 408, 429})
"""What is said before MCP is, whatever the body."""
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")

Sink = Callable[[types.JSONRPCMessage], Awaitable[None]]
Answer = types.JSONRPCResponse | types.JSONRPCError


async def reach(name: str, address: Address, connect_timeout_s: float, *, proven: bool) -> Linked:
    """Make ready to talk; nothing is sent yet. Raises `Config` if this can't be the address of a server."""
    mend = f"Correct it in [tools.{name}]."
    try:
        url = httpx2.URL(address.url)
    except httpx2.InvalidURL as failure:
        raise Config(f"Tool server {name!r}: url is none ({failure}). {mend}") from failure
    if url.scheme not in {"http", "https"} or not url.host or (url.port or 0) > 65_535:
        raise Config(f"Tool server {name!r}: url must begin with http:// or https://, a host, and a port below 65536 if any. {mend}")
    for header, value in address.headers.items():
        if not _HEADER_NAME.fullmatch(header) or not _HEADER_VALUE.fullmatch(value):
            raise Config(f"Tool server {name!r}: name or value of the header {header!r} has a character that HTTP forbids. {mend}")
    shown = str(url.copy_with(userinfo=b"", query=None, fragment=None))
    place = Place(name, shown, address.headers, proven, environment.name_of(environment.proxy_for(address.url)))
    try:
        if url.scheme == "https":
            await asyncio.to_thread(environment.trusted)  # 20 ms at the first time
        remote = Remote(place, url, connect_timeout_s)
    except environment.Unusable as unusable:
        raise Config(f"{place.server} can't be reached: {unusable}.") from None  # what caused it may quote a password
    return Linked(remote, functools.partial(ClientSession, remote.inbox, remote))


class _Again(Exception):
    """It was not done, for a reason that can be put out of the way."""

    def __init__(self, *, forgotten: bool) -> None:
        super().__init__()
        self.forgotten = forgotten


@dataclass(slots=True)
class _Asked:
    """A request of the SDK's under way."""

    item: SessionMessage
    sending: Sending = field(default_factory=Sending)
    task: asyncio.Task[None] | None = None


class Remote:
    """A `Link` over HTTP, and the stream that the SDK writes to."""

    def __init__(self, place: Place, url: httpx2.URL, connect_timeout_s: float) -> None:
        self._http = Http(place, url, connect_timeout_s)
        self.lost = False
        self.stirred = asyncio.Event()
        self.pid: None = None
        # These carry the context of who sends, so that what a server asks in the stream of a call is known to belong to that call.
        self._outbox, self.inbox = create_context_streams[SessionMessage | Exception](INBOX_MAX)
        self._place = place
        self._connect_timeout_s = connect_timeout_s
        self._why = ""
        self._bug: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: dict[types.RequestId, _Asked] = {}
        self._telling = 0
        self._session = ""
        self._version = ""
        self._greeting: SessionMessage | None = None
        self._renewal = asyncio.Lock()

    def lose(self, why: str) -> None:
        if not self.lost:
            self.lost = True
            self._why = why
            for task in self._tasks:
                task.cancel()
            self._outbox.close()
            self.stirred.set()

    def last_words(self) -> str:
        return self._why

    async def stop(self) -> None:
        self.lose("it was stopped")
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._session:
                await self._tell("DELETE", b"", GOODBYE_S)
        finally:
            await self._http.close()
        if self._bug is not None:
            raise self._bug

    # What the SDK writes.

    async def send(self, item: SessionMessage, /) -> None:
        """Never waits for the server, but with the one message that no other must overtake."""
        if self.lost:
            raise anyio.ClosedResourceError
        message = item.message
        self._version = _stamped(item) or self._version
        match message:
            case types.JSONRPCRequest():
                if message.method == "initialize":
                    self._greeting, self._version = item, ""
                asked = self._asked[message.id] = _Asked(item)
                asked.task = self._own(self._ask(message.id, asked))
            case types.JSONRPCNotification(method="notifications/initialized"):
                await self._tell("POST", _encoded(item), self._connect_timeout_s)
                self._own(self._hear())
            case types.JSONRPCNotification(method="notifications/cancelled", params={"requestId": int() | str() as request}):
                if request in self._asked:
                    self._own(self._cancel(self._asked[request], _encoded(item)))
            case _ if self._telling < TELLING_MAX:
                self._own(self._tell("POST", _encoded(item), self._connect_timeout_s))
            case _:
                self.lose("it asks more than it takes answers")

    async def aclose(self) -> None:
        """Nothing: whoever made the link stops it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._bug = bug
            self.lose("of a mistake in Holdfast")

    async def _deliver(self, message: types.JSONRPCMessage) -> None:
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):  # nobody listens any more
            await self._outbox.send(SessionMessage(message))

    # Requests.

    async def _ask(self, request: types.RequestId, asked: _Asked) -> None:
        try:
            answer = await self._answer(request, asked.item, asked.sending, self._deliver)
        except Unanswered as failure:
            error = types.ErrorData(code=types.CONNECTION_CLOSED, message=str(failure), data=failure)
            answer = types.JSONRPCError(jsonrpc="2.0", id=request, error=error)
        finally:
            if self._asked.get(request) is asked:
                del self._asked[request]
        await self._deliver(answer)

    async def _answer(self, request: types.RequestId, item: SessionMessage, sending: Sending, sink: Sink) -> Answer:
        """Send a request until it is answered or its fate is known; what comes before the answer goes to the sink. Raises `Unanswered`."""
        renewed = False
        for _ in range(TRIES_MAX):
            sending.session = self._session
            try:
                async with self._http.exchange(sending, "POST", _encoded(item), self._headers(sending, item)) as response:
                    answer = await self._read(request, sending, response, sink, forgettable=not renewed)
            except _Again as again:
                if again.forgotten:
                    renewed = True
                    await self._renew(sending.session)
            else:
                return answer or await self._resumed(request, sending, sink)
        raise Unanswered("refused", Temporary(f"{self._place.server} sends us round in circles."))

    async def _read(
        self, request: types.RequestId, sending: Sending, response: httpx2.Response, sink: Sink, *, forgettable: bool
    ) -> Answer | None:
        """The answer in a response; None if a stream ended without it. Raises `Unanswered`, or `_Again`."""
        status, kind = response.status_code, content_type(response)
        if moved := moved_to(response):
            self._http.url = moved
            raise _Again(forgotten=False)
        if status in _SESSION_FORGOTTEN and sending.session and forgettable:
            raise _Again(forgotten=True)
        if response.is_success and response.headers.get("content-encoding", "identity") != "identity":
            raise Unanswered("unknown", Temporary(f"{self._place.server} packs its answers, though it was asked not to."))
        if response.is_success and not sending.session:
            self._session = response.headers.get(_SESSION, "")
        if is_stream(response):
            return await self._listened(request, sending, response, sink)
        body = await self._http.body(response)
        answer = await _answer_in(body, request, named=status >= 500) if kind == "application/json" else None
        if answer and status not in _NO_ANSWER:
            return answer
        if status in {202, 204}:
            raise Unanswered("unknown", Temporary(f"{self._place.server} took the request, and gives no answer."))
        if response.is_success:
            raise Unanswered("unknown", not_mcp(self._place, kind))
        fate: Fate = "unknown" if status >= 500 or status == 408 else "refused"
        raise Unanswered(fate, refusal(self._place, status, response.headers, body))

    async def _listened(self, request: types.RequestId, sending: Sending, response: httpx2.Response, sink: Sink) -> Answer | None:
        async with contextlib.aclosing(self._http.messages(sending, response)) as messages:
            async for message in messages:
                if answer := _if_answer(message, request):
                    return answer
                await sink(message)
        return None

    async def _resumed(self, request: types.RequestId, sending: Sending, sink: Sink) -> Answer:
        """Where a stream numbers its events, it can be read on from the last one."""
        tries = 0
        while sending.last_event and tries < RESUMES_MAX:
            await asyncio.sleep(sending.again_s)
            seen = sending.last_event
            with contextlib.suppress(Unanswered):
                async with self._http.exchange(sending, "GET", b"", self._headers(sending)) as response:
                    if is_stream(response) and (answer := await self._listened(request, sending, response, sink)):
                        return answer
            tries = tries + 1 if sending.last_event == seen else 0
        raise Unanswered("unknown", Temporary(f"{self._place.server} broke off the connection before it answered."))

    async def _cancel(self, asked: _Asked, notice: bytes) -> None:
        """Tell the server, unless it knows nothing of the request, or takes our end of the connection for the sign."""
        if asked.sending.written and self._version not in MODERN_PROTOCOL_VERSIONS:
            await self._tell("POST", notice, self._connect_timeout_s)
        if asked.task:
            asked.task.cancel()

    # Sessions, and what is said unasked.

    async def _renew(self, forgotten: str) -> None:
        """Begin a new session in place of the one that the server forgot. Raises `Unanswered`: then nothing was done."""
        async with self._renewal:
            if self._session != forgotten or self._greeting is None:
                return
            self._session = ""
            try:
                async with asyncio.timeout(self._connect_timeout_s):
                    answer = await self._answer(0, _numbered(self._greeting, 0), Sending(), self._deliver)
            except TimeoutError as failure:
                raise Unanswered("not sent", broken(self._place, failure, self._connect_timeout_s)) from failure
            except Unanswered as failure:
                raise Unanswered("not sent", failure.error) from failure
            finally:
                self._session = self._session or forgotten
            if not isinstance(answer, types.JSONRPCResponse) or answer.result.get("protocolVersion") != self._version:
                self.lose("it came back as another one")
                raise Unanswered("not sent", Temporary(f"{self._place.server} came back as another one."))
            initialized = types.JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
            await self._tell("POST", _encoded(SessionMessage(initialized)), self._connect_timeout_s)
            self.stirred.set()  # its tools may be others

    async def _hear(self) -> None:
        """What the server says unasked. When that stream ends, the owner looks whether the server still answers."""
        loop = asyncio.get_running_loop()
        sending = Sending()
        while True:
            began, sending.session = loop.time(), self._session
            with contextlib.suppress(Unanswered):
                async with self._http.exchange(sending, "GET", b"", self._headers(sending)) as response:
                    if is_stream(response):
                        async with contextlib.aclosing(self._http.messages(sending, response)) as messages:
                            async for message in messages:
                                await self._deliver(message)
                    elif response.status_code < 500 and not (response.status_code in _SESSION_FORGOTTEN and sending.session):
                        return  # it has nothing to say unasked
            self.stirred.set()
            sending.again_s = AGAIN_S_MIN if loop.time() - began > AGAIN_S_MAX else min(2 * sending.again_s, AGAIN_S_MAX)
            await asyncio.sleep(sending.again_s)

    async def _tell(self, method: str, content: bytes, within_s: float) -> None:
        """Something that has no answer. Whether it arrives, nobody depends on."""
        self._telling += 1
        sending = Sending(session=self._session)
        try:
            with contextlib.suppress(Unanswered, TimeoutError):
                async with asyncio.timeout(within_s), self._http.exchange(sending, method, content, self._headers(sending)):
                    pass
        finally:
            self._telling -= 1

    def _headers(self, sending: Sending, item: SessionMessage | None = None) -> dict[str, str]:
        stamps = item.metadata.headers if item and isinstance(item.metadata, ClientMessageMetadata) else None
        headers = {
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            _SESSION: sending.session,
            _VERSION: self._version,
            "last-event-id": sending.last_event,
            **{name.lower(): value for name, value in (stamps or {}).items()},
        }
        return {name: value for name, value in headers.items() if value}


def _encoded(item: SessionMessage) -> bytes:
    return item.message.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _numbered(item: SessionMessage, request: types.RequestId) -> SessionMessage:
    return SessionMessage(item.message.model_copy(update={"id": request}), item.metadata)


def _stamped(item: SessionMessage) -> str:
    """The version of the protocol, as the SDK marks its messages with it once that is settled."""
    headers = item.metadata.headers if isinstance(item.metadata, ClientMessageMetadata) else None
    return {name.lower(): value for name, value in (headers or {}).items()}.get(_VERSION, "")


async def _answer_in(body: bytes, request: types.RequestId, *, named: bool) -> Answer | None:
    """The answer to a request, if a body is one. `named`: only if it says so itself."""
    try:
        message = await read(body)
    except ValueError:
        return None
    return None if named and getattr(message, "id", None) is None else _if_answer(message, request)


def _if_answer(message: types.JSONRPCMessage, request: types.RequestId) -> Answer | None:
    """The message, if it answers this request. An error without an id is meant for whoever asked."""
    if isinstance(message, types.JSONRPCResponse | types.JSONRPCError) and str(message.id) in {str(request), "None"}:
        return message.model_copy(update={"id": request})
    return None
