"""`holdfast export`: conversations as JSON Lines, which `holdfast import jsonl` takes back, or as Markdown, for people. One at a time, page by page."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from holdfast import cli
from holdfast.cli.client import key_of
from holdfast.cli.document import document
from holdfast.cli.kept import Kept, kept
from holdfast.cli.output import count, unwritten
from holdfast.cli.place import data_dir_of
from holdfast.cli.screen import plain
from holdfast.core.entries import Entry, Fetched, ToolResult, UserMessage
from holdfast.core.exported import Head, lines
from holdfast.errors import Request
from holdfast.invoked import command
from holdfast.web.wire import Listed, file_name

Write = Callable[[str], object]


def run(arguments: argparse.Namespace) -> int:
    with kept(data_dir_of(arguments)) as conversations, _output(arguments.to) as write:
        files = _Files(conversations, arguments.files) if arguments.files else None
        done = 0
        for row in _chosen(conversations, [key_of(name) for name in arguments.conversations]):
            entries = _watched(conversations.entries(row.key, row.last_seq), files)
            if arguments.format == "markdown":
                _write_document(write, row, tuple(entries), files, first=not done)
            else:
                _write_lines(write, row, entries)
            done += 1
    if arguments.to or files:
        print(_told(done, arguments.to, files), file=sys.stderr)
    return cli.ANSWERED


def _chosen(conversations: Kept, keys: Sequence[str]) -> Iterator[Listed]:
    """Those named, in the order in which they are listed; all, if none is. Raises `Request` before anything if one is not there."""
    if not keys:
        yield from conversations.rows()
        return
    found: dict[str, Listed] = {}
    for row in conversations.rows():
        if row.key in keys:
            found[row.key] = row
        if len(found) == len(set(keys)):
            break
    for key in keys:
        if key not in found:
            raise Request(f"There is no conversation {key!r}. `{command('show')}` lists them.")
    yield from found.values()


def _write_lines(write: Write, row: Listed, entries: Iterator[Entry]) -> None:
    first = next(entries, None)
    if first is None:
        return  # it is gone
    number = row.last_seq - first.seq + 1
    head = Head(holdfast=1, conversation=row.key, account=row.account, address=row.address, entries=number, title=row.title)
    for line in lines(head, chain([first], entries)):
        write(line.decode())


def _write_document(write: Write, row: Listed, entries: Sequence[Entry], files: _Files | None, *, first: bool) -> None:
    if not first:
        write("\n---\n\n")
    for line in document(row.title or row.name, row.key, entries, files.link if files else str):
        write(f"{line}\n")


@contextmanager
def _output(to: Path | None) -> Iterator[Write]:
    """Where it is written to: what has no end yet is not there under its name, and nothing is written over."""
    if to is None:
        out = sys.stdout
        yield (lambda text: out.write(plain(text))) if out.isatty() else out.write
        return
    partial = to.with_name(f"{to.name}.partial")
    try:
        if to.exists():
            raise Request(f"{to} is there already. Name another file, or move that one away.")
        with os.fdopen(_private(partial), "w", encoding="utf-8") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        partial.rename(to)
    except OSError as error:
        raise unwritten(error, f"{to} can't be written ({error.strerror}). Name a file in another folder, or make room.") from error
    finally:
        partial.unlink(missing_ok=True)


def _private(path: Path) -> int:
    """A file that nobody else may read, open for writing."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _told(done: int, to: Path | None, files: _Files | None) -> str:
    said = [count(done, "conversation") + (f" in {to}." if to else ".")]
    if files:
        said.append(f"{count(files.copied, 'file')} in {files.folder}.")
        if files.missing:
            said.append(f"{count(files.missing, 'file is', 'files are')} not here any more.")
    return " ".join(said)


# --- files ----------------------------------------------------------------------------------------------------------------------------


def _watched(entries: Iterator[Entry], files: _Files | None) -> Iterator[Entry]:
    """The same, while files are copied as they are met."""
    for entry in entries:
        if files is not None:
            files.meet(entry)
        yield entry


class _Files:
    """Copies into a folder: each under its sha256, with the ending of its name."""

    def __init__(self, conversations: Kept, folder: Path) -> None:
        self.folder, self.copied, self.missing = folder, 0, 0
        self._conversations = conversations
        self._names: dict[str, str] = {}  # of the attachments of this conversation, by their ids
        self._paths: dict[str, Path | None] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Request(f"The folder {folder} can't be made ({error.strerror}). Name another one.") from error

    def meet(self, entry: Entry) -> None:
        match entry.body:
            case UserMessage(attachments=attachments):
                self._names |= {attachment.id: attachment.name for attachment in attachments}
            case Fetched(attachment=attachment, sha256=sha256) if sha256:
                self._copy(sha256, self._names.pop(attachment, ""))
            case ToolResult(files=made):
                for one in made:
                    self._copy(one.sha256, one.name)
            case _:
                pass

    def link(self, sha256: str) -> str:
        """Where the file is, from where the document is read."""
        path = self._paths.get(sha256)
        return path.as_posix() if path is not None else sha256

    def _copy(self, sha256: str, name: str) -> None:
        if sha256 in self._paths:
            return
        path = self.folder / f"{sha256}{Path(file_name(name)).suffix[:16]}"
        self._paths[sha256] = path
        try:
            data = self._conversations.file(sha256)
        except Request:
            self._paths[sha256] = None
            self.missing += 1
            return
        try:
            with os.fdopen(_private(path), "wb") as file:
                file.write(data)
        except OSError as error:
            raise unwritten(error, f"{path} can't be written ({error.strerror}). Name another folder, or make room.") from error
        self.copied += 1
