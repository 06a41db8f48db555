"""Who answers at an address, after what each kind of server documents of itself; llama.cpp is a real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.checks import servers
from holdfast.checks.servers import Listed, Server, look, near, right_address
from holdfast.testing import model_servers
from holdfast.testing.llama import Llama, Options, unavailable
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, http


@pytest.fixture
def llama(tmp_path: Path) -> Iterator[Llama]:
    if why := unavailable():
        pytest.skip(why)
    with Llama(tmp_path, None, Options(context_tokens=512, api_key="the-key")) as llama:
        yield llama


async def seen(script: model_servers.Script, key: str = "", model: str = "") -> Server | None:
    async with StubProvider(script) as stub:
        return await look(stub.base_url, key, model)


async def test_ollama_tells_which_models_are_loaded_and_with_how_many_tokens() -> None:
    server = await seen(model_servers.ollama({"qwen3:8b": 4096}, ("llama3.2:1b",)))
    assert server == Server("Ollama", (Listed("qwen3:8b", 4096, loaded=True), Listed("llama3.2:1b")))


async def test_ollama_tells_of_a_model_that_is_not_loaded_what_its_own_file_sets() -> None:
    server = await seen(
        model_servers.ollama({}, ("qwen3:8b",), parameters='temperature 1\nnum_ctx                        16384\nstop "x"'),
        model="qwen3:8b",
    )
    assert server is not None and server.model("qwen3:8b") == Listed("qwen3:8b", 16384)


async def test_ollama_without_a_model_lists_none() -> None:
    assert await seen(model_servers.ollama({})) == Server("Ollama", ())


async def test_ollama_knows_a_model_by_its_name_alone() -> None:
    server = await seen(model_servers.ollama({}, ("qwen3:latest",)))
    assert server is not None and server.model("qwen3") == Listed("qwen3:latest")


@pytest.mark.parametrize("newer", [True, False])
async def test_lm_studio_tells_what_is_loaded_and_its_embeddings_are_left_out(newer: bool) -> None:
    server = await seen(model_servers.lm_studio({"qwen/qwen3-8b": 8192}, ("gemma-3-4b",), newer))
    assert server == Server("LM Studio", (Listed("qwen/qwen3-8b", 8192, loaded=True), Listed("gemma-3-4b")))


async def test_vllm_tells_how_much_its_model_reads() -> None:
    assert await seen(model_servers.vllm("Qwen/Qwen3-8B", 40960)) == Server("vLLM", (Listed("Qwen/Qwen3-8B", 40960),))


async def test_vllm_with_a_key_is_known_also_without_it() -> None:
    assert await seen(model_servers.vllm("m", 1024, key="k")) == Server("vLLM", None, refuses_key=True)


async def test_litellm_is_known_without_its_key_and_tells_more_with_it() -> None:
    script = model_servers.litellm("gpt-mine", 128_000, "sk-1234")
    assert await seen(script) == Server("LiteLLM", None, refuses_key=True)
    assert await seen(script, "sk-1234") == Server("LiteLLM", (Listed("gpt-mine", 128_000),))


async def test_manifest_is_known_by_its_health_and_by_its_models() -> None:
    assert await seen(model_servers.manifest("mnfst_1")) == Server("Manifest", None, refuses_key=True)
    assert await seen(model_servers.manifest("mnfst_1"), "mnfst_1") == Server("Manifest", (Listed("auto", 128_000),))


async def test_a_real_llama_cpp_is_known_with_and_without_its_key(llama: Llama) -> None:
    assert await look(llama.base_url) == Server("llama.cpp", None, refuses_key=True)
    server = await look(llama.base_url, "the-key")
    assert server is not None and server.kind == "llama.cpp" and server.models is not None
    assert [(Path(model.name).name, model.context_tokens) for model in server.models] == [("scripted.gguf", 512)]


async def test_a_server_that_loads_its_model_says_so() -> None:
    loading = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
    server = await seen(lambda _: Reply(http(json.dumps(loading).encode(), 503, "application/json", {"server": "llama.cpp"})))
    assert server == Server("llama.cpp", None, loading=True)


async def test_lists_that_are_nested_without_end_are_none() -> None:
    assert await seen(lambda _: Reply(http(b'{"data":' + b"[" * 100_000))) is None


ODD: tuple[object, ...] = (None, True, 5, -1, 10**30, "x", [], ["x"], {}, {"a": 1}, [None], [[]], [{}])
TOLD = {
    "/api/version": {"version": "1"},
    "/api/tags": {"models": [{"name": "m"}]},
    "/api/ps": {"models": [{"name": "m", "context_length": 1}]},
    "/api/show": {"parameters": "num_ctx 5"},
    "/api/v0/models": {"data": [{"id": "m", "type": "llm", "state": "loaded", "max_context_length": 1, "loaded_context_length": 1}]},
    "/api/v1/models": {"models": [{"key": "m", "type": "llm", "loaded_instances": [{"config": {"context_length": 1}}]}]},
    "/props": {"default_generation_settings": {"n_ctx": 1}},
    "/health/liveliness": "I'm alive!",
    "/api/v1/health": {"status": "healthy", "uptime_seconds": 1},
    "/version": {"version": "1"},
    "/v1/models": {"object": "list", "data": [{"id": "m", "owned_by": "me", "meta": {"n_ctx": 1}, "max_model_len": 1}]},
    "/v1/model/info": {"data": [{"model_name": "m", "model_info": {"max_input_tokens": 1}}]},
}


def odd(told: object) -> Iterator[object]:
    """This, with each of its parts in turn replaced by something odd."""
    yield from ODD
    match told:
        case dict():
            yield from (told | {key: other} for key, value in told.items() for other in odd(value))
        case list():
            yield from ([*told[:at], other, *told[at + 1 :]] for at, value in enumerate(told) for other in odd(value))


@pytest.mark.parametrize("path", TOLD)
def test_whatever_a_server_tells_what_is_believed_can_be_used(path: str) -> None:
    """Each kind is known by what others don't tell: so with every path left out, the others odd."""
    for other in odd(TOLD[path]):
        told = {key: value for key, value in TOLD.items() if key == path or key in {"/v1/models", "/api/tags"}} | {path: other}
        for said in (told, TOLD | {path: other}, {"/v1/models": TOLD["/v1/models"], "/api/version": {"version": "1"}, path: other}):
            names = {"/v1/models": "models", "/v1/model/info": "info"}
            server = servers.identify({names.get(at, at): servers._Reply(200, "", body) for at, body in said.items()})
            for model in server.models or () if server else ():
                assert isinstance(model.name, str)
                assert model.context_tokens is None or (type(model.context_tokens) is int and model.context_tokens > 0)


