"""The configuration: one TOML file, read into frozen values.

`load` checks everything that can be checked by reading the file, so that any command may call it. `Config.start` does what only the gateway
needs: it reads the secrets and the instructions, and refuses what this version can't serve. Both raise `errors.Config`, whose sentence names
file, table and key, what is wrong and what to do. `judged` and `Config.started` tell all mistakes instead, and give what is right.

`python -m holdfast.config` prints the JSON Schema that is published as `docs/config.schema.json`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from holdfast import errors, secrets
from holdfast.accounts import KINDS, Account, Webhooks
from holdfast.core.entries import DEFAULT_CHAIN
from holdfast.references import References, digest, text_in
from holdfast.settings import OWN_TOOLS, SECRET_NAME, Backup, File, Log, Metrics, Owner, Retention, Traces, Updates, schema
from holdfast.settings import Agent as Agent  # noqa: PLC0414 - the tables of the file are part of what it says
from holdfast.settings import Route as Route  # noqa: PLC0414 - the same
from holdfast.settings import ToolServer as ToolServer  # noqa: PLC0414 - the same
from holdfast.settings import Web as Web  # noqa: PLC0414 - the same
from holdfast.tables import Mistake, Reading, fields, nearest, plain, title
from holdfast.values import Chain, Names, is_loopback

CONFIG_BYTES_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says. `warnings` are sentences for the owner.

    `accounts` are by kind and name, `telegram:mybot`. `chains` are those that can be chosen by name. The chains in use are spelled out: that of the agent, of
    summaries and of what was scheduled (empty: the one that the conversation uses), of the page, and of the accounts that have one. `certificates` are the
    digests of the page's files: it reads them itself, but others there are another configuration.
    """

    file: Path
    data_dir: Path
    agent: Agent
    routes: Mapping[str, Route]
    tools: Mapping[str, ToolServer]
    accounts: Mapping[str, Account]
    web: Web
    webhooks: Webhooks
    owner: Owner
    backup: Backup
    retention: Retention
    updates: Updates
    log: Log
    metrics: Metrics
    traces: Traces
    chains: Mapping[str, tuple[str, ...]]
    chain: tuple[str, ...]
    summaries_chain: tuple[str, ...]
    schedule_chain: tuple[str, ...]
    web_chain: tuple[str, ...]
    account_chains: Mapping[str, tuple[str, ...]]
    warnings: tuple[str, ...] = field(default=())
    header_secrets: tuple[str, ...] = field(default=(), repr=False)
    certificates: Mapping[str, str] = field(default_factory=dict)

    @property
    def used_routes(self) -> tuple[str, ...]:
        """Those that some chain names."""
        own = (self.web_chain, *self.account_chains.values())
        chains = (self.chain, *own, self.summaries_chain, self.schedule_chain, *self.chains.values())
        return tuple(dict.fromkeys(name for chain in chains for name in chain))

    @property
    def known_secrets(self) -> tuple[str, ...]:
        """The values that must never be shown, of a configuration that was started."""
        keys = (route.api_key.value for route in self.routes.values() if route.api_key)
        variables = (value for server in self.tools.values() for name, value in server.env.items() if SECRET_NAME.search(name))
        headers = (secret.value for server in self.tools.values() for secret in server.secrets)
        accounts = (secret.value for account in self.accounts.values() for secret in account.secrets)
        traces = (secret.value for secret in self.traces.headers.values())
        return (*keys, *variables, *headers, *accounts, *traces, *self.header_secrets)

    def start(self, environ: Mapping[str, str]) -> Config:
        """The same with the secrets and the instructions in it. Raises `errors.Config` for what is missing or can't be served by this version."""
        started, mistakes = self.started(environ)
        if mistakes:
            raise errors.Config(mistakes[0].sentence)
        return started

    def started(self, environ: Mapping[str, str]) -> tuple[Config, tuple[Mistake, ...]]:
        """The same, and everything that is wrong: it is not in it then."""
        references = References(self.file, environ)
        started = replace(
            self,
            agent=references.instructed(self.agent),
            routes={name: references.filled(f"routes.{name}", route) for name, route in self.routes.items()},
            tools={name: references.filled(f"tools.{name}", server) for name, server in self.tools.items()},
            accounts={name: references.filled(table_of(name), account) for name, account in self.accounts.items()},
            traces=references.filled("traces", self.traces),
            web=references.placed("web", self.web, "certificate", "certificate_key"),
            backup=references.placed("backup", self.backup, "dir"),
        )
        certificates = {key: digest(Path(path)) for key in ("certificate", "certificate_key") if (path := getattr(started.web, key))}
        if self.metrics.port is not None and not is_loopback(self.metrics.host):
            references.warnings.append(
                f"{self.file}: [metrics] host = {self.metrics.host!r}: whoever reaches it reads the names of your accounts, and all figures."
            )
        warnings, header_secrets = tuple(references.warnings), tuple(references.header_secrets)
        return replace(started, warnings=warnings, header_secrets=header_secrets, certificates=certificates), tuple(references.mistakes)


