"""Failures without an answer: names, connections, certificates, time-outs, as `Type: text` of the HTTP library tells them."""

from __future__ import annotations

import re
from typing import Final

from holdfast.core.failure import Kind

_TIMED_OUT: Final = re.compile(r"time-?d? ?out|TimeoutError", re.IGNORECASE)
_RULES: Final[tuple[tuple[str, Kind, str], ...]] = (
    (r"certificate has expired|CERTIFICATE_EXPIRED|cert\w* .{0,20}expired", "config", "The server's certificate has expired"),
    (r"not yet valid", "config", "The server's certificate is not valid yet"),
    (
        r"hostname mismatch|doesn't match|does not match|not valid for|IP address mismatch|CERT_COMMON_NAME",
        "config",
        "The server's certificate was made out to another name",
    ),
    (r"CERTIFICATE_VERIFY_FAILED|self.signed|unable to get local issuer|UNKNOWN_CA|unknown ca|BAD_CERTIFICATE|CERTIFICATE_REQUIRED|"
     r"CERTIFICATE_UNKNOWN|certificate required|SSLCertVerificationError|CERTIFICATE_REVOKED|CERT_AUTHORITY", "config", "The server's certificate can't be trusted"),
    (r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|UNKNOWN_PROTOCOL|HTTP_REQUEST|HTTPS_PROXY_REQUEST|record layer failure|wrong version number|"
     r"PACKET_LENGTH_TOO_LONG|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|tlsv1 alert protocol version|ALERT_PROTOCOL_VERSION|NO_CIPHERS|"
     r"INAPPROPRIATE_FALLBACK|DH_KEY_TOO_SMALL|UNRECOGNIZED_NAME", "config", "The server does not speak TLS there, or not one that we speak"),
    (r"InvalidURL|UnsupportedProtocol|missing an 'https?://'|LocationParse|Invalid (port|host|URL|IDNA|non-printable)|UnicodeError|UnicodeEncodeError|"
     r"label (empty|too long)|codec can't encode", "config", "The address is not a valid one"),
    (r"LocalProtocolError.*(header|Illegal)|Illegal header|Invalid header", "config", "A header that we are to send is not valid"),
    (r"TooManyRedirects|redirect", "config", "The address leads round in circles"),
    (r"407|Proxy Authentication|ProxyError.*\b40[0135]\b|SOCKS.*(auth|not allowed)|socksio", "config", "The proxy refuses us"),
)  # fmt: skip
_NAME_LATER: Final = re.compile(r"Errno -3\b|Temporary failure in name|EAI_AGAIN|Try again|Errno 11002|SERVFAIL", re.IGNORECASE)
_NO_NAME: Final = re.compile(
    r"gaierror|getaddrinfo|Name or service not known|nodename nor servname|No address associated|Errno -[258]\b|Errno 11001|EAI_NONAME|"
    r"ENOTFOUND|NXDOMAIN|name resolution|name does not resolve|DNS|dns error|resolve host",
    re.IGNORECASE,
)
_REFUSED: Final = re.compile(r"Connection refused|ECONNREFUSED|Connect call failed|actively refused|Errno (111|61|10061)\b", re.IGNORECASE)
_CONNECTION: Final = re.compile(
    r"Connect|Network|reset|Read ?Error|Write ?Error|CloseError|RemoteProtocol|Protocol|disconnected|closed|EOF|unreachable|No route|Broken pipe|BrokenResource|"
    r"aborted|ProxyError|Transport|Incomplete|SSL|Pool|Decoding|OSError|socket|ECONN|EPIPE|Stream|ChunkedEncoding|hang up|HTTPError|ClosedResource|"
    r"EndOfStream|GOAWAY|Too many open files|cannot assign|fetch failed|RequestError",
    re.IGNORECASE,
)


def kind_of(exception: str, *, worked_before: bool) -> tuple[Kind, str]:
    """The class, and what happened in a few words."""
    for pattern, kind, why in _RULES:
        if re.search(pattern, exception, re.IGNORECASE):
            return kind, why
    if _NAME_LATER.search(exception):
        return "transient", "Its name can't be looked up now (DNS)"
    if _NO_NAME.search(exception):
        return ("transient" if worked_before else "config"), "Its name is not known (DNS)"
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
