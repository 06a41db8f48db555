"""Which model server answers at an address, and what it tells of its models. Each kind is told apart by what only it answers."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx2

from holdfast import environment

Kind = Literal["Ollama", "LM Studio", "llama.cpp", "vLLM", "LiteLLM", "Manifest", ""]

USUAL_PORTS: Final[Mapping[int, Kind]] = {
    11434: "Ollama",
    1234: "LM Studio",
    8080: "llama.cpp",
    8000: "vLLM",
    4000: "LiteLLM",
    2099: "Manifest",
}
LOOK_S: Final = 3.0
"""How long a configured server may take to tell of itself."""
LOOK_NEAR_S: Final = 1.0
"""The same for one that may or may not be on this machine."""
REPLY_BYTES_MAX: Final = 4 * 1024 * 1024
OLLAMA_LEAST_CONTEXT: Final = 4096
"""What Ollama loads a model with on machines without much video memory, if nobody tells it more."""

_PATHS: Final = (
    "/api/version",
    "/api/tags",
    "/api/ps",
    "/api/v0/models",
    "/api/v1/models",
    "/props",
    "/version",
    "/health/liveliness",
    "/api/v1/health",
)
_WINDOWS: Final = ("max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens")
"""By these names servers tell how many tokens a model reads at once."""
_TOKENS_END: Final = 10**12
"""More than any model reads."""
_ENDS: Final = ("/chat/completions", "/completions", "/responses", "/messages", "/models")


@dataclass(frozen=True, slots=True)
class Listed:
    """A model. `context_tokens`: what it can read at once, as it is loaded or served now."""

    name: str
    context_tokens: int | None = None
    loaded: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """What is known of a server. `models` is None if it does not list them, or not to us."""

    kind: Kind
    models: tuple[Listed, ...] | None = None
    refuses_key: bool = False
    loading: bool = False
    certificate_ends: float | None = None

    def model(self, name: str) -> Listed | None:
        """The model of this name."""
        same = {name, f"{name}:latest"} if self.kind == "Ollama" else {name}
        return next((model for model in self.models or () if model.name in same), None)


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    server: str
    json: Any
    certificate_ends: float | None = None


# --- asking -------------------------------------------------------------------------------------------------------------------------


async def look(base_url: str, key: str = "", model: str = "", timeout_s: float = LOOK_S) -> Server | None:
    """What answers at `base_url`; of `model` also what only a question for it tells. None if nothing does that serves models.

    Nothing is sent but questions, side by side; the key only where it is given.
    """
    base = base_url.rstrip("/")
    root = base.removesuffix("/v1")
    try:
        client = _client(key, timeout_s, base)
    except environment.Unusable:
        return None  # a call of the model says why
    async with client as http:
        paths = {path: f"{root}{path}" for path in _PATHS} | {"models": f"{base}/models", "info": f"{base}/model/info"}
        replies = await asyncio.gather(*(_get(http, url) for url in paths.values()))
        server = identify({path: reply for path, reply in zip(paths, replies, strict=True) if reply is not None})
        if server is None or server.kind != "Ollama" or (known := server.model(model)) is None or known.context_tokens:
            return server
        tokens = _ollama_parameter(await _get(http, f"{root}/api/show", {"model": model}))
        models = tuple(replace(known, context_tokens=tokens) if one is known else one for one in server.models or ())
        return replace(server, models=models)


async def near(ports: Mapping[int, Kind]) -> dict[str, Server]:
    """The servers on this machine, by their base URL. No key is sent."""
    urls = [f"http://127.0.0.1:{port}/v1" for port in ports]
    found = await asyncio.gather(*(look(url, timeout_s=LOOK_NEAR_S) for url in urls))
    return {url: server for url, server in zip(urls, found, strict=True) if server is not None}


async def right_address(base_url: str, key: str = "") -> str:
    """The base URL that was probably meant: the same if models are served there, "" if nothing like it does.

    The key goes to the host it is for, as `base_url` would send it, and to nothing else.
    """
    near = _meant(base_url)
    swap = {"http": "https", "https": "http"}
    far = [re.sub(r"^https?", lambda scheme: swap[scheme[0]], url) for url in near]
    try:
        known, unknown = _client(key, LOOK_S, base_url), _client("", LOOK_S, base_url, trusting=True)
    except environment.Unusable:
        return ""
    async with known, unknown:
        return await _serving(known, near) or await _serving(unknown, far)


async def _serving(http: httpx2.AsyncClient, urls: list[str]) -> str:
    """The first of these that lists models; else the first that would, to others."""
    replies = await asyncio.gather(*(_get(http, f"{url}/models") for url in urls))
    pairs = [(url, reply) for url, reply in zip(urls, replies, strict=True) if reply is not None]
    lists = (url for url, reply in pairs if reply.status == httpx2.codes.OK and _data(reply) is not None)
    guarded = (url for url, reply in pairs if reply.status in {401, 403} and isinstance(reply.json, dict))
    return next(lists, next(guarded, ""))


def _client(key: str, timeout_s: float, url: str, *, trusting: bool = False) -> httpx2.AsyncClient:
    """A client for this server, as the models' own is: with the same proxy, and the same authorities, if its certificate is judged at all."""
    headers = {"user-agent": "holdfast"}
    if key and "anthropic" in (urlsplit(url).hostname or ""):
        headers |= {"x-api-key": key, "anthropic-version": "2023-06-01"}
    elif key:
        headers |= {"authorization": f"Bearer {key}", "x-api-key": key}
    return environment.client(url, trusting=trusting, timeout=timeout_s, headers=headers)