# --- where it is ----------------------------------------------------------------------------------------------------------------------


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in `path`, else in the file that HOLDFAST_CONFIG names, else in the usual place, else the defaults.

    Raises `errors.Config`. Reads no other file and no secret.
    """
    return read(*text_of(path, environ), environ)


def data_dir_of(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Where a gateway that was started with this configuration keeps everything, whatever is wrong elsewhere in it.

    Raises `errors.Config` if nobody can tell: an unknown setting at the top may have been meant for this one.
    """
    file, text = text_of(path, environ)
    try:
        raw = _parsed(file, text)
    except errors.Config:
        top = takewhile(lambda line: not line.lstrip().startswith("["), text.splitlines())
        raw = _parsed(file, next((line for line in top if line.lstrip().startswith("data")), ""))
    reading = Reading(file)
    if "data_dir" not in raw:
        reading.known("", raw, File)
    data_dir = _data_dir(reading, raw)
    reading.settle()
    return secrets.expanded(data_dir, file.parent, environ)


def file_of(path: Path | None, environ: Mapping[str, str]) -> Path:
    """The file that is meant, whether it is there or not."""
    return (path or _named(environ) or usual_place(environ)).absolute()


def _named(environ: Mapping[str, str]) -> Path | None:
    return Path(environ["HOLDFAST_CONFIG"]) if environ.get("HOLDFAST_CONFIG") else None


def text_of(path: Path | None, environ: Mapping[str, str]) -> tuple[Path, str]:
    """The file, and what stands in it: nothing, if nobody named it and it is not there. Raises `errors.Config`."""
    file = file_of(path, environ)
    if path is None and _named(environ) is None and not file.exists():
        return file, ""
    return file, text_in(file, CONFIG_BYTES_MAX, "The configuration")


def usual_place(environ: Mapping[str, str]) -> Path:
    """Where the configuration is if nobody names it."""
    folder = environ.get("XDG_CONFIG_HOME", "")
    return Path(folder if folder.startswith("/") else secrets.expanded("~/.config", Path(), environ), "holdfast", "config.toml")


# --- what it says ---------------------------------------------------------------------------------------------------------------------


def read(file: Path, text: str, environ: Mapping[str, str]) -> Config:
    """What this text says where it stands in this file. Raises `errors.Config`."""
    found, mistakes = judged(file, text, environ)
    if mistakes:
        raise errors.Config(mistakes[0].sentence)
    return found


def judged(file: Path, text: str, environ: Mapping[str, str]) -> tuple[Config, tuple[Mistake, ...]]:
    """What this text says where it stands in this file, and everything that is wrong: defaults stand there instead. Raises `errors.Config` if it is not TOML."""
    raw, reading = _parsed(file, text), Reading(file)
    reading.known("", raw, File)
    agent = reading.table("agent", raw.get("agent", {}), Agent)
    if isinstance(raw.get("agent"), dict) and {"instructions", "instructions_file"} <= raw["agent"].keys():
        reading.wrong("agent", "has both instructions and instructions_file. Keep one of them.")
    routes = {name: reading.table(f"routes.{name}", table, Route) for name, table in reading.tables("routes", raw)}
    tools = {name: reading.table(f"tools.{name}", table, ToolServer) for name, table in reading.tables("tools", raw)}
    if OWN_TOOLS in tools:
        reading.wrong(f"tools.{OWN_TOOLS}", "can't have this name: the gateway's own tools have it. Give the server another one.")
    routes = routes or {"main": Route(dialect="practice")}
    chains = _Chains(reading, routes, raw)
    web = reading.table("web", raw.get("web", {}), Web)
    accounts = dict(_accounts(reading, raw))
    config = Config(
        file=file,
        data_dir=secrets.expanded(_data_dir(reading, raw), file.parent, environ),
        agent=agent,
        routes=routes,
        tools=tools,
        accounts=accounts,
        web=web,
        webhooks=reading.table("webhooks", raw.get("webhooks", {}), Webhooks),
        owner=reading.table("owner", raw.get("owner", {}), Owner),
        backup=reading.table("backup", raw.get("backup", {}), Backup),
        retention=reading.table("retention", raw.get("retention", {}), Retention),
        updates=reading.table("updates", raw.get("updates", {}), Updates),
        log=reading.table("log", raw.get("log", {}), Log),
        metrics=reading.table("metrics", raw.get("metrics", {}), Metrics),
        traces=reading.table("traces", raw.get("traces", {}), Traces),
        chains=chains.named,
        chain=chains.spelled_out("agent", "chain", agent.chain),
        summaries_chain=chains.spelled_out("agent", "summaries_chain", agent.summaries_chain),
        schedule_chain=chains.spelled_out("agent", "schedule_chain", agent.schedule_chain),
        web_chain=chains.spelled_out("web", "chain", web.chain),
        account_chains={
            name: chains.spelled_out(table_of(name), "chain", account.chain)
            for name, account in accounts.items()
            if account.chain is not None
        },
    )
    _check_owner(reading, config)
    return config, tuple(reading.mistakes)


