"""The sessions of hermes-agent, read from its `state.db`: a foreign database, that nothing here ever writes to.

Its schema has grown by columns (versions 2 to 30 are known); what a database does not have is taken for empty. One conversation there may be a chain of
sessions: where a session ended in "compression", another one goes on with copies of its beginning, a summary, copies of its end, and what came after.
Later versions do the same inside of one session, and mark the rows that are no longer shown. Here the copies are left out, and the summary stays one.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import apsw
import msgspec

from holdfast.core.history import Called, History, text_of
from holdfast.errors import Request
from holdfast.store.hermes_rows import Row, lines, without_reviews

NAME: Final = "hermes-agent"
FILE: Final = "state.db"
BUSY_MS_MAX: Final = 10_000

SUBAGENTS: Final = "what its sub-agents said to it"
SCHEDULED: Final = "runs of scheduled jobs"
TAKEN_BACK: Final = "messages taken back there"
HIDDEN: Final = "messages hidden there"
TECHNICAL: Final = "instructions to the model"
CALLS: Final = "calls of tools that can't be read"

_NEEDED: Final = {"sessions": ("id", "source"), "messages": ("id", "session_id", "role", "content")}
_SESSION: Final = ("id", "source", "parent_session_id", "started_at", "ended_at", "end_reason", "model_config", "title", "session_key")
_MESSAGE: Final = (
    *("id", "role", "content", "tool_calls", "tool_call_id", "tool_name", "timestamp"),
    *("active", "compacted", "_compressed_summary", "display_kind"),
)
_RESETS: Final = {"session_reset", "session_switch", "idle", "daily", "suspended", "resume_pending_expired"}
_STRUCTURED: Final = "\x00json:"
_RECALLED: Final = re.compile(r"<\s*memory-context\s*>.*?</\s*memory-context\s*>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Session:
    """A row of `sessions`, as far as it says what belongs together."""

    id: str
    source: str
    parent: str
    title: str
    ended: str
    """Why."""
    key: str
    marks: Mapping[str, Any]
    began: float
    closed: float


@dataclass(frozen=True, slots=True)
class Chain:
    """One conversation: its sessions, the first one first."""

    sessions: tuple[Session, ...]

    @property
    def id(self) -> str:
        return self.sessions[0].id


class Foreign:
    """A `state.db`. Raises `Request`, with a sentence, for what can't be read."""

    def __init__(self, place: Path) -> None:
        """`place`: the file, or the folder it is in."""
        self.file = place / FILE if place.is_dir() else place
        if not self.file.is_file():
            raise Request(f"There is no {FILE} in {place}. Name the folder in which {NAME} keeps its data (usually ~/.hermes).")
        self._db = _opened(self.file)
        self._columns = {table: _names(self._db, table, needed, self.file) for table, needed in _NEEDED.items()}
        self.left_out = Counter[str]()
        """Sessions that are no conversations with a person."""
        self.chains = self._chains()

    def history(self, chain: Chain) -> History:
        """What was said in this conversation."""
        left_out = Counter[str]()
        try:
            rows = [row for session in chain.sessions for row in self._rows(session.id, left_out)]
        except apsw.Error as error:
            raise Request(f"The session {chain.id} in {self.file} can't be read: {error}.") from error
        title = next((session.title for session in chain.sessions if session.title), "")
        return History(title, NAME, tuple(lines(without_reviews(rows))), left_out)

    def profiles(self) -> list[Path]:
        """Folders beside it with a database of their own."""
        return sorted(file.parent for file in self.file.parent.glob(f"profiles/*/{FILE}"))

    # --- sessions -------------------------------------------------------------------------------------------------------------------------

    def _chains(self) -> tuple[Chain, ...]:
        """The conversations, the oldest first."""
        sessions = {session.id: session for session in self._sessions()}
        goes_on = {before: _following(before, sessions) for before in sessions}
        continued = {after.id for after in goes_on.values() if after is not None}
        chains = []
        for session in sessions.values():
            if session.id in continued:
                continue
            if why := _no_conversation(session, sessions):
                self.left_out[why] += 1
            else:
                chains.append(Chain(tuple(_chain(session, goes_on))))
        return tuple(sorted(chains, key=lambda chain: (chain.sessions[0].began, chain.id)))

    def _sessions(self) -> Iterator[Session]:
        try:
            rows: Any = self._db.execute(f"SELECT {self._selected('sessions', _SESSION)} FROM sessions ORDER BY id").fetchall()  # noqa: S608 names of ours
        except apsw.Error as error:
            raise Request(f"The sessions in {self.file} can't be read: {error}.") from error
        for id_, source, parent, began, closed, ended, config, title, key in rows:
            yield Session(
                str(id_),
                _text(source),
                _text(parent),
                _text(title),
                _text(ended),
                _text(key),
                _object(config),
                _number(began),
                _number(closed),
            )

    def _selected(self, table: str, wanted: Sequence[str]) -> str:
        return ", ".join(f'"{name}"' if name in self._columns[table] else "NULL" for name in wanted)

    def _rows(self, session: str, left_out: Counter[str]) -> Iterator[Row]:
        query = f"SELECT {self._selected('messages', _MESSAGE)} FROM messages WHERE session_id = ? ORDER BY id"  # noqa: S608 names of ours
        known: dict[str, str] = {}
        for _, role, content, calls, call, tool, at, active, compacted, summary, kind in self._db.execute(query, (session,)):
            if not compacted and active is not None and not active:
                left_out[TAKEN_BACK] += 1
            elif kind == "hidden":
                left_out[HIDDEN] += 1
            elif role not in {"user", "assistant", "tool"}:
                left_out[TECHNICAL] += 1
            else:
                text = _said(content, left_out)
                if role != "tool":
                    text = _RECALLED.sub("", text).strip()
                yield Row(
                    str(role),
                    text,
                    _number(at),
                    _calls(calls, left_out, known),
                    known.get(_text(call), _text(call)),
                    _text(tool),
                    bool(summary),
                )


