"""What both ends of the door must agree on. No server and no client here: the command line imports this at every start."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final, Literal

import msgspec

from holdfast.core.entries import Entry
from holdfast.errors import Config, Request

ACCOUNT: Final = "web:local"
AUTHOR: Final = "local"
NOTES: Final = "Holdfast"
"""The conversation in which the owner is told what only an owner can mend."""
MESSAGE_BYTES_MAX: Final = 64 * 1024
NAME_CHARS_MAX: Final = 64
KEY_CHARS_MAX: Final = 128
FILES_MAX: Final = 10
"""So many files go with one message."""
FILE_NAME_CHARS_MAX: Final = 255
KEEP_ALIVE_S: Final = 15.0
SOCKET_PATH_BYTES_MAX: Final = 103
"""The shortest `sun_path` among the systems we run on (104 with its end on macOS, 108 on Linux)."""


class Attached(msgspec.Struct, frozen=True):
    """A file of a message, kept before under this sha256. What it is, is looked up in the file, whatever `media_type` says."""

    sha256: str
    name: str = ""
    media_type: str = ""


class Post(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message to the gateway. `key` is the sender's own: the same one again is the same message."""

    key: str
    text: str
    attachments: tuple[Attached, ...] = ()


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


class Progress(msgspec.Struct, frozen=True):
    """So far has the call come that has this id."""

    call: str
    text: str


State = Literal["idle", "working", "waiting", "asking"]


class Wait(msgspec.Struct, frozen=True):
    """One gate that is waited at. `name` is what people call it, and `what` is true of it, since `since` (0: no instant belongs to that), for the reason
    `why`; `mend` says what a person can do; tried again at `until` (0: now, or soon)."""

    gate: str
    name: str
    kind: str = ""
    what: str = ""
    since: float = 0.0
    why: str = ""
    mend: str = ""
    until: float = 0.0


class Stands(msgspec.Struct, frozen=True):
    """How a conversation stands, in words; `until`: when it will be tried again, or the question expires (0: nothing of the kind). `waits`: the gates that
    it waits at, also while one of them is being tried. `held`: nobody works on it now, whatever is written."""

    state: State
    words: str
    until: float = 0.0
    waits: tuple[Wait, ...] = ()
    held: bool = False


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in the list: its row, how it stands, and with a search the words around what was found."""

    key: str
    account: str
    last_seq: int
    last_at: float
    running: bool
    due: float | None
    turn_gate: str
    speech_gate: str
    attempts: int
    asks: bool
    title: str
    name: str
    state: State
    words: str
    until: float
    address: str = ""
    owes_since: float = 0.0
    excerpt: str = ""


class Adopted(msgspec.Struct, frozen=True):
    """The conversation is here; `new` is false if it had been before, or another one has its place: then it was left as it is."""

    new: bool


class Why(msgspec.Struct, frozen=True):
    """What a conversation does, waits for or asks, in a sentence or two."""

    words: str


class Differences(msgspec.Struct, frozen=True):
    """What is other in the new configuration, a line each."""

    differences: tuple[str, ...]


class BackUp(msgspec.Struct, frozen=True):
    """Where a backup is to be made."""

    file: str


class Approval(msgspec.Struct, frozen=True):
    """Whoever was told this code is let in."""

    code: str


class Step(msgspec.Struct, frozen=True):
    """One step of signing in: see `ports.SignIn`. `picture`: its rows, "1" where it is dark; `text` is what it holds."""

    says: str
    picture: tuple[str, ...] = ()
    text: str = ""
    asks: bool = False
    done: bool = False


class Said(msgspec.Struct, frozen=True):
    """What a step asked for."""

    said: str


class Uploaded(msgspec.Struct, frozen=True):
    """The file is on disk, as `sha256`; `media_type` is what it is, whatever it is called."""

    sha256: str
    media_type: str
    size: int


class Link(msgspec.Struct, frozen=True):
    """Opening `link` within `valid_s` logs one browser in, once."""

    code: str
    link: str
    valid_s: float


class Page(msgspec.Struct, frozen=True):
    """Some entries, in order. `more`: there are others beyond (after the last of these; where `before` was asked, before the first)."""

    entries: tuple[Entry, ...]
    more: bool = False


class TooLong(Request):
    """The message, or the file, is over the limit."""


def conversation_key(name: str) -> str:
    """The key of the conversation called `name`. Raises `Request` if it can't be one."""
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable() or name != name.strip() or ":" in name or "/" in name:
        raise Request(
            f"{name[:NAME_CHARS_MAX]!r} can't be the name of a conversation: take 1 to {NAME_CHARS_MAX} printable characters without ':' and '/'."
        )
    return f"{ACCOUNT}:{name}"


def conversation_name(key: str) -> str:
    """What to call a conversation: those of this account by their name, others by their key."""
    return key.removeprefix(f"{ACCOUNT}:")


def file_name(name: str) -> str:
    """A file's name as one line that can be printed, without the folders it came from; its ending stays if it has to be cut."""
    last = re.split(r"[/\\]", name)[-1]
    line = " ".join("".join(char if char.isprintable() else " " for char in last).split())
    if len(line) > FILE_NAME_CHARS_MAX:
        end = Path(line).suffix[:16]
        line = line[: FILE_NAME_CHARS_MAX - len(end)] + end
    return line if line.strip(".") else "file"


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
