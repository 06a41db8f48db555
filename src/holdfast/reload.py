"""A new configuration: looked at while the old one runs, and taken by starting again in place. A bad one changes nothing."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast import config, errors
from holdfast.accounts import Account
from holdfast.config import Config, table_of
from holdfast.platforms import open_account
from holdfast.ports import Hook, Platform
from holdfast.runtime.clock import SystemClock
from holdfast.secrets import MASK, Secret, mask
from holdfast.settings import File
from holdfast.store.files import FolderFiles
from holdfast.tables import Mistake
from holdfast.values import toml, toml_key

log = logging.getLogger(__name__)

CHARS_MAX: Final = 80
"""So much is shown of a value."""


class Reload:
    """What a running gateway knows of it. `wanted` is set when it is to end, and to start again."""

    def __init__(self, running: Config, path: Path | None, environ: Mapping[str, str], stopping: asyncio.Event) -> None:
        self._running, self._path, self._environ, self._stopping = running, path, environ, stopping
        self.file = running.file
        self.wanted = False
        self.refused = ""
        """Why the newest configuration was not taken."""
        self.read_at = time.time()
        """When what stands there was last seen to be what runs."""

    async def compared(self) -> tuple[str, ...]:
        """What is other in the configuration as it stands now. Raises `Config` if a gateway could not start with it, or not in this one's place."""
        at = time.time()
        new = await asyncio.to_thread(rehearsed, self._path, self._environ)
        if new.data_dir != self._running.data_dir:
            raise errors.Config(
                f"data_dir can't be changed from {self._running.data_dir} to {new.data_dir} while the gateway runs: stop it, move the folder there, start it."
            )
        other = differences(self._running, new)
        if not other:
            self.read_at = at
        return other

    async def differences(self) -> tuple[str, ...]:
        """The same for whoever orders that it be taken."""
        try:
            other = await self.compared()
        except errors.Config as bad:
            self.refused = str(bad)
            log.error("The new configuration is not taken, the old one goes on: %s", bad)  # noqa: TRY400 - a sentence, no bug of ours
            raise
        self.refused = ""
        log.info("told to take the configuration as it stands: %s", "; ".join(other) or "nothing has changed")
        return other

    def start_again(self) -> None:
        """End in order, and start again in place."""
        self.wanted = True
        self._stopping.set()

    async def on_signal(self) -> None:
        """As SIGHUP asks for: nobody waits for an answer."""
        try:
            other = await self.differences()
        except errors.Config:
            return
        if other:
            self.start_again()


def rehearsed(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration, read as a start does: with its secrets, and everything that its accounts need. Raises `Config`."""
    found, mistakes = examined(*config.text_of(path, environ), environ)
    if mistakes:
        raise errors.Config(mistakes[0].sentence)
    return found


def examined(file: Path, text: str, environ: Mapping[str, str]) -> tuple[Config, tuple[Mistake, ...]]:
    """The same for what may come to stand in this file, and everything that is wrong with it. Raises `Config` if it is not TOML."""
    read, mistakes = config.judged(file, text, environ)
    found, missing = read.started(environ)
    mistakes += missing
    wrong = {mistake.table for mistake in mistakes}
    with tempfile.TemporaryDirectory() as folder:
        for name, account in found.accounts.items():
            if table_of(name) in wrong:
                continue
            try:
                _opened(name, account, folder)
            except errors.Config as unfit:
                mistakes += (Mistake(table_of(name), "", str(unfit)),)
    return found, mistakes


def called(settings: Config) -> tuple[str, ...]:
    """The accounts whose platforms call us. For them alone there is a listener for webhooks."""
    with tempfile.TemporaryDirectory() as folder:
        opened = {name: _opened(name, account, folder) for name, account in settings.accounts.items()}
    return tuple(name for name, platform in opened.items() if isinstance(platform, Hook) and platform.is_called)


def _opened(name: str, account: Account, folder: str) -> Platform:
    return open_account(name, account, FolderFiles(Path(folder)), SystemClock(), Path(folder))


# --- what is other ----------------------------------------------------------------------------------------------------------------------


def differences(old: Config, new: Config) -> tuple[str, ...]:
    """What is other in the new one, a line each, as the file writes it. Of secrets only that they are."""
    before, after = _tables(old), _tables(new)
    secrets = {*old.known_secrets, *new.known_secrets} - {""}
    lines = [line for table in sorted(before.keys() | after.keys()) for line in _changed(table, before, after, secrets)]
    lines += [
        f"web.{key}: the file has changed"
        for key, digest in new.certificates.items()
        if old.certificates.get(key) != digest and getattr(old.web, key) == getattr(new.web, key)
    ]
    return tuple(mask(line, secrets) for line in lines)


def _tables(settings: Config) -> dict[str, Any]:
    """By name, as in the file."""
    tables: dict[str, Any] = {"": {"data_dir": str(settings.data_dir)}}
    for name in File.__struct_fields__:
        match name:
            case "data_dir":
                pass
            case "platforms":
                tables |= {table_of(account): table for account, table in settings.accounts.items()}
            case "routes" | "tools":
                tables |= {f"{name}.{own}": table for own, table in getattr(settings, name).items()}
            case _:
                tables[name] = getattr(settings, name)
    return tables


def _changed(table: str, before: Mapping[str, Any], after: Mapping[str, Any], secrets: Collection[str]) -> Iterator[str]:
    if table not in after:
        yield f"[{table}] is gone"
        return
    new, old = dict(_flat(after[table])), dict(_flat(before.get(table, type(after[table])())))
    changed = [key for key in {**new, **old} if old.get(key) != new.get(key)]
    if table not in before:
        said = ", ".join(f"{key} = {_shown(new[key], secrets)}" for key in changed)
        yield f"[{table}] is new" + (f": {said}" if said else "")
        return
    for key in changed:
        was, is_ = old.get(key), new.get(key)
        place, shown = f"{table}.{key}" if table else key, (_shown(was, secrets), _shown(is_, secrets))
        match was, is_:
            case Secret(reference=one), Secret(reference=other) if one == other:
                yield f"{place}: the secret at {shown[0]} has changed"
            case _ if shown[0] == shown[1]:
                yield f"{place}: {shown[0]} has changed"
            case _:
                yield f"{place}: {shown[0]} -> {shown[1]}"


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting by its place, without what is left out."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{toml_key(name)}" if key else toml_key(name))
    elif value is not None:
        yield key, value


def _shown(value: Any, secrets: Collection[str]) -> str:
    match value:
        case None:
            return "not set"
        case Secret(reference=reference):
            return toml(reference)
        case str() if value in secrets:
            return MASK
        case _:
            shown = mask(toml(value), secrets)
            return shown if len(shown) <= CHARS_MAX else f"{shown[:CHARS_MAX]}..."
