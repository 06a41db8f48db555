"""The conversations, wherever they can be had: from the gateway through its door; while that is stopped, from the journal, which then is ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from holdfast.cli.client import Away, Client, Missing
from holdfast.cli.place import door_of
from holdfast.core.entries import Entry
from holdfast.core.exported import Head, lines
from holdfast.core.lives import UNHEALTHY_MAX, Life
from holdfast.errors import AlreadyRunning, Request
from holdfast.invoked import command
from holdfast.web.wire import Listed

if TYPE_CHECKING:
    from holdfast.ports import ConversationRow, Counts, Room, Used
    from holdfast.store.sqlite import SqliteJournal

MANY: Final = 2**53
ENTRIES_AT_ONCE: Final = 500
ROWS_AT_ONCE: Final = 200
PIECE_BYTES: Final = 64 * 1024
BEGINS_S_MAX: Final = 5.0
"""So long it is waited for a gateway that has begun, and has not opened its door yet."""
BEGINS_LOOK_S: Final = 0.1


class Kept(Protocol):
    """All methods raise `Away` if the gateway is away meanwhile."""

    def rows(self) -> Iterator[Listed]:
        """Every conversation once, the most recently changed first; what changes meanwhile may come late."""

    def search(self, text: str) -> Sequence[Listed]:
        """Those in which this is said, the most recently changed first, each with the words around it."""

    def owing(self, most: int) -> Sequence[Listed]:
        """Those in which something is owed that is not done, the longest first."""

    def used(self, since: float, before: float) -> Sequence[Used]:
        """What was asked of each route in that time, by whom."""

    def names(self) -> Mapping[tuple[str, str], str]:
        """What those whom an owner let in call themselves, by account and id."""

    def entries(self, key: str, upto: int = MANY) -> Iterator[Entry]:
        """The entries with `seq <= upto`, in order; none if there is no such conversation."""

    def adopt(self, head: Head, entries: Sequence[Entry]) -> bool:
        """Begin a conversation with a past. False if it is here, or another one has its place."""

    def file(self, sha256: str) -> bytes:
        """The bytes. Raises `Request` if they are not here."""

    def put(self, file: Path) -> str:
        """Keep the bytes of this file; returns their sha256. Raises `Request` if they are too many."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a gateway that is stopped has left behind: its journal, what is owed there, and its last lives, the newest first."""

    room: Room
    counts: Counts
    lives: tuple[Life, ...]


class Nothing(Request):
    """There is no journal yet."""


@contextmanager
def kept(data_dir: Path, *, make: bool = False, accounts: Collection[str] | None = None) -> Iterator[Kept]:
    """Where to read conversations; and, if the journal is to be made where there is none yet, to bring them. `accounts`: those whose conversations go on at the
    next start (None: nobody can tell). Raises `Nothing` if there is no journal, or `Away`."""
    client = Client(door_of(data_dir))
    until = time.monotonic() + BEGINS_S_MAX
    while not client.is_there():
        try:
            left = _left(data_dir, make, accounts)
        except Away:  # a gateway has it, and is about to open its door
            if time.monotonic() > until:
                raise
            time.sleep(BEGINS_LOOK_S)
        else:
            with left as conversations:
                yield conversations
            return
    yield _Running(client)


def stopped(data_dir: Path, accounts: Collection[str] | None = None) -> AbstractContextManager[Stopped]:
    """What a gateway that is stopped has left, to be read. Raises `Nothing` if there is nothing yet; `Away` if a gateway has it."""
    return _left(data_dir, False, accounts)


def _left(data_dir: Path, make: bool, accounts: Collection[str] | None) -> AbstractContextManager[Stopped]:
    if not make and not (data_dir / "journal.db").exists():
        raise Nothing(f'There are no conversations yet. Begin one: {command("chat")} -q "Hello"')
    from holdfast.store.sqlite import SqliteJournal  # noqa: PLC0415 needed only while the gateway is stopped

    try:
        return _of(SqliteJournal.open(data_dir) if make else SqliteJournal.left(data_dir), data_dir, accounts)
    except AlreadyRunning as running:
        raise Away(f"A gateway runs on {data_dir}, but its door does not answer. Wait a moment, or restart it.") from running


@contextmanager
def _of(journal: SqliteJournal, data_dir: Path, accounts: Collection[str] | None) -> Iterator[Stopped]:
    with asyncio.Runner() as runner:
        try:
            yield Stopped(runner, journal, data_dir / "files", accounts)
        finally:
            runner.run(journal.close())


