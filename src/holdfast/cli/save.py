"""Writing the files of an entry into the folder one is in. From the gateway; while that is stopped, from its data folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

from holdfast.cli.client import Away, Client
from holdfast.cli.output import unwritten
from holdfast.core.entries import Entry, Fetched, ToolResult, UserMessage
from holdfast.core.words import size
from holdfast.errors import Request
from holdfast.web.wire import file_name


def save(entries: Sequence[Entry], seq: int, client: Client, folder: Path) -> None:
    """Write the files of the entry `seq` beside what is here, and say what they are called. `folder` is where the gateway keeps its files."""
    files = files_of(entries, seq)
    if not files:
        raise Request(f"This conversation has no entry [{seq}] with files. Its story says which entries have some.")
    for name, sha256 in files:
        data = _bytes(client, folder, sha256)
        path = free(Path(file_name(name)))
        try:
            with path.open("xb") as file:
                file.write(data)
        except OSError as error:
            raise unwritten(error, f"{path} can't be written here ({error.strerror}). Go to another folder.") from error
        print(f"{path} ({size(len(data))})")


def files_of(entries: Sequence[Entry], seq: int) -> list[tuple[str, str]]:
    """Name and sha256 of each file that came with this message, or that this call brought."""
    fetched = {entry.body.attachment: entry.body.sha256 for entry in entries if isinstance(entry.body, Fetched) and entry.body.sha256}
    match next((entry.body for entry in entries if entry.seq == seq), None):
        case ToolResult(files=produced):
            return [(file.name, file.sha256) for file in produced]
        case UserMessage(attachments=attached):
            return [(file.name, fetched[file.id]) for file in attached if file.id in fetched]
        case _:
            return []


def free(path: Path) -> Path:
    """This path, or the first one like it at which nothing is."""
    others = (path.with_name(f"{path.stem} ({number}){path.suffix}") for number in count(2))
    return next(one for one in chain([path], others) if not one.exists())


def _bytes(client: Client, folder: Path, sha256: str) -> bytes:
    try:
        return client.file(sha256)
    except Away:
        try:
            return (folder / sha256).read_bytes()
        except OSError as error:
            raise Request(f"The file is not here any more ({error.strerror} in {folder}).") from error
