"""Each route tried as a conversation would use it: a word, a call of a tool, and whether the server reads as much as we think it does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from holdfast.checks import servers, trial
from holdfast.checks.findings import Finding
from holdfast.checks.reasons import Reason, Seen, Target, explain, no_such_model
from holdfast.checks.servers import OLLAMA_LEAST_CONTEXT, Server
from holdfast.checks.trial import ASKED_TOOL, GREETING, TOOL_WANTED, Tried, tried
from holdfast.environment import is_here
from holdfast.invoked import command
from holdfast.models import Endpoint

SHORT_CHARS_MAX: Final = 60
ENOUGH_CONTEXT: Final = 8_192
"""With less, tools and a few messages do not fit."""
CERTIFICATE_DAYS_LEAST: Final = 14
DAY_S: Final = 86_400

_AS_TEXT: Final = (
    f'"{ASKED_TOOL.name}"',
    f"{ASKED_TOOL.name}(",
    "<tool_call",
    "<function",
    "[TOOL_CALLS]",
    "<|python_tag|>",
    "<\uff5ctool\u2581",
)
"""What a call looks like when a model writes it into its answer."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A route, ready to be called. `key`: where its key comes from. `tools`: are tool servers configured? `calls`: is it to call tools at all?"""

    dialect: str
    endpoint: Endpoint
    key: str = ""
    context_tokens: int | None = None
    tools: bool = False
    calls: bool = True

    @property
    def about(self) -> str:
        return f"routes.{self.endpoint.name}"

    @property
    def target(self) -> Target:
        return Target(self.endpoint.base_url, self.endpoint.model, self.key, f"[{self.about}]")


async def check_route(route: Subject) -> list[Finding]:
    """All that is to be said of one route. Takes two minutes at most."""
    answer = await answered(route)
    if answer.level != "ok":
        return [answer]
    endpoint = _patient(route.endpoint)
    server, two = await asyncio.gather(
        servers.look(endpoint.base_url, endpoint.api_key, endpoint.model),
        tried(route.dialect, endpoint, TOOL_WANTED) if route.calls else _nothing(),
    )
    tools = [_tools(route, two, server)] if two else []
    return [answer, *_named(route, server), *_window(route, server), *tools, *_safe(route, server)]


async def answered(route: Subject) -> Finding:
    """Does it answer one word? Takes a minute at most."""
    if route.dialect == "practice":
        what = "The practice model answers: it is built in, and no real model."
        return Finding("warning", "route.answers", route.about, what, mend=f"{command('init')}    (connects a real one)")
    one = await tried(route.dialect, _patient(route.endpoint), GREETING)
    if one.failure is not None:
        return _failed(route, await diagnose(route.target, one, route.endpoint.api_key))
    return Finding("ok", "route.answers", route.about, f"{route.endpoint.model} at {route.target.host} {said(one)}.")


def _patient(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, first_event_timeout_s=trial.BEGIN_S_MAX)


async def _nothing() -> None:
    """In place of a call that is not made."""


async def diagnose(target: Target, one: Tried, key: str) -> Reason:
    """Look around, and say why the call failed."""
    assert one.failure is not None
    server, right = await asyncio.gather(servers.look(target.base_url, key, target.model), servers.right_address(target.base_url, key))
    here = server is None and not right and is_here(target.base_url)
    near = await servers.near(servers.USUAL_PORTS) if here else {}
    return explain(target, one.failure, Seen(server, right, near), time.time())


def _failed(route: Subject, reason: Reason) -> Finding:
    return Finding("error", "route.answers", route.about, reason.what, reason.cause, reason.mend, reason.away)


def said(one: Tried) -> str:
    """What came of a call that did not fail."""
    words = " ".join(one.text.split())
    words = words if len(words) <= SHORT_CHARS_MAX else words[: SHORT_CHARS_MAX - 1] + "…"
    if one.whole:
        return f'answered "{words}" in {one.took_s:.1f} s'
    return f"began to answer; its end was not waited for after {one.took_s:.0f} s (it may be thinking)"


def _named(route: Subject, server: Server | None) -> Iterator[Finding]:
    """Some servers answer under any name, with whatever is loaded."""
    if server is None or not server.models or server.kind not in {"LM Studio", "llama.cpp"} or server.model(route.endpoint.model):
        return
    reason = no_such_model(route.target, server)
    what = f"{reason.what} It answers all the same, with another one."
    yield Finding("warning", "route.model", route.about, what, reason.cause, reason.mend)