def _opened(file: Path) -> apsw.Connection:
    """For reading alone. From a medium that can't be written to it can be read only if nothing waits in its log."""
    log = file.with_name(f"{file.name}-wal")
    ways = ["mode=ro"] if log.exists() and log.stat().st_size else ["mode=ro", "mode=ro&immutable=1"]
    for way in ways:
        db = apsw.Connection(f"file:{quote(os.path.abspath(file))}?{way}", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)  # noqa: PTH100 links stay
        db.set_busy_timeout(BUSY_MS_MAX)
        try:
            db.execute("SELECT 1 FROM sqlite_schema").fetchall()
        except apsw.NotADBError as error:
            raise Request(f"{file} is no database of {NAME}: it is no SQLite database at all.") from error
        except apsw.Error as error:
            db.close()
            failure = error
        else:
            return db
    raise Request(f"{file} can't be read: {failure}. Copy its folder to a place where you may write, and name that.") from failure


def _names(db: apsw.Connection, table: str, needed: Sequence[str], file: Path) -> frozenset[str]:
    names = frozenset(str(name) for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,)))
    if missing := [name for name in needed if name not in names]:
        raise Request(f"{file} is no database of {NAME} that is known here: its table {table} has no column {missing[0]}.")
    return names


def _following(before: str, sessions: Mapping[str, Session]) -> Session | None:
    """The session in which this one went on after a compression."""
    if sessions[before].ended != "compression":
        return None
    marks = ("_branched_from", "_delegate_from", "_reset_from")
    children = [
        one
        for one in sessions.values()
        if one.parent == before and one.source != "tool" and all(one.marks.get(mark) != before for mark in marks)
    ]
    return max(children, key=lambda one: (one.ended == "compression", not one.closed, one.began, one.id), default=None)


def _chain(session: Session, goes_on: Mapping[str, Session | None]) -> Iterator[Session]:
    seen: set[str] = set()
    at: Session | None = session
    while at is not None and at.id not in seen:
        seen.add(at.id)
        yield at
        at = goes_on[at.id]


def _no_conversation(session: Session, sessions: Mapping[str, Session]) -> str:
    """Why a session that goes on none is no conversation with a person; "" if it is one."""
    parent = sessions.get(session.parent)
    if session.source == "cron" or session.id.startswith("cron_"):
        return SCHEDULED
    if session.source in {"subagent", "tool"} or session.marks.get("_delegate_from") is not None:
        return SUBAGENTS
    if parent is None or parent.ended == "compression" or "_branched_from" in session.marks or "_reset_from" in session.marks:
        return ""
    branched = parent.ended == "branched" and session.began >= parent.closed
    reset = parent.ended in _RESETS and session.key and session.key == parent.key
    return "" if branched or reset else SUBAGENTS


# --- cells ----------------------------------------------------------------------------------------------------------------------------------


def _said(content: object, left_out: Counter[str]) -> str:
    """The text of a message. One of several parts is JSON behind a mark; of parts that are no texts a word stays."""
    if isinstance(content, bytes):
        content = content.decode(errors="replace")
    if not (isinstance(content, str) and content.startswith(_STRUCTURED)):
        return "" if content is None else str(content)
    try:
        parts = msgspec.json.decode(content[len(_STRUCTURED) :])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return content[len(_STRUCTURED) :]
    return text_of(parts, left_out)


def _calls(cell: object, left_out: Counter[str], known: dict[str, str]) -> tuple[Called, ...]:
    """The calls of an answer. Some have two ids, and a result names either: `known` leads from both to one."""
    if not cell:
        return ()
    try:
        found = msgspec.json.decode(str(cell))
    except (msgspec.MsgspecError, RecursionError, ValueError):
        found = None
    calls = []
    for one in found if isinstance(found, list) else [found]:
        match one:
            case {"function": {"name": str(tool), **more}, **outside}:
                ids = [str(outside[name]) for name in ("call_id", "id") if outside.get(name)] or [""]
                known.update(dict.fromkeys(ids, ids[0]))
                calls.append(Called(ids[0], tool, more.get("arguments")))
            case _:
                left_out[CALLS] += 1
    return tuple(calls)


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)


def _number(cell: object) -> float:
    return float(cell) if isinstance(cell, int | float) else 0.0


def _object(cell: object) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(_text(cell) or "{}")
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
