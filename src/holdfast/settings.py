"""What can be set: the tables of the TOML file and the types of their values. `config` reads the file into these."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from holdfast import secrets
from holdfast.accounts import Platforms, Webhooks
from holdfast.secrets import Secret
from holdfast.values import (
    Accounts,
    Amount,
    Chain,
    Dialect,
    Environment,
    Headers,
    Line,
    LogFormat,
    LogLevel,
    Name,
    Names,
    Permission,
    Permissions,
    Places,
    Port,
    Reference,
    Replay,
    RouteHeaders,
    Seconds,
    Text,
    Tokens,
    Url,
    Words,
    YesOrNo,
    about,
    fingerprint,
    is_loopback,
    wrong_port,
)

OWN_TOOLS: Final = "holdfast"
"""Under this name, as if of a server, the model knows the gateway's own tools."""

PLACES: Final = 4
PRACTICE_PLACES: Final = 64
"""So many calls of a route may be under way at once, and of one to the practice model, unless the configuration says otherwise."""

SEE: Final = ("openai-responses", "anthropic")
"""The dialects whose models see pictures, unless the configuration says otherwise."""

SECRET_HEADER: Final = re.compile(r"key|token|secret|password|auth|cookie", re.IGNORECASE)
"""What a header is called whose value may only be given by reference."""

SECRET_NAME: Final = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
"""What a variable of a tool server is called whose value is nobody's business."""

# --- the tables ---------------------------------------------------------------------------------------------------------------------


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a turn may use up. 0: as much as it likes."""

    steps: Annotated[int, Meta(title="a whole number from 1 to 10000", ge=1, le=10_000), about("Answers of the model.")] = 100
    cost: Annotated[Amount, about("By the prices of the routes.")] = 0.0
    time_s: Annotated[float, Meta(title="a number of seconds from 0", ge=0, le=1e7), about("Time spent in steps; waiting is free.")] = (
        3600.0
    )


class Agent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answers."""

    instructions: Annotated[Text, about("What the model is told before every conversation.")] = "You are a helpful assistant."
    instructions_file: Annotated[Line | None, about("A file to read the instructions from; a relative path counts from this file.")] = None
    chain: Annotated[Chain, about("The routes to try, in order of preference: a list, or the name of a chain.")] = ("main",)
    summaries_chain: Annotated[
        Chain | None, about("The chain for summaries of long conversations. If left out: the one that the conversation uses.")
    ] = None
    schedule_chain: Annotated[
        Chain | None, about("The chain for what was scheduled, and nobody waits for. If left out: the one that the conversation uses.")
    ] = None
    budget: Annotated[
        Budget,
        Meta(
            title="a table of numbers, such as { steps = 100, cost = 2.0, time_s = 3600 }",
            description="What a turn may use up before somebody is asked whether to go on.",
        ),
    ] = Budget()
    built_in_tools: Annotated[
        YesOrNo, about("Offer the model the gateway's own tools: the time, reading files of the conversation in parts, reminders.")
    ] = True
    time_zone: Annotated[
        Line,
        about(
            "Where the owner lives, such as Europe/Berlin: when a day begins, and when it is nine. If left out: where this machine is set to be."
        ),
    ] = ""


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a million tokens cost."""

    input: Annotated[Amount, about("What the model reads.")] = 0.0
    output: Annotated[Amount, about("What it writes.")] = 0.0


FREE: Final = Price()


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way to a model."""

    dialect: Annotated[Dialect, about("What the endpoint speaks. `practice` is built in and needs no other setting.")] = "openai-chat"
    base_url: Annotated[Url, about("Where the endpoint is, without /chat/completions, /responses or /messages.")] = ""
    model: Annotated[Line, about("The model's name, as the endpoint calls it.")] = ""
    api_key: Annotated[
        Reference | None, about("Where the key is: env:NAME, file:PATH, or credential:NAME (systemd). Never the key itself.")
    ] = None
    context_tokens: Annotated[Tokens | None, about("How many tokens the model can read at once.")] = None
    answer_tokens_max: Annotated[
        Tokens | None, about("How many tokens an answer may have; the endpoint's own limit if left out (anthropic: 8192).")
    ] = None
    tools: Annotated[YesOrNo, about("Can the model call tools?")] = True
    images: Annotated[
        YesOrNo | None, about("Can the model see pictures? If left out: yes for openai-responses and anthropic, no for openai-chat.")
    ] = None
    connect_timeout_s: Annotated[Seconds, about("How long a connection may take.")] = 10.0
    first_event_timeout_s: Annotated[Seconds, about("How long the first word may take: models load, and think.")] = 120.0
    idle_timeout_s: Annotated[Seconds, about("How long an answer may stand still.")] = 120.0
    calls_at_once_max: Annotated[
        Places | None, about("How many calls may be under way at once; others wait in line. If left out: 4, and 64 for practice.")
    ] = None
    headers: Annotated[RouteHeaders, about("Headers for every call: plain texts; secrets only by reference, such as env:NAME.")] = {}
    send_user: Annotated[YesOrNo, about("Tell the endpoint who asks, so that it can count for each person.")] = False
    price: Annotated[
        Price,
        Meta(
            title="a table of numbers from 0 to a million, such as { input = 0.5, output = 1.5 }",
            description="What a million tokens cost, in your currency.",
        ),
    ] = FREE

    @property
    def wrong(self) -> str:
        """See `tables.Judge`."""
        if self.dialect == "practice":
            return ""
        if not self.base_url:
            return 'base_url is missing. Write where the model\'s endpoint is, such as base_url = "http://127.0.0.1:11434/v1".'
        if port := wrong_port(self.base_url):
            return f"base_url {port}"
        if not self.model:
            return 'model is missing. Write the model\'s name as the endpoint calls it, such as model = "qwen3:8b".'
        for end in ("/chat/completions", "/responses", "/messages"):
            if self.base_url.rstrip("/").endswith(end):
                return f"base_url must end before {end}: that is added to it. Remove the end."
        return next(filter(None, map(self._wrong_header, self.headers)), "")

    def _wrong_header(self, header: str) -> str:
        if header.lower() in {"content-length", "transfer-encoding", "connection", "host"}:
            return f"headers: {header} is set for each call by itself. Remove it."
        if SECRET_HEADER.search(header) and not re.match(secrets.REFERENCE, self.headers[header]):  # the text is never shown
            return f'headers: {header} looks like a secret. Write where it is: "env:NAME", "file:PATH" or "credential:NAME".'
        return ""

    @property
    def fingerprint(self) -> str:
        """Another one for any other settings or secrets, and the same for the same ones, for ever. Shows nothing of them."""
        return fingerprint(
            msgspec.structs.replace(self, api_key=None, headers={}, price=FREE), "\n".join([self.key, *map(str, self.headers.items())])
        )

    @property
    def key(self) -> str:
        return self.api_key.value if self.api_key else ""

    @property
    def places(self) -> int:
        """So many calls of it may be under way."""
        return self.calls_at_once_max or (PRACTICE_PLACES if self.dialect == "practice" else PLACES)

    @property
    def sees(self) -> bool:
        """Is the model shown pictures?"""
        return self.dialect in SEE if self.images is None else self.images


class ToolServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One MCP server: a command that is started, or a URL."""

    command: Annotated[Words | None, about("The program and its arguments. It is started with the gateway.")] = None
    url: Annotated[Url | None, about("Where a server that runs already is.")] = None
    env: Annotated[Environment, about("Environment variables for the command.")] = {}
    api_key: Annotated[Reference | None, about("Where the key for the URL is; it is sent as a bearer token.")] = None
    headers: Annotated[Headers, about("Headers for the URL: by name, where the value is.")] = {}
    connect_timeout_s: Annotated[
        Seconds, about("How long it may take to start, or to be reached, until its tools are known; and how long a call waits for that.")
    ] = 10.0
    timeout_s: Annotated[Seconds, about("How long a call may go on without an answer or a sign of progress.")] = 600.0
    policy: Annotated[
        Permission | None,
        about("May its tools be called? If left out: what a trusted server marks as only reading is allowed, and the rest asks."),
    ] = None
    tool_policy: Annotated[Permissions, about("The same for single tools, by the server's own names of them.")] = {}
    sampling: Annotated[YesOrNo, about("May the server ask the model things of its own, at your cost?")] = False
    trust_annotations: Annotated[YesOrNo, about("Believe what the server says of its tools, such as that one only reads.")] = False
    replay: Annotated[Replay, about("May a call that was cut off be made again? By the server's own names of its tools.")] = {}

    @property
    def wrong(self) -> str:
        """See `tables.Judge`."""
        if (self.command is None) == (self.url is None):
            return 'needs exactly one of command (such as ["mcp-server-time"]) and url.'
        if self.url and (port := wrong_port(self.url)):
            return f"url {port}"
        if self.api_key and any(header.lower() == "authorization" for header in self.headers):
            return "has both api_key and a header Authorization. Keep one of them."
        if self.command and self.secrets:
            return "api_key and headers go with a url. Give a command its secrets in env."
        return "env goes with a command. A server at a url has its own environment." if self.url and self.env else ""

    @property
    def fingerprint(self) -> str:
        """Another one for any other server or secrets, and the same for the same ones, for ever. What its tools may do does not change which it has."""
        secret = "\n".join(secret.value for secret in self.secrets)
        return fingerprint(ToolServer(command=self.command, url=self.url, env=self.env), secret and secret + "\n".join(self.headers))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (*((self.api_key,) if self.api_key else ()), *self.headers.values())


class Web(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page."""

    host: Annotated[Line, about("The address the page listens on.")] = "127.0.0.1"
    port: Annotated[Port, about("The port the page listens on.")] = 8420
    url: Annotated[Url | None, about("How people reach the page from elsewhere, such as https://chat.example.org.")] = None
    certificate: Annotated[Line | None, about("A PEM file with the certificate and its chain: the page speaks TLS.")] = None
    certificate_key: Annotated[Line | None, about("The PEM file with the certificate's private key.")] = None
    behind_proxy: Annotated[YesOrNo, about("A proxy in front of the page speaks TLS for it.")] = False
    chain: Annotated[Chain | None, about("The chain for conversations of the page and the terminal. If left out: that of the agent.")] = (
        None
    )

    @property
    def wrong(self) -> str:
        """See `tables.Judge`."""
        secure = self.certificate is not None or self.behind_proxy
        if (self.certificate is None) != (self.certificate_key is None):
            return "needs both certificate and certificate_key, or neither."
        if self.certificate and self.behind_proxy:
            return "has both a certificate and behind_proxy. Keep what is so: either this page or the proxy speaks TLS."
        if secure and not (self.url or "").startswith("https://"):
            return 'needs the url that people will use, such as url = "https://chat.example.org".'
        if self.url and "/" in self.url.partition("//")[2].rstrip("/"):
            return f"url is {self.url!r}, but the page is always at the root of its host. Write it without a path."
        if self.url and not secure:
            return "has a url, but no TLS. Add certificate and certificate_key, or behind_proxy = true if a proxy speaks TLS."
        if not secure and not is_loopback(self.host):
            return (
                f'host is {self.host!r}, so others could reach the page, and read along. Write host = "127.0.0.1"; or give it TLS: certificate, '
                'certificate_key and url; or put a proxy with TLS in front of it: behind_proxy = true and url = "https://...".'
            )
        return ""


