"""What can be set for an account of a chat system: what all have in common, and one table for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

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
    """What every account has: who may talk to it, and how it answers. `required` says what a kind can't do without, and what to write."""

    required: ClassVar[Mapping[str, str]] = {}

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
    def wrong(self) -> str:
        """See `tables.Judge`."""
        return next((f"{key} is missing. {what}" for key, what in self.required.items() if not getattr(self, key)), "")

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

    required: ClassVar = {"token": 'Write where the bot\'s token from @BotFather is, such as token = "env:TELEGRAM_TOKEN".'}

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

    required: ClassVar = {
        "homeserver": 'Write where the homeserver is, such as homeserver = "https://matrix.example.org".',
        "user": 'Write the user\'s full id, such as user = "@bot:example.org".',
    }

    homeserver: Annotated[Url, about("Where the homeserver is, such as https://matrix.example.org.")] = ""
    user: Annotated[Line, about("The user's full id, such as @bot:example.org.")] = ""
    password: Annotated[Reference | None, about("Where the user's password is. It is used once; the device stays the same.")] = None
    access_token: Annotated[Reference | None, about("Where an access token is, instead of a password; it belongs to device_id.")] = None
    device_id: Annotated[Line, about("The device that the access token belongs to.")] = ""
    encrypted: Annotated[YesOrNo, about("Take part in encrypted rooms. Needs the extra matrix-e2e.")] = False

    @property
    def wrong(self) -> str:
        if (self.password is None) == (self.access_token is None):
            return "needs exactly one of password and access_token."
        if self.access_token and not self.device_id:
            return "device_id is missing. Write which device the access token belongs to."
        return super().wrong