def _parsed(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise errors.Config(f"{file} is not valid TOML: {error}. Correct that place; text stands in double quotes.") from error


def _data_dir(reading: Reading, raw: Mapping[str, Any]) -> str:
    default = File().data_dir
    return reading.value("", "data_dir", raw.get("data_dir", default), fields(File)["data_dir"]) or default


def table_of(account: str) -> str:
    """The table of the account `telegram:mybot`."""
    kind, _, name = account.partition(":")
    return f"platforms.{kind}.{name}"


def _accounts(reading: Reading, raw: dict[str, Any]) -> Iterator[tuple[str, Account]]:
    """The accounts of all platforms, checked each for itself."""
    for kind, tables in reading.tables("platforms", raw):
        if kind not in KINDS:
            known = f"{nearest(kind, KINDS)} There are: {', '.join(KINDS)}."
            said = f"there is no platform {kind!r} here.{known} An account begins with [platforms.{kind}.mybot]."
            reading.wrong("platforms", said, kind)
            continue
        for name, table in reading.tables(kind, {kind: tables}, f"platforms.{kind}"):
            yield f"{kind}:{name}", reading.table(f"platforms.{kind}.{name}", table, KINDS[kind])


class _Chains:
    """The chains of the file, checked against its routes."""

    def __init__(self, reading: Reading, routes: Mapping[str, Route], raw: Mapping[str, Any]) -> None:
        self._reading, self._routes, tables = reading, routes, raw.get("chains", {})
        self.named: dict[str, tuple[str, ...]] = {}
        if not isinstance(tables, dict):
            said = f'chains must be a table of lists, such as [chains] with fast = ["main"], not {plain(tables)}.'
            reading.wrong("", said, "chains")
            return
        for name, value in tables.items():
            if not reading.is_name("chains", name):
                continue
            if name == DEFAULT_CHAIN:
                said = f"{name!r} is what people write to go back to the agent's own chain. Call the chain otherwise."
                reading.wrong("chains", said, name)
            if name in routes:
                reading.wrong("chains", f"{name!r} is the name of a route already. Call the chain otherwise.", name)
            names = reading.value("chains", name, value, Names) or ()
            self._check("chains", name, names)
            self.named[name] = names

    def spelled_out(self, table: str, key: str, chain: str | tuple[str, ...] | None) -> tuple[str, ...]:
        """The routes of a chain that is given by name, or as a list; none if it was left out."""
        if isinstance(chain, tuple):
            if not chain:
                self._reading.wrong(table, f"{key} must be {title(Chain)}, not an empty list.", key)
            self._check(table, key, chain)
            return chain
        if chain is None or chain in self.named:
            return self.named[chain] if chain else ()
        if chain in self._routes:
            return (chain,)
        names = (*self.named, *self._routes)
        known = f"{nearest(chain, names)} There are: {', '.join(names)}."
        self._reading.wrong(table, f"{key} names {chain!r}, but there is no such chain or route.{known}", key)
        return ()

    def _check(self, table: str, key: str, names: tuple[str, ...]) -> None:
        for index, name in enumerate(names):
            if name not in self._routes:
                known = f"{nearest(name, self._routes)} The routes are: {', '.join(self._routes)}."
                self._reading.wrong(table, f"{key} names the route {name!r}, but there is no [routes.{name}].{known}", key)
            if name in names[:index]:
                self._reading.wrong(table, f"{key} names the route {name!r} twice. Remove one of them.", key)


def _check_owner(reading: Reading, config: Config) -> None:
    if config.agent.time_zone:
        import zoneinfo  # noqa: PLC0415 -- most files do not need it

        try:
            zoneinfo.ZoneInfo(config.agent.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            zone = config.agent.time_zone
            known = nearest(zone, zoneinfo.available_timezones())
            reading.wrong("agent", f"time_zone is {zone!r}, which is not known here.{known} Write one such as Europe/Berlin.", "time_zone")
    for place in config.owner.notify:
        kind, name, chat = (*place.split(":", 2), "", "")[:3]
        if place != "web" and not (chat and f"{kind}:{name}" in config.accounts):
            chats = "".join(f', "{account}:CHAT"' for account in config.accounts)
            said = f'notify names {place!r}, but there is no such place here. There is: "web", the page{chats}.'
            reading.wrong("owner", said, "notify")


if __name__ == "__main__":
    print(schema())  # noqa: T201 -- this is the command's output
