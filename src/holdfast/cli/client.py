"""The command line's end of the door.

The standard library's HTTP client, over a Unix socket: httpx2 takes three times as long to import, and `chat` should feel instant.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from holdfast.core.entries import Entry
from holdfast.errors import Config, Request, Temporary
from holdfast.invoked import command
from holdfast.web.wire import (
    ACCOUNT,
    KEEP_ALIVE_S,
    Adopted,
    Approval,
    BackUp,
    Differences,
    Link,
    Listed,
    Page,
    Post,
    Progress,
    Said,
    Saved,
    Stands,
    Step,
    Uploaded,
    Why,
    Writing,
)

if TYPE_CHECKING:
    from holdfast.ports import Access, Backup, Forgot, Freed, Offer, Person, PlatformState, RouteState, Used

REPLY_S_MAX: Final = 30.0
LONG_REPLY_S_MAX: Final = 86_400.0
"""Of what takes as long as there is much to do."""
SILENCE_S_MAX: Final = 3 * KEEP_ALIVE_S
SILENT: Final = "The gateway does not answer."

Event = Entry | Writing | Progress | Stands

T = TypeVar("T")


class Away(Temporary):
    """The gateway does not answer."""


class NotRunning(Away):
    """Nobody holds the door: what was to be sent has not gone anywhere."""


class Missing(Request):
    """There is no such thing."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("holdfast", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """Asks the gateway behind the door at `path`. All methods raise `Away` if it does not answer, `Request` if it refuses."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, name: str, post: Post) -> Saved:
        """Send a message; when this returns it is on disk. Safe to repeat with the same key."""
        return decoded(self._ask("POST", f"/v1/conversations/{quoted(name)}/messages", msgspec.json.encode(post)), Saved)

    def is_there(self) -> bool:
        """Does a gateway hold the door? Whether it answers is seen when it is asked."""
        connection = _Connection(self._path, REPLY_S_MAX)
        try:
            connection.connect()
        except OSError as error:
            if isinstance(error, FileNotFoundError | ConnectionRefusedError):
                return False
            raise away(error, self._path) from error
        finally:
            connection.close()
        return True

    def conversations(self, before: Listed | None = None) -> tuple[Listed, ...]:
        """The most recently changed first; `before` is the last one of those that were had before."""
        place = f"?before={quoted(before.key)}&at={before.last_at!r}" if before is not None else ""
        return decoded(self._ask("GET", f"/v1/conversations{place}"), tuple[Listed, ...])

    def search(self, text: str) -> tuple[Listed, ...]:
        """Those in which this is said, each with the words around it."""
        return decoded(self._ask("GET", f"/v1/conversations?search={quoted(text)}"), tuple[Listed, ...])

    def owing(self, most: int) -> tuple[Listed, ...]:
        """Those in which something is owed that is not done, the longest first."""
        return decoded(self._ask("GET", f"/v1/owing?most={most}"), tuple[Listed, ...])

    def used(self, since: float, before: float) -> tuple[Used, ...]:
        """What was asked of each route in that time, by whom."""
        from holdfast.ports import Used  # noqa: PLC0415 not needed to talk, and not free at start

        return decoded(self._ask("GET", f"/v1/used?since={since!r}&before={before!r}", within_s=LONG_REPLY_S_MAX), tuple[Used, ...])

    def adopt(self, lines: Iterable[bytes]) -> bool:
        """Begin a conversation with a past: the lines of `core.exported`. False if it is here, or another one has its place."""
        return decoded(self._ask("POST", "/v1/adopt", lines), Adopted).new

    def put(self, data: bytes) -> str:
        """Keep a file; returns its sha256."""
        return decoded(self._ask("POST", "/v1/files", data), Uploaded).sha256

    def login_link(self) -> Link:
        """A link that logs one browser in, once."""
        return decoded(self._ask("POST", "/v1/login/codes"), Link)

    def status(self) -> dict[str, Any]:
        """What the gateway says of itself."""
        return decoded(self._ask("GET", "/v1/status"), dict[str, Any])

    def compared(self) -> tuple[str, ...]:
        """What the configuration says by now that the gateway has otherwise. Raises `Config` if no gateway could start with it."""
        return decoded(self._ask("GET", "/v1/reload"), Differences).differences

    def reload(self) -> tuple[str, ...]:
        """Have the gateway start again with the configuration as it stands now. Returns what differs: if nothing does, it just goes on."""
        return decoded(self._ask("POST", "/v1/reload"), Differences).differences

    def leave_safe_mode(self) -> None:
        """Have the gateway see whether it survives its work now."""
        self._ask("POST", "/v1/safe-mode/leave")

    def back_up(self, file: Path) -> Backup:
        """Have a backup made there."""
        from holdfast.ports import Backup  # noqa: PLC0415 as above

        body = msgspec.json.encode(BackUp(str(file)))
        return decoded(self._ask("POST", "/v1/backups", body, within_s=LONG_REPLY_S_MAX), Backup)

    def vacuum(self) -> Freed:
        """Have room given back."""
        from holdfast.ports import Freed  # noqa: PLC0415 as above

        return decoded(self._ask("POST", "/v1/vacuum", within_s=LONG_REPLY_S_MAX), Freed)

    def forget(self, key: str) -> Forgot:
        """Have a conversation erased."""
        from holdfast.ports import Forgot  # noqa: PLC0415 as above

        return decoded(self._ask("DELETE", f"/v1/conversations/{quoted(key)}", within_s=LONG_REPLY_S_MAX), Forgot)

    def routes(self) -> tuple[RouteState, ...]:
        """How each route is, and what it did today."""
        from holdfast.ports import RouteState  # noqa: PLC0415 as above

        return decoded(self._ask("GET", "/v1/routes"), tuple[RouteState, ...])

    def tools(self) -> tuple[Offer, ...]:
        """The tool servers, and what they offer."""
        from holdfast.ports import Offer  # noqa: PLC0415 as above

        return decoded(self._ask("GET", "/v1/tools"), tuple[Offer, ...])

    def platforms(self) -> tuple[PlatformState, ...]:
        """The accounts of chat systems."""
        from holdfast.ports import PlatformState  # noqa: PLC0415 as above

        return decoded(self._ask("GET", "/v1/platforms"), tuple[PlatformState, ...])

    def retry_platform(self, name: str) -> None:
        """Connect an account that waits or is stopped now."""
        self._ask("POST", f"/v1/platforms/{quoted(name)}/retry")

    def people(self) -> tuple[Access, ...]:
        """Who may talk on each account, and who wants to."""
        from holdfast.ports import Access  # noqa: PLC0415 as above

        return decoded(self._ask("GET", "/v1/people"), tuple[Access, ...])

    def approve(self, code: str) -> Person:
        """Let in whoever was told this code."""
        from holdfast.ports import Person  # noqa: PLC0415 as above

        return decoded(self._ask("POST", "/v1/people/approve", msgspec.json.encode(Approval(code))), Person)

    def remove(self, account: str, person: str) -> None:
        """End somebody's access."""
        self._ask("DELETE", f"/v1/people/{quoted(account)}/{quoted(person)}")

    def why(self, key: str) -> str:
        """What the conversation does, waits for or asks."""
        return decoded(self._ask("GET", f"/v1/conversations/{quoted(key)}/why"), Why).words

    def file(self, sha256: str) -> bytes:
        """The bytes of a file, all of them."""
        data = self._ask("GET", f"/v1/files/{quoted(sha256)}", empty=True)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Away(SILENT)  # it was killed in the middle
        return data

    def retry(self, gate: str) -> None:
        """Open a gate now."""
        self._ask("POST", f"/v1/gates/{quoted(gate)}/retry")

    def retry_tools(self, server: str) -> None:
        """Start a tool server that is down or misconfigured now."""
        self._ask("POST", f"/v1/tools/{quoted(server)}/retry")

    def entries(self, key: str) -> tuple[Entry, ...]:
        """The whole conversation."""
        entries: list[Entry] = []
        more = True
        while more:
            page = self.page(key, entries[-1].seq if entries else 0)
            entries += page.entries
            more = page.more
        return tuple(entries)

    def page(self, key: str, after: int) -> Page:
        """The first entries after this one. Raises `Missing` if there is no such conversation."""
        return decoded(self._ask("GET", f"/v1/conversations/{quoted(key)}/entries?after={after}"), Page)

    def events(self, key: str, after: int) -> Iterator[Event | None]:
        """What is committed after `after`, and what is being written; None is a sign of life. Ends if the gateway stops."""
        return self._events(Events[Event](event_of), "GET", f"/v1/conversations/{quoted(key)}/events", {"Last-Event-ID": str(after)})

    def sign_in(self, account: str) -> Iterator[Step | None]:
        """The steps of signing in to an account; None is a sign of life. Raises `Request` if nothing comes of it; ends if the gateway stops."""
        return self._events(Events(_step), "POST", f"/v1/platforms/{quoted(account)}/sign-in", {})

    def answer_sign_in(self, account: str, said: str) -> None:
        """What a step asked for."""
        self._ask("POST", f"/v1/platforms/{quoted(account)}/sign-in/answer", msgspec.json.encode(Said(said)))

    def _events(self, events: Events[T], method: str, path: str, headers: dict[str, str]) -> Iterator[T | None]:
        connection = _Connection(self._path, SILENCE_S_MAX)
        try:
            for line in _response(connection, method, path, headers):
                yield from events.feed(line)
        except (OSError, http.client.HTTPException) as error:
            raise away(error, self._path) from error
        finally:
            connection.close()

    def _ask(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, *, empty: bool = False, within_s: float | None = None
    ) -> bytes:
        """The answer's body, within `REPLY_S_MAX` unless told otherwise. `empty`: it may be."""
        connection = _Connection(self._path, within_s or REPLY_S_MAX)
        try:
            answer = _response(connection, method, path, {}, body).read()
        except (OSError, http.client.HTTPException) as error:
            raise away(error, self._path) from error
        finally:
            connection.close()
        if not answer and not empty:
            raise Away(SILENT)  # it was killed between the head and the body
        return answer


