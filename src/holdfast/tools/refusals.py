"""What a server's refusal means, and what hinders a connection: as an error that says what to do. Pure."""

from __future__ import annotations

import email.utils
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx2
import msgspec

from holdfast.errors import Config, Temporary

SAID_CHARS_MAX: Final = 300
RETRY_AFTER_S_MAX: Final = 3600.0
_CERTIFICATE: Final = "CERTIFICATE_VERIFY_FAILED"
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL"})
_PROXY_SAYS_NO: Final = frozenset({"401", "403", "405", "407"})


@dataclass(frozen=True, slots=True)
class Place:
    """The server we talk of. `proven`: it has worked under these settings, so that what looks like a mistake in them will pass.

    `proxy`: what stands between, "" if nothing does.
    """

    name: str
    url: str
    headers: Mapping[str, str]
    proven: bool
    proxy: str = ""

    @property
    def server(self) -> str:
        way = f" (through the proxy {self.proxy})" if self.proxy else ""
        return f"Tool server {self.name!r} at {self.url}{way}"

    @property
    def table(self) -> str:
        return f"[tools.{self.name}]"

    def masked(self, text: str) -> str:
        """The text without the values of our headers: servers like to repeat a key that they refuse."""
        secrets = {secret for value in self.headers.values() for secret in (value, value.rpartition(" ")[2])}
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def refusal(place: Place, status: int, headers: Mapping[str, str], body: bytes) -> Temporary | Config:
    """Why a request was answered with this status instead of with MCP."""
    said = place.masked(_said(headers.get("content-type", ""), body))
    why = f"{status}{said and ': '}{said}"
    match status:
        case 401 | 403 | 407:
            mend = "Correct api_key or headers" if place.headers else 'Give it a key with api_key = "env:NAME"'
            return Config(f"{place.server} does not let us in ({why}). {mend} in {place.table}.")
        case 301 | 302 | 303 | 307 | 308:
            return Config(
                f"{place.server} sends us to {_target(place, headers)} ({status}), and your keys go nowhere else unasked. "
                f"If that is the right place, put it into url in {place.table}."
            )
        case 404 | 405 | 410 if not place.proven:
            return _no_endpoint(place, why)
        case _:
            return Temporary(f"{place.server} is not of use just now ({why}).", _retry_after_s(headers.get("retry-after", "")))


def not_mcp(place: Place, content_type: str) -> Temporary | Config:
    """It answered 200, with something that is not MCP."""
    why = f"it answers with {content_type.partition(';')[0].strip() or 'something without a type'}, which is not MCP"
    return Temporary(f"{place.server} is not of use just now: {why}.") if place.proven else _no_endpoint(place, why)


def broken(place: Place, error: Exception, connect_timeout_s: float) -> Temporary | Config:
    """Why there is no connection, or none any more."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return Config(
                    f"{place.server} shows a certificate that can't be trusted ({cause.verify_message}). Correct url in {place.table}, or name who signed it in SSL_CERT_FILE."
                )
            case ssl.SSLError(reason=str(reason)) if reason in _NOT_TLS:
                return Config(
                    f"{place.server} does not speak TLS there. Write http:// instead of https:// in {place.table}, or correct the port."
                )
            case httpx2.ProxyError():
                kind = Config if str(cause)[:3] in _PROXY_SAYS_NO else Temporary
                return kind(f"{place.server} can't be reached: the proxy answered {cause}.")
            case ConnectionRefusedError():
                return Temporary(f"{place.server} can't be reached: connection refused; is it running?")
            case socket.gaierror():
                return Temporary(
                    f"{place.server} can't be reached: its name is not known (DNS). If it is misspelt, correct url in {place.table}."
                )
            case TimeoutError() | httpx2.ConnectTimeout():
                return Temporary(f"{place.server} can't be reached: no connection within {connect_timeout_s:g} s.")
            case httpx2.RemoteProtocolError() | httpx2.ReadError() | httpx2.WriteError():
                return Temporary(f"{place.server} broke off the connection.")
    return Temporary(f"{place.server} can't be reached: {place.masked(str(error)) or type(error).__name__}.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, the deepest first."""
    if error is not None:
        if isinstance(error, BaseExceptionGroup):  # one for each address of a name
            for one in error.exceptions:
                yield from _causes(one)
        yield from _causes(error.__cause__ or error.__context__)
        yield error


def _no_endpoint(place: Place, why: str) -> Config:
    return Config(f"{place.server} is no MCP endpoint ({why}). Correct url in {place.table}: most servers have it at /mcp.")


def _target(place: Place, headers: Mapping[str, str]) -> str:
    """Where a redirect leads, without what may be secret in it."""
    try:
        return str(httpx2.URL(place.url).join(headers.get("location", "")).copy_with(userinfo=b"", query=None, fragment=None))
    except httpx2.InvalidURL:
        return "nowhere"


def _said(content_type: str, body: bytes) -> str:
    """The message in the body of a refusal, in one line; "" for a page for browsers."""
    text = body.decode(errors="replace")
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        told = text if content_type.startswith("text/plain") else ""
    for key in ("error", "message", "detail", "error_description"):
        if isinstance(told, dict) and told.get(key):
            told = told[key]
    line = " ".join(told.split()) if isinstance(told, str) else ""
    return line if len(line) <= SAID_CHARS_MAX else line[: SAID_CHARS_MAX - 1] + "…"


def _retry_after_s(value: str) -> float | None:
    """`Retry-After` in its two forms: seconds, or a date."""
    if value.isdecimal():
        wait_s = float(value)
    else:
        try:
            wait_s = (email.utils.parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # none, or a date without a zone
            return None
    return min(max(wait_s, 0.0), RETRY_AFTER_S_MAX)
