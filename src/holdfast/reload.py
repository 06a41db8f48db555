"""A new configuration: looked at while the old one runs, and taken by starting again in place. A bad one changes nothing."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast import config, errors
from holdfast.config import Config
from holdfast.platforms import open_account
from holdfast.runtime.clock import SystemClock
from holdfast.secrets import MASK, Secret, mask
from holdfast.settings import File
from holdfast.store.files import FolderFiles

log = logging.getLogger(__name__)

TABLES: Final = tuple("accounts" if name == "platforms" else name for name in File.__struct_fields__)
"""What was set. (The rest follows from it.)"""


class Reload:
    """What a running gateway knows of it. `wanted` is set when it is to end, and to start again."""

    def __init__(self, running: Config, path: Path | None, environ: Mapping[str, str], stopping: asyncio.Event) -> None:
        self._running, self._path, self._environ, self._stopping = running, path, environ, stopping
        self.file = running.file
        self.wanted = False
        self.refused = ""
        """Why the newest configuration was not taken."""

    async def compared(self) -> tuple[str, ...]:
        """What is other in the configuration as it stands now. Raises `Config` if a gateway could not start with it."""
        return differences(self._running, await asyncio.to_thread(rehearsed, self._path, self._environ))

    async def differences(self) -> tuple[str, ...]:
        """The same for whoever orders that it be taken."""
        try:
            other = await self.compared()
        except errors.Config as bad:
            self.refused = str(bad)
            log.error("The new configuration is not taken, the old one goes on: %s", bad)  # noqa: TRY400 - a sentence, no bug of ours
            raise
        self.refused = ""
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
        log.info("starting again: %s", "; ".join(other) or "the configuration is the same")
        self.start_again()


def rehearsed(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration, read as a start does: with its secrets, and everything that its accounts need. Raises `Config`."""
    found = config.load(path, environ).start(environ)
    with tempfile.TemporaryDirectory() as folder:
        for name, account in found.accounts.items():
            open_account(name, account, FolderFiles(Path(folder)), SystemClock(), Path(folder))
    return found


def differences(old: Config, new: Config) -> tuple[str, ...]:
    """What is other in the new one, a line each. Of secrets only that they are."""
    before, after = (dict(_flat("", {name: getattr(one, name) for name in TABLES})) for one in (old, new))
    secrets = (*old.known_secrets, *new.known_secrets)
    changed = [key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]
    return tuple(mask(f"{_place(key)}: {_shown(before.get(key))} -> {_shown(after.get(key))}", secrets) for key in changed)


def _place(key: str) -> str:
    """As it stands in the file."""
    return key.replace("accounts.", "platforms.", 1).replace(":", ".", 1) if key.startswith("accounts.") else key


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each setting by its place."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}" if key else str(name), inner)
    else:
        yield key, value


def _shown(value: Any) -> str:
    match value:
        case None | "" | ():
            return "nothing"
        case Secret():
            return MASK
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