def _window(route: Subject, server: Server | None) -> Iterator[Finding]:
    """How much the server reads, and how much we think it does."""
    listed = server.model(route.endpoint.model) if server else None
    if listed is None and server is not None and server.kind == "llama.cpp" and server.models:
        listed = server.models[0]  # it has one model, whatever that is called
    has = listed.context_tokens if listed else None
    kind = (server.kind if server else "") or route.target.host
    cuts = server is not None and server.kind == "Ollama"
    cause = f"{kind} silently forgets the beginning of what is longer." if cuts else f"{kind} refuses what is longer."
    if route.context_tokens is None:
        told = has or (OLLAMA_LEAST_CONTEXT if cuts else None)
        line = f"context_tokens = {told or 32768}    (in [{route.about}]{'' if told else '; as many as the model can read'})"
        what = "context_tokens is missing: long conversations are not summarised before they are too long."
        yield Finding("warning", "route.context", route.about, what, f"It reads {told} tokens at once. {cause}" if told else cause, line)
    elif has and route.context_tokens > has:
        what = f"context_tokens is {route.context_tokens}, but {kind} reads only {has} tokens at once."
        yield Finding("warning", "route.context", route.about, what, cause, _more(server, route, has))
    elif has:
        yield Finding(
            "ok", "route.context", route.about, f"{kind} reads {has} tokens at once, and context_tokens is {route.context_tokens}."
        )
    if has and has < ENOUGH_CONTEXT:
        what = f"{has} tokens are few: instructions, tools and a few messages hardly fit."
        yield Finding("warning", "route.small-context", route.about, what, f"{kind} has loaded the model with so many.", bigger(server))


def _more(server: Server | None, route: Subject, has: int) -> str:
    line = f"context_tokens = {has}    (in [{route.about}])"
    return f"{line} or {bigger(server, route.context_tokens or 0)}"


def bigger(server: Server | None, tokens: int = 32_768) -> str:
    """How to have a server read more."""
    match server.kind if server else "":
        case "Ollama":
            return f"OLLAMA_CONTEXT_LENGTH={tokens} ollama serve"
        case "LM Studio":
            return f"lms load MODEL --context-length {tokens}"
        case "llama.cpp":
            return f"llama-server -c {tokens} ..."
        case "vLLM":
            return f"vllm serve MODEL --max-model-len {tokens}"
        case _:
            return f"Have the server load the model with {tokens} tokens"


def _tools(route: Subject, two: Tried, server: Server | None) -> Finding:
    """Does it make real calls of tools?"""
    check, about, model = "route.tools", route.about, route.endpoint.model
    other = f"Take a model made for tools, such as qwen3:8b or larger, or say that it has none: tools = false    (in [{about}])"
    if two.failure is not None:
        reads = two.failure.why
        return Finding(
            "error" if route.tools else "warning", check, about, f"{model} can't be given tools.", reads, _tools_mend(reads, other, server)
        )
    if ASKED_TOOL.name in two.calls:
        return Finding("ok", check, about, f"{model} makes real tool calls ({two.took_s:.1f} s).")
    if any(sign in two.text for sign in _AS_TEXT):
        what = f"{model} writes tool calls into its answer as text: no tool will ever run."
        cause = "Small models do, and servers that were not told how this model calls tools."
        return Finding("warning", check, about, what, cause, _tools_mend("", other, server))
    if not two.whole:
        return Finding(
            "warning",
            check,
            about,
            f"{model} had called no tool after {two.took_s:.0f} s.",
            "It may be slow, or think long.",
            f"{command('check')}    (again)",
        )
    what = f"{model} was asked to call a tool, and answered without it."
    return Finding("warning", check, about, what, "Small models often do.", other)


def _tools_mend(reads: str, other: str, server: Server | None) -> str:
    if (server is not None and server.kind == "llama.cpp") or "--jinja" in reads:
        return f"llama-server --jinja ... or {other[0].lower()}{other[1:]}"
    if (server is not None and server.kind == "vLLM") or "--enable-auto-tool-choice" in reads:
        return "vllm serve MODEL --enable-auto-tool-choice --tool-call-parser hermes    (the parser that fits the model)"
    return other


def _safe(route: Subject, server: Server | None) -> Iterator[Finding]:
    """Does what is said travel safely?"""
    url = route.endpoint.base_url
    if urlsplit(url).scheme == "http" and route.endpoint.api_key and not is_here(url):
        what = f"The key and all conversations travel to {route.target.host} in the open."
        yield Finding(
            "warning",
            "route.encryption",
            route.about,
            what,
            "base_url begins with http.",
            'base_url = "https://..."    (if the server speaks it)',
        )
    if server is None or server.certificate_ends is None:
        return
    days = int((server.certificate_ends - time.time()) / DAY_S)
    if days < CERTIFICATE_DAYS_LEAST:
        what = f"The certificate of {route.target.host} ends in {days} days."
        yield Finding(
            "warning",
            "route.certificate",
            route.about,
            what,
            "Then no call will get through.",
            f"Renew the certificate of {route.target.host}",
        )
    else:
        yield Finding("ok", "route.certificate", route.about, f"The certificate of {route.target.host} is good for {days} more days.")
