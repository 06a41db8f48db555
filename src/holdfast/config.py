"""The configuration: one TOML file, read into frozen values.

`load` checks everything that can be checked by reading the file, so that any command may call it. `Config.start` does what only the gateway
needs: it reads the secrets and the instructions, and refuses what this version can't serve. Both raise `errors.Config`, whose sentence names
file, table and key, what is wrong and what to do.

`python -m holdfast.config` prints the JSON Schema that is published as `docs/config.schema.json`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import msgspec

from holdfast import errors, secrets
from holdfast.accounts import KINDS, Account, Webhooks
from holdfast.core.entries import DEFAULT_CHAIN
from holdfast.secrets import Secret
from holdfast.settings import (
    OWN_TOOLS,
    SECRET_HEADER,
    SECRET_NAME,
    Backup,
    File,
    Log,
    Metrics,
    Owner,
    Retention,
    Traces,
    Updates,
    schema,
    schema_hook,
)
from holdfast.settings import Agent as Agent  # noqa: PLC0414 - the tables of the file are part of what it says
from holdfast.settings import Route as Route  # noqa: PLC0414 - the same
from holdfast.settings import ToolServer as ToolServer  # noqa: PLC0414 - the same
from holdfast.settings import Web as Web  # noqa: PLC0414 - the same
from holdfast.values import INSTRUCTIONS_BYTES_MAX, NAME, Chain, Names

CONFIG_BYTES_MAX: Final = 1_000_000
PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says. `warnings` are sentences for the owner.

    `accounts` are by kind and name, `telegram:mybot`. `chains` are those that can be chosen by name. The chains in use are spelled out: that of the agent, of
    summaries and of what was scheduled (empty: the one that the conversation uses), of the page, and of the accounts that have one.
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

    @property
    def used_routes(self) -> tuple[str, ...]:
        """Those that some chain names."""
        own = (self.web_chain, *self.account_chains.values())
        chains = (self.chain, *own, self.summaries_chain, self.schedule_chain, *self.chains.values())
        return tuple(dict.fromkeys(name for chain in chains for name in chain))

    def start(self, environ: Mapping[str, str]) -> Config:
        """The same with the secrets and the instructions in it. Raises `errors.Config` for what is missing or can't be served by this version."""
        warnings: list[str] = []
        header_secrets: list[str] = []
        routes = {name: self._started(name, route, environ, warnings, header_secrets) for name, route in self.routes.items()}
        tools = {name: self._reachable(name, server, environ, warnings) for name, server in self.tools.items()}
        if self.metrics.port is not None and not is_loopback(self.metrics.host):
            warnings.append(
                f"{self.file}: [metrics] host = {self.metrics.host!r}: whoever reaches it reads the names of your accounts, and all figures."
            )
        return replace(
            self,
            agent=self._instructed(environ),
            routes=routes,
            tools=tools,
            accounts={name: self._known(name, account, environ, warnings) for name, account in self.accounts.items()},
            web=self._placed(environ),
            backup=self._with_folder(environ),
            traces=self._sent(environ, warnings),
            warnings=tuple(warnings),
            header_secrets=tuple(header_secrets),
        )

    @property
    def known_secrets(self) -> tuple[str, ...]:
        """The values that must never be shown, of a configuration that was started."""
        keys = (route.api_key.value for route in self.routes.values() if route.api_key)
        variables = (value for server in self.tools.values() for name, value in server.env.items() if SECRET_NAME.search(name))
        headers = (secret.value for server in self.tools.values() for secret in server.secrets)
        accounts = (secret.value for account in self.accounts.values() for secret in account.secrets)
        traces = (secret.value for secret in self.traces.headers.values())
        return (*keys, *variables, *headers, *accounts, *traces, *self.header_secrets)

    def _started(self, name: str, route: Route, environ: Mapping[str, str], warnings: list[str], header_secrets: list[str]) -> Route:
        key = self._resolved(route.api_key, f"[routes.{name}] api_key", environ, warnings) if route.api_key else None
        headers = dict(route.headers)
        for header, text in route.headers.items():
            if re.match(secrets.REFERENCE, text):
                headers[header] = self._resolved(Secret(text), f"[routes.{name}] headers.{header}", environ, warnings).value
                header_secrets.append(headers[header])
        return msgspec.structs.replace(route, api_key=key, headers=headers)

    def _reachable(self, name: str, server: ToolServer, environ: Mapping[str, str], warnings: list[str]) -> ToolServer:
        key = self._resolved(server.api_key, f"[tools.{name}] api_key", environ, warnings) if server.api_key else None
        headers = {
            header: self._resolved(secret, f"[tools.{name}] headers.{header}", environ, warnings)
            for header, secret in server.headers.items()
        }
        return msgspec.structs.replace(server, api_key=key, headers=headers)

    def _known(self, name: str, account: Account, environ: Mapping[str, str], warnings: list[str]) -> Account:
        table = f"[{_account_table(name)}]"
        values = {
            key: self._resolved(value, f"{table} {key}", environ, warnings)
            for key, value in msgspec.structs.asdict(account).items()
            if isinstance(value, Secret)
        }
        return msgspec.structs.replace(account, **values)

    def _placed(self, environ: Mapping[str, str]) -> Web:
        """The page's settings with whole paths."""
        paths = {
            name: str(secrets.expanded(path, self.file.parent, environ))
            for name in ("certificate", "certificate_key")
            if (path := getattr(self.web, name)) is not None
        }
        return msgspec.structs.replace(self.web, **paths)

    def _with_folder(self, environ: Mapping[str, str]) -> Backup:
        """The settings of backups with a whole path."""
        path = secrets.expanded(self.backup.dir, self.file.parent, environ) if self.backup.dir else None
        return msgspec.structs.replace(self.backup, dir=str(path) if path else None)

    def _sent(self, environ: Mapping[str, str], warnings: list[str]) -> Traces:
        """The settings of traces with their secrets."""
        headers = {
            header: self._resolved(secret, f"[traces] headers.{header}", environ, warnings)
            for header, secret in self.traces.headers.items()
        }
        return msgspec.structs.replace(self.traces, headers=headers)

    def _resolved(self, reference: Secret, where: str, environ: Mapping[str, str], warnings: list[str]) -> Secret:
        secret, warning = secrets.resolve(reference, f"{self.file}: {where}", self.file.parent, environ)
        if warning:
            warnings.append(warning)
        return secret

    def _instructed(self, environ: Mapping[str, str]) -> Agent:
        if self.agent.instructions_file is None:
            return self.agent
        path = secrets.expanded(self.agent.instructions_file, self.file.parent, environ)
        instructions = _read(path, INSTRUCTIONS_BYTES_MAX, f"{self.file}: [agent] instructions_file").strip()
        if not instructions:
            raise _error(self.file, "agent", f"instructions_file: {path} is empty. Write the instructions into it, or remove the setting.")
        return msgspec.structs.replace(self.agent, instructions=instructions, instructions_file=None)


