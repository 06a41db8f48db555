"""Everything that can be wrong with an installation, looked at without changing any of it.

Routes, tool servers and accounts are tried side by side. The journal is never opened: the gateway may have it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from holdfast import config, errors
from holdfast.checks.accounts import check_access, check_accounts, check_notify
from holdfast.checks.backups import check_backups
from holdfast.checks.chains import check_chains
from holdfast.checks.collector import check_traces
from holdfast.checks.findings import Finding
from holdfast.checks.machine import check_certificate, check_config_file, check_folder, check_port, check_program
from holdfast.checks.routes import Subject, answered, check_route
from holdfast.checks.running import check_metrics, check_running, in_use
from holdfast.checks.tools import check_tools
from holdfast.config import Config, Route
from holdfast.core.chat_words import table_of
from holdfast.invoked import command
from holdfast.ports import Clock
from holdfast.secrets import mask
from holdfast.settings import SECRET_NAME, Backup, Metrics, Traces
from holdfast.wiring import endpoint, tool_server

TAKES_S_MAX: Final = 180
"""What the slowest route may take: two calls, each with its time to begin and to end, and a look around."""


@dataclass(frozen=True, slots=True)
class World:
    """What a check has to be told: the environment, the time, and what the running gateway says of itself (None: none runs)."""

    environ: Mapping[str, str]
    clock: Clock
    status: Mapping[str, Any] | None = None


def check_file(path: Path | None, environ: Mapping[str, str]) -> tuple[Config | None, list[Finding]]:
    """Read the configuration. Without one that can be read there is nothing else to check."""
    try:
        settings = config.load(path, environ)
    except errors.Config as error:
        return None, [Finding("error", "config.read", "config", str(error))]
    if not settings.file.exists():
        what = f"There is no configuration yet ({settings.file}): the defaults are used, with the practice model."
        return settings, [Finding("warning", "config.read", "config", what, mend=command("init"))]
    holds = any(SECRET_NAME.search(name) for server in settings.tools.values() for name in server.env)
    read = Finding("ok", "config.read", "config", f"{settings.file} can be read, and every setting in it is known.")
    return settings, [read, *check_config_file(settings.file, holds)]


async def check_everything(settings: Config, world: World) -> list[Finding]:
    """All findings but those about the file itself, every known secret masked."""
    resolved, found = _resolved(settings, world.environ)
    found += check_chains(settings)
    found += check_certificate(resolved.web)
    found += check_folder(settings.data_dir)
    found += check_program()
    changed_at = settings.file.stat().st_mtime if settings.file.exists() else 0.0
    found += check_access(settings.accounts, world.status)
    found += check_notify(settings.owner.notify, settings.accounts)
    if world.status is not None:
        found += check_running(world.status, settings.web.port, changed_at)
    else:
        found.append(check_port("web", settings.web.host, settings.web.port))
    found += check_metrics(settings.metrics, world.status)
    subjects = [_subject(settings, name, route) for name, route in resolved.routes.items()]
    working = in_use(world.status, changed_at)
    servers = [tool_server(name, server) for name, server in resolved.tools.items() if name not in working]
    async with asyncio.TaskGroup() as tasks:
        routes = [tasks.create_task(check_route(subject)) for subject in subjects]
        tools = tasks.create_task(check_tools(servers, world.clock))
        accounts = tasks.create_task(check_accounts(resolved.accounts, settings.data_dir, world.clock, world.status))
        backups = tasks.create_task(check_backups(resolved.backup, settings.data_dir, world.clock.now(), world.status))
        traces = tasks.create_task(check_traces(resolved.traces))
    found += [finding for task in (*routes, tools, accounts, backups, traces) for finding in task.result()]
    return [_masked(finding, resolved.known_secrets) for finding in found]


async def check_answer(settings: Config, name: str, environ: Mapping[str, str]) -> tuple[Finding, str]:
    """Does this one route answer? With the fingerprint that its gate has in a gateway with these settings ("" if none could start with them)."""
    resolved, found = _resolved(
        replace(settings, agent=config.Agent(), routes={name: settings.routes[name]}, tools={}, accounts={}), environ
    )
    route = resolved.routes.get(name)
    if route is None:
        return next(finding for finding in found if (finding.level, finding.about) == ("error", f"routes.{name}")), ""
    finding = await answered(_subject(settings, name, route))
    return _masked(finding, resolved.known_secrets), route.fingerprint


def _resolved(settings: Config, environ: Mapping[str, str]) -> tuple[Config, list[Finding]]:
    """The settings with their secrets, without the routes, tool servers and accounts whose secret is missing; and what is to be said of that.

    Each part is started by itself, so that one that can't be hides no other.
    """
    nothing: dict[str, Any] = {
        "agent": config.Agent(),
        "web": config.Web(),
        "metrics": Metrics(),
        "backup": Backup(),
        "traces": Traces(),
    }
    bare = replace(settings, routes={}, tools={}, accounts={}, **nothing)
    parts = {
        **{table: replace(bare, **{table: getattr(settings, table)}) for table in nothing},
        **{f"routes.{name}": replace(bare, routes={name: settings.routes[name]}) for name in settings.routes},
        **{f"tools.{name}": replace(bare, tools={name: server}) for name, server in settings.tools.items()},
        **{table_of(name): replace(bare, accounts={name: account}) for name, account in settings.accounts.items()},
    }
    resolved, found = bare, []
    for about, part in parts.items():
        try:
            started = part.start(environ)
        except errors.Config as error:
            found.append(Finding("error", "config.start", about, str(error)))
            continue
        found += [Finding("warning", "config.start", about, warning) for warning in started.warnings]
        resolved = replace(
            resolved,
            routes={**resolved.routes, **started.routes},
            tools={**resolved.tools, **started.tools},
            accounts={**resolved.accounts, **started.accounts},
            **({about: getattr(started, about)} if about in {"web", "backup", "traces"} else {}),
        )
    return resolved, found


def _subject(settings: Config, name: str, route: Route) -> Subject:
    key = route.api_key.reference if route.api_key else ""
    return Subject(route.dialect, endpoint(name, route), key, route.context_tokens, bool(settings.tools), route.tools)


def _masked(finding: Finding, secrets: tuple[str, ...]) -> Finding:
    what, cause, mend = (mask(text, secrets) for text in (finding.what, finding.cause, finding.mend))
    return replace(finding, what=what, cause=cause, mend=mend)
