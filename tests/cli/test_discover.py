from __future__ import annotations

import pytest

from holdfast.checks import servers
from holdfast.checks.servers import Kind
from holdfast.cli.discover import Choice, chats, found, proposed
from holdfast.testing import model_servers
from holdfast.testing.stub_provider import StubProvider

SECRET = "sk-the-secret"


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> dict[int, Kind]:
    """What is taken for the usual ports: none of this machine's."""
    usual: dict[int, Kind] = {}
    monkeypatch.setattr(servers, "USUAL_PORTS", usual)
    return usual


def port(stub: StubProvider) -> int:
    return int(stub.base_url.split(":")[2].removesuffix("/v1"))


async def test_keys_are_found_by_name_and_never_shown(ports: dict[int, Kind]) -> None:
    seen = await found({"ANTHROPIC_API_KEY": SECRET, "GOOGLE_API_KEY": SECRET, "OPENAI_API_KEY": "", "HOME": "/"})
    assert [(choice.place, choice.dialect, choice.key) for choice in seen.choices] == [
        ("Anthropic", "anthropic", "env:ANTHROPIC_API_KEY"),
        ("Google Gemini", "openai-chat", "env:GOOGLE_API_KEY"),
    ]
    assert SECRET not in repr(seen)


async def test_servers_come_before_keys_and_what_is_loaded_before_what_is_not(ports: dict[int, Kind]) -> None:
    async with StubProvider(model_servers.ollama({"b": 4096}, ("a", "nomic-embed-text"))) as stub:
        ports[port(stub)] = "Ollama"
        seen = await found({"OPENAI_API_KEY": SECRET})
        assert not any(SECRET in repr(hit) for hit in stub.hits)
    assert [choice.model or choice.place for choice in seen.choices] == ["b", "a", "OpenAI"]


async def test_ollama_is_found_where_its_own_variable_says(ports: dict[int, Kind]) -> None:
    async with StubProvider(model_servers.ollama({"a": 4096})) as stub:
        for value in (f"127.0.0.1:{port(stub)}", f"http://0.0.0.0:{port(stub)}/"):
            assert [choice.model for choice in (await found({"OLLAMA_HOST": value})).choices] == ["a"]


@pytest.mark.parametrize("value", ["", "example.org", "http://x:99999", "::", "[", ":"])
async def test_a_variable_that_names_no_port_is_no_trouble(value: str, ports: dict[int, Kind]) -> None:
    assert (await found({"OLLAMA_HOST": value})).choices == ()


async def test_a_server_that_asks_for_a_key_can_be_chosen(ports: dict[int, Kind]) -> None:
    async with StubProvider(model_servers.litellm("m", 1, "k")) as stub:
        ports[port(stub)] = "LiteLLM"
        (choice,) = (await found({})).choices
    assert (choice.place, choice.model, choice.wants_key) == (f"LiteLLM at 127.0.0.1:{port(stub)}", "", True)


async def test_an_ollama_without_a_model_is_told_of(ports: dict[int, Kind]) -> None:
    async with StubProvider(model_servers.ollama({})) as stub:
        ports[port(stub)] = "Ollama"
        seen = await found({})
    assert (seen.choices, seen.notes) == ((), ("Ollama runs, but has no model yet: ollama pull qwen3:8b",))


@pytest.mark.parametrize(
    ("name", "does"), [("qwen3:8b", True), ("text-embedding-3-large", False), ("nomic-embed-text", False), ("whisper-1", False)]
)
def test_models_that_do_not_chat_are_left_out(name: str, does: bool) -> None:
    assert chats(name) is does


@pytest.mark.parametrize(
    ("models", "names", "model"),
    [(("a", "b"), ("c", "b"), "b"), (("a",), ("embed", "c"), "c"), (("a",), (), "a"), ((), (), "")],
)
def test_the_model_to_propose(models: tuple[str, ...], names: tuple[str, ...], model: str) -> None:
    assert proposed(Choice("p", "openai-chat", "http://h/v1", models=models), names) == model
