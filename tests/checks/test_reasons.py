"""What a beginner does wrong, each with the words that help."""

from __future__ import annotations

import json

import pytest

from holdfast.checks import reasons
from holdfast.checks.reasons import TYPED, Reason, Seen, Target, nearest
from holdfast.checks.servers import Listed, Server
from holdfast.ports import RawFailure

URL = "http://127.0.0.1:11434/v1"
ROUTE = Target(URL, "qwen3", "", "[routes.main]")
REFUSED = RawFailure(
    "127.0.0.1:11434 can't be reached: connection refused; is it running?", exception="ConnectError: [Errno 111] Connect call failed"
)
OLLAMA = Server("Ollama", (Listed("qwen3:8b"), Listed("llama3.2:1b")))


def explain(target: Target, failure: RawFailure, seen: Seen) -> Reason:
    return reasons.explain(target, failure, seen, 1_800_000_000.0)


def answered(status: int, body: str = "", why: str = "") -> RawFailure:
    return RawFailure(why or f"it answered with HTTP status {status}", status, (), body)


def test_no_server_where_ollama_usually_is() -> None:
    reason = explain(ROUTE, REFUSED, Seen())
    assert reason.what == "Nothing answers at 127.0.0.1:11434. That is where Ollama usually is."
    assert (reason.mend, reason.away) == ("ollama serve", True)


@pytest.mark.parametrize(
    ("port", "mend"),
    [(1234, "lms server start"), (8000, "vllm serve MODEL --port 8000"), (4000, "litellm --config CONFIG.yaml --port 4000")],
)
def test_no_server_where_another_kind_usually_is(port: int, mend: str) -> None:
    assert explain(Target(f"http://localhost:{port}/v1", "m"), REFUSED, Seen()).mend == mend


def test_no_server_there_but_one_elsewhere_on_this_machine() -> None:
    reason = explain(Target("http://127.0.0.1:11343/v1", "m"), REFUSED, Seen(near={URL: OLLAMA}))
    assert reason == Reason("Nothing answers at 127.0.0.1:11343.", f"But Ollama answers at {URL}.", f'base_url = "{URL}"')


def test_a_name_that_is_not_known_may_be_the_network() -> None:
    failure = RawFailure(
        "api.opnai.com can't be reached: its name is not known (DNS)", exception="ConnectError: [Errno -2] Name or service not known"
    )
    reason = explain(Target("https://api.opnai.com/v1", "m"), failure, Seen())
    assert (reason.what, reason.away) == ("The name api.opnai.com is not known.", True)


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        ("https://127.0.0.1:11434/v1", "It speaks http, and base_url says https."),
        ("http://127.0.0.1:11434", "base_url lacks the end /v1."),
        (
            "http://127.0.0.1:11434/v1/chat/completions",
            "base_url has more at its end than it should: what each dialect needs is added to it.",
        ),
    ],
)
def test_a_wrong_address_is_told_with_the_right_one(written: str, cause: str) -> None:
    reason = explain(Target(written, "m"), answered(404), Seen(right=URL))
    assert (reason.cause, reason.mend, reason.away) == (cause, f'base_url = "{URL}"', False)


def test_an_address_where_something_else_answers() -> None:
    reason = explain(Target("http://127.0.0.1:80/v1", "m"), answered(404), Seen())
    assert reason.what == "http://127.0.0.1:80/v1 does not answer as a model server."
    assert reason.mend.startswith("base_url = ")


def test_a_missing_key_is_told_with_the_line_to_add() -> None:
    reason = explain(ROUTE, answered(401, why="x: Invalid API Key"), Seen(Server("vLLM", None, refuses_key=True)))
    assert (reason.what, reason.cause) == ("127.0.0.1:11434 asks for a key, and there is none.", "It says: x: Invalid API Key")
    assert reason.mend.startswith('api_key = "env:NAME"    (in [routes.main])')


@pytest.mark.parametrize(
    ("key", "mend"),
    [
        ("env:OPENAI_API_KEY", "export OPENAI_API_KEY=...    (where the gateway is started)"),
        ("file:/etc/key", "Put a valid key into /etc/key"),
    ],
)
def test_a_wrong_key_is_told_with_where_it_comes_from(key: str, mend: str) -> None:
    reason = explain(Target("https://api.openai.com/v1", "m", key), answered(401), Seen())
    assert (reason.what, reason.mend) == (f"api.openai.com does not accept the key from {key}.", mend)


def test_a_key_that_was_just_typed_is_typed_again() -> None:
    assert "Copy it once more" in explain(Target(URL, "m", TYPED), answered(401), Seen()).mend