class _Running:
    def __init__(self, client: Client) -> None:
        self._client = client

    def rows(self) -> Iterator[Listed]:
        """Whatever changes while we read moves to the top, and is looked for there until nothing new is found."""
        seen: set[str] = set()
        since, found = float("-inf"), True
        while found:
            newest, found = since, False
            for row in self._changed(since):
                newest = max(newest, row.last_at)
                if row.key not in seen:
                    found = True
                    seen.add(row.key)
                    yield row
            since = newest

    def search(self, text: str) -> Sequence[Listed]:
        return self._client.search(text)

    def owing(self, most: int) -> Sequence[Listed]:
        return self._client.owing(most)

    def used(self, since: float, before: float) -> Sequence[Used]:
        return self._client.used(since, before)

    def names(self) -> Mapping[tuple[str, str], str]:
        return {(person.account, person.id): person.name for access in self._client.people() for person in access.people}

    def _changed(self, since: float) -> Iterator[Listed]:
        page = self._client.conversations()
        while page:
            for row in page:
                if row.last_at < since:
                    return
                yield row
            page = self._client.conversations(before=page[-1]) if len(page) >= ROWS_AT_ONCE else ()

    def entries(self, key: str, upto: int = MANY) -> Iterator[Entry]:
        after = 0
        try:
            while after < upto and (page := self._client.page(key, after).entries):
                yield from (entry for entry in page if entry.seq <= upto)
                after = page[-1].seq
        except Missing:
            return

    def adopt(self, head: Head, entries: Sequence[Entry]) -> bool:
        return self._client.adopt(lines(head, entries))

    def file(self, sha256: str) -> bytes:
        return self._client.file(sha256)

    def put(self, file: Path) -> str:
        return self._client.put(file.read_bytes())


class Stopped:
    def __init__(self, runner: asyncio.Runner, journal: SqliteJournal, files: Path, accounts: Collection[str] | None) -> None:
        self._runner, self._journal, self._files, self._accounts = runner, journal, files, accounts

    def rows(self) -> Iterator[Listed]:
        rows = self._runner.run(self._journal.conversations(ROWS_AT_ONCE))
        while rows:
            yield from self._listed(rows)
            rows = self._runner.run(self._journal.conversations(ROWS_AT_ONCE, rows[-1]))

    def search(self, text: str) -> Sequence[Listed]:
        found = self._runner.run(self._journal.search(text, ROWS_AT_ONCE))
        listed = self._listed([one.row for one in found])
        return [msgspec.structs.replace(row, excerpt=one.excerpt) for row, one in zip(listed, found, strict=True)]

    def owing(self, most: int) -> Sequence[Listed]:
        return self._listed(self._runner.run(self._journal.owing(most)))

    def used(self, since: float, before: float) -> Sequence[Used]:
        return self._runner.run(self._journal.used(since, before))

    def names(self) -> Mapping[tuple[str, str], str]:
        return {(person.account, person.id): person.name for person in self._runner.run(self._journal.people())}

    def _listed(self, rows: Sequence[ConversationRow]) -> Sequence[Listed]:
        from holdfast.ports import Hold, Standing  # noqa: PLC0415 as above
        from holdfast.web.words import listed  # noqa: PLC0415 as above

        now, gates = time.time(), self._runner.run(self._journal.gates())
        left = (replace(row, running=False, due=now) if row.running else row for row in rows)  # nobody works on it now
        return [listed(Standing(row, gates, Hold("stopped" if self._goes_on(row.account) else "no account")), now) for row in left]

    def _goes_on(self, account: str) -> bool:
        """Once the gateway is started."""
        return self._accounts is None or account in self._accounts

    def entries(self, key: str, upto: int = MANY) -> Iterator[Entry]:
        after = 0
        while after < upto and (page := self._runner.run(self._journal.read(key, after, ENTRIES_AT_ONCE)).entries):
            yield from (entry for entry in page if entry.seq <= upto)
            after = page[-1].seq

    def left(self, now: float) -> Left:
        """How the gateway left it."""
        ask, journal = self._runner.run, self._journal
        return Left(ask(journal.room()), ask(journal.counts(now)), ask(journal.lives(UNHEALTHY_MAX)))

    def adopt(self, head: Head, entries: Sequence[Entry]) -> bool:
        return self._runner.run(self._journal.adopt(head.conversation, head.account, head.address, entries))

    def file(self, sha256: str) -> bytes:
        try:
            return (self._files / sha256).read_bytes()
        except OSError as error:
            raise Request(f"The file is not here any more ({error.strerror} in {self._files}).") from error

    def put(self, file: Path) -> str:
        from holdfast.store.files import FolderFiles  # noqa: PLC0415 as above

        return self._runner.run(FolderFiles(self._files).put(_pieces(file)))


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as bytes_:
        while piece := bytes_.read(PIECE_BYTES):
            yield piece