class Owner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who runs this."""

    notify: Annotated[
        Accounts,
        about('Where the owner is told what only an owner can mend: "web", the page, or a chat, such as "telegram:mybot:123456789".'),
    ] = ("web",)


class Backup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Backups that are made by themselves."""

    dir: Annotated[
        Line | None, about("A folder for them, best on another disk; a relative path counts from this file. If left out: none are made.")
    ] = None
    every_h: Annotated[float, Meta(title="a number of hours from 1 to 8760", ge=1, le=8_760), about("How old the newest one may be.")] = (
        24.0
    )
    keep: Annotated[
        int, Meta(title="a whole number from 1 to 1000", ge=1, le=1_000), about("So many are kept; older ones are deleted.")
    ] = 7


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gateway writes to its standard error output, for whoever runs it."""

    level: Annotated[LogLevel, about("The least that is written. With `debug` what people and models say is in it.")] = "info"
    format: Annotated[
        LogFormat, about("`text` for a person, `json` for a program; `auto`: text at a terminal and for systemd's journal, else JSON.")
    ] = "auto"


class Metrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Prometheus, and whoever restarts what is ill, may look: /metrics, /livez, /readyz."""

    host: Annotated[Line, about("The address to listen on.")] = "127.0.0.1"
    port: Annotated[Port | None, about("The port to listen on. If left out: none.")] = None


class Traces(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Traces for OpenTelemetry. They need `holdfast[otel]`."""

    endpoint: Annotated[
        Url | None, about("Where the collector takes OTLP over HTTP, without /v1/traces. If left out: nothing is traced.")
    ] = None
    headers: Annotated[Headers, about("Headers for the collector: by name, where the value is.")] = {}


class Updates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Being told of newer versions."""

    url: Annotated[
        Url | None, about('Where {"version": "..."} stands: looked at once a day. If left out: nobody is asked, and nothing is told.')
    ] = None


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not kept for ever."""

    attachments_days: Annotated[
        int,
        Meta(title="a whole number of days from 0 to 36500 (0: for ever)", ge=0, le=36_500),
        about("How long the bytes of files that came with messages are kept. What was said is always kept. 0: for ever."),
    ] = 0


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    data_dir: Annotated[Line, about("The folder that everything is kept in; a relative path counts from this file.")] = (
        "~/.local/share/holdfast"
    )
    agent: Agent = Agent()
    chains: Annotated[
        dict[Name, Names], about("Chains by name: each a list of routes, in order of preference. People choose one with /model.")
    ] = {}
    routes: Annotated[
        dict[Name, Route], about("The ways to a model, by name. Without any there is one, `main`, to the practice model.")
    ] = {}
    tools: Annotated[dict[Name, ToolServer], about("The tool servers, by name.")] = {}
    platforms: Annotated[Platforms, about("The accounts on chat systems, such as [platforms.telegram.mybot].")] = Platforms()
    web: Web = Web()
    webhooks: Webhooks = Webhooks()
    owner: Owner = Owner()
    backup: Backup = Backup()
    retention: Retention = Retention()
    updates: Updates = Updates()
    log: Log = Log()
    metrics: Metrics = Metrics()
    traces: Traces = Traces()


# --- the schema ---------------------------------------------------------------------------------------------------------------------


def schema_hook(kind: type) -> dict[str, Any]:
    """What msgspec can't know: how a `Secret` is written."""
    assert kind is Secret
    return {"type": "string", "pattern": secrets.REFERENCE}


def schema() -> str:
    """The JSON Schema of the file, for editors."""
    described = msgspec.json.schema(File, schema_hook=schema_hook)
    return msgspec.json.format(msgspec.json.encode({"title": "Holdfast's configuration", **described}), indent=2).decode()
