"""What can be set: the tables of the TOML file and the types of their values. `config` reads the file into these."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from holdfast import secrets
from holdfast.secrets import Secret

INSTRUCTIONS_BYTES_MAX: Final = 256_000
OWN_TOOLS: Final = "holdfast"
"""Under this name, as if of a server, the model knows the gateway's own tools."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
SEE: Final = ("openai-responses", "anthropic")
"""The dialects whose models see pictures, unless the configuration says otherwise."""

SECRET_HEADER: Final = re.compile(r"key|token|secret|password|auth|cookie", re.IGNORECASE)
"""What a header is called whose value may only be given by reference."""

SECRET_NAME: Final = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
"""What a variable of a tool server is called whose value is nobody's business."""

# --- the types of settings: `title` completes the sentence "... must be ..." ----------------------------------------------------------

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


def _about(description: str) -> Meta:
    return Meta(description=description)


# --- the tables ---------------------------------------------------------------------------------------------------------------------


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a turn may use up. 0: as much as it likes."""

    steps: Annotated[int, Meta(title="a whole number from 1 to 10000", ge=1, le=10_000), _about("Answers of the model.")] = 100
    cost: Annotated[Amount, _about("By the prices of the routes.")] = 0.0
    time_s: Annotated[float, Meta(title="a number of seconds from 0", ge=0, le=1e7), _about("Time spent in steps; waiting is free.")] = (
        3600.0
    )


class Agent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answers."""

    instructions: Annotated[Text, _about("What the model is told before every conversation.")] = "You are a helpful assistant."
    instructions_file: Annotated[Line | None, _about("A file to read the instructions from; a relative path counts from this file.")] = None
    chain: Annotated[Chain, _about("The routes to try, in order of preference: a list, or the name of a chain.")] = ("main",)
    summaries_chain: Annotated[
        Chain | None, _about("The chain for summaries of long conversations. If left out: the one that the conversation uses.")
    ] = None
    schedule_chain: Annotated[
        Chain | None, _about("The chain for what was scheduled, and nobody waits for. If left out: the one that the conversation uses.")
    ] = None
    budget: Annotated[
        Budget,
        Meta(
            title="a table of numbers, such as { steps = 100, cost = 2.0, time_s = 3600 }",
            description="What a turn may use up before somebody is asked whether to go on.",
        ),
    ] = Budget()
    built_in_tools: Annotated[
        YesOrNo, _about("Offer the model the gateway's own tools: the time, reading files of the conversation in parts, reminders.")
    ] = True
    time_zone: Annotated[
        Line,
        _about(
            "Where the owner lives, such as Europe/Berlin: when a day begins, and when it is nine. If left out: where this machine is set to be."
        ),
    ] = ""


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a million tokens cost."""

    input: Annotated[Amount, _about("What the model reads.")] = 0.0
    output: Annotated[Amount, _about("What it writes.")] = 0.0


FREE: Final = Price()


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way to a model."""

    dialect: Annotated[Dialect, _about("What the endpoint speaks. `practice` is built in and needs no other setting.")] = "openai-chat"
    base_url: Annotated[Url, _about("Where the endpoint is, without /chat/completions, /responses or /messages.")] = ""
    model: Annotated[Line, _about("The model's name, as the endpoint calls it.")] = ""
    api_key: Annotated[
        Reference | None, _about("Where the key is: env:NAME, file:PATH, or credential:NAME (systemd). Never the key itself.")
    ] = None
    context_tokens: Annotated[Tokens | None, _about("How many tokens the model can read at once.")] = None
    answer_tokens_max: Annotated[
        Tokens | None, _about("How many tokens an answer may have; the endpoint's own limit if left out (anthropic: 8192).")
    ] = None
    tools: Annotated[YesOrNo, _about("Can the model call tools?")] = True
    images: Annotated[
        YesOrNo | None, _about("Can the model see pictures? If left out: yes for openai-responses and anthropic, no for openai-chat.")
    ] = None
    connect_timeout_s: Annotated[Seconds, _about("How long a connection may take.")] = 10.0
    first_event_timeout_s: Annotated[Seconds, _about("How long the first word may take: models load, and think.")] = 120.0
    idle_timeout_s: Annotated[Seconds, _about("How long an answer may stand still.")] = 120.0
    calls_at_once_max: Annotated[Places, _about("How many calls may be under way at once.")] = 4
    headers: Annotated[RouteHeaders, _about("Headers for every call: plain texts; secrets only by reference, such as env:NAME.")] = {}
    send_user: Annotated[YesOrNo, _about("Tell the endpoint who asks, so that it can count for each person.")] = False
    price: Annotated[
        Price,
        Meta(
            title="a table of numbers from 0 to a million, such as { input = 0.5, output = 1.5 }",
            description="What a million tokens cost, in your currency.",
        ),
    ] = FREE

    @property
    def fingerprint(self) -> str:
        """Another one for any other settings or secrets, and the same for the same ones, for ever. Shows nothing of them."""
        return _fingerprint(
            msgspec.structs.replace(self, api_key=None, headers={}, price=FREE), "\n".join([self.key, *map(str, self.headers.items())])
        )

    @property
    def key(self) -> str:
        return self.api_key.value if self.api_key else ""

    @property
    def sees(self) -> bool:
        """Is the model shown pictures?"""
        return self.dialect in SEE if self.images is None else self.images


class ToolServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One MCP server: a command that is started, or a URL."""

    command: Annotated[Words | None, _about("The program and its arguments. It is started with the gateway.")] = None
    url: Annotated[Url | None, _about("Where a server that runs already is.")] = None
    env: Annotated[Environment, _about("Environment variables for the command.")] = {}
    api_key: Annotated[Reference | None, _about("Where the key for the URL is; it is sent as a bearer token.")] = None
    headers: Annotated[Headers, _about("Headers for the URL: by name, where the value is.")] = {}
    connect_timeout_s: Annotated[
        Seconds, _about("How long it may take to start, or to be reached, until its tools are known; and how long a call waits for that.")
    ] = 10.0
    timeout_s: Annotated[Seconds, _about("How long a call may go on without an answer or a sign of progress.")] = 600.0
    policy: Annotated[
        Permission | None,
        _about("May its tools be called? If left out: what a trusted server marks as only reading is allowed, and the rest asks."),
    ] = None
    tool_policy: Annotated[Permissions, _about("The same for single tools, by the server's own names of them.")] = {}
    sampling: Annotated[YesOrNo, _about("May the server ask the model things of its own, at your cost?")] = False
    trust_annotations: Annotated[YesOrNo, _about("Believe what the server says of its tools, such as that one only reads.")] = False
    replay: Annotated[Replay, _about("May a call that was cut off be made again? By the server's own names of its tools.")] = {}

    @property
    def fingerprint(self) -> str:
        """Another one for any other server or secrets, and the same for the same ones, for ever. What its tools may do does not change which it has."""
        secret = "\n".join(secret.value for secret in self.secrets)
        return _fingerprint(ToolServer(command=self.command, url=self.url, env=self.env), secret and secret + "\n".join(self.headers))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (*((self.api_key,) if self.api_key else ()), *self.headers.values())


class Web(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page."""

    host: Annotated[Line, _about("The address the page listens on.")] = "127.0.0.1"
    port: Annotated[Port, _about("The port the page listens on.")] = 8420
    url: Annotated[Url | None, _about("How people reach the page from elsewhere, such as https://chat.example.org.")] = None
    certificate: Annotated[Line | None, _about("A PEM file with the certificate and its chain: the page speaks TLS.")] = None
    certificate_key: Annotated[Line | None, _about("The PEM file with the certificate's private key.")] = None
    behind_proxy: Annotated[YesOrNo, _about("A proxy in front of the page speaks TLS for it.")] = False
    chain: Annotated[Chain | None, _about("The chain for conversations of the page and the terminal. If left out: that of the agent.")] = (
        None
    )


class Owner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who runs this."""

    notify: Annotated[Accounts, _about("Where the owner is told what only an owner can mend.")] = ("web",)


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    data_dir: Annotated[Line, _about("The folder that everything is kept in; a relative path counts from this file.")] = (
        "~/.local/share/holdfast"
    )
    agent: Agent = Agent()
    chains: Annotated[
        dict[Name, Names], _about("Chains by name: each a list of routes, in order of preference. People choose one with /model.")
    ] = {}
    routes: Annotated[
        dict[Name, Route], _about("The ways to a model, by name. Without any there is one, `main`, to the practice model.")
    ] = {}
    tools: Annotated[dict[Name, ToolServer], _about("The tool servers, by name.")] = {}
    web: Web = Web()
    owner: Owner = Owner()


def _fingerprint(settings: msgspec.Struct, secret: str) -> str:
    import hashlib  # noqa: PLC0415 -- only the gateway needs it

    return hashlib.sha256(msgspec.json.encode([settings, secret], order="sorted")).hexdigest()[:16]


# --- the schema ---------------------------------------------------------------------------------------------------------------------


def schema_hook(kind: type) -> dict[str, Any]:
    """What msgspec can't know: how a `Secret` is written."""
    assert kind is Secret
    return {"type": "string", "pattern": secrets.REFERENCE}


def schema() -> str:
    """The JSON Schema of the file, for editors."""
    described = msgspec.json.schema(File, schema_hook=schema_hook)
    return msgspec.json.format(msgspec.json.encode({"title": "Holdfast's configuration", **described}), indent=2).decode()
