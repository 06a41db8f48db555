"""The one question that `holdfast init` always asks: which model? A number, a name, an address: whatever is typed is taken for what it can mean."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import PurePath
from typing import Final
from urllib.parse import urlsplit

from holdfast.checks import servers
from holdfast.checks.reasons import nearest
from holdfast.cli.discover import PROVIDERS, Choice, Found, choices_of
from holdfast.cli.questions import ask, say

SHOWN_MAX: Final = 12
"""So many choices are shown; the names of others can be typed."""
PRACTICE: Final = Choice("the practice model, which is built in", "practice", "")
_URL: Final = re.compile(r"https?://[^/@\s?#]+[^@\s?#]*")
_KEY: Final = re.compile(r"(sk-|gsk_|AIza|mnfst_|hf_)\S{8,}")


def choose(found: Found) -> Choice:
    """What the person wants, of what was found or of anything else."""
    _show(found)
    default = "1" if found.choices else "practice"
    while True:
        answer = ask("\nWhich one?", default)
        if _KEY.fullmatch(answer):
            say("That looks like a key, and now it is on your screen. Type the provider's name; its key is asked for next, unseen.")
        elif choice := chosen(answer, found):
            return choice
        elif (url := address(answer)) is not None:
            return at_address(url, found)
        else:
            names = [choice.model for choice in found.choices if choice.model] + [provider.name for provider in PROVIDERS]
            near = nearest(answer, names)
            say(f"{answer!r} is none of these.{f' Did you mean {near!r}?' if near else ''} Type a number, a name or an address.")


def chosen(answer: str, found: Found) -> Choice | None:
    """What an answer names of what was found, or of the providers."""
    word = answer.lower()
    if word == "practice":
        return PRACTICE
    if word.isdecimal():
        return found.choices[int(word) - 1] if 1 <= int(word) <= min(len(found.choices), SHOWN_MAX) else None
    named = [choice for choice in found.choices if word in {choice.model.lower(), choice.place.lower()} and word]
    providers = [provider for provider in PROVIDERS if len(word) > 2 and word in provider.name.lower()]
    if named:
        return named[0]
    return (
        Choice(providers[0].name, providers[0].dialect, providers[0].base_url, models=providers[0].models, wants_key=True)
        if providers
        else None
    )


def address(answer: str) -> str | None:
    """The URL that is meant by an answer like `localhost:8000` or `https://example.org/v1`; None if none is."""
    typed = answer if "://" in answer else f"http://{answer}"
    try:
        parts = urlsplit(typed)
        looks_so = "://" in answer or parts.port is not None or "." in parts.netloc or parts.netloc == "localhost"
    except ValueError:
        return None
    return typed.rstrip("/") if looks_so and _URL.fullmatch(typed) else None


def at_address(typed: str, found: Found) -> Choice:
    """The server at a URL, however much of it was typed."""
    usual = typed if urlsplit(typed).path else f"{typed}/v1"
    url = asyncio.run(servers.right_address(usual)) or asyncio.run(servers.right_address(typed)) or usual
    server = asyncio.run(servers.look(url))
    known = [choice for choice in found.choices if choice.base_url == url] or (list(choices_of(url, server)) if server else [])
    if not known:
        return Choice(f"a server at {urlsplit(url).netloc}", "openai-chat", url)
    return known[0] if len(known) == 1 else replace(known[0], model="", models=tuple(choice.model for choice in known))


def _show(found: Found) -> None:
    say()
    for note in found.notes:
        say(note)
    rows = [(_title(choice), _where(choice)) for choice in found.choices[:SHOWN_MAX]]
    width = max((len(title) for title, _ in rows), default=0)
    for number, (title, where) in enumerate(rows, 1):
        say(f"  {number:>2}  {title:<{width}}  {where}")
    if len(found.choices) > SHOWN_MAX:
        say(f"      and {len(found.choices) - SHOWN_MAX} more: {', '.join(_title(choice) for choice in found.choices[SHOWN_MAX:])}")
    if not rows:
        say(
            "There is none yet. You can have one of your own: install Ollama (https://ollama.com), `ollama pull qwen3:8b`, and begin again."
        )
    others = [provider.name for provider in PROVIDERS if all(choice.place != provider.name for choice in found.choices)]
    say(f"\n{'Or type' if rows else 'Or type now'}\n  the address of a server, such as 192.168.1.5:8000")
    say(f"  a provider whose key you have: {', '.join(others)}\n  practice: the model that is built in, to look around")


def _title(choice: Choice) -> str:
    if not choice.model:
        return choice.place
    return PurePath(choice.model).name if choice.model.endswith(".gguf") else choice.model


def _where(choice: Choice) -> str:
    if choice.key.startswith("env:"):
        return f"with the key in {choice.key.removeprefix('env:')}"
    return "asks for a key" if choice.wants_key else choice.place
