"""Is a journal what it should be? It is opened, its pages and its schema are checked, and every conversation is replayed: its entries are read and folded,
and it is asked what it still owes, as the next start would."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import apsw

from holdfast.core.entries import Entry, Fetched, Forgotten, ToolResult, decode
from holdfast.core.request import build
from holdfast.core.transcript import Transcript
from holdfast.core.turn import steps
from holdfast.core.world import Route, World
from holdfast.errors import Request
from holdfast.store import archive
from holdfast.store.connections import reads_what_is_left
from holdfast.store.failures import unusable
from holdfast.store.files import DROPPED, FILE_NAME
from holdfast.store.folder import DataFolder
from holdfast.store.migrations import version_of

PROBLEMS_MAX: Final = 20
"""So many are told; more of them help nobody."""
EPOCH: Final = 2**62
"""Of a worker that comes after all others."""
BROKEN: Final = (ValueError, LookupError, TypeError, AssertionError, RuntimeError)
"""What reading or folding may raise over an entry that is not what was written."""

_WORLD: Final = World(routes=(Route("any", "route:any"),))


@dataclass(slots=True)
class Checked:
    """What was found. `problems` are sentences; without any, it can be relied upon."""

    conversations: int = 0
    entries: int = 0
    files: int = 0
    problems: list[str] = field(default_factory=list)


def check_backup(file: Path) -> tuple[archive.About, Checked]:
    """Look at all of a backup, or at a copy of a journal alone; a backup's journal is unpacked into a temporary folder for that. Raises `Request` if it is none, or not whole."""
    if archive.is_journal(file):
        return archive.about(file), check_journal(file, lambda _: True)
    try:
        with TemporaryDirectory(prefix="holdfast-verify-") as folder:
            journal = Path(folder, archive.JOURNAL)
            contents = archive.read(file, lambda name: journal if name == archive.JOURNAL else None)
            there = {*contents.files}
            checked = check_journal(journal, there.__contains__) if journal.exists() else Checked(problems=["journal.db is missing."])
    except OSError as error:
        raise Request(
            f"The backup can't be unpacked here to be looked at: {error.strerror}. TMPDIR=/some/folder names another place."
        ) from error
    checked.files = len(there)
    checked.problems = (contents.problems + checked.problems)[:PROBLEMS_MAX]
    return contents.about, checked


def check_folder(data_dir: Path) -> Checked:
    """Look at the journal and the files of a data folder. Raises `AlreadyRunning` while a gateway uses it."""
    folder = DataFolder(data_dir, reads=True)
    try:
        there = {path.name for path in (data_dir / "files").glob("*")}
        files = [data_dir / "files" / name for name in sorted(there) if FILE_NAME.fullmatch(name)]
        checked = check_journal(folder.journal, {name.removesuffix(DROPPED) for name in there}.__contains__)
        checked.files = len(files)
        damaged = (path.name for path in files if archive.sum_of(path) != path.name)
        checked.problems = [*checked.problems, *(f"The file {name} is damaged: its bytes are not those that came." for name in damaged)]
        checked.problems = checked.problems[:PROBLEMS_MAX]
    finally:
        folder.close()
    return checked


def check_journal(file: Path, has_file: Callable[[str], bool]) -> Checked:
    """Look at a journal that nobody else uses. Raises `Config` if it was written by a newer version, or by something else."""
    checked = Checked()
    db = reads_what_is_left(file)
    archive.heed_signals(db)
    try:
        version = version_of(db, file)
        checked.problems = [f"journal.db is damaged: {line}." for line in _damages(db)]
        if version and not checked.problems:
            for problem in _replayed(db, has_file, checked):
                checked.problems.append(problem)
                if len(checked.problems) == PROBLEMS_MAX:
                    break
    except (apsw.CorruptError, apsw.NotADBError) as error:
        checked.problems.append(f"journal.db is damaged ({type(error).__name__}: {error}).")
    except apsw.Error as error:
        raise unusable(file, error) from error
    finally:
        db.close()
    return checked


def _damages(db: apsw.Connection) -> Iterator[str]:
    for (line,) in db.execute("PRAGMA integrity_check(10)"):
        if line != "ok":
            yield str(line)


def _replayed(db: apsw.Connection, has_file: Callable[[str], bool], checked: Checked) -> Iterator[str]:
    rows: Any = db.execute("SELECT key, next_seq FROM conversation ORDER BY key")
    for key, next_seq in rows:
        checked.conversations += 1
        try:
            entries = _entries(db, key)
            missing = sorted({name for entry in entries for name in _files(entry) if not has_file(name)})
            _replay(entries)
        except BROKEN as error:
            yield f"The conversation {key} can't be replayed ({type(error).__name__}: {error})."
            continue
        checked.entries += len(entries)
        first = entries[0].seq if entries and isinstance(entries[0].body, Forgotten) else 1
        if [entry.seq for entry in entries] != list(range(first, next_seq)):
            yield f"The conversation {key} has not all of its entries."
        yield from (f"The conversation {key} has lost the file {name}." for name in missing)


def _entries(db: apsw.Connection, key: str) -> list[Entry]:
    rows: Any = db.execute("SELECT seq, at, epoch, body FROM entry WHERE conversation = ? ORDER BY seq", (key,))
    entries = [Entry(seq, at, epoch, decode(body)) for seq, at, epoch, body in rows]
    begins = max((index for index, entry in enumerate(entries) if isinstance(entry.body, Forgotten)), default=0)
    return entries[begins:]  # what was before may be in the middle of being erased


def _replay(entries: list[Entry]) -> None:
    """What the next worker would do first."""
    transcript = Transcript(entries)
    steps(transcript, EPOCH, _WORLD, time.time())
    if not transcript.calls:  # while one is open, no model is asked
        build(transcript, transcript.last_seq, "")


def _files(entry: Entry) -> Iterator[str]:
    match entry.body:
        case Fetched(sha256=sha256) if sha256:
            yield sha256
        case ToolResult(files=files):
            yield from (file.sha256 for file in files)
        case _:
            pass
