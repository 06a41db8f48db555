"""The types of values in the configuration: each with the limits that are checked, and the words that say what it must be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from holdfast.secrets import Secret

INSTRUCTIONS_BYTES_MAX: Final = 256_000
PORT_MAX: Final = 65_535

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")

# `title` completes the sentence "... must be ..."

END: Final = r"$(?!\n)"
"""The end, where Python's `$` would let a line break follow."""

Text = Annotated[str, Meta(title="text in quotes", pattern=r"^[^\x00]+$", max_length=INSTRUCTIONS_BYTES_MAX)]
Line = Annotated[str, Meta(title="text in quotes, on one line", pattern=r"^[^\x00-\x1f]+" + END, max_length=4_000)]
Name = Annotated[str, Meta(pattern=f"^{NAME.pattern}{END}")]
Names = Annotated[tuple[Name, ...], Meta(title='a list of names of routes, such as ["main"]', min_length=1, max_length=32)]
Chain = Annotated[str | tuple[str, ...], Meta(title='the name of a chain, or a list of names of routes, such as ["main"]')]
"""Without limits of its own: msgspec 0.22 frees the pattern of a member too often where a union has two with limits (a crash later on)."""
Accounts = Annotated[
    tuple[Annotated[str, Meta(pattern=r"^[^\s\x00-\x1f]+" + END)], ...], Meta(title='a list of places, such as ["web"]', max_length=16)
]
Seconds = Annotated[float, Meta(title="a number of seconds above 0, and at most a day (86400)", gt=0, le=86_400)]
Port = Annotated[int, Meta(title="a whole number from 0 to 65535 (0: any free port)", ge=0, le=65_535)]
Places = Annotated[int, Meta(title="a whole number from 1 to 1000", ge=1, le=1_000)]
Tokens = Annotated[int, Meta(title="a whole number from 256 to 100 million", ge=256, le=100_000_000)]
Amount = Annotated[float, Meta(title="a number from 0 to a million", ge=0, le=1e6)]
Words = Annotated[tuple[Text, ...], Meta(title='a list of texts, such as ["mcp-server-time"]', min_length=1, max_length=256)]
Variable = Annotated[str, Meta(pattern=r"^[^=\x00]+$")]
Environment = Annotated[
    dict[Variable, Annotated[str, Meta(pattern=r"^[^\x00]*$")]], Meta(title='a table of texts, such as { TZ = "UTC" }', max_length=256)
]
YesOrNo = Annotated[bool, Meta(title="true or false")]
Dialect = Annotated[
    Literal["openai-chat", "openai-responses", "anthropic", "practice"],
    Meta(title='"openai-chat", "openai-responses", "anthropic" or "practice"'),
]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], Meta(title='"debug", "info", "warning" or "error"')]
LogFormat = Annotated[Literal["auto", "text", "json"], Meta(title='"auto", "text" or "json"')]
Permission = Annotated[Literal["allow", "ask", "deny"], Meta(title='"allow", "ask" or "deny"')]
Permissions = Annotated[
    dict[str, Literal["allow", "ask", "deny"]], Meta(title='a table of "allow", "ask" or "deny", such as { "some_tool" = "allow" }')
]
Replay = Annotated[
    dict[str, Literal["always", "never", "ask"]], Meta(title='a table of "always", "never" or "ask", such as { "some_tool" = "always" }')
]
Url = Annotated[
    str,
    Meta(
        title='a URL such as "http://127.0.0.1:11434/v1", without user or password',
        pattern=r"^https?://[^/@\s?#]+[^@\s?#]*" + END,
        max_length=2_000,
    ),
]
Reference = Annotated[Secret, Meta(title='"env:NAME", "file:PATH" or "credential:NAME" (systemd)')]
RouteHeaders = Annotated[
    dict[Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+" + END)], Annotated[str, Meta(pattern=r"^[\x20-\x7e]+" + END)]],
    Meta(title='a table of texts, such as { "x-litellm-tags" = "chat", "x-tenant" = "env:TENANT" }', max_length=32),
]
Headers = Annotated[
    dict[Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+" + END)], Secret],
    Meta(title='a table of "env:NAME", "file:PATH" or "credential:NAME", such as { "x-api-key" = "env:KEY" }', max_length=32),
]


People = Annotated[
    tuple[Annotated[str, Meta(pattern=r"^[^\s\x00-\x1f]+" + END)], ...],
    Meta(title='a list of ids, such as ["123456789", "@ada"]', max_length=1_000),
]


def about(description: str) -> Meta:
    return Meta(description=description)


def fingerprint(settings: object, secret: str) -> str:
    """Another one for any other settings or secrets, and the same for the same ones, for ever. Shows nothing of them."""
    import hashlib  # noqa: PLC0415 -- only the gateway needs it

    return hashlib.sha256(msgspec.json.encode([settings, secret], order="sorted")).hexdigest()[:16]


def wrong_port(url: str) -> str:
    """What is wrong with the port in a URL; "" if nothing is."""
    port = url.partition("//")[2].partition("/")[0].rpartition("]")[2].rpartition(":")[2]
    return f"names the port {port}. Ports go from 1 to {PORT_MAX}." if port.isdigit() and not 0 < int(port) <= PORT_MAX else ""


def is_loopback(host: str) -> bool:
    """Is this name or address always this machine itself?"""
    import ipaddress  # noqa: PLC0415 -- `--help` does not need it

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# --- as TOML writes it ----------------------------------------------------------------------------------------------------------------

BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def quoted(text: str) -> str:
    """A text: nearly as JSON writes it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(key: str) -> str:
    return key if BARE.fullmatch(key) else quoted(key)


def toml(value: Any) -> str:
    """A value, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case Mapping():
            return f"{{ {', '.join(f'{toml_key(key)} = {toml(inner)}' for key, inner in value.items())} }}" if value else "{}"
        case _:
            return str(value)
