from __future__ import annotations

import pytest

from holdfast.cli.discover import Choice, Found
from holdfast.cli.menu import PRACTICE, SHOWN_MAX, address, chosen

LOCAL = Choice("Ollama at 127.0.0.1:11434", "openai-chat", "http://127.0.0.1:11434/v1", "qwen3:8b")
KEYED = Choice("OpenAI", "openai-responses", "https://api.openai.com/v1", key="env:OPENAI_API_KEY")
FOUND = Found((LOCAL, KEYED))


@pytest.mark.parametrize(
    ("answer", "choice"),
    [
        ("1", LOCAL),
        ("2", KEYED),
        ("Qwen3:8B", LOCAL),
        ("openai", KEYED),
        ("practice", PRACTICE),
        ("0", None),
        ("3", None),
        ("nothing", None),
    ],
)
def test_what_an_answer_names(answer: str, choice: Choice | None) -> None:
    assert chosen(answer, FOUND) == choice


@pytest.mark.parametrize(("answer", "place"), [("anthropic", "Anthropic"), ("gemini", "Google Gemini"), ("Router", "OpenRouter")])
def test_a_provider_without_a_key_asks_for_one(answer: str, place: str) -> None:
    choice = chosen(answer, FOUND)
    assert choice is not None and (choice.place, choice.wants_key) == (place, True)


def test_a_model_that_is_not_shown_can_be_named_but_not_numbered() -> None:
    many = Found(tuple(Choice("Ollama", "openai-chat", "http://h/v1", f"model-{number}") for number in range(SHOWN_MAX + 5)))
    assert chosen(f"model-{SHOWN_MAX + 3}", many) == many.choices[SHOWN_MAX + 3]
    assert chosen(str(SHOWN_MAX + 3), many) is None


@pytest.mark.parametrize(
    ("answer", "url"),
    [
        ("localhost", "http://localhost"),
        ("localhost:8000", "http://localhost:8000"),
        ("192.168.1.5:8000/", "http://192.168.1.5:8000"),
        ("https://example.org/v1/", "https://example.org/v1"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("example.org", "http://example.org"),
        ("localhost:99999", None),
        ("localhost:", None),
        ("http://me:secret@host/v1", None),
        ("http://host/v1?a=b", None),
        ("ftp://host", None),
        ("qwen", None),
        ("a b.c", None),
    ],
)
def test_what_an_answer_means_as_an_address(answer: str, url: str | None) -> None:
    assert address(answer) == url
