"""The whole configuration, with what was left out; of secrets where they are."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from holdfast.cli.screen import plain
from holdfast.config import Config
from holdfast.secrets import MASK, Secret
from holdfast.settings import SECRET_NAME, File
from holdfast.values import toml, toml_key

DEFAULT: Final = "    # the default"


def tables(settings: Config) -> dict[str, Any]:
    """As the file would say it all."""
    return {name: _of(settings, name) for name in File.__struct_fields__}


def _of(settings: Config, name: str) -> Any:
    if name == "data_dir":
        return str(settings.data_dir)
    if name != "platforms":
        return _plain(getattr(settings, name))
    kinds: dict[str, dict[str, Any]] = {}
    for account, table in settings.accounts.items():
        kind, _, own = account.partition(":")
        kinds.setdefault(kind, {})[own] = _plain(table)
    return kinds


def _plain(value: Any, within: str = "") -> Any:
    """Without what was left out and has no default."""
    match value:
        case Secret():
            return value.reference
        case msgspec.Struct():
            return _plain(msgspec.structs.asdict(value))
        case Mapping():
            return {
                key: MASK if within == "env" and SECRET_NAME.search(key) else _plain(inner, key)
                for key, inner in value.items()
                if inner is not None
            }
        case tuple() | frozenset():
            return [_plain(inner) for inner in value]
        case _:
            return value


# --- as TOML --------------------------------------------------------------------------------------------------------------------------


def lines(said: Mapping[str, Any], text: str) -> Iterator[str]:
    """`text` is what the file says; what it does not say is marked."""
    raw = tomllib.loads(text)
    yield f"data_dir = {toml(said['data_dir'])}{'' if 'data_dir' in raw else DEFAULT}"
    for name, table in said.items():
        if name == "data_dir":
            continue
        if name == "platforms":
            for kind, accounts in table.items():
                for own, account in accounts.items():
                    yield from _table(f"platforms.{kind}.{own}", account, raw.get(name, {}).get(kind, {}).get(own, {}))
        elif name in {"routes", "tools"}:
            for own, inner in table.items():
                yield from _table(f"{name}.{own}", inner, raw.get(name, {}).get(own, {}))
        elif table:
            yield from _table(name, table, raw.get(name, {}))


def _table(head: str, table: Mapping[str, Any], raw: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n[{head}]"
    for key, value in table.items():
        if value == "" and key not in raw:
            continue  # nothing, which can't be written
        yield plain(f"{toml_key(key)} = {toml(value)}{'' if key in raw else DEFAULT}")