async def test_a_list_of_models_of_nobody_in_particular_is_a_server_without_a_name() -> None:
    listed = json.dumps({"data": [{"id": "m", "context_length": 9000}]}).encode()
    assert await seen(lambda hit: Reply(http(listed if hit.path == "/v1/models" else b"{}"))) == Server("", (Listed("m", 9000),))


async def test_open_webui_which_has_a_version_too_is_not_ollama() -> None:
    version = json.dumps({"version": "0.6.30"}).encode()

    def answer(hit: Hit) -> Reply:
        return Reply(http(version)) if hit.path == "/api/version" else Reply(http(b"<html>", content_type="text/html"))

    assert await seen(answer) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data": 3}', b"null", b'"data"', b'{"data": [3, {"id": 4}]}'])
async def test_what_serves_no_models_is_not_taken_for_a_server_that_does(body: bytes) -> None:
    server = await seen(lambda _: Reply(http(body, content_type="text/html")))
    assert server is None or server == Server("", ())


async def test_a_server_that_never_ends_its_answer_is_given_up() -> None:
    async with StubProvider(lambda _: Reply(end="hang")) as stub:
        assert await look(stub.base_url, timeout_s=0.2) is None


async def test_looking_around_on_this_machine_sends_no_key_and_finds_what_is_there() -> None:
    async with StubProvider(model_servers.ollama({"a": 1})) as one, StubProvider(model_servers.vllm("b", 2)) as two:
        ports = {int(stub.base_url.split(":")[2].removesuffix("/v1")): "" for stub in (one, two)}
        found = await near({**ports, 1: ""})  # type: ignore[dict-item]  # the names are of no use here
        assert {server.kind for server in found.values()} == {"Ollama", "vLLM"}
        assert not any("authorization" in hit.headers for stub in (one, two) for hit in stub.hits)


ENDS = ["/v1", "/v1/", "", "/", "/v1/chat/completions", "/chat/completions", "/v1/v1", "/v1/models", "/v1/responses", "/v1/messages"]


@pytest.mark.parametrize(("scheme", "end"), [*(("http", end) for end in ENDS), ("https", "/v1"), ("https", "/chat/completions")])
async def test_the_address_that_was_meant_is_found(end: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if scheme == "https":
        monkeypatch.setattr(servers, "LOOK_S", 1.0)  # so long is waited for TLS where nobody speaks it
    async with StubProvider(model_servers.vllm("m", 1)) as stub:
        written = stub.base_url.replace("http", scheme).removesuffix("/v1") + end
        assert await right_address(written) == stub.base_url


async def test_the_address_is_found_also_where_a_key_is_asked_for() -> None:
    async with StubProvider(model_servers.vllm("m", 1, key="k")) as stub:
        assert await right_address(f"{stub.base_url}/chat/completions") == stub.base_url


async def test_no_address_is_found_where_there_is_no_server() -> None:
    assert await right_address("http://127.0.0.1:1/v1") == ""


async def test_a_key_goes_only_where_it_would_have_gone_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    async with StubProvider(model_servers.vllm("m", 1, key="k")) as stub:
        assert await right_address(f"{stub.base_url}/v1", "k") == stub.base_url
        assert all(hit.headers.get("authorization") == "Bearer k" for hit in stub.hits)
        stub.hits.clear()
        monkeypatch.setattr(servers, "LOOK_S", 0.3)
        await right_address(stub.base_url.replace("http", "https"), "k")
        assert stub.hits and not any("authorization" in hit.headers for hit in stub.hits)
