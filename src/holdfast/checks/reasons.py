"""Why a call of a model failed, and what mends it, in words for the person who wrote the route. Pure.

Told from everything that is known: what came of the call, what the server tells of itself, and where a server was found instead. It is advice;
nothing the gateway does depends on it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from holdfast.checks.servers import USUAL_PORTS, Kind, Server
from holdfast.environment import is_here, proxy_for
from holdfast.invoked import command
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
SPENT: Final = ("insufficient_quota", "credit balance", "out of extra usage", "exceeded your current quota", "insufficient credits")


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


def explain(target: Target, failure: RawFailure, seen: Seen) -> Reason:
    """The first of these that fits."""
    if seen.right and seen.right != target.base_url.rstrip("/"):
        return _elsewhere(target, seen.right)
    if failure.status is None:
        return _unreachable(target, failure, seen)
    if seen.server is not None and seen.server.loading:
        return Reason(
            f"{target.host} is still loading its model.", failure.why, f"Wait until it is loaded, then: {command('check')}", away=True
        )
    if _about_key(failure, seen.server):
        return _key(target, failure)
    if failure.status in {402, 429} or any(word in failure.body.lower() for word in SPENT):
        return _limit(target, failure)
    if _lacks(target, failure, seen.server):
        return no_such_model(target, seen.server)
    if failure.status >= 500:
        return Reason(
            f"{target.host} has trouble of its own (status {failure.status}).",
            failure.why,
            f"See its log, then: {command('check')}",
            away=True,
        )
    if failure.status in {200, 404, 405} and seen.server is None:
        cause = f"{failure.why}. Nothing there lists models either."
        return Reason(
            f"{target.base_url} does not answer as a model server.",
            cause,
            'base_url = "http://HOST:PORT/v1"    (the address of a model server)',
        )
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


def _unreachable(target: Target, failure: RawFailure, seen: Seen) -> Reason:
    told = failure.exception
    if "CERTIFICATE_VERIFY_FAILED" in told:
        return _certificate(target, told)
    if told.startswith("Unusable: "):
        return Reason(
            f"{target.host} can't be reached from here.", told.removeprefix("Unusable: "), "Correct that variable of the environment"
        )
    if proxy_for(target.base_url):
        mend = "Correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY    (or name the host in NO_PROXY, if no proxy leads there)"
        return Reason(f"{target.host} can't be reached through the proxy.", failure.why, mend, away=True)
    if seen.near and is_here(target.base_url):
        url, server = next(iter(seen.near.items()))
        return Reason(
            f"Nothing answers at {target.host}.", f"But {server.kind or 'a model server'} answers at {url}.", f'base_url = "{url}"'
        )
    if "Name or service not known" in told or "getaddrinfo" in told or "DNS" in failure.why:
        host = urlsplit(target.base_url).hostname
        return Reason(f"The name {host} is not known.", "It is misspelt, or there is no network now.", f"getent hosts {host}", away=True)
    port = urlsplit(target.base_url).port or 0
    kind = USUAL_PORTS.get(port, "") if is_here(target.base_url) else ""
    mend = STARTS[kind].format(port=port) if kind else f"Start the server at {target.host}, or correct base_url{target.there}"
    who = f" That is where {kind} usually is." if kind else ""
    return Reason(f"Nothing answers at {target.host}.{who}", failure.why, mend, away=True)


def _certificate(target: Target, told: str) -> Reason:
    what = f"The certificate of {target.host} can't be trusted."
    if "expired" in told:
        return Reason(what, "It has expired.", f"Renew the certificate of {target.host}")
    if "mismatch" in told or "doesn't match" in told or "not valid for" in told:
        return Reason(what, "It was made out to another name.", "base_url = ...    (with the name that stands in the certificate)")
    cause = "It was signed by nobody this machine knows, as home-made certificates are."
    return Reason(what, cause, "Start the gateway with SSL_CERT_FILE=/path/to/the/authority.pem")


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


def _about_key(failure: RawFailure, server: Server | None) -> bool:
    """LiteLLM answers 400 or 500 where the key is wrong or missing, and Manifest 200 with a text."""
    if failure.status in {400, 500} and server is not None and server.refuses_key:
        return True
    return failure.status in {401, 403} or (failure.status == 200 and "Manifest M00" in failure.why)


def _limit(target: Target, failure: RawFailure) -> Reason:
    if any(word in failure.body.lower() for word in SPENT) or failure.status == 402:
        return Reason(
            f"{target.host} wants credit before it answers.", failure.why, "Add credit to this account, or use another key", away=True
        )
    return Reason(f"{target.host} has had too many calls for now.", failure.why, f"Wait a minute, then: {command('check')}", away=True)


def _lacks(target: Target, failure: RawFailure, server: Server | None) -> bool:
    if server is not None and server.models is not None and server.model(target.model) is None:
        return True
    text = failure.body.lower()
    return (
        failure.status in {400, 404}
        and "model" in text
        and any(word in text for word in ("not found", "does not exist", "invalid model", "no models loaded"))
    )


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
