"""The configuration that `holdfast init` writes: short, commented, private, and never half of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from holdfast.cli.discover import Choice
from holdfast.store.folder import sync_folder
from holdfast.values import quoted

_TOP: Final = """\
# Holdfast's configuration. `holdfast check` tries all that stands here; a restart takes changes up, and harms nothing.

[agent]
instructions = "You are a helpful assistant."
chain = ["main"]    # the routes in order of preference: with a second one, there is an answer while the first is away

"""
_TOOLS: Final = """
# What the agent may use: MCP servers. Every tool of a server that stands here is allowed.
# [tools.clock]
# command = ["uvx", "mcp-server-time"]
"""


@dataclass(frozen=True, slots=True)
class Written:
    """Where it is. `kept`: copies of what stood there before. `key`: the file with the key, if there is one."""

    file: Path
    kept: tuple[Path, ...]
    key: Path | None


def text_of(choice: Choice, context_tokens: int | None) -> str:
    """The whole file."""
    lines = [f"[routes.main]    # {choice.place}", f"dialect = {quoted(choice.dialect)}"]
    if choice.dialect != "practice":
        lines += [f"base_url = {quoted(choice.base_url)}", f"model = {quoted(choice.model)}"]
        if choice.key:
            where = (
                "this variable has to be set where the gateway is started" if choice.key.startswith("env:") else "the key itself is there"
            )
            lines.append(f"api_key = {quoted(choice.key)}    # {where}")
        told = "what it reads at once; a longer conversation is summarised first"
        lines.append(f"context_tokens = {context_tokens}    # {told}" if context_tokens else f"# context_tokens = 128000    # {told}")
    return _TOP + "\n".join(lines) + "\n" + _TOOLS


def write(file: Path, choice: Choice, context_tokens: int | None) -> Written:
    """Write the file, and beside it the key if it has to be kept in one. Whatever stood there is kept as a copy. Raises `OSError`."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept, key = [], None
    if choice.key.startswith("file:"):
        key = file.parent / choice.key.removeprefix("file:")
        kept += _put(key, choice.secret + "\n")
    kept += _put(file, text_of(choice, context_tokens))
    return Written(file, tuple(kept), key)


def _put(file: Path, text: str) -> list[Path]:
    """The whole text or nothing, for this user alone. A copy of what was there is kept, and named in what is returned."""
    kept = [next(one for number in count(1) if not (one := file.with_name(f"{file.name}.{number}")).exists())] if file.exists() else []
    if kept:
        create(kept[0], file.read_bytes())
    replace(file, text)
    return kept


def replace(file: Path, text: str, *, same_rights: bool = False) -> None:
    """The whole text or nothing, for this user alone, or for whoever has the file that is there now. Raises `OSError`."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        create(partial, text.encode())
        if same_rights and file.exists():
            had = file.stat()
            partial.chmod(had.st_mode & 0o777)
            if os.geteuid() == 0:  # else it would be ours, and the gateway's no more
                os.chown(partial, had.st_uid, had.st_gid)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(file.parent)


def create(file: Path, content: bytes) -> None:
    """A new file that only this user may read, durable."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        try:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        except OSError:
            file.unlink()
            raise