async def _get(http: httpx2.AsyncClient, url: str, question: dict[str, str] | None = None) -> _Reply | None:
    """The reply; None if there is none in time.

    The client's own time-outs come first: one that cuts into the handshake of TLS would leave its socket open.
    """
    try:
        method = "POST" if question else "GET"
        async with asyncio.timeout(3 * (http.timeout.read or 0)), http.stream(method, url, json=question) as response:
            ends = _certificate_ends(response)
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > REPLY_BYTES_MAX:
                    return None
    except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, UnicodeError):
        return None
    try:
        said = httpx2.Response(200, content=bytes(body)).json()
    except (ValueError, RecursionError):
        said = None
    return _Reply(response.status_code, response.headers.get("server", ""), said, ends)


def _certificate_ends(response: httpx2.Response) -> float | None:
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    ends = (tls.getpeercert() or {}).get("notAfter") if tls is not None else None
    return ssl.cert_time_to_seconds(ends) if ends else None


def _meant(base_url: str) -> list[str]:
    """What somebody may have meant who wrote this, the likeliest first."""
    trimmed = base_url.rstrip("/")
    for end in _ENDS:
        trimmed = trimmed.removesuffix(end)  # what follows it can't be right, also where a guard answers the same on every path
    parts = urlsplit(trimmed)
    root = f"{parts.scheme}://{parts.netloc}"
    return list(dict.fromkeys([trimmed, f"{trimmed}/v1", re.sub(r"(/v1)+$", "/v1", trimmed), f"{root}/v1", f"{root}/api/v1"]))


# --- understanding ------------------------------------------------------------------------------------------------------------------


def identify(replies: Mapping[str, _Reply]) -> Server | None:  # noqa: C901 one case for each kind of server
    """The server that gives these replies, by path. Pure."""
    listing = replies.get("models")
    said = {path: reply.json for path, reply in replies.items() if reply.status == httpx2.codes.OK}
    entries = _data(listing) if listing and listing.status == httpx2.codes.OK else None
    owners = [entry.get("owned_by") for entry in entries or ()]
    kind: Kind | None
    models = None if entries is None else tuple(Listed(entry["id"], _window(entry)) for entry in entries)
    match said:
        case {"/api/version": {"version": str()}, "/api/tags": {"models": list() as tags}}:
            kind, models = "Ollama", _ollama(tags, said.get("/api/ps"))
        case {"/api/v0/models": {"data": [{"max_context_length": int()}, *_]}} | {
            "/api/v1/models": {"models": [{"loaded_instances": list()}, *_]}
        }:
            kind, models = "LM Studio", _lm_studio(said)
        case _ if "organization_owner" in owners:
            kind = "LM Studio"
        case {"/props": {"default_generation_settings": {"n_ctx": int(tokens)}}} if _tokens(tokens):
            kind, models = "llama.cpp", tuple(Listed(model.name, tokens, loaded=True) for model in models or ())
        case _ if "llamacpp" in owners or any(reply.server == "llama.cpp" for reply in replies.values()):
            kind = "llama.cpp"
        case {"/health/liveliness": "I'm alive!"}:
            kind, models = "LiteLLM", _litellm(models, said.get("info"))
        case {"/api/v1/health": {"status": "healthy", "uptime_seconds": _}}:
            kind = "Manifest"
        case _ if "manifest" in owners:
            kind = "Manifest"
        case _ if "vllm" in owners:
            kind = "vLLM"
        case {"/version": {"version": str()}} if entries is None:
            kind = "vLLM"
        case _:
            kind = "" if entries is not None or (listing and listing.status in {401, 403, 503}) else None
    if kind is None:
        return None
    return Server(
        kind,
        models,
        refuses_key=listing is not None and listing.status in {401, 403},
        loading=any(_loading(reply) for reply in replies.values()),
        certificate_ends=next((reply.certificate_ends for reply in replies.values() if reply.certificate_ends), None),
    )


