"""`holdfast init`: finds a model, tries it, and writes a configuration. Nothing is written before the end, and nothing is overwritten unasked."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from holdfast import cli, config
from holdfast.checks import servers
from holdfast.checks.reasons import TYPED, Reason, Target
from holdfast.checks.routes import ENOUGH_CONTEXT, bigger, diagnose, said
from holdfast.checks.servers import OLLAMA_LEAST_CONTEXT, Server
from holdfast.checks.trial import BEGIN_S_MAX, GREETING, Tried, tried
from holdfast.cli.discover import NOTHING, Choice, found, proposed
from holdfast.cli.menu import PRACTICE, address, at_address, choose
from holdfast.cli.questions import ask, ask_secret, say, stopped
from holdfast.cli.written import Written, write
from holdfast.errors import Config, Request
from holdfast.invoked import command
from holdfast.models import Endpoint

NAMED_MAX: Final = 8
LOOK_AGAIN_S: Final = 1.0
AGAIN, WRITE, STOP = "again", "write", "stop"


def run(arguments: argparse.Namespace) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Request("`holdfast init` asks questions, and needs a terminal. In a script, write the file itself: README.md shows one.")
    named: Path | None = getattr(arguments, "config", None)
    file = (named or Path(os.environ.get("HOLDFAST_CONFIG") or config.usual_place(os.environ))).absolute()
    say("Looking for a model: servers on this machine, keys in the environment ...")
    choice = _with_model(_with_key(choose(asyncio.run(found(os.environ)))), ask_model=not file.exists())
    choice, context_tokens = _tried(choice)
    if file.exists() and not _may_replace(file):
        say(f"Nothing was written. To write elsewhere: {command('init')} --config FILE")
        return cli.ANSWERED
    try:
        written = write(file, choice, context_tokens)
    except OSError as error:
        raise Config(f"{file} can't be written: {error.strerror}. Name another place: {command('init')} --config FILE") from error
    _say_what_next(written, named)
    return cli.ANSWERED


# --- what is still missing ------------------------------------------------------------------------------------------------------------


def _with_key(choice: Choice) -> Choice:
    if not choice.wants_key:
        return choice
    while True:
        secret = ask_secret(f"The key for {choice.place} (it is not shown):")
        server = asyncio.run(servers.look(choice.base_url, secret)) if secret else None
        if server is not None and server.refuses_key:
            say("It does not accept this key. Copy it once more from where you have it.")
        elif secret and secret.isprintable():
            return replace(choice, key=f"file:{_file_name(choice.place)}.key", secret=secret, wants_key=False)


def _file_name(place: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in place.partition(" at ")[0].lower())


def _with_model(choice: Choice, ask_model: bool) -> Choice:
    """The choice with a model: the only one, or the one that is wanted of several."""
    if choice.model or choice.dialect == PRACTICE.dialect:
        return choice
    server = asyncio.run(_loaded(choice))
    has = tuple(model.name for model in (server.models or () if server else ()))
    model = proposed(choice, has)
    if model and (len(has) == 1 or not ask_model):
        return replace(choice, model=model)
    if has:
        say(f"It has {len(has)} models: {', '.join(has[:NAMED_MAX])}{' ...' if len(has) > NAMED_MAX else ''}")
    elif not model:
        say("It does not say which models it has.")
    answer = ""
    while not answer:
        answer = ask("Which model?", model)
    return replace(choice, model=answer)


async def _loaded(choice: Choice) -> Server | None:
    """The server there, once it has loaded its model: before that it does not say which it is."""
    server = await servers.look(choice.base_url, choice.secret)
    if server is None or not server.loading:
        return server
    say(f"{choice.host} is still loading its model; waiting for it, up to {BEGIN_S_MAX:g} s ...")
    with suppress(TimeoutError):
        async with asyncio.timeout(BEGIN_S_MAX):
            while server is not None and server.loading:
                await asyncio.sleep(LOOK_AGAIN_S)
                server = await servers.look(choice.base_url, choice.secret)
    return server


# --- the trial ------------------------------------------------------------------------------------------------------------------------


def _tried(choice: Choice) -> tuple[Choice, int | None]:
    """The choice once it has answered, or is wanted all the same; and how much it reads at once, if it tells."""
    if choice.dialect == PRACTICE.dialect:
        return choice, None
    while True:
        say(f"\nTrying {choice.model} at {choice.host} ... (up to {BEGIN_S_MAX:g} s, where it has to be loaded first)")
        one, reason, server = asyncio.run(_try(choice))
        if reason is None:
            say(f"It {said(one)}.")
            return choice, _window(choice, server)
        say("\n".join(filter(None, ["", reason.what, reason.cause, reason.mend and f"-> {reason.mend}", ""])))
        answer = ask("Try again, write it all the same, or stop? Or type another model or address.", AGAIN)
        match answer:
            case "write" | "w":
                return choice, None
            case "stop" | "s" | "q":
                raise stopped()
            case "again" | "a":
                choice = _same_or_other_key(choice)
            case _ if "://" in answer and (url := address(answer)):
                choice = _elsewhere(choice, at_address(url, NOTHING))
            case _:
                choice = replace(choice, model=answer)


async def _try(choice: Choice) -> tuple[Tried, Reason | None, Server | None]:
    endpoint = Endpoint(name="main", base_url=choice.base_url, model=choice.model, api_key=choice.secret, first_event_timeout_s=BEGIN_S_MAX)
    one = await tried(choice.dialect, endpoint, GREETING)
    if one.failure is not None:
        return (
            one,
            await diagnose(
                Target(choice.base_url, choice.model, TYPED if choice.key.startswith("file:") else choice.key), one, choice.secret
            ),
            None,
        )
    return one, None, await servers.look(choice.base_url, choice.secret, choice.model)


def _elsewhere(choice: Choice, there: Choice) -> Choice:
    """The same at another address: with the key if there is one, else with what is asked for there."""
    if choice.key:
        return replace(choice, place=there.place, base_url=there.base_url)
    return _with_model(_with_key(replace(there, models=there.models or (choice.model,))), ask_model=True)


def _same_or_other_key(choice: Choice) -> Choice:
    """A key that was typed may have been mistyped."""
    if not choice.key.startswith("file:"):
        return choice
    secret = ask_secret("The key again (Enter: the same one):")
    return replace(choice, secret=secret or choice.secret)


def _window(choice: Choice, server: Server | None) -> int | None:
    """How much the model reads at once; and a word if that is little."""
    listed = server.model(choice.model) if server else None
    if listed is None and server is not None and server.kind == "llama.cpp" and server.models:
        listed = server.models[0]
    tokens = listed.context_tokens if listed else None
    if tokens is None and server is not None and server.kind == "Ollama":
        tokens = OLLAMA_LEAST_CONTEXT
    if tokens is not None and tokens < ENOUGH_CONTEXT:
        say(f"It reads only {tokens} tokens at once, which is little: tools and a few messages hardly fit. For more: {bigger(server)}")
    return tokens


# --- the end --------------------------------------------------------------------------------------------------------------------------


def _may_replace(file: Path) -> bool:
    say(f"\nThere is a configuration already: {file}")
    return ask("Write a new one in its place? The old one is kept beside it. (yes or no)", "no").lower() in {"y", "yes"}


def _say_what_next(written: Written, named: Path | None) -> None:
    say(f"\nWritten: {written.file}")
    if written.key:
        say(f"Your key is in {written.key}, which only you can read.")
    for kept in written.kept:
        say(f"What stood there before is in {kept}.")
    made = "make run" if not named and Path("Makefile").exists() and Path(sys.prefix) == Path.cwd() / ".venv" else ""
    start = made or command("run", named)
    check = command("check", named)
    width = max(len(start), len(check))
    say(f"\nNow:  {start:<{width}}    start it, and see how to talk to it (if it runs already, restart it: that harms nothing)")
    say(f"      {check:<{width}}    try everything, tools too")
