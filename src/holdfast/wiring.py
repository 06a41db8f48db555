"""What a configuration means for models and tool servers: said once, for the gateway that runs them and for the check that tries them."""

from __future__ import annotations

from holdfast.config import Route, ToolServer
from holdfast.models import Endpoint
from holdfast.tools.settings import Address, Command, ServerSettings


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
