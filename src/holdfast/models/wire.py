"""One request to a model server and what came back: sent once, read with patience that ends, and kept as it was for whoever has to find out
what went wrong.

A library that stands between would lose what matters: bodies of errors, whether a stream broke off or ended, the events it did not expect.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any, Final, Literal

import httpx2
import msgspec

from holdfast import environment
from holdfast.models import Endpoint
from holdfast.ports import ModelFailed, RawFailure
from holdfast.secrets import MASKED_CHARS_MIN
from holdfast.settings import SECRET_HEADER

BODY_BYTES_MAX: Final = 64 * 1024
_TAIL_BYTES_MAX: Final = 16 * 1024
_HEAD_BYTES_MAX: Final = BODY_BYTES_MAX - _TAIL_BYTES_MAX
_WHY_CHARS_MAX: Final = 300

USER_CHARS_MAX: Final = 64
"""What OpenAI takes; others take more."""
_MARK_CHARS: Final = 32

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""What a server may send for one answer: a quarter of a million events. Nobody reads more, and memory ends."""

REST_S: Final = 2.0
"""How long the rest of a stream (the usage) is waited for once the answer is complete."""

DRAIN_S: Final = 0.1
"""How long the end of the body is waited for after the last event, so that the connection can be used again."""

_NESTED_MAX: Final = 200
_TOO_DEEP: Final = "nested too deeply"

YIELD_AFTER_S: Final = 0.01
"""How long events that are already here are worked on before others get their turn on the loop."""

Transport = Literal["", "reset", "eof-clean"]


def now() -> float:
    """The loop's own time: what its time-outs are counted in."""
    return asyncio.get_running_loop().time()


class Broken(Exception):
    """There will be no complete answer. The text goes on after the name of the host."""

    def __init__(self, why: str, transport: Transport = "") -> None:
        super().__init__(why)
        self.transport: Transport = transport


class Connection:
    """The HTTP of one route: its address, its key, and the connections that are used again.

    Of two headers of the same name, the owner's is sent. Raises `ModelFailed` if the environment names a proxy or a file that can't be used.
    """

    def __init__(self, endpoint: Endpoint, url: str, headers: Mapping[str, str]) -> None:
        self.endpoint = endpoint
        self.host = endpoint.base_url.partition("//")[2].partition("/")[0].rpartition("@")[2] or endpoint.name
        self.url = url
        own = {name.lower(): value for name, value in endpoint.headers.items()}
        self.headers = {"content-type": "application/json", "accept": "text/event-stream", **headers, **own}
        self.secrets = _secrets(endpoint.api_key, own)
        self.proxy = environment.name_of(environment.proxy_for(url))
        try:
            self.http = environment.client(
                url,
                timeout=httpx2.Timeout(None, connect=endpoint.connect_timeout_s),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
                headers={"user-agent": "holdfast"},
            )
        except environment.Unusable as unusable:
            failure = RawFailure(f"{self.host} can't be reached: {unusable}", exception=f"Unusable: {unusable}")
            raise ModelFailed(failure) from None  # what caused it may quote a password

    async def close(self) -> None:
        await self.http.aclose()


