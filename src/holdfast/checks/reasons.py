"""Why a call of a model failed, and what mends it, in words for the person who wrote the route. Pure.

Told from everything that is known: what the classifier makes of the call, what the server tells of itself, and where a server was found instead. It is advice;
nothing the gateway does depends on it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from holdfast.checks.servers import USUAL_PORTS, Kind, Server
from holdfast.core.failure import Failure
from holdfast.core.words import span
from holdfast.environment import is_here, proxy_for
from holdfast.invoked import command
from holdfast.models.classify import classify
from holdfast.models.classify.errors import NO_MODEL_SERVER, NOTHING_THERE, REFUSES_US
from holdfast.models.classify.transport import EXPIRED, NO_NAME, NO_NAME_NOW, OTHER_NAME, UNTRUSTED
from holdfast.models.classify.words import KEY, MODEL
from holdfast.ports import RawFailure

STARTS: Final[Mapping[Kind, str]] = {
    "Ollama": "ollama serve",
    "LM Studio": "lms server start",
    "llama.cpp": "llama-server --jinja -m MODEL.gguf --port {port}",
    "vLLM": "vllm serve MODEL --port {port}",
    "LiteLLM": "litellm --config CONFIG.yaml --port {port}",
    "Manifest": "docker compose up -d    (in Manifest's folder)",
}
TYPED: Final = "typed"
LISTED_MAX: Final = 8

_ABOUT_KEYS: Final = {KEY.why, REFUSES_US[1]}
_ABOUT_ADDRESSES: Final = {NOTHING_THERE[1], NO_MODEL_SERVER[1]}
_ABOUT_CERTIFICATES: Final = {
    EXPIRED: ("It has expired.", "Renew the certificate of {host}"),
    OTHER_NAME: ("It was made out to another name.", "base_url = ...    (with the name that stands in the certificate)"),
    UNTRUSTED: (
        "It was signed by nobody this machine knows, as home-made certificates are.",
        "Start the gateway with SSL_CERT_FILE=/path/to/the/authority.pem",
    ),
}
"""Why it can't be trusted, and what mends that."""


