"""Settings are changed in the file as it stands: comments, order and everything else stay. Nothing is written that could not be read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from holdfast import config
from holdfast.cli.written import create, replace
from holdfast.errors import Config, Request

PAIRS_MAX = 20


def edited(file: Path, text: str, pairs: Sequence[tuple[str, str]], environ: Mapping[str, str]) -> str:
    """The text with these settings. A value is TOML, or the text itself where only that is right. Raises `Config` if it would say something impossible."""
    if len(pairs) > PAIRS_MAX:
        raise Request(f"So many at once are easier written into {file} itself.")
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Config(f"{file} is not valid TOML: {error}. Correct that place first.") from error
    paths = [_path(key) for key, _ in pairs]
    wrong: Config | None = None
    for values in product(*(_meanings(value) for _, value in pairs)):
        new = _with(file, text, list(zip(paths, values, strict=True)))
        try:
            config.read(file, new, environ)
        except Config as error:
            wrong = wrong or error
        else:
            return new
    assert wrong is not None
    raise Config(f"{wrong} Nothing was written.")


def put(file: Path, text: str) -> Path | None:
    """Write it; returns where it is kept as it was. Raises `Config` if it can't be written."""
    there = file.resolve()  # what is only linked here stays where it is
    kept = there.with_name(f"{there.name}.bak")
    try:
        there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if there.exists():
            kept.unlink(missing_ok=True)
            create(kept, there.read_bytes())
        had = there.exists()
        replace(there, text, same_rights=True)
    except OSError as error:
        raise Config(
            f"{there} can't be written: {error.strerror}. Make it writable for this user, or name another file with --config."
        ) from error
    return kept if had else None


def _path(key: str) -> list[str]:
    """`routes.main.model`, as TOML writes it."""
    try:
        found: Any = tomllib.loads(f"{key} = 0") if key.isprintable() else {}
    except tomllib.TOMLDecodeError:
        found = {}
    if not found:
        raise Request(f"{key!r} is no setting. Write it with its table, such as routes.main.model.")
    path = []
    while isinstance(found, dict):
        ((name, found),) = found.items()
        path.append(name)
    return path


def _meanings(value: str) -> tuple[Any, ...]:
    try:
        meant = tomllib.loads(f"x = {value}")
    except tomllib.TOMLDecodeError:
        return (value,)
    return (meant["x"], value) if len(meant) == 1 else (value,)


def _with(file: Path, text: str, settings: Sequence[tuple[list[str], Any]]) -> str:
    """Raises `Request` where the file is written so that this can't be done without touching more."""
    document, expected = tomlkit.parse(text), deepcopy(tomllib.loads(text))
    try:
        for path, value in settings:
            _set(document, path, _inline(value))
            _set(expected, path, value)
        new = tomlkit.dumps(document)
        if tomllib.loads(new) == expected:
            return new
    except (TOMLKitError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise _by_hand(file, settings) from error
    raise _by_hand(file, settings)


def _set(table: Any, path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        if name not in table:
            table[name] = tomlkit.table() if isinstance(table, tomlkit.TOMLDocument) else {}
        table = table[name]
    table[path[-1]] = value


def _inline(value: Any) -> Any:
    """A table that is a value stays one, where it stands."""
    if not isinstance(value, dict):
        return value
    table = tomlkit.inline_table()
    table.update(value)
    return table


def _by_hand(file: Path, settings: Sequence[tuple[list[str], Any]]) -> Request:
    return Request(f"{'.'.join(settings[0][0])} can't be put into {file} as that is written. Write it there by hand.")