def _response(
    connection: _Connection, method: str, path: str, headers: dict[str, str], body: bytes | Iterable[bytes] | None = None
) -> http.client.HTTPResponse:
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    if response.status != http.client.OK:
        raise refusal(response.status, response.read())
    return response


# --- what both ways to the door share ---------------------------------------------------------------------------------------------------


def refusal(status: int, body: bytes) -> Away | Config | Request:
    """What to raise for an answer with this status."""
    try:
        sentence = str(msgspec.json.decode(body)["error"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        sentence = f"The gateway refused with status {status}."
    if status >= http.client.INTERNAL_SERVER_ERROR:
        return Away(sentence)
    match status:
        case http.client.NOT_FOUND:
            return Missing(sentence)
        case http.client.UNPROCESSABLE_ENTITY:
            return Config(sentence)
        case _:
            return Request(sentence)


class Events(Generic[T]):
    """Reads server-sent events, however they are cut into pieces. `read` knows them by their kinds."""

    def __init__(self, read: Callable[[str, bytes], T | None]) -> None:
        self._read = read
        self._rest = b""
        self._kind = ""
        self._data = b""

    def feed(self, piece: bytes) -> Iterator[T | None]:
        """The events that end in this piece; None for a sign of life, or for news of a later version."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"event: "):
                self._kind = line[7:].decode()
            elif line.startswith(b"data: "):
                self._data = line[6:]
            elif not line:
                yield self._read(self._kind, self._data)
                self._kind, self._data = "", b""


def event_of(kind: str, data: bytes) -> Event | None:
    match kind:
        case "entry":
            return decoded(data, Entry)
        case "writing":
            return decoded(data, Writing)
        case "progress":
            return decoded(data, Progress)
        case "standing":
            return decoded(data, Stands)
        case _:
            return None


def _step(kind: str, data: bytes) -> Step | None:
    """Raises `Request` if nothing comes of it, `Away` if it may another time."""
    if kind in {"refused", "away"}:
        raise refusal(http.client.BAD_REQUEST if kind == "refused" else http.client.SERVICE_UNAVAILABLE, data)
    return decoded(data, Step) if kind == "step" else None


def decoded(text: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=type_)
    except msgspec.MsgspecError as error:
        raise Request(f"The gateway's answer can't be read ({error}). Is this command of the same version? Restart the gateway.") from error


def away(error: BaseException, path: Path) -> Temporary | Config:
    if isinstance(error, PermissionError):
        return Config(f"The door {path} belongs to somebody else. Run this as the user who runs the gateway.")
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return NotRunning(f"The gateway is not running. Start it with `{command('run')}`.")
    return Away(SILENT)


def key_of(name: str) -> str:
    """The key of a conversation that a person names: by its name, or by the whole key."""
    return name if ":" in name else f"{ACCOUNT}:{name}"


def quoted(name: str) -> str:
    return quote(name, safe="")
