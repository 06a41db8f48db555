"""Failures without an answer: names, connections, certificates, time-outs, as `Type: text` of the HTTP library tells them."""

from __future__ import annotations

import re
from typing import Final

from holdfast.models.classify.words import Verdict

EXCEPTION_CHARS_MAX: Final = 2_000

EXPIRED: Final = "The server's certificate has expired"
OTHER_NAME: Final = "The server's certificate was made out to another name"
UNTRUSTED: Final = "The server's certificate can't be trusted"
NO_NAME: Final = "Its name is not known (DNS)"
NO_NAME_NOW: Final = "Its name can't be looked up now (DNS)"
PLAIN: Final = (EXPIRED, OTHER_NAME, UNTRUSTED, NO_NAME, NO_NAME_NOW)
"""Why nothing came, with nothing to add."""

_TIMED_OUT: Final = re.compile(r"time-?d? ?out|TimeoutError", re.IGNORECASE)
_MISTAKES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (why, re.compile("|".join(alternatives), re.IGNORECASE))
    for why, alternatives in (
        (EXPIRED, ("certificate has expired", "CERTIFICATE_EXPIRED", "cert.{0,30}expired")),
        ("The server's certificate is not valid yet", ("not yet valid",)),
        (
            OTHER_NAME,
            (
                "hostname mismatch",
                "doesn't match",
                "does not match",
                "not valid for",
                "IP address mismatch",
                "CERT_COMMON_NAME",
                "UNRECOGNIZED_NAME",
            ),
        ),
        (
            UNTRUSTED,
            (
                "CERTIFICATE_",
                "self.signed",
                "local issuer",
                "UNKNOWN_CA",
                "unknown ca",
                "certificate required",
                "SSLCertVerification",
                "CERT_AUTHORITY",
            ),
        ),
        (
            "The server does not speak TLS there, or none that we speak",
            (
                "WRONG_VERSION",
                "RECORD_LAYER",
                "record layer",
                "UNKNOWN_PROTOCOL",
                "HTTP_REQUEST",
                "HTTPS_PROXY_REQUEST",
                "wrong version",
                "PACKET_LENGTH",
                "UNSUPPORTED_PROTOCOL",
                "NO_PROTOCOLS",
                "alert.protocol.version",
                "NO_CIPHERS",
                "KEY_TOO_SMALL",
            ),
        ),
        (
            "The address is not a valid one",
            (
                "InvalidURL",
                "UnsupportedProtocol",
                "missing an 'https?://'",
                "LocationParse",
                "Invalid (port|host|URL|IDNA|non-printable)",
                "Unicode(Encode)?Error",
                "label (empty|too long)",
                "codec can't encode",
            ),
        ),
        ("A header that we are to send is not valid", ("LocalProtocolError.*(header|Illegal)", "Illegal header", "Invalid header")),
        ("The address leads round in circles", ("redirect",)),
        ("The proxy refuses us", ("Proxy Authentication", r"ProxyError.*\b40[01357]\b", "SOCKS.*(auth|not allowed)")),
    )
)
_NAME_LATER: Final = re.compile(r"Errno -3\b|Temporary failure in name|EAI_AGAIN|Try again|Errno 11002|SERVFAIL", re.IGNORECASE)
_NO_NAME: Final = re.compile(
    r"gaierror|getaddrinfo|Name or service not known|nodename nor servname|No address associated|Errno -[258]\b|Errno 11001|EAI_NONAME|"
    r"ENOTFOUND|NXDOMAIN|name resolution|name does not resolve|DNS|dns error|resolve host",
    re.IGNORECASE,
)
_REFUSED: Final = re.compile(r"Connection refused|ECONNREFUSED|Connect call failed|actively refused|Errno (111|61|10061)\b", re.IGNORECASE)
_NOT_HTTP: Final = re.compile(r"illegal (status|header|response) line", re.IGNORECASE)
_CONNECTION: Final = re.compile(
    r"Connect|Network|reset|Read ?Error|Write ?Error|CloseError|RemoteProtocol|Protocol|disconnected|closed|EOF|unreachable|No route|Broken pipe|BrokenResource|"
    r"aborted|ProxyError|Transport|Incomplete|SSL|Pool|Decoding|OSError|socket|ECONN|EPIPE|Stream|ChunkedEncoding|hang up|HTTPError|ClosedResource|"
    r"EndOfStream|GOAWAY|Too many open files|cannot assign|fetch failed|RequestError",
    re.IGNORECASE,
)


def kind_of(exception: str, *, worked_before: bool) -> Verdict:
    """The class, and what happened in a few words."""
    exception = exception[:EXCEPTION_CHARS_MAX]
    for why, pattern in _MISTAKES:
        if pattern.search(exception):
            return "config", why
    if _NAME_LATER.search(exception):
        return "transient", NO_NAME_NOW
    if _NO_NAME.search(exception):
        return ("transient" if worked_before else "config"), NO_NAME
    if _NOT_HTTP.search(exception) and not worked_before:
        return "config", "What answers at this address does not speak HTTP"
    if timed_out(exception):
        return "transient", "It did not answer in time"
    if _REFUSED.search(exception):
        return "transient", "It refuses connections; it may not be running"
    if _CONNECTION.search(exception):
        return "transient", "The connection failed"
    return "unknown", "The call failed"


def timed_out(exception: str) -> bool:
    """Patience ended, not the connection."""
    return bool(_TIMED_OUT.search(exception))