def _secrets(key: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    """What is made unreadable in whatever a server says: providers like to repeat a key that they refuse (without the scheme before it)."""
    given = [key, *(value.split()[-1] for name, value in headers.items() if SECRET_HEADER.search(name) and value.strip())]
    return tuple(secret for secret in given if len(secret) >= MASKED_CHARS_MIN)


def name_of_user(endpoint: Endpoint, user: str) -> str:
    """Who asks, as the endpoint is told: "" if it is not. What is too long ends with a mark of the whole, so that nobody becomes another."""
    if not endpoint.send_user or len(user) <= USER_CHARS_MAX:
        return user if endpoint.send_user else ""
    mark = hashlib.sha256(user.encode(errors="surrogatepass")).hexdigest()[:_MARK_CHARS]
    return user[: USER_CHARS_MAX - _MARK_CHARS] + mark


class Exchange:
    """One request, and of its answer: status, headers, and the first 48 kB and the last 16 kB of the body."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._first_event_timeout_s = connection.endpoint.first_event_timeout_s
        self._idle_timeout_s = connection.endpoint.idle_timeout_s
        self._deadline = now() + self._first_event_timeout_s
        self._response: httpx2.Response | None = None
        self._head = bytearray()
        self._tail = bytearray()
        self._size = 0
        self._begun = False
        self._ended = False
        self.complete = False
        """Set by the reader as soon as what came is a whole answer: from then on nothing that happens to the connection matters."""

    async def send(self, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Send the request, and after a refusal perhaps another one. Returns the status when the headers of the answer are here. Raises `Broken`."""
        self._head, self._tail, self._size = bytearray(), bytearray(), 0
        http, to = self._connection.http, self._connection
        try:
            async with asyncio.timeout_at(self._deadline):
                request = http.build_request("POST", to.url, headers={**to.headers, **(headers or {})}, content=body)
                self._response = await _sent(http, request)
                if self._response.status_code != httpx2.codes.OK:
                    await self._read_error(self._response)
        except TimeoutError as error:
            raise Broken(f"sent nothing for {self._first_event_timeout_s:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            way = f" through the proxy {to.proxy}" if to.proxy else ""
            raise Broken(f"can't be reached{way}: {_plainly(error)}") from error
        return self._response.status_code

    async def _read_error(self, response: httpx2.Response) -> None:
        try:
            async for piece in response.aiter_bytes():
                self._keep(piece)
                if self._size >= BODY_BYTES_MAX:
                    break
        except httpx2.HTTPError:
            return  # the status is known, and says more than how its text broke off
        finally:
            await response.aclose()

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """The JSON of each server-sent event, until the stream ends as it should. Raises `Broken`."""
        assert self._response is not None
        parser = _Parser()
        async with aclosing(self._response.aiter_bytes()) as pieces:
            ended = False
            while not ended:
                piece, ended = await self._piece(pieces)
                for kind, data in parser.feed(piece):
                    if data == b"[DONE]":
                        self.ended()
                    elif not self._ended:
                        yield self._decoded(kind, data)
        if not self.complete:
            raise self._broken(None)

    def heard(self) -> None:
        """An event came that belongs to an answer."""
        self._begun = True
        self._deadline = min(self._deadline, now() + REST_S) if self.complete else now() + self._idle_timeout_s

    def ended(self) -> None:
        """The last event came: nothing but the end of the body is waited for, and nothing is read."""
        self._ended = True
        self._deadline = min(self._deadline, now() + DRAIN_S)

    async def close(self) -> None:
        if self._response is not None:
            await self._response.aclose()

    def _decoded(self, kind: bytes, data: bytes) -> dict[str, Any]:
        try:
            event = parsed(data)
        except ValueError as error:
            raise Broken("sent an event that is not JSON") from error
        if not isinstance(event, dict):
            raise Broken("sent an event that is not a JSON object")
        if kind == b"error" or event.get("type") == "error" or event.get("error"):
            raise Broken(f"reported an error instead of an answer: {message_of(data.decode())}")
        return event

    async def _piece(self, pieces: AsyncGenerator[bytes, None]) -> tuple[bytes, bool]:
        """The next piece of the body, and whether it is the last."""
        try:
            async with asyncio.timeout_at(self._deadline):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return b"\n\n", True  # closes an event that nothing closed
        except (TimeoutError, httpx2.HTTPError) as error:
            if self.complete:
                return b"", True
            raise self._broken(error) from error
        self._keep(piece)
        if self._begun and not self.complete:
            self._deadline = now() + self._idle_timeout_s  # a comment or a ping is no part of an answer, but no silence either
        return piece, False

    def _broken(self, error: Exception | None) -> Broken:
        """Why there is nothing more. Without an error, the stream ended cleanly."""
        match error:
            case TimeoutError() if self._begun:
                return Broken(f"stopped in the middle of its answer for {self._idle_timeout_s:g} s")
            case TimeoutError():
                return Broken(f"sent nothing of an answer for {self._first_event_timeout_s:g} s")
            case None if self._begun:
                return Broken("ended its answer in the middle", "eof-clean")
            case None:
                return Broken(f"sent no answer: {message_of(self.body()) or 'the body is empty'}")
            case _:
                return Broken(f"broke off its answer: {described(error)}", "reset")

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > ANSWER_BYTES_MAX:
            raise Broken(f"sent more than {ANSWER_BYTES_MAX} bytes for one answer")
        room = max(_HEAD_BYTES_MAX - len(self._head), 0)
        self._head += piece[:room]
        self._tail += piece[room:]
        if len(self._tail) > 2 * _TAIL_BYTES_MAX:
            del self._tail[:-_TAIL_BYTES_MAX]

    def body(self) -> str:
        """The text that came, at most 64 kB, without the secret."""
        gap = b"\n" if self._size > BODY_BYTES_MAX else b""
        return self._mask((bytes(self._head) + gap + bytes(self._tail[-_TAIL_BYTES_MAX:])).decode("utf-8", "replace"))

    def failure(self, broken: Broken) -> ModelFailed:
        """Everything that is known, as the runtime takes it."""
        status: int | None = None
        headers: tuple[tuple[str, str], ...] = ()
        if self._response is not None:
            status = self._response.status_code
            headers = tuple((name, self._mask(value)) for name, value in self._response.headers.items())
        cause = broken.__cause__
        exception = self._mask(described(cause)) if cause is not None else ""
        if exception and self._connection.proxy:
            exception += f" (through the proxy {self._connection.proxy})"
        return ModelFailed(
            RawFailure(self._mask(f"{self._connection.host} {broken}"), status, headers, self.body(), broken.transport, exception)
        )

    def _mask(self, text: str) -> str:
        for secret in self._connection.secrets:
            text = text.replace(secret, "***")
        return text


async def _sent(http: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
    """The head of the answer. Servers close what was idle for a while (5 s is common), and a request may cross that: it never got there, and is
    sent once more. Of a new connection that says nothing nobody knows why, and the weather decides."""
    opened = False

    async def seen(event: str, _: Mapping[str, Any]) -> None:
        nonlocal opened
        opened = opened or event.startswith("connection.connect_tcp")

    request.extensions = {**request.extensions, "trace": seen}
    try:
        return await http.send(request, stream=True)
    except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
        if opened:
            raise
        return await http.send(request, stream=True)


class _Parser:
    """Server-sent events out of the pieces of a body."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._kind = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Kind and data of each event that this piece completes."""
        self._rest += piece
        if b"\n" not in piece:
            return
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            name, _, value = bytes(line.rstrip(b"\r")).partition(b":")
            if name == b"data":
                self._data.append(value.strip())
            elif name == b"event":
                self._kind = value.strip()
            elif not name and not value:
                if self._data:
                    yield self._kind, b"\n".join(self._data)
                self._kind, self._data = b"", []


def parsed(text: bytes | str) -> Any:
    """The JSON of a server. Raises `ValueError` if it is none, or so deeply nested that nobody could pass it on."""
    try:
        value = msgspec.json.decode(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except msgspec.DecodeError:
        value = _mended(text)
    data = text.encode() if isinstance(text, str) else text
    if data.count(b"{") + data.count(b"[") > _NESTED_MAX and _depth(value) > _NESTED_MAX:
        raise ValueError(_TOO_DEEP)
    return value


def _mended(text: bytes | str) -> Any:
    """Texts cut in the middle of a character are common, halves of surrogate pairs as escapes: what was cut becomes U+FFFD. Raises `ValueError`."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    return msgspec.json.decode(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [inner for one in level if isinstance(one, (dict, list)) for inner in (one.values() if isinstance(one, dict) else one)]:
        depth += 1
    return depth


def refused(status: int, said: str) -> Broken:
    """The server answered with a status that is not success, and said this."""
    return Broken(f"answered with HTTP status {status}: {message_of(said) or 'no reason given'}")


def described(error: BaseException) -> str:
    """`Type: text`, with the text of what caused it in the end: `ConnectError: [Errno 111] Connection refused`."""
    text, cause = str(error), error.__cause__ or error.__context__
    while cause is not None:
        text, cause = str(cause) or text, cause.__cause__ or cause.__context__
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _plainly(error: BaseException) -> str:
    """Why no connection came about, in words for people where it is one of the usual reasons."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ConnectionRefusedError():
                return "connection refused; is it running?"
            case socket.gaierror():
                return "its name is not known (DNS)"
            case httpx2.ConnectTimeout():
                return "no connection in time"
            case httpx2.ProxyError():
                return f"it answered {cause}"
            case _:
                cause = cause.__cause__ or cause.__context__
    return described(error)


def message_of(body: str) -> str:
    """What an error body says, in one line for people. Nothing is decided by it."""
    text = " ".join((_said(body) or body).split())
    return text if len(text) <= _WHY_CHARS_MAX else text[: _WHY_CHARS_MAX - 1] + "…"


def _said(body: str) -> str:
    """The message in an error body of the usual shape: `{"error": {"message": ...}}`, `{"error": ...}`, `{"message": ...}`, `{"detail": ...}`."""
    try:
        told = parsed(body)
    except ValueError:
        return ""
    for key in ("error", "message", "detail"):
        if isinstance(told, dict) and told.get(key):
            told = told[key]
    return told if isinstance(told, str) else ""
