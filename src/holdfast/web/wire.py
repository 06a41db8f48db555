"""What both ends of the door must agree on. No server and no client here: the command line imports this at every start."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core.entries import Entry
from holdfast.errors import Config, Request

ACCOUNT: Final = "web:local"
AUTHOR: Final = "local"
MESSAGE_BYTES_MAX: Final = 64 * 1024
NAME_CHARS_MAX: Final = 64
KEY_CHARS_MAX: Final = 128
KEEP_ALIVE_S: Final = 15.0
SOCKET_PATH_BYTES_MAX: Final = 103
"""The shortest `sun_path` among the systems we run on (104 with its end on macOS, 108 on Linux)."""


class Post(msgspec.Struct, frozen=True):
    """A message to the gateway. `key` is the sender's own: the same one again is the same message."""

    key: str
    text: str


class Saved(msgspec.Struct, frozen=True):
    """The message is on disk, as entry `seq`; `new` is false if it had been before."""

    seq: int
    new: bool
    saved: bool = True


class Writing(msgspec.Struct, frozen=True):
    """The answer `name` is being written: at offset `at`, in characters, it reads `text`, and what stood there is void."""

    name: str
    at: int
    text: str


class Page(msgspec.Struct, frozen=True):
    """Some entries, in order. `more`: ask again, after the last of these."""

    entries: tuple[Entry, ...]
    more: bool = False


class TooLong(Request):
    """The message is over the limit."""


def conversation_key(name: str) -> str:
    """The key of the conversation called `name`. Raises `Request` if it can't be one."""
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable() or name != name.strip() or ":" in name or "/" in name:
        raise Request(
            f"{name[:NAME_CHARS_MAX]!r} can't be the name of a conversation: take 1 to {NAME_CHARS_MAX} printable characters without ':' and '/'."
        )
    return f"{ACCOUNT}:{name}"


def check_text(text: str) -> None:
    """Raises `Request` if this can't be sent, `TooLong` if that is why."""
    if not text.strip():
        raise Request("The message is empty. Write something.")
    if len(text.encode()) > MESSAGE_BYTES_MAX:
        raise too_long()


def too_long() -> TooLong:
    return TooLong(f"The message is longer than {MESSAGE_BYTES_MAX:,} bytes. Send it in parts.")


def door_path(data_dir: Path, runtime_dir: str | None) -> Path:
    """Where the door is: in the data folder, or in `XDG_RUNTIME_DIR` where that path is too long for a socket."""
    path = data_dir.absolute() / "door.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        return path
    if runtime_dir:
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        path = Path(runtime_dir) / f"holdfast-{name}" / "door.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
            return path
    raise Config(
        f"The path of the data folder is too long for a socket ({data_dir}). Choose a shorter `data_dir`, or set XDG_RUNTIME_DIR to a short "
        "path, for the gateway and the command line alike."
    )
