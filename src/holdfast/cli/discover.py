"""What there is to connect to: model servers on this machine, and providers whose key is in the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from holdfast.checks import servers
from holdfast.checks.servers import Kind, Server
from holdfast.invoked import command

NO_CHAT: Final = ("embed", "rerank", "whisper", "tts", "moderation", "dall-e", "image", "transcribe", "realtime", "audio")
"""What the names of models contain that do not chat."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A service in the net. `variables`: where its key usually is. `models`: those to propose, the first that it has."""

    name: str
    variables: tuple[str, ...]
    dialect: str
    base_url: str
    models: tuple[str, ...]


PROVIDERS: Final = (
    Provider("Anthropic", ("ANTHROPIC_API_KEY",), "anthropic", "https://api.anthropic.com/v1", ("claude-sonnet-5-5", "claude-haiku-4-5")),
    Provider("OpenAI", ("OPENAI_API_KEY",), "openai-responses", "https://api.openai.com/v1", ("gpt-5.5", "gpt-5.4-mini")),
    Provider("OpenRouter", ("OPENROUTER_API_KEY",), "openai-chat", "https://openrouter.ai/api/v1", ("openrouter/auto",)),
    Provider(
        "Google Gemini",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "openai-chat",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        ("models/gemini-flash-latest", "models/gemini-2.5-flash"),
    ),
    Provider(
        "Mistral", ("MISTRAL_API_KEY",), "openai-chat", "https://api.mistral.ai/v1", ("mistral-medium-latest", "mistral-small-latest")
    ),
    Provider(
        "Groq", ("GROQ_API_KEY",), "openai-chat", "https://api.groq.com/openai/v1", ("openai/gpt-oss-120b", "llama-3.3-70b-versatile")
    ),
    Provider("DeepSeek", ("DEEPSEEK_API_KEY",), "openai-chat", "https://api.deepseek.com/v1", ("deepseek-chat",)),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to a model. `model` is "" if it is still to be chosen among `models`. `key`: a reference, or "" if none is known.

    `secret` is the key itself; `wants_key`: without one nothing works.
    """

    place: str
    dialect: str
    base_url: str
    model: str = ""
    models: tuple[str, ...] = ()
    key: str = ""
    secret: str = field(default="", repr=False)
    wants_key: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc


@dataclass(frozen=True, slots=True)
class Found:
    """What can be chosen, the most likely first, and what to say of servers that are there but can't be."""

    choices: tuple[Choice, ...]
    notes: tuple[str, ...] = ()


NOTHING: Final = Found(())


async def found(environ: Mapping[str, str]) -> Found:
    """Look around on this machine, for a second. No key is sent anywhere."""
    near = await servers.near(_ports(environ))
    choices: list[Choice] = []
    notes: list[str] = []
    for url, server in near.items():
        choices += choices_of(url, server)
        notes += _notes(url, server)
    return Found((*choices, *_keys(environ)), tuple(notes))


def choices_of(base_url: str, server: Server) -> Iterator[Choice]:
    """Each model of a server, what is loaded already first."""
    place = f"{server.kind or 'a server'} at {urlsplit(base_url).netloc}"
    if server.refuses_key:
        yield Choice(place, "openai-chat", base_url, wants_key=True)
        return
    for model in sorted(server.models or (), key=lambda one: not one.loaded):
        if chats(model.name):
            yield Choice(place, "openai-chat", base_url, model.name)


def chats(model: str) -> bool:
    """Is this the name of a model that one can talk to?"""
    return not any(word in model.lower() for word in NO_CHAT)


def proposed(choice: Choice, names: tuple[str, ...]) -> str:
    """The model to propose, of those that there are; "" if nothing is known."""
    fitting = [name for name in names if chats(name)]
    return next((model for model in choice.models if model in names), next(iter(fitting or choice.models), ""))


def _ports(environ: Mapping[str, str]) -> dict[int, Kind]:
    """The usual ports, and Ollama's where its own variable says so."""
    host = environ.get("OLLAMA_HOST", "")
    try:
        port = urlsplit(host if "//" in host else f"//{host}").port
    except ValueError:
        port = None
    return {**servers.USUAL_PORTS, **({port: "Ollama"} if port else {})}


def _keys(environ: Mapping[str, str]) -> Iterator[Choice]:
    for provider in PROVIDERS:
        variable = next((name for name in provider.variables if environ.get(name)), None)
        if variable:
            yield Choice(
                provider.name,
                provider.dialect,
                provider.base_url,
                key=f"env:{variable}",
                secret=environ[variable].strip(),
                models=provider.models,
            )


def _notes(base_url: str, server: Server) -> Iterator[str]:
    if server.loading:
        yield f"{server.kind or 'A server'} at {urlsplit(base_url).netloc} is still loading its model. Run `{command('init')}` again in a moment."
    elif server.kind == "Ollama" and not server.models:
        yield "Ollama runs, but has no model yet: ollama pull qwen3:8b"
    elif server.kind == "LM Studio" and not server.models:
        yield "LM Studio runs, but has no model yet: lms get qwen/qwen3-8b"
