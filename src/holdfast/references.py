"""What the file only refers to, and a start reads: secrets, instructions; and where relative paths lead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from holdfast import secrets
from holdfast.errors import Config
from holdfast.secrets import Secret
from holdfast.settings import Agent
from holdfast.tables import Mistake
from holdfast.values import INSTRUCTIONS_BYTES_MAX

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


class References:
    """Those of one file, as they are followed. What is wrong is collected, and stays a reference."""

    def __init__(self, file: Path, environ: Mapping[str, str]) -> None:
        self._file, self._environ = file, environ
        self.warnings: list[str] = []
        self.mistakes: list[Mistake] = []
        self.header_secrets: list[str] = []

    def filled(self, table: str, settings: _Settings) -> _Settings:
        """The settings with their secrets."""
        values = {key: self._filled(table, key, value) for key, value in msgspec.structs.asdict(settings).items()}
        return msgspec.structs.replace(settings, **values)

    def _filled(self, table: str, key: str, value: Any) -> Any:
        match value:
            case Secret():
                return self._resolved(table, key, value) or value
            case dict() if key == "headers":
                return {name: self._header(table, f"{key}.{name}", header) for name, header in value.items()}
            case _:
                return value

    def _header(self, table: str, key: str, header: str | Secret) -> str | Secret:
        """Headers of routes are texts, or references to one."""
        if isinstance(header, Secret):
            return self._resolved(table, key, header) or header
        if not re.match(secrets.REFERENCE, header):
            return header
        found = self._resolved(table, key, Secret(header))
        if found is None:
            return header
        self.header_secrets.append(found.value)
        return found.value

    def _resolved(self, table: str, key: str, reference: Secret) -> Secret | None:
        try:
            secret, warning = secrets.resolve(reference, f"{self._file}: [{table}] {key}", self._file.parent, self._environ)
        except Config as missing:
            self.mistakes.append(Mistake(table, key, str(missing), elsewhere=not reference.reference.startswith("file:")))
            return None
        if warning:
            self.warnings.append(warning)
        return secret

    def placed(self, table: str, settings: _Settings, *keys: str) -> _Settings:
        """The settings with whole paths."""
        paths: dict[str, str] = {}
        for key in keys:
            if (path := getattr(settings, key)) is not None:
                try:
                    paths[key] = str(secrets.expanded(path, self._file.parent, self._environ))
                except Config as nowhere:
                    self.mistakes.append(Mistake(table, key, str(nowhere)))
        return msgspec.structs.replace(settings, **paths)

    def instructed(self, agent: Agent) -> Agent:
        """The agent with what is in its file of instructions."""
        if agent.instructions_file is None:
            return agent
        try:
            instructions = self._instructions(agent.instructions_file)
        except Config as missing:
            self.mistakes.append(Mistake("agent", "instructions_file", str(missing)))
            return agent
        return msgspec.structs.replace(agent, instructions=instructions, instructions_file=None)

    def _instructions(self, setting: str) -> str:
        where = f"{self._file}: [agent] instructions_file"
        path = secrets.expanded(setting, self._file.parent, self._environ)
        instructions = text_in(path, INSTRUCTIONS_BYTES_MAX, where).strip()
        if not instructions:
            raise Config(f"{where}: {path} is empty. Write the instructions into it, or remove the setting.")
        return instructions


def text_in(path: Path, bytes_max: int, what: str) -> str:
    """The text in this file. Raises `Config`, which says `what` was to be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(bytes_max + 1)
    except OSError as error:
        raise Config(f"{what} is to be read from {path}, but that fails: {error.strerror}. {secrets.what_helps(error)}") from error
    if len(raw) > bytes_max:
        raise Config(f"{what} is to be read from {path}, but that file is larger than {bytes_max} bytes. Make it shorter.")
    try:
        return raw.decode("utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        raise Config(f"{what} is to be read from {path}, but byte {error.start} there is not UTF-8. Save the file as UTF-8.") from error


def digest(path: Path) -> str:
    """Another one for any other bytes there; "" if they can't be read."""
    import hashlib  # noqa: PLC0415 -- only the gateway needs it

    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