@pytest.mark.parametrize("status", [400, 500])
def test_litellm_means_the_key_though_it_says_something_else(status: int) -> None:
    reason = explain(ROUTE, answered(status, "No connected db."), Seen(Server("LiteLLM", None, refuses_key=True)))
    assert "asks for a key" in reason.what


def test_manifest_means_the_key_though_it_says_200() -> None:
    text = "[🦚 Manifest M003] That doesn't look right. Manifest keys start with mnfst_."
    body = {"id": "chatcmpl-manifest-1", "object": "chat.completion", "choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    failure = answered(200, json.dumps(body), why=text)
    assert "does not accept the key" in explain(Target(URL, "auto", "env:M"), failure, Seen(Server("Manifest"))).what


def test_a_model_that_was_not_pulled() -> None:
    reason = explain(ROUTE, answered(404, '{"error": {"message": "model \'qwen3\' not found"}}'), Seen(OLLAMA, URL))
    assert reason.what == "Ollama has no model 'qwen3'."
    assert reason.cause == "It has: qwen3:8b, llama3.2:1b."
    assert reason.mend == 'model = "qwen3:8b" or ollama pull qwen3'


def test_a_model_that_nothing_is_near_to_is_pulled_or_replaced() -> None:
    reason = explain(Target(URL, "zephyr"), answered(404), Seen(OLLAMA, URL))
    assert reason.mend == "ollama pull zephyr"
    assert explain(Target(URL, "zephyr"), answered(404), Seen(Server("vLLM", (Listed("m"),)), URL)).mend == 'model = "m"'


def test_a_model_that_is_listed_but_not_for_this_account() -> None:
    failure = answered(403, '{"error": {"message": "Your organization must be verified to stream this model."}}')
    reason = explain(ROUTE, failure, Seen(Server("", (Listed("qwen3"),)), URL))
    assert (reason.what, reason.away) == ("qwen3 is not for this account.", False)


def test_a_provider_that_says_when_is_waited_for_as_long() -> None:
    limit = RawFailure("too many", 429, (("retry-after", "40"),), "Rate limit reached")
    assert explain(ROUTE, limit, Seen(Server("", (Listed("qwen3"),)), URL)).mend == "Wait 40 s, then: holdfast check"


def test_a_page_of_a_proxy_is_told_by_its_heading() -> None:
    page = answered(502, "<html><title>502 Bad Gateway</title><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>")
    assert explain(ROUTE, page, Seen()).cause == "The server can't answer now: 502 Bad Gateway."


def test_an_lm_studio_without_models() -> None:
    failure = answered(404, '{"error": {"message": "No models loaded. Please load a model"}}')
    assert explain(ROUTE, failure, Seen(Server("LM Studio", ()), URL)).mend == "lms get qwen3"


def test_a_model_that_is_still_loaded_passes_by_itself() -> None:
    reason = explain(ROUTE, answered(503), Seen(Server("llama.cpp", None, loading=True), URL))
    assert ("still loading" in reason.what, reason.away) == (True, True)


@pytest.mark.parametrize(
    ("status", "body", "what"),
    [
        (429, "Rate limit reached", "too many calls"),
        (429, '{"error": {"type": "insufficient_quota"}}', "wants credit"),
        (400, "Your credit balance is too low", "wants credit"),
        (402, "", "wants credit"),
        (502, "<html>Bad Gateway", "trouble of its own"),
        (503, '{"error": {"message": "Loading model"}}', "still loading its model"),
    ],
)
def test_what_may_pass_by_itself(status: int, body: str, what: str) -> None:
    reason = explain(ROUTE, answered(status, body), Seen(Server("", (Listed("qwen3"),)), URL))
    assert (what in reason.what, reason.away) == (True, True)


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ("certificate has expired", "expired"),
        ("Hostname mismatch, certificate is not valid for 'x'", "another name"),
        ("self-signed certificate", "nobody this machine knows"),
    ],
)
def test_a_certificate_that_can_not_be_trusted(told: str, cause: str) -> None:
    failure = RawFailure(
        "x can't be reached", exception=f"ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {told} (_ssl.c:1006)"
    )
    reason = explain(Target("https://x/v1", "m"), failure, Seen())
    assert reason.what == "The certificate of x can't be trusted."
    assert cause in reason.cause


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("qwen3", "qwen3:8b"),
        ("Qwen3:8B", "qwen3:8b"),
        ("gpt4o", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("lama3.2", "llama3.2:1b"),
        ("zzz", ""),
    ],
)
def test_the_nearest_name(name: str, near: str) -> None:
    assert nearest(name, ["gpt-4o", "qwen3:8b", "llama3.2:1b"]) == near
