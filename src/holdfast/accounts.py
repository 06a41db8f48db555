"""What can be set for an account of a chat system: what all have in common, and one table for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from holdfast.secrets import Secret
from holdfast.values import Amount, Chain, Line, Name, People, Reference, Text, Url, YesOrNo, about, fingerprint

ToolTables = Annotated[
    dict[str, dict[str, Literal["allow", "ask", "deny"]]],
    Meta(title='tables of "allow", "ask" or "deny", such as { guest = { "*" = "deny" }, "-100123" = { mail = "ask" } }', max_length=256),
]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much work one person may make. 0: as much as they like. What goes beyond is saved, and answered later."""

    messages_per_minute: Annotated[int, Meta(title="a whole number from 0 to 10000", ge=0, le=10_000)] = 20
    cost_per_day: Annotated[Amount, about("By the prices of the routes.")] = 0.0


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every account has: who may talk to it, and how it answers."""

    allow: Annotated[People, about('Who may talk to it: ids of people, or names that the platform vouches for; ["*"] is everybody.')] = ()
    owners: Annotated[People, about("Who runs it: they may talk to it, and let others in.")] = ()
    pairing: Annotated[YesOrNo, about("Strangers who write get a code that an owner can approve. If false, they get no answer.")] = True
    groups: Annotated[People, about('In which groups it answers those who mention it, or reply to it; ["*"] is all.')] = ()
    group_conversations: Annotated[
        Literal["shared", "per_person", "per_thread"],
        Meta(title='"shared", "per_person" or "per_thread"', description="Who shares a conversation in a group."),
    ] = "shared"
    chain: Annotated[Chain | None, about("The chain for its conversations. If left out: that of the agent.")] = None
    instructions: Annotated[Text | None, about("What the model is told in its conversations, besides the agent's instructions.")] = None
    busy: Annotated[
        Literal["steer", "queue", "interrupt"],
        Meta(
            title='"steer", "queue" or "interrupt"',
            description="A message that comes while an answer is being made: is shown to the model with the next step, waits its turn, or begins anew.",
        ),
    ] = "steer"
    unknown_send: Annotated[
        Literal["resend", "ask", "drop"],
        Meta(
            title='"resend", "ask" or "drop"',
            description="What becomes of a part of which nobody can know whether it arrived: it is sent again, with a mark; somebody is asked; it is dropped.",
        ),
    ] = "resend"
    limits: Annotated[Limits, Meta(title="a table of numbers, such as { messages_per_minute = 20, cost_per_day = 1.0 }")] = Limits()
    tool_policy: Annotated[
        ToolTables,
        about(
            'Which tools may be called here: for "*", a role (owner, user, guest) or a chat, by "*", a server or "server.tool". '
            "The most particular one counts; without any, [tools]. A guest's call that would ask is denied."
        ),
    ] = {}

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return tuple(value for value in msgspec.structs.astuple(self) if isinstance(value, Secret))

    @property
    def fingerprint(self) -> str:
        """Another one for any other way to the platform, and the same for the same one: it says nothing of who may talk."""
        way = {name: value for name, value in msgspec.structs.asdict(self).items() if name not in Account.__struct_fields__}
        plain = {name: value for name, value in way.items() if not isinstance(value, Secret)}
        return fingerprint(plain, "\n".join(secret.value for secret in self.secrets))


class Telegram(Account, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A bot on Telegram."""

    token: Annotated[
        Reference | None, about("Where the bot's token from @BotFather is: env:NAME, file:PATH, or credential:NAME (systemd).")
    ] = None
    base_url: Annotated[Url, about("Where the Bot API is.")] = "https://api.telegram.org"
    webhook_url: Annotated[
        Url | None,
        about("How Telegram reaches the listener of [webhooks], such as https://hooks.example.org. If left out: long polling."),
    ] = None


class Matrix(Account, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A user on a Matrix homeserver."""

    homeserver: Annotated[Url, about("Where the homeserver is, such as https://matrix.example.org.")] = ""
    user: Annotated[Line, about("The user's full id, such as @bot:example.org.")] = ""
    password: Annotated[Reference | None, about("Where the user's password is. It is used once; the device stays the same.")] = None
    access_token: Annotated[Reference | None, about("Where an access token is, instead of a password; it belongs to device_id.")] = None
    device_id: Annotated[Line, about("The device that the access token belongs to.")] = ""
    encrypted: Annotated[YesOrNo, about("Take part in encrypted rooms. Needs the extra matrix-e2e.")] = False


class Platforms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The accounts, by kind and name."""

    telegram: dict[Name, Telegram] = {}
    matrix: dict[Name, Matrix] = {}


KINDS: Final[Mapping[str, type[Account]]] = {"telegram": Telegram, "matrix": Matrix}
"""The tables by the kind of platform."""

REQUIRED: Final[Mapping[str, Mapping[str, str]]] = {
    "telegram": {"token": 'Write where the bot\'s token from @BotFather is, such as token = "env:TELEGRAM_TOKEN".'},
    "matrix": {
        "homeserver": 'Write where the homeserver is, such as homeserver = "https://matrix.example.org".',
        "user": 'Write the user\'s full id, such as user = "@bot:example.org".',
    },
}
"""What a kind can't do without, and what to write."""


class Webhooks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where platforms that call us reach us, and nothing else: /hooks/KIND/ACCOUNT."""

    host: Annotated[Line, about("The address it listens on. Put a proxy with TLS in front of it.")] = "127.0.0.1"
    port: Annotated[int, Meta(title="a whole number from 0 to 65535 (0: any free port)", ge=0, le=65_535), about("Its port.")] = 8421