@dataclass(frozen=True, slots=True)
class Target:
    """The route that was tried. `key`: where its key comes from (TYPED: from a person, just now), never the key itself. `table`: its place in the
    file, "" if there is none yet."""

    base_url: str
    model: str
    key: str = ""
    table: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc or self.base_url

    @property
    def there(self) -> str:
        return f"    (in {self.table})" if self.table else ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found when looking around: the server at the address, the address that was probably meant, and servers on this machine."""

    server: Server | None = None
    right: str = ""
    near: Mapping[str, Server] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """What is wrong, why, and the line or command that mends it. `away`: it may pass by itself."""

    what: str
    cause: str
    mend: str
    away: bool = False


def explain(target: Target, failure: RawFailure, seen: Seen, now: float) -> Reason:
    """The first of these that fits. What the failure means, the classifier says, as for the conversations; here it gets its words for the owner."""
    found = classify(failure, now=now)
    if seen.right and seen.right != target.base_url.rstrip("/"):
        return _elsewhere(target, seen.right)
    if failure.status is None:
        return _unreachable(target, failure, found, seen)
    if found.loading or (seen.server is not None and seen.server.loading):
        again = f"Wait until it is loaded, then: {command('check')}"
        return Reason(f"{target.host} is still loading its model.", failure.why, again, away=True)
    if found.kind in {"quota", "rate-limit"}:
        return _limit(target, found)
    if found.cause in _ABOUT_KEYS:
        return _key(target, failure)
    if _lacks(target, found, seen.server):
        return no_such_model(target, seen.server)
    if found.cause == MODEL.why:
        return Reason(
            f"{target.model} is not for this account.", failure.why, f"Have it enabled there, or take another model{target.there}"
        )
    if found.kind in {"transient", "cut"}:
        return Reason(f"{target.host} has trouble of its own.", found.reason, f"See its log, then: {command('check')}", away=True)
    if found.cause in _ABOUT_ADDRESSES and seen.server is None:
        cause = f"{found.reason} Nothing there lists models either."
        mend = 'base_url = "http://HOST:PORT/v1"    (the address of a model server)'
        return Reason(f"{target.base_url} does not answer as a model server.", cause, mend)
    return Reason(f"{target.host} refuses the call.", failure.why, f"Correct what it says{target.there}")


def _elsewhere(target: Target, right: str) -> Reason:
    wrong, meant = urlsplit(target.base_url), urlsplit(right)
    if wrong.scheme != meant.scheme:
        cause = f"It speaks {meant.scheme}, and base_url says {wrong.scheme}."
    elif meant.path.startswith(wrong.path.rstrip("/")):
        cause = f"base_url lacks the end {meant.path.removeprefix(wrong.path.rstrip('/'))}."
    else:
        cause = "base_url has more at its end than it should: what each dialect needs is added to it."
    return Reason(f"{target.base_url} is not quite the address of this server.", cause, f'base_url = "{right}"')


def _unreachable(target: Target, failure: RawFailure, found: Failure, seen: Seen) -> Reason:
    if found.cause in _ABOUT_CERTIFICATES:
        cause, mend = _ABOUT_CERTIFICATES[found.cause]
        return Reason(f"The certificate of {target.host} can't be trusted.", cause, mend.format(host=target.host))
    if failure.exception.startswith("Unusable: "):
        what = f"{target.host} can't be reached from here."
        return Reason(what, failure.exception.removeprefix("Unusable: "), "Correct that variable of the environment")
    if proxy_for(target.base_url):
        mend = "Correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY    (or name the host in NO_PROXY, if no proxy leads there)"
        return Reason(f"{target.host} can't be reached through the proxy.", failure.why, mend, away=True)
    if seen.near and is_here(target.base_url):
        url, server = next(iter(seen.near.items()))
        return Reason(
            f"Nothing answers at {target.host}.", f"But {server.kind or 'a model server'} answers at {url}.", f'base_url = "{url}"'
        )
    if found.cause in {NO_NAME, NO_NAME_NOW}:
        host = urlsplit(target.base_url).hostname
        return Reason(f"The name {host} is not known.", "It is misspelt, or there is no network now.", f"getent hosts {host}", away=True)
    port = urlsplit(target.base_url).port or 0
    kind = USUAL_PORTS.get(port, "") if is_here(target.base_url) else ""
    mend = STARTS[kind].format(port=port) if kind else f"Start the server at {target.host}, or correct base_url{target.there}"
    who = f" That is where {kind} usually is." if kind else ""
    return Reason(f"Nothing answers at {target.host}.{who}", failure.why, mend, away=True)


def _key(target: Target, failure: RawFailure) -> Reason:
    cause = f"It says: {failure.why}"
    if not target.key:
        mend = f'api_key = "env:NAME"{target.there}    (NAME is a variable that holds the key)'
        return Reason(f"{target.host} asks for a key, and there is none.", cause, mend)
    kind, _, name = target.key.partition(":")
    match kind:
        case "env":
            mend = f"export {name}=...    (where the gateway is started)"
        case "file" | "credential":
            mend = f"Put a valid key into {name}"
        case _:
            return Reason(f"{target.host} does not accept this key.", cause, "Copy it once more from where you have it")
    return Reason(f"{target.host} does not accept the key from {target.key}.", cause, mend)


def _limit(target: Target, found: Failure) -> Reason:
    if found.kind == "quota":
        what = f"{target.host} wants credit before it answers."
        return Reason(what, found.reason, "Add credit to this account, or use another key", away=True)
    wait = "a minute" if found.retry_after_s is None else span(found.retry_after_s)
    return Reason(f"{target.host} has had too many calls for now.", found.reason, f"Wait {wait}, then: {command('check')}", away=True)


def _lacks(target: Target, found: Failure, server: Server | None) -> bool:
    """Its own list of models knows best; where it has none, what it says."""
    if server is not None and server.models is not None:
        return server.model(target.model) is None
    return found.cause == MODEL.why


def no_such_model(target: Target, server: Server | None) -> Reason:
    """The server has no model of this name."""
    kind = server.kind if server else ""
    names = [model.name for model in server.models or ()] if server else []
    what = f"{kind or target.host} has no model {target.model!r}."
    near = nearest(target.model, names)
    lines = [f'model = "{near}"'] if near else []
    if kind == "Ollama":
        lines.append(f"ollama pull {target.model}")
    if kind == "LM Studio" and not names:
        lines.append(f"lms get {target.model}")
    if not names:
        return Reason(
            what,
            "It has none at all." if server and server.models is not None else "",
            " or ".join(lines) or "model = ...    (a name that it knows)",
        )
    listed = ", ".join(names[:LISTED_MAX]) + (f" and {len(names) - LISTED_MAX} more" if len(names) > LISTED_MAX else "")
    return Reason(what, f"It has: {listed}.", " or ".join(lines) or f'model = "{names[0]}"')


def nearest(name: str, names: list[str]) -> str:
    """The name that was probably meant; "" if none is near."""
    by_lower = {one.lower(): one for one in names}
    part = name.rpartition("/")[2].partition(":")[0].lower()
    within = [one for one in by_lower if part and part in one]
    return next(
        (by_lower[one] for one in difflib.get_close_matches(name.lower(), within or by_lower, n=1, cutoff=0.0 if within else 0.5)), ""
    )
