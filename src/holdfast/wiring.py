"""What a configuration means for the parts that it is about: said once, for the gateway that runs them and for the check that tries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from holdfast.accounts import Account
from holdfast.config import Config, Route, ToolServer
from holdfast.core.access import Rules, plain
from holdfast.core.failure import Failure
from holdfast.core.incoming import Place
from holdfast.core.world import Budget
from holdfast.local_time import LocalTime
from holdfast.models import Endpoint
from holdfast.ports import Clock, Model, RawFailure
from holdfast.runtime.acts import AccountSettings, AgentSettings, Classify, RouteSettings
from holdfast.tools.settings import Address, Command, ServerSettings
from holdfast.web.wire import ACCOUNT, NOTES, conversation_key


def endpoint(name: str, route: Route) -> Endpoint:
    """Where a route leads. Its secret has been resolved."""
    return Endpoint(
        name=name,
        base_url=route.base_url,
        model=route.model,
        api_key=route.api_key.value if route.api_key else "",
        connect_timeout_s=route.connect_timeout_s,
        first_event_timeout_s=route.first_event_timeout_s,
        idle_timeout_s=route.idle_timeout_s,
        images=route.sees,
        answer_tokens_max=route.answer_tokens_max,
        headers=route.headers,
        send_user=route.send_user,
    )


def tool_server(name: str, server: ToolServer) -> ServerSettings:
    """How a tool server is reached. Its secrets have been resolved."""
    return ServerSettings(
        name=name,
        where=Command(server.command, server.env) if server.command else Address(server.url or "", _headers(server)),
        trust_annotations=server.trust_annotations,
        replay=server.replay,
        connect_timeout_s=server.connect_timeout_s,
        timeout_s=server.timeout_s,
        policy=server.policy,
        tool_policy=server.tool_policy,
        sampling=server.sampling,
        fingerprint=server.fingerprint,
    )


def _headers(server: ToolServer) -> dict[str, str]:
    """All headers that a tool server's URL is asked with, secrets in them."""
    headers = {name: secret.value for name, secret in server.headers.items()}
    return {"authorization": f"Bearer {server.api_key.value}", **headers} if server.api_key else headers


def rules_of(account: Account) -> Rules:
    """Who may do what, as it is configured."""
    return plain(
        Rules(
            allow=frozenset(account.allow),
            owners=frozenset(account.owners),
            groups=frozenset(account.groups),
            pairing=account.pairing,
            grouping=account.group_conversations,
            messages_per_minute=account.limits.messages_per_minute,
            cost_per_day=account.limits.cost_per_day or inf,
            tools=account.tool_policy,
        )
    )


def agent_of(settings: Config, models: Mapping[str, Model], rules: Mapping[str, Rules], classify: Classify) -> AgentSettings:
    """Who answers, as it is configured."""
    routes = tuple(
        RouteSettings(
            name,
            f"route:{name}",
            models[name],
            route.context_tokens,
            route.sees,
            route.dialect,
            route.tools,
            route.model or route.dialect,
            (route.price.input, route.price.output),
        )
        for name, route in settings.routes.items()
    )
    budget = settings.agent.budget
    return AgentSettings(
        settings.agent.instructions,
        routes,
        classify,
        settings.chain,
        settings.chains,
        {
            ACCOUNT: AccountSettings(settings.web_chain),
            **{
                name: AccountSettings(
                    settings.account_chains.get(name, ()), account.instructions or "", account.busy, account.unknown_send, rules[name]
                )
                for name, account in settings.accounts.items()
            },
        },
        settings.summaries_chain,
        settings.schedule_chain,
        Budget(steps=budget.steps, cost=budget.cost or inf, time_s=budget.time_s or inf),
    )


def place_of(name: str) -> tuple[str, str, str]:
    """Where the owner is told something: the conversation, its account and its address."""
    if name == "web":
        return conversation_key(NOTES), ACCOUNT, NOTES
    kind, account, chat = name.split(":", 2)
    return Place(chat).conversation(f"{kind}:{account}"), f"{kind}:{account}", Place(chat).address


def local_time_of(settings: Config) -> LocalTime:
    """The time where the owner lives."""
    if not settings.agent.time_zone:
        return LocalTime()
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - most configurations name none

    return LocalTime(ZoneInfo(settings.agent.time_zone))


def classifier(clock: Clock) -> Classify:
    """What says of what class a failure is. What it needs is imported at the first one."""

    def classified(failure: RawFailure, _dialect: str, worked_before: bool) -> Failure:
        from holdfast.models.classify import classify, setting  # noqa: PLC0415 - most starts meet no failure for a while

        found = classify(failure, worked_before=worked_before, now=clock.now())
        if found.kind == "ok":  # the bytes look whole, but whoever read them found them wanting
            return Failure("cut", reason=failure.why)
        about = setting(found)
        return replace(found, reason=f"{found.reason.removesuffix('.')}; see {about}") if about else found

    return classified