# --- reading ------------------------------------------------------------------------------------------------------------------------


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in `path`, else in the file that HOLDFAST_CONFIG names, else in the usual place, else the defaults.

    Raises `errors.Config`. Reads no other file and no secret.
    """
    return read(*text_of(path, environ), environ)


def read(file: Path, text: str, environ: Mapping[str, str]) -> Config:
    """What this text says where it stands in this file. Raises `errors.Config`."""
    return _checked(file, _parsed(file, text), environ)


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
    if "data_dir" not in raw:
        _known(file, "", raw, File)
    return secrets.expanded(_data_dir(file, raw), file.parent, environ)


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
    return file, _read(file, CONFIG_BYTES_MAX, "The configuration")


def _parsed(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise errors.Config(f"{file} is not valid TOML: {error}. Correct that place; text stands in double quotes.") from error


def usual_place(environ: Mapping[str, str]) -> Path:
    """Where the configuration is if nobody names it."""
    folder = environ.get("XDG_CONFIG_HOME", "")
    return Path(folder if folder.startswith("/") else secrets.expanded("~/.config", Path(), environ), "holdfast", "config.toml")


def _read(path: Path, bytes_max: int, what: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(bytes_max + 1)
    except OSError as error:
        raise errors.Config(f"{what} is to be read from {path}, but that fails: {error.strerror}. {secrets.what_helps(error)}") from error
    if len(raw) > bytes_max:
        raise errors.Config(f"{what} is to be read from {path}, but that file is larger than {bytes_max} bytes. Make it shorter.")
    try:
        return raw.decode("utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        raise errors.Config(
            f"{what} is to be read from {path}, but byte {error.start} there is not UTF-8. Save the file as UTF-8."
        ) from error


def _checked(file: Path, raw: dict[str, Any], environ: Mapping[str, str]) -> Config:
    _known(file, "", raw, File)
    agent = _table(file, "agent", raw.get("agent", {}), Agent)
    routes = {name: _table(file, f"routes.{name}", table, Route) for name, table in _tables(file, "routes", raw)}
    tools = {name: _table(file, f"tools.{name}", table, ToolServer) for name, table in _tables(file, "tools", raw)}
    routes = routes or {"main": Route(dialect="practice")}
    chains = _Chains(file, routes, raw)
    web = _table(file, "web", raw.get("web", {}), Web)
    accounts = dict(_accounts(file, raw))
    config = Config(
        file=file,
        data_dir=secrets.expanded(_data_dir(file, raw), file.parent, environ),
        agent=agent,
        routes=routes,
        tools=tools,
        accounts=accounts,
        web=web,
        webhooks=_table(file, "webhooks", raw.get("webhooks", {}), Webhooks),
        owner=_table(file, "owner", raw.get("owner", {}), Owner),
        backup=_table(file, "backup", raw.get("backup", {}), Backup),
        retention=_table(file, "retention", raw.get("retention", {}), Retention),
        updates=_table(file, "updates", raw.get("updates", {}), Updates),
        log=_table(file, "log", raw.get("log", {}), Log),
        metrics=_table(file, "metrics", raw.get("metrics", {}), Metrics),
        traces=_table(file, "traces", raw.get("traces", {}), Traces),
        chains=chains.named,
        chain=chains.spelled_out("agent", "chain", agent.chain),
        summaries_chain=chains.spelled_out("agent", "summaries_chain", agent.summaries_chain),
        schedule_chain=chains.spelled_out("agent", "schedule_chain", agent.schedule_chain),
        web_chain=chains.spelled_out("web", "chain", web.chain),
        account_chains={
            name: chains.spelled_out(_account_table(name), "chain", account.chain)
            for name, account in accounts.items()
            if account.chain is not None
        },
    )
    if {"instructions", "instructions_file"} <= raw.get("agent", {}).keys():
        raise _error(file, "agent", "has both instructions and instructions_file. Keep one of them.")
    for name, route in config.routes.items():
        _check_route(file, name, route)
    for name, server in config.tools.items():
        if name == OWN_TOOLS:
            raise _error(file, f"tools.{name}", "can't have this name: the gateway's own tools have it. Give the server another one.")
        if (server.command is None) == (server.url is None):
            raise _error(file, f"tools.{name}", 'needs exactly one of command (such as ["mcp-server-time"]) and url.')
        if server.url:
            _check_port(file, f"tools.{name}", "url", server.url)
        if server.api_key and any(header.lower() == "authorization" for header in server.headers):
            raise _error(file, f"tools.{name}", "has both api_key and a header Authorization. Keep one of them.")
        if server.command and server.secrets:
            raise _error(file, f"tools.{name}", "api_key and headers go with a url. Give a command its secrets in env.")
        if server.url and server.env:
            raise _error(file, f"tools.{name}", "env goes with a command. A server at a url has its own environment.")
    _check_web(file, config.web)
    _check_owner(file, config)
    return config


def _data_dir(file: Path, raw: Mapping[str, Any]) -> str:
    found: str = _value(file, "", "data_dir", raw["data_dir"], _fields(File)["data_dir"]) if "data_dir" in raw else File().data_dir
    return found


def _account_table(account: str) -> str:
    """The table of the account `telegram:mybot`."""
    kind, _, name = account.partition(":")
    return f"platforms.{kind}.{name}"


def _accounts(file: Path, raw: dict[str, Any]) -> Iterable[tuple[str, Account]]:
    """The accounts of all platforms, checked each for itself."""
    for kind, tables in _tables(file, "platforms", raw):
        if kind not in KINDS:
            known = f"{_nearest(kind, KINDS)} There are: {', '.join(KINDS)}."
            raise _error(file, "platforms", f"there is no platform {kind!r} here.{known} An account begins with [platforms.{kind}.mybot].")
        for name, table in _tables(file, kind, {kind: tables}, f"platforms.{kind}"):
            account: Account = _table(file, f"platforms.{kind}.{name}", table, KINDS[kind])
            if account.wrong:
                raise _error(file, f"platforms.{kind}.{name}", account.wrong)
            yield f"{kind}:{name}", account


class _Chains:
    """The chains of the file, checked against its routes."""

    def __init__(self, file: Path, routes: Mapping[str, Route], raw: Mapping[str, Any]) -> None:
        self._file, self._routes, tables = file, routes, raw.get("chains", {})
        if not isinstance(tables, dict):
            raise _error(file, "", f'chains must be a table of lists, such as [chains] with fast = ["main"], not {_plain(tables)}.')
        self.named: dict[str, tuple[str, ...]] = {}
        for name, value in tables.items():
            _check_name(file, "chains", name)
            if name == DEFAULT_CHAIN:
                raise _error(
                    file, "chains", f"{name!r} is what people write to go back to the agent's own chain. Call the chain otherwise."
                )
            if name in routes:
                raise _error(file, "chains", f"{name!r} is the name of a route already. Call the chain otherwise.")
            names = _value(file, "chains", name, value, Names)
            self._check("chains", name, names)
            self.named[name] = names

    def spelled_out(self, table: str, key: str, chain: str | tuple[str, ...] | None) -> tuple[str, ...]:
        """The routes of a chain that is given by name, or as a list; none if it was left out."""
        if isinstance(chain, tuple):
            if not chain:
                raise _error(self._file, table, f"{key} must be {_title(Chain)}, not an empty list.")
            self._check(table, key, chain)
            return chain
        if chain is None or chain in self.named:
            return self.named[chain] if chain else ()
        if chain in self._routes:
            return (chain,)
        names = (*self.named, *self._routes)
        raise _error(
            self._file,
            table,
            f"{key} names {chain!r}, but there is no such chain or route.{_nearest(chain, names)} There are: {', '.join(names)}.",
        )

    def _check(self, table: str, key: str, names: tuple[str, ...]) -> None:
        for index, name in enumerate(names):
            if name not in self._routes:
                raise _error(
                    self._file,
                    table,
                    f"{key} names the route {name!r}, but there is no [routes.{name}].{_nearest(name, self._routes)} "
                    f"The routes are: {', '.join(self._routes)}.",
                )
            if name in names[:index]:
                raise _error(self._file, table, f"{key} names the route {name!r} twice. Remove one of them.")


def _check_owner(file: Path, config: Config) -> None:
    if config.agent.time_zone:
        import zoneinfo  # noqa: PLC0415 -- most files do not need it

        try:
            zoneinfo.ZoneInfo(config.agent.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            zone = config.agent.time_zone
            known = _nearest(zone, zoneinfo.available_timezones())
            raise _error(
                file, "agent", f"time_zone is {zone!r}, which is not known here.{known} Write one such as Europe/Berlin."
            ) from error
    for place in config.owner.notify:
        kind, name, chat = (*place.split(":", 2), "", "")[:3]
        if place != "web" and not (chat and f"{kind}:{name}" in config.accounts):
            chats = "".join(f', "{account}:CHAT"' for account in config.accounts)
            raise _error(file, "owner", f'notify names {place!r}, but there is no such place here. There is: "web", the page{chats}.')


def _check_route(file: Path, name: str, route: Route) -> None:
    if route.dialect == "practice":
        return
    if not route.base_url:
        raise _error(
            file,
            f"routes.{name}",
            'base_url is missing. Write where the model\'s endpoint is, such as base_url = "http://127.0.0.1:11434/v1".',
        )
    _check_port(file, f"routes.{name}", "base_url", route.base_url)
    if not route.model:
        raise _error(
            file, f"routes.{name}", 'model is missing. Write the model\'s name as the endpoint calls it, such as model = "qwen3:8b".'
        )
    for header, text in route.headers.items():
        if header.lower() in {"content-length", "transfer-encoding", "connection", "host"}:
            raise _error(file, f"routes.{name}", f"headers: {header} is set for each call by itself. Remove it.")
        if SECRET_HEADER.search(header) and not re.match(secrets.REFERENCE, text):  # the text is never shown
            raise _error(
                file,
                f"routes.{name}",
                f'headers: {header} looks like a secret. Write where it is: "env:NAME", "file:PATH" or "credential:NAME".',
            )
    for end in ("/chat/completions", "/responses", "/messages"):
        if route.base_url.rstrip("/").endswith(end):
            raise _error(file, f"routes.{name}", f"base_url must end before {end}: that is added to it. Remove the end.")


def _check_port(file: Path, table: str, key: str, url: str) -> None:
    port = url.partition("//")[2].partition("/")[0].rpartition("]")[2].rpartition(":")[2]
    if port.isdigit() and not 0 < int(port) <= PORT_MAX:
        raise _error(file, table, f"{key} names the port {port}. Ports go from 1 to {PORT_MAX}.")


def _check_web(file: Path, web: Web) -> None:
    if (web.certificate is None) != (web.certificate_key is None):
        raise _error(file, "web", "needs both certificate and certificate_key, or neither.")
    if web.certificate and web.behind_proxy:
        raise _error(file, "web", "has both a certificate and behind_proxy. Keep what is so: either this page or the proxy speaks TLS.")
    secure = web.certificate is not None or web.behind_proxy
    if secure and not (web.url or "").startswith("https://"):
        raise _error(file, "web", 'needs the url that people will use, such as url = "https://chat.example.org".')
    if web.url and "/" in web.url.partition("//")[2].rstrip("/"):
        raise _error(file, "web", f"url is {web.url!r}, but the page is always at the root of its host. Write it without a path.")
    if web.url and not secure:
        raise _error(
            file, "web", "has a url, but no TLS. Add certificate and certificate_key, or behind_proxy = true if a proxy speaks TLS."
        )
    if not secure and not is_loopback(web.host):
        raise _error(
            file,
            "web",
            f'host is {web.host!r}, so others could reach the page, and read along. Write host = "127.0.0.1"; or give it TLS: certificate, '
            'certificate_key and url; or put a proxy with TLS in front of it: behind_proxy = true and url = "https://...".',
        )


# --- tables and values --------------------------------------------------------------------------------------------------------------

_Table = TypeVar("_Table", bound=msgspec.Struct)


def _tables(file: Path, key: str, raw: dict[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    path, tables = path or key, raw.get(key, {})
    if not isinstance(tables, dict):
        raise _error(file, "", f"{path} must be tables, such as [{path}.main], not {_plain(tables)}.")
    for name in tables:
        _check_name(file, path, name)
        if not isinstance(tables[name], dict):
            raise _error(file, path, f"{name} must be a table of its own, which begins with [{path}.{name}], not {_plain(tables[name])}.")
    return tables.items()


def _check_name(file: Path, table: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise _error(file, table, f"{name!r} can't be a name: use letters, digits, - and _, at most 32, and begin with a letter or digit.")


def _table(file: Path, table: str, raw: object, kind: type[_Table]) -> _Table:
    if not isinstance(raw, dict):
        raise _error(file, "", f"{table} must be a table, which begins with [{table}], not {_plain(raw)}.")
    _known(file, table, raw, kind)
    fields = _fields(kind)
    return kind(**{key: _value(file, table, key, value, fields[key]) for key, value in raw.items()})


_NO_KEY: Final = "never the key itself: configurations get copied and shown. Put the key into a file that only you can read, and write the path of that file."


def _value(file: Path, table: str, key: str, value: object, field_type: Any) -> Any:
    try:
        return msgspec.convert(value, field_type, dec_hook=_reference)
    except msgspec.ValidationError as error:
        if _is_secret(field_type) or key == "headers":  # it may be the key itself: never shown
            raise _error(file, table, f"{key} must be {_title(field_type)}, {_NO_KEY}") from None
        wrong = "but something in it is not" if isinstance(value, list | dict) and value else f"not {_plain(value)}"
        raise _error(file, table, f"{key} must be {_title(field_type)}, {wrong}.") from error


def _is_secret(field_type: Any) -> bool:
    """Is it told where a secret is?"""
    return field_type is Secret or any(map(_is_secret, get_args(field_type)))


def _reference(kind: type, value: object) -> Secret:
    """Makes a `Secret` of its reference, for msgspec."""
    if kind is not Secret or not isinstance(value, str) or not re.match(secrets.REFERENCE, value):
        raise ValueError
    return Secret(value)


def _known(file: Path, table: str, raw: Iterable[str], kind: type[msgspec.Struct]) -> None:
    fields = _fields(kind)
    for key in raw:
        if key not in fields:
            raise _error(file, table, f"there is no setting {key!r} here.{_nearest(key, fields)} The settings are: {', '.join(fields)}.")


def _fields(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {one.name: one.type for one in msgspec.structs.fields(kind)}


def _title(field_type: Any) -> Any:
    """The title of a type, as it stands in the schema: its own, or that of the type it may be besides nothing."""
    schema = msgspec.json.schema(field_type, schema_hook=schema_hook)
    return next(one["title"] for one in (schema, *schema.get("anyOf", ())) if "title" in one)


def _nearest(name: str, names: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 -- seldom needed, and not free at start

    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def _plain(value: object) -> str:
    """What was written, in plain words, short."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case "":
            return "an empty text"
        case str():
            return f"the text {value[:60]!r}" if "@" not in value else "this text"  # there may be a password before an @
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "a table"
        case _:
            return "a date"


def _error(file: Path, table: str, sentence: str) -> errors.Config:
    return errors.Config(f"{file}: [{table}] {sentence}" if table else f"{file}: {sentence}")


def is_loopback(host: str) -> bool:
    """Is this name or address always this machine itself?"""
    import ipaddress  # noqa: PLC0415 -- `--help` does not need it

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    print(schema())  # noqa: T201 -- this is the command's output
