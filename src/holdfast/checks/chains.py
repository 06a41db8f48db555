"""Do the chains name what they should? Told from the configuration alone."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.checks.findings import Finding
from holdfast.config import Config


def check_chains(settings: Config) -> Iterator[Finding]:
    """Routes that no chain names, chains that can't call the tools there are, and summaries that are made by a model that reads too little."""
    for name in settings.routes:
        if name not in settings.used_routes:
            what = f"No chain names this route: it is used only where somebody writes /model {name}."
            yield Finding("warning", "config.unused", f"routes.{name}", what, mend=_with(name, settings))
    yield from _tools(settings)
    yield from _summaries(settings)


def _with(name: str, settings: Config) -> str:
    """The agent's chain, and this route at its end."""
    routes = ", ".join(f'"{one}"' for one in (*settings.chain, name))
    named = settings.agent.chain if isinstance(settings.agent.chain, str) and settings.agent.chain in settings.chains else ""
    return f"{named or 'chain'} = [{routes}]    (in {'[chains]' if named else '[agent]'})"


def _tools(settings: Config) -> Iterator[Finding]:
    """Before there are tool servers, any chain will do."""
    if settings.tools and not any(settings.routes[name].tools for name in settings.chain):
        what = f"No route of the chain may call tools ({', '.join(settings.chain)}): the tool servers are never used."
        mend = f"tools = true    (in [routes.{settings.chain[0]}], if its model can)"
        yield Finding("warning", "config.tools", "agent", what, mend=mend)


def _summaries(settings: Config) -> Iterator[Finding]:
    """What is to be summarised has nearly filled the window of the route that the conversation uses."""
    main = settings.routes[settings.chain[0]].context_tokens
    windows = [settings.routes[name].context_tokens for name in settings.summaries_chain]
    if main is None or not windows or None in windows:
        return
    widest = max(window for window in windows if window is not None)
    if widest < main:
        what = f"summaries_chain reads at most {widest} tokens at once, and {settings.chain[0]} reads {main}."
        cause = "A long conversation is summarised when it has filled three quarters of the larger window: that is too much for the smaller one."
        mend = f"Name a route in summaries_chain that reads {main} tokens, or leave it out    (in [agent])"
        yield Finding("warning", "config.summaries", "agent", what, cause, mend)