def _data(reply: _Reply) -> list[dict[str, Any]] | None:
    """The models of a list as OpenAI gives it. Ollama without any gives null."""
    match reply.json:
        case {"object": "list", "data": None}:
            return []
        case {"data": list() as data}:
            return [entry for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
        case _:
            return None


def _window(entry: Mapping[str, Any]) -> int | None:
    meta = entry.get("meta")
    told = [entry.get(name) for name in _WINDOWS] + [meta.get("n_ctx") if isinstance(meta, dict) else None]
    return next(filter(None, map(_tokens, told)), None)


def _tokens(told: Any) -> int | None:
    """How many tokens a server says it reads, if that can be."""
    return told if type(told) is int and 0 < told < _TOKENS_END else None


def _ollama(tags: list[Any], running: Any) -> tuple[Listed, ...]:
    loaded = {one["name"]: _tokens(one.get("context_length")) for one in _dicts(running, "models") if isinstance(one.get("name"), str)}
    names = [tag["name"] for tag in tags if isinstance(tag, dict) and isinstance(tag.get("name"), str)]
    return tuple(Listed(name, loaded.get(name), name in loaded) for name in names)


def _ollama_parameter(reply: _Reply | None) -> int | None:
    """The `num_ctx` that a model's own file sets."""
    match reply.json if reply else None:
        case {"parameters": str(text)} if found := re.search(r"^num_ctx\s+(\d{1,18})\s*$", text, re.MULTILINE):
            return _tokens(int(found[1]))
        case _:
            return None


def _lm_studio(said: Mapping[str, Any]) -> tuple[Listed, ...]:
    """Its own lists tell what is loaded, and how; the newer one is taken if both are there."""
    newer = [
        Listed(
            one["key"],
            max(
                filter(None, (_tokens(_inner(loaded, "config").get("context_length")) for loaded in one["loaded_instances"])), default=None
            ),
            bool(one["loaded_instances"]),
        )
        for one in _dicts(said.get("/api/v1/models"), "models")
        if one.get("type") != "embedding" and isinstance(one.get("key"), str) and isinstance(one.get("loaded_instances"), list)
    ]
    older = [
        Listed(one["id"], _tokens(one.get("loaded_context_length")), one.get("state") == "loaded")
        for one in _dicts(said.get("/api/v0/models"), "data")
        if one.get("type") != "embeddings" and isinstance(one.get("id"), str)
    ]
    return tuple(newer or older)


def _litellm(models: tuple[Listed, ...] | None, info: Any) -> tuple[Listed, ...] | None:
    told = [one for one in _dicts(info, "data") if isinstance(one.get("model_name"), str)]
    windows = {one["model_name"]: _tokens(_inner(one, "model_info").get("max_input_tokens")) for one in told}
    return models and tuple(replace(model, context_tokens=windows.get(model.name) or model.context_tokens) for model in models)


def _dicts(said: Any, key: str) -> list[dict[str, Any]]:
    listed = said.get(key) if isinstance(said, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _inner(said: Any, key: str) -> dict[str, Any]:
    inner = said.get(key) if isinstance(said, dict) else None
    return inner if isinstance(inner, dict) else {}


def _loading(reply: _Reply) -> bool:
    match reply.json:
        case {"error": {"message": str(message)}} if reply.status == httpx2.codes.SERVICE_UNAVAILABLE:
            return "loading" in message.lower()
        case _:
            return False