class Discord(Account, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A bot on Discord."""

    required: ClassVar = {"token": 'Write where the bot\'s token from the Developer Portal is, such as token = "env:DISCORD_TOKEN".'}

    token: Annotated[Reference | None, about("Where the bot's token is: Developer Portal, Bot, Reset Token.")] = None
    base_url: Annotated[Url, about("Where Discord's API is.")] = "https://discord.com/api/v10"


class Slack(Account, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An app in a Slack workspace."""

    required: ClassVar = {"token": 'Write where the app\'s bot token (xoxb-...) is, such as token = "env:SLACK_TOKEN".'}

    token: Annotated[Reference | None, about("Where the app's bot token (xoxb-...) is.")] = None
    app_token: Annotated[
        Reference | None,
        about("Where the app-level token (xapp-...) is. With it, Slack's events come through a connection of ours (Socket Mode)."),
    ] = None
    signing_secret: Annotated[
        Reference | None, about("Where the app's signing secret is. With it, Slack calls the listener of [webhooks] (Events API).")
    ] = None
    base_url: Annotated[Url, about("Where Slack's Web API is.")] = "https://slack.com/api/"

    @property
    def wrong(self) -> str:
        if (self.app_token is None) == (self.signing_secret is None):
            return "needs exactly one of app_token (Socket Mode: we connect to Slack) and signing_secret (Events API: Slack calls us)."
        return super().wrong


class Feishu(Account, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An app of Feishu or Lark."""

    required: ClassVar = {
        "app_id": 'Write the app\'s id from its page Credentials, such as app_id = "cli_a1b2c3".',
        "app_secret": 'Write where the app\'s secret is, such as app_secret = "env:FEISHU_SECRET".',
    }

    app_id: Annotated[Line, about("The app's id, cli_....")] = ""
    app_secret: Annotated[Reference | None, about("Where the app's secret is.")] = None
    encrypt_key: Annotated[
        Reference | None,
        about(
            "Where the app's Encrypt Key is. With it, Feishu calls the listener of [webhooks]; without it, we connect to Feishu (long connection)."
        ),
    ] = None
    base_url: Annotated[Url, about("Where its API is: https://open.feishu.cn, or https://open.larksuite.com.")] = "https://open.feishu.cn"


class Wechat(Account, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A personal account of WeChat, by its bot interface. A person signs in by scanning a picture: `holdfast platforms login wechat:NAME`."""

    base_url: Annotated[Url, about("Where signing in begins.")] = "https://ilinkai.weixin.qq.com"


class Wecom(Account, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An application of a WeCom company. WeCom calls the listener of [webhooks]."""

    required: ClassVar = {
        "corp_id": 'Write the company\'s id from My Company, such as corp_id = "ww1234567890".',
        "agent_id": "Write the application's AgentId, such as agent_id = 1000002.",
        "secret": 'Write where the application\'s Secret is, such as secret = "env:WECOM_SECRET".',
        "token": 'Write where the Token of its Receive Messages page is, such as token = "env:WECOM_TOKEN".',
        "aes_key": 'Write where the EncodingAESKey of its Receive Messages page is, such as aes_key = "env:WECOM_AES_KEY".',
    }

    corp_id: Annotated[Line, about("The company's id.")] = ""
    agent_id: Annotated[int, Meta(title="a whole number", ge=0), about("The application's AgentId.")] = 0
    secret: Annotated[Reference | None, about("Where the application's Secret is.")] = None
    token: Annotated[Reference | None, about("Where the Token for received messages is.")] = None
    aes_key: Annotated[Reference | None, about("Where the EncodingAESKey for received messages is.")] = None
    markdown: Annotated[YesOrNo, about("Send answers with their markup. WeCom shows it; who reads in WeChat is shown nothing at all.")] = (
        False
    )
    base_url: Annotated[Url, about("Where WeCom's API is.")] = "https://qyapi.weixin.qq.com"


class Official(Account, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An Official Account of WeChat. WeChat calls the listener of [webhooks]."""

    required: ClassVar = {
        "app_id": 'Write the account\'s AppID, such as app_id = "wx1234567890".',
        "app_secret": 'Write where the account\'s AppSecret is, such as app_secret = "env:OFFICIAL_SECRET".',
        "token": 'Write where the Token of its Basic Configuration is, such as token = "env:OFFICIAL_TOKEN".',
    }

    app_id: Annotated[Line, about("The account's AppID.")] = ""
    app_secret: Annotated[Reference | None, about("Where the account's AppSecret is.")] = None
    token: Annotated[Reference | None, about("Where the Token for received messages is.")] = None
    aes_key: Annotated[
        Reference | None, about("Where the EncodingAESKey for received messages is. If left out: they are not encrypted (plain mode).")
    ] = None
    base_url: Annotated[Url, about("Where WeChat's API is.")] = "https://api.weixin.qq.com"


class Webhook(Account, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program of yours: it sends signed requests to the listener of [webhooks], and asks for the answers or is called with them."""

    required: ClassVar = {"secret": 'Write where the secret is that signs requests, such as secret = "env:WEBHOOK_SECRET".'}

    secret: Annotated[Reference | None, about("Where the secret is that both sides sign with.")] = None
    callback_url: Annotated[Url | None, about("Where answers are sent. If left out, they are kept until they are asked for.")] = None


class Xmpp(Account, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A user on an XMPP server."""

    required: ClassVar = {
        "jid": 'Write the user\'s address, such as jid = "bot@example.org".',
        "password": 'Write where the user\'s password is, such as password = "env:XMPP_PASSWORD".',
    }

    jid: Annotated[Line, about("The user's address, such as bot@example.org.")] = ""
    password: Annotated[Reference | None, about("Where the user's password is.")] = None
    host: Annotated[Line, about("The server's name or address. If left out, it is looked up for the address.")] = ""
    port: Annotated[int, Meta(title="a whole number from 0 to 65535", ge=0, le=65_535), about("The server's port, if host is given.")] = (
        5222
    )
    rooms: Annotated[People, about("The rooms (room@conference.example.org) that it joins.")] = ()


class Platforms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The accounts, by kind and name."""

    telegram: dict[Name, Telegram] = {}
    matrix: dict[Name, Matrix] = {}
    discord: dict[Name, Discord] = {}
    slack: dict[Name, Slack] = {}
    feishu: dict[Name, Feishu] = {}
    wechat: dict[Name, Wechat] = {}
    wecom: dict[Name, Wecom] = {}
    official: dict[Name, Official] = {}
    webhook: dict[Name, Webhook] = {}
    xmpp: dict[Name, Xmpp] = {}


KINDS: Final[Mapping[str, type[Account]]] = {
    "telegram": Telegram,
    "matrix": Matrix,
    "discord": Discord,
    "slack": Slack,
    "feishu": Feishu,
    "wechat": Wechat,
    "wecom": Wecom,
    "official": Official,
    "webhook": Webhook,
    "xmpp": Xmpp,
}
"""The tables by the kind of platform."""

NO_ACCOUNTS: Final = (
    "There are no accounts of chat systems. A table in the configuration makes one, such as [platforms.telegram.mybot]; "
    f"there can be {', '.join(KINDS)}."
)


class Webhooks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where platforms that call us reach us, and nothing else: /hooks/KIND/ACCOUNT."""

    host: Annotated[Line, about("The address it listens on. Put a proxy with TLS in front of it.")] = "127.0.0.1"
    port: Annotated[int, Meta(title="a whole number from 0 to 65535 (0: any free port)", ge=0, le=65_535), about("Its port.")] = 8421
