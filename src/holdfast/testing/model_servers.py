"""What model servers that can't be installed here tell of themselves, after their documentation, for `stub_provider.StubProvider`.

    async with StubProvider(ollama({"qwen3:8b": 4096})) as stub: ...

Each also answers chat completions, with `chat`; what a kind does not know, it answers as that kind does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from holdfast.testing.stub_provider import Hit, Reply, answering, events, finish, http, text

Script = Callable[[Hit], Reply]
Answers = Mapping[str, Any]
"""By path: what is answered with status 200, or a pair of a status and what is answered."""


def ollama(
    loaded: Mapping[str, int], others: tuple[str, ...] = (), parameters: str = "", chat: Reply | None = None, missing: tuple[str, ...] = ()
) -> Script:
    """Ollama with these models, some of them loaded with so many tokens, and a model file with these parameters. Chat knows all but `missing`."""
    names = [*loaded, *others]
    running = [
        {"name": name, "model": name, "size": 2_800_000_000, "size_vram": 0, "context_length": tokens} for name, tokens in loaded.items()
    ]
    answers = {
        "/api/version": {"version": "0.12.6"},
        "/api/tags": {
            "models": [{"name": name, "model": name, "size": 1, "digest": "a", "details": {"family": "qwen3"}} for name in names]
        },
        "/api/ps": {"models": running},
        "/api/show": {"parameters": parameters, "model_info": {"qwen3.context_length": 40_960}, "capabilities": ["completion", "tools"]},
        "/v1/models": {"object": "list", "data": [_entry(name, "library") for name in names] or None},
    }

    def answer(hit: Hit) -> Reply:
        if hit.path == "/v1/chat/completions" and hit.json["model"] in missing:
            return _json(
                {"error": {"message": f"model {hit.json['model']!r} not found", "type": "not_found_error", "param": None, "code": None}},
                404,
            )
        return _answer(hit, answers, chat, Reply(http(b"404 page not found", 404, "text/plain")))

    return answer


def lm_studio(loaded: Mapping[str, int], others: tuple[str, ...] = (), newer: bool = True, chat: Reply | None = None) -> Script:
    """LM Studio: it answers what it does not know with 200 and an error, and any model's name with whatever is loaded."""
    names = [*loaded, *others]
    older = [
        {"id": name, "type": "llm", "state": "loaded" if name in loaded else "not-loaded", "max_context_length": 131_072}
        | ({"loaded_context_length": loaded[name]} if name in loaded else {})
        for name in names
    ] + [{"id": "text-embedding-nomic", "type": "embeddings", "state": "not-loaded", "max_context_length": 2048}]
    instances = {name: [{"id": name, "config": {"context_length": tokens}}] for name, tokens in loaded.items()}
    answers = {
        "/api/v0/models": {"object": "list", "data": older},
        "/v1/models": {"object": "list", "data": [_entry(str(one["id"]), "organization_owner") for one in older]},
    }
    if newer:
        answers["/api/v1/models"] = {
            "models": [
                {"type": "llm", "key": name, "loaded_instances": instances.get(name, []), "max_context_length": 131_072} for name in names
            ]
        }
    return lambda hit: _answer(hit, answers, chat, _json({"error": f"Unexpected endpoint or method. ({hit.method} {hit.path})"}))


def vllm(model: str, max_model_len: int, key: str = "", chat: Reply | None = None) -> Script:
    """vLLM: with a key, only what lies under /v1 is guarded."""
    answers = {
        "/version": {"version": "0.11.0"},
        "/v1/models": {"object": "list", "data": [_entry(model, "vllm") | {"root": model, "max_model_len": max_model_len}]},
    }

    def answer(hit: Hit) -> Reply:
        if key and hit.path.startswith("/v1") and hit.headers.get("authorization") != f"Bearer {key}":
            return _json({"error": "Unauthorized"}, 401)
        return _answer(hit, answers, chat, _json({"detail": "Not Found"}, 404))

    return answer


def litellm(model: str, max_input_tokens: int, key: str, chat: Reply | None = None) -> Script:
    """LiteLLM with a master key, without a database: a wrong key is a 400."""
    answers = {
        "/health/liveliness": "I'm alive!",
        "/v1/models": {"object": "list", "data": [_entry(model, "openai")]},
        "/v1/model/info": {"data": [{"model_name": model, "litellm_params": {}, "model_info": {"max_input_tokens": max_input_tokens}}]},
    }

    def answer(hit: Hit) -> Reply:
        if hit.path == "/health/liveliness" or hit.headers.get("authorization") == f"Bearer {key}":
            return _answer(hit, answers, chat, _json({"detail": "Not Found"}, 404))
        if hit.path == "/v1/chat/completions":
            return _json({"error": {"message": "No connected db.", "type": "no_db_connection", "param": None, "code": "400"}}, 400)
        return _json(
            {"error": {"message": "Authentication Error, No api key passed in.", "type": "auth_error", "param": "None", "code": "401"}}, 401
        )

    return answer


def manifest(key: str) -> Script:
    """Manifest: it says what is wrong as the model's answer, with status 200."""
    answers = {
        "/api/v1/health": {"status": "healthy", "uptime_seconds": 12, "mode": "selfhosted", "devMode": False},
        "/v1/models": {"object": "list", "data": [_entry("auto", "manifest") | {"context_length": 128_000}]},
    }
    said = (text('[🦚 Manifest M003] That doesn\'t look right. Manifest keys start with "mnfst_".'), finish())
    wrong = Reply(http(events(*(one | {"id": "chatcmpl-manifest-1", "model": "manifest"} for one in said))))

    def answer(hit: Hit) -> Reply:
        knows = hit.headers.get("authorization") == f"Bearer {key}"
        if hit.path == "/v1/models" and not knows:
            return _json({"message": "Unauthorized", "statusCode": 401}, 401)
        return _answer(
            hit, answers, None if knows else wrong, _json({"message": f"Cannot {hit.method} {hit.path}", "statusCode": 404}, 404)
        )

    return answer


def _entry(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1, "owned_by": owner}


def _answer(hit: Hit, answers: Answers, chat: Reply | None, unknown: Reply) -> Reply:
    if hit.path == "/v1/chat/completions":
        return chat or answering("Hello")
    return _json(answers[hit.path]) if hit.path in answers else unknown


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(http(json.dumps(value).encode(), status, "application/json"))
