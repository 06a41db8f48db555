"""Secrets: named by reference in the configuration, resolved once at start, never shown.

A reference is `env:NAME`, `file:PATH` or `credential:NAME` (a file in systemd's credentials directory). The configuration holds references;
only a `Secret` that was resolved holds a value, and none of its representations shows it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from holdfast.errors import Config

REFERENCE: Final = r"^(env|file|credential):[^\s\x00-\x1f][^\x00-\x1f]*$(?!\n)"
"""What a reference looks like, as a regular expression."""

SECRET_BYTES_MAX: Final = 65_536
MASKED_CHARS_MIN: Final = 4
"""Values shorter than this are not masked: they would tear holes into any text."""

MASK: Final = "[secret]"


class Secret:
    """A reference, and the value it stands for once `resolve` has read it.

    No dataclass: what shows or encodes dataclasses must not get at the value.
    """

    __slots__ = ("_value", "reference")

    def __init__(self, reference: str, value: str = "") -> None:
        self.reference = reference
        self._value = value

    @property
    def value(self) -> str:
        """The secret itself, only for what must send it."""
        assert self._value, f"{self.reference} has not been resolved"
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.reference, self._value) == (other.reference, other._value)

    def __hash__(self) -> int:
        return hash((self.reference, self._value))


def what_helps(error: OSError) -> str:
    """What to do about a file that can't be read."""
    match error:
        case PermissionError():
            return "Make it readable for this user: chown it, or chmod it."
        case IsADirectoryError():
            return "Name a file in that folder."
        case _:
            return "Create the file, or correct the path."


def resolve(secret: Secret, where: str, folder: Path, environ: Mapping[str, str]) -> tuple[Secret, str]:
    """The secret with its value, and a warning ("" if there is nothing to warn of).

    `where` names the setting in sentences; a relative path counts from `folder`. Raises `Config` if there is no such secret.
    """
    kind, _, name = secret.reference.partition(":")
    match kind:
        case "env":
            value, warning = environ.get(name, ""), ""
            if not value:
                raise Config(f"{where} is env:{name}, but the environment variable {name} is not set. Set it where the gateway is started.")
        case "file":
            value, warning = _read(expanded(name, folder, environ), where)
        case "credential":
            value, warning = _read(_credential(name, where, environ), where)[0], ""
        case _:
            raise AssertionError(secret)
    value = value.strip()
    if not value or not value.isprintable():
        raise Config(f"{where} is {secret.reference}, which is empty or more than one line. Put the key there, alone on one line.")
    return Secret(secret.reference, value), warning


def expanded(path: str, folder: Path, environ: Mapping[str, str]) -> Path:
    """The path that a setting means: `~` is the home folder, and a relative path counts from `folder`. Raises `Config` if nobody says where home is."""
    if path != "~" and not path.startswith("~/"):
        return folder / path
    if not environ.get("HOME"):
        raise Config(f"{path} begins in the home folder, but the environment variable HOME is not set. Set it, or write the whole path.")
    return Path(environ["HOME"], path[2:])


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with every one of these values made unreadable, for whatever leaves the program: logs, errors, entries."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= MASKED_CHARS_MIN:
            text = text.replace(secret, MASK)
    return text


def _credential(name: str, where: str, environ: Mapping[str, str]) -> Path:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise Config(
            f"{where} is credential:{name}, but systemd has passed no credentials. "
            f"Write LoadCredential={name}:/path/to/the/key into the [Service] section of the unit, or use file: or env: instead."
        )
    if "/" in name:
        raise Config(f"{where} is credential:{name}, but the name of a credential has no slash. For a path, use file: instead.")
    return Path(folder, name)


def _read(path: Path, where: str) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode
            raw = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise Config(f"{where} is to be read from {path}, but that fails: {error.strerror}. {what_helps(error)}") from error
    if len(raw) > SECRET_BYTES_MAX:
        raise Config(f"{where} is to be read from {path}, but that file is too large for a key. Correct the path.")
    try:
        value = raw.decode()
    except UnicodeDecodeError as error:
        raise Config(f"{where} is to be read from {path}, but that file is not text. Correct the path.") from error
    others = stat.S_IRWXG | stat.S_IRWXO
    return value, f"{path} can be read by other users of this machine: chmod 600 {path}" if mode & others else ""


def write_private(path: Path, text: bytes) -> None:
    """Put this there, whole and durable, so that nobody but us can read it. Raises `OSError`."""
    import tempfile  # noqa: PLC0415 - the command line imports this file at every start

    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}-", dir=path.parent)  # its mode is 0600 from the first instant
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
